"""Whether two checkpoints hold the same model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.member import Layout
from ckptdoctor.runs.models import Models
from tests.each import each
from tests.runs.members import HERON, LYNX, OTTER, model, wrapped

NET: Layout = tuple(
    (f"{part}.{at}.{kind}", "float32", (8, 8) if kind == "weight" else (8,))
    for part in ("stem", "body", "head")
    for at in range(3)
    for kind in ("weight", "bias")
)
HEAD = ("head.2.weight", "float32", (8, 8))


def are_same(a: Layout | None, b: Layout | None) -> bool:
    there, back = Models().are_same(a, b), Models().are_same(b, a)
    assert there == back
    return there


@each(
    "other",
    [
        NET,
        tuple(reversed(NET)),
        wrapped(NET, "module."),
        wrapped(NET, "_orig_mod."),
        wrapped(NET, "module._orig_mod."),
        wrapped(NET, "backbone.unheard_of."),
        tuple((fqn, "bfloat16", shape) for fqn, _, shape in NET),
        (*NET, ("extra.0.weight", "float32", (3,)), ("extra.1.weight", "float32", (3,))),
        tuple(one for one in NET if not one[0].startswith("head")),
        tuple((f, d, (11, 8)) if (f, d, s) == HEAD else (f, d, s) for f, d, s in NET),
        (*wrapped(NET, "net."), ("criterion.weights", "float32", (8,))),
    ],
)
def test_prefixes_dtypes_and_a_few_tensors_make_no_other_model(other: Layout) -> None:
    assert are_same(NET, other)


def test_a_tensor_outside_the_module_that_holds_the_others_makes_no_other_model() -> None:
    early = wrapped(NET, "unet.")
    assert are_same(early, (*early, ("loss_fn.pos_weight", "float32", (4,))))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (HERON, OTTER),
        (HERON, LYNX),
        (NET, HERON),
        (NET, tuple((fqn, dtype, (*shape[:-1], 16)) for fqn, dtype, shape in NET)),
        (NET, ()),
    ],
)
def test_what_has_little_in_common_is_another(one: Layout, other: Layout) -> None:
    assert not are_same(one, other)


def test_one_that_could_not_be_read_may_be_any() -> None:
    assert are_same(None, NET)
    assert are_same(None, None)


tensors = st.lists(
    st.tuples(
        st.text("abc.", min_size=1, max_size=6),
        st.sampled_from(["float32", "float16"]),
        st.lists(st.integers(1, 3), max_size=2).map(tuple),
    ),
    min_size=2,
    max_size=8,
    unique_by=lambda one: one[0],
).map(tuple)


@given(tensors, tensors)
def test_it_is_mutual_and_everything_is_itself(one: Layout, other: Layout) -> None:
    are_same(one, other)
    assert are_same(one, one[::-1])


@given(tensors, st.sampled_from(["module.", "_orig_mod.", "a.b.", "net."]))
def test_a_wrapper_around_all_is_no_other_model(one: Layout, prefix: str) -> None:
    assert are_same(one, wrapped(one, prefix))


def test_the_smaller_decides_what_most_is() -> None:
    backbone = model("tern", 6)
    assert are_same(backbone, (*backbone, *model("lynx", 20)))
