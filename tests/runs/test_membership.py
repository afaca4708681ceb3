"""Which files are of one run, which lie beside, and that no file is lost or counted twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.metadata import Source
from ckptdoctor.runs.form import form_runs
from ckptdoctor.runs.member import Layout, Member
from ckptdoctor.runs.membership import Membership, grouped
from tests.each import each
from tests.runs.members import (
    HERON,
    LYNX,
    OTTER,
    ROOT,
    holding,
    member,
    model,
    names,
    numbered,
    wrapped,
)

EPOCHS = range(1, 5)


def copied_from(source: Path) -> RestoredFrom:
    """What the manifest of a plain copy says."""
    return RestoredFrom(source=source, epoch=None, scale=1.0, set_lr=None, actions=("copy",))


def sets(found: Membership) -> set[frozenset[str]]:
    """The names of the members of each group."""
    return {frozenset(names(group.members)) for group in found.groups}


def family(pattern: str, numbers: Iterable[int] = EPOCHS, *also: str) -> frozenset[str]:
    """The names of one family."""
    return frozenset([*(pattern.format(n) for n in numbers), *also])


# -- one folder, one family, one model -----------------------------------------------------------


@each(
    "also",
    [
        *("best.pth", "last.pth", "latest.pt", "final.ckpt", "egret.pth", "egret_best.pth"),
        *("egret_last.pth", "egret_final.pt", "best_model.pth", "model_best.pth.tar"),
        *("checkpoint.pth", "best_checkpoint.pth", "model_latest.pt", "egret-best-epoch2.pth"),
    ],
)
def test_the_best_the_last_and_the_bare_name_go_with_the_family_of_the_same_model(
    also: str,
) -> None:
    found = grouped([*numbered("egret_epoch_{}.pth", EPOCHS), member(also)])
    (group,) = found.groups
    assert also in names(group.members)
    assert found.strays == ()


@pytest.mark.parametrize("also", ["best.pth", "last.pth", "final_model.pth", "checkpoint.pth"])
def test_where_two_families_lie_the_model_tells_whose_the_best_is(also: str) -> None:
    found = grouped(
        [
            *numbered("egret_epoch_{}.pth", EPOCHS, OTTER),
            *numbered("plover_epoch_{}.pth", EPOCHS, HERON),
            member(also, HERON),
        ]
    )
    assert sets(found) == {
        family("egret_epoch_{}.pth"),
        family("plover_epoch_{}.pth", EPOCHS, also),
    }


def test_the_best_of_two_families_of_one_model_is_of_neither() -> None:
    two = [*numbered("egret_epoch_{}.pth", EPOCHS), *numbered("plover_epoch_{}.pth", EPOCHS)]
    for order in (two, two[::-1]):
        found = grouped([*order, member("best.pth")])
        assert sets(found) == {family("egret_epoch_{}.pth"), family("plover_epoch_{}.pth")}
        assert names(found.strays) == ["best.pth"]


@each(
    "other",
    [
        wrapped(HERON, "module."),
        wrapped(HERON, "_orig_mod."),
        wrapped(HERON, "_orig_mod.module."),
        wrapped(HERON, "model."),
        model("heron", dtype="float16"),
        (*wrapped(HERON, "net."), ("criterion.weight", "float32", (3,))),
        (*HERON, ("head.extra", "float32", (2, 2))),
        (*HERON[:-1], (HERON[-1][0], "float32", (9, 9))),
        HERON[1:],
    ],
)
def test_a_wrapper_a_dtype_and_a_tensor_more_make_no_new_run(other: Layout) -> None:
    early = numbered("epoch_{}.pth", range(1, 4), HERON)
    found = grouped([*early, *numbered("epoch_{}.pth", range(4, 7), other)])
    assert sets(found) == {family("epoch_{}.pth", range(1, 7))}


def test_a_disjoint_model_is_another_run_though_the_names_go_on() -> None:
    found = grouped(
        [
            *numbered("ckpt_{}.pth", range(1, 4), HERON),
            *numbered("ckpt_{}.pth", range(4, 7), OTTER),
        ]
    )
    assert sets(found) == {
        family("ckpt_{}.pth", range(1, 4)),
        family("ckpt_{}.pth", range(4, 7)),
    }


def test_what_could_not_be_read_stays_with_its_names() -> None:
    lost = member("egret_epoch_9.pth", None)
    found = grouped([*numbered("egret_epoch_{}.pth", EPOCHS), lost])
    (group,) = found.groups
    assert lost in group.members


# -- runs of their own ---------------------------------------------------------------------------


@each(
    ("first", "second"),
    [
        ("segformer_epoch_{}.pth", "unet_epoch_{}.pth"),
        ("G_{}.pth", "D_{}.pth"),
        ("netG_epoch_{}.pth", "netD_epoch_{}.pth"),
        ("latest_net_G_{}.pth", "latest_net_D_{}.pth"),
        ("{}_net_G.pth", "{}_net_D.pth"),
        ("fold1_epoch_{}.pth", "fold2_epoch_{}.pth"),
        ("egret_fold_0_ep{}.pt", "egret_fold_1_ep{}.pt"),
        ("epoch_{}_fold3.pth", "epoch_{}_fold4.pth"),
        ("seed7-step={}.ckpt", "seed8-step={}.ckpt"),
        ("stage1/epoch_{}.pth", "stage2/epoch_{}.pth"),
        ("cv/fold_1/{}.pth", "cv/fold_2/{}.pth"),
        ("bs32_epoch_{}.pth", "bs64_epoch_{}.pth"),
        ("v/version_0/checkpoints/epoch={}.ckpt", "v/version_1/checkpoints/epoch={}.ckpt"),
        ("a/checkpoint-{}/model.safetensors", "b/checkpoint-{}/model.safetensors"),
    ],
)
@each("other", [HERON, OTTER])
def test_two_trainings_are_two_runs_whether_or_not_the_models_differ(
    first: str, second: str, other: Layout
) -> None:
    mine, theirs = (
        numbered(pattern, (10, 20, 30), layout)
        for pattern, layout in ((first, HERON), (second, other))
    )
    found = grouped([*mine, *theirs])
    assert {frozenset(one.path for one in group.members) for group in found.groups} == {
        frozenset(one.path for one in mine),
        frozenset(one.path for one in theirs),
    }
    assert found.strays == ()


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [
        ("crane/checkpoint-{}/model.safetensors", "crane"),
        ("crane/checkpoint-{}/pytorch_model.bin", "crane"),
        ("crane/step_{}/weights.pt", "crane"),
        ("crane/global_step{}/mp_rank_00_model_states.pt", "crane"),
        ("crane/epoch_{}.pth", "crane"),
    ],
)
def test_the_folder_of_a_run_is_above_the_folders_of_its_checkpoints(
    pattern: str, folder: str
) -> None:
    (group,) = grouped(numbered(pattern, (100, 200, 300))).groups
    assert group.folder == ROOT / folder
    assert len(group.members) == 3


def test_the_folder_of_a_lightning_run_is_that_of_its_version() -> None:
    (group,) = grouped(numbered("logs/version_3/checkpoints/epoch={}.ckpt", EPOCHS)).groups
    assert group.folder == ROOT / "logs/version_3"


def test_a_family_without_words_is_not_the_family_of_another_name() -> None:
    found = grouped([*numbered("epoch_{}.pth", EPOCHS), *numbered("egret_epoch_{}.pth", EPOCHS)])
    assert sets(found) == {family("epoch_{}.pth"), family("egret_epoch_{}.pth")}


@each("pattern", ["ckpt_{}_{}.pt", "{}_{}.pth", "tern-{:03d}-{:06d}.pth"])
@each("in_contents", [True, False])
def test_an_epoch_and_the_batch_within_it_are_of_one_run(pattern: str, in_contents: bool) -> None:
    made = [
        holding(pattern.format(e, at), {"epoch": e, "step": at} if in_contents else {})
        for e in (1, 2, 3)
        for at in (500, 1000)
    ]
    assert len(grouped(made).groups) == 1


# -- strays --------------------------------------------------------------------------------------


@each(
    ("name", "layout"),
    [
        ("resnet18-pretrained.pth", OTTER),
        ("swin_tiny_patch4_window7_224.pth", OTTER),
        ("export_for_phone.pt", HERON),
        ("mobile.pt", OTTER),
        ("copy of egret.pth", HERON),
        ("best.pth", OTTER),
        ("final.pth", LYNX),
    ],
)
def test_a_single_file_of_another_name_or_model_lies_beside(name: str, layout: Layout) -> None:
    found = grouped([*numbered("egret_epoch_{}.pth", EPOCHS), member(name, layout)])
    assert sets(found) == {family("egret_epoch_{}.pth")}
    assert names(found.strays) == [name]


@pytest.mark.parametrize("name", ["pretrained_300.pth", "coco_pretrain_epoch_300.pth"])
def test_a_single_numbered_file_of_another_name_and_the_same_model_lies_beside(name: str) -> None:
    found = grouped([*numbered("epoch_{}.pth", EPOCHS), member(name)])
    assert sets(found) == {family("epoch_{}.pth")}
    assert names(found.strays) == [name]


@pytest.mark.parametrize(
    "name",
    [
        *("egret_best.pth", "last_egret.pth", "egret-final.pt"),
        *("best_accuracy_epoch_3.pth", "best_coco_bbox_mAP_epoch_3.pth"),  # MMEngine's save_best
    ],
)
def test_the_best_under_the_name_of_the_model_goes_with_epochs_without_a_name(name: str) -> None:
    found = grouped([*numbered("epoch_{}.pth", EPOCHS), member(name)])
    assert sets(found) == {family("epoch_{}.pth", EPOCHS, name)}


def test_a_single_file_of_another_model_in_another_folder_makes_no_second_run() -> None:
    backbone = member("backbones/resnet50.pth", OTTER, epoch=90)
    found = grouped([*numbered("tern/epoch_{}.pth", EPOCHS), backbone])
    assert sets(found) == {family("epoch_{}.pth")}
    assert found.strays == (backbone,)


def test_two_strays_of_two_models_lie_beside_too() -> None:
    found = grouped(
        [
            *numbered("epoch_{}.pth", EPOCHS),
            member("vgg16_bn.pth", OTTER),
            member("midas_backbone.pt", LYNX),
        ]
    )
    assert len(found.groups) == 1
    assert sorted(names(found.strays)) == ["midas_backbone.pt", "vgg16_bn.pth"]


def test_strays_of_one_model_are_a_run_where_nothing_else_is() -> None:
    found = grouped([member("monday.pth"), member("after lunch.pth"), member("good_one.pth")])
    assert sets(found) == {frozenset({"monday.pth", "after lunch.pth", "good_one.pth"})}
    assert found.strays == ()


def test_a_single_file_is_a_run() -> None:
    found = grouped([member("whatever.pth")])
    assert sets(found) == {frozenset({"whatever.pth"})}


def test_files_named_one_by_one_are_a_run_wherever_they_lie() -> None:
    named = [member("x/monday.pth"), member("y/z/tuesday.pt"), member("x/wednesday.bin")]
    found = grouped(named, one_by_one=True)
    assert sets(found) == {frozenset({"monday.pth", "tuesday.pt", "wednesday.bin"})}


# -- sides and copies ----------------------------------------------------------------------------


def test_a_file_without_weights_is_no_member() -> None:
    optimizer = member("egret_optimizer.pth", ())
    found = grouped([*numbered("egret_epoch_{}.pth", EPOCHS), optimizer])
    (group,) = found.groups
    assert optimizer not in group.members
    assert optimizer in (*group.sides, *found.strays)


def test_a_file_of_the_family_whose_weights_are_not_there_is_no_member() -> None:
    hollow = member("egret_epoch_9.pth", (), epoch=9, val_iou=0.99)
    found = grouped([*numbered("egret_epoch_{}.pth", EPOCHS), hollow])
    assert sets(found) == {family("egret_epoch_{}.pth")}
    assert found.groups[0].sides == (hollow,)


@pytest.mark.parametrize("of", ["egret_epoch_2.pth", "plover_epoch_3.pth"])
def test_a_restored_file_is_a_copy_of_its_sources_run_and_no_member(of: str) -> None:
    copy = member("best_model_clean.pth", restored=copied_from(ROOT / of))
    found = grouped(
        [
            *numbered("egret_epoch_{}.pth", EPOCHS),
            *numbered("plover_epoch_{}.pth", EPOCHS),
            copy,
        ]
    )
    assert len(found.groups) == 2
    for group in found.groups:
        assert copy not in group.members
        assert (copy in group.copies) == (of in names(group.members))
    assert found.strays == ()


def test_what_could_not_be_read_goes_with_its_own_name_in_any_order() -> None:
    made = [member("1.pth"), member("epoch_1.pth", OTTER), member("epoch_2.pth", None)]
    for order in (made, made[::-1], [made[1], made[0], made[2]]):
        found = grouped(order)
        assert sets(found) == {frozenset({"epoch_1.pth", "epoch_2.pth"})}
        assert names(found.strays) == ["1.pth"]


def test_where_a_run_named_one_by_one_lies_is_the_same_in_any_order() -> None:
    named = [member("x/monday.pth"), member("y/tuesday.pth"), member("y/opt.pth", ())]
    there, back = (grouped(order, one_by_one=True) for order in (named, named[::-1]))
    assert there.groups[0].folder == back.groups[0].folder
    assert shape(there) == shape(back)


# -- for any files -------------------------------------------------------------------------------

_FAMILIES = ("", "egret_", "plover_", "G_", "D_", "fold1_", "fold2_", "egret_v2_")
_KINDS = ("epoch_{}", "{}", "step_{:06d}", "best", "last", "final", "model", "epoch_{}_best")
_LAYOUTS: tuple[Layout | None, ...] = (HERON, HERON, OTTER, wrapped(HERON, "module."), (), None)


@st.composite
def files(
    draw: st.DrawFn,
    folders: Sequence[str] = ("", "stage1/", "stage2/"),
    layouts: Sequence[Layout | None] = _LAYOUTS,
) -> list[Member]:
    """Checkpoints of several trainings, strays and sides, each under a name of its own."""
    told = draw(
        st.lists(
            st.tuples(
                st.sampled_from(folders),
                st.sampled_from(_FAMILIES),
                st.sampled_from(_KINDS),
                st.integers(1, 12),
            ),
            min_size=1,
            max_size=14,
        )
    )
    paths = sorted({f"{folder}{family}{kind.format(n)}.pth" for folder, family, kind, n in told})
    made = [holding(path, draw(_SCALARS), draw(st.sampled_from(layouts))) for path in paths]
    if draw(st.booleans()):
        source = draw(st.sampled_from(made)).path
        restored = copied_from(source)
        made.append(member(source.with_name("best_model_clean.pth"), HERON, restored=restored))
    return made


_SCALARS: st.SearchStrategy[dict[str, int]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"epoch": st.integers(0, 12)}),
    st.fixed_dictionaries({"epoch": st.integers(0, 12), "global_step": st.integers(1, 5000)}),
)


def shape(found: Membership) -> object:
    """What belongs together, whatever the order."""
    return (
        {
            tuple(frozenset(one.path for one in part) for part in parts)
            for parts in ((g.members, g.sides, g.copies) for g in found.groups)
        },
        frozenset(one.path for one in found.strays),
    )


@given(files(), st.booleans())
def test_every_file_is_in_exactly_one_place(made: list[Member], one_by_one: bool) -> None:
    found = grouped(made, one_by_one=one_by_one)
    placed: list[Path] = [one.path for one in found.strays]
    for group in found.groups:
        assert group.members or group.sides, "a run of nothing"
        placed += [one.path for one in (*group.members, *group.sides, *group.copies)]
    assert sorted(placed) == sorted(one.path for one in made)


@given(files(), st.booleans())
def test_every_file_of_formed_runs_is_in_exactly_one_place(
    made: list[Member], one_by_one: bool
) -> None:
    formed = form_runs(made, one_by_one=one_by_one)
    placed: list[Path] = [one.path for one in formed.strays]
    for run in formed.runs:
        placed += [one.path for one in run.every]
    assert sorted(placed) == sorted(one.path for one in made)
    called = [run.name for run in formed.runs]
    assert len(called) == len(set(called)), "two runs of one name"


@given(st.data(), st.booleans())
def test_the_order_of_the_files_does_not_matter(data: st.DataObject, one_by_one: bool) -> None:
    made = data.draw(files())
    mixed = data.draw(st.permutations(made))
    assert shape(grouped(made, one_by_one=one_by_one)) == shape(
        grouped(mixed, one_by_one=one_by_one)
    )


@given(
    files(folders=("",)),
    st.sampled_from(["tern_", "my project ", "wader-", "kaggle."]),
)
def test_a_common_prefix_of_all_names_changes_no_group(made: list[Member], prefix: str) -> None:
    def renamed(path: Path) -> Path:
        return path.with_name(prefix + path.name)

    before = grouped(made)
    after = grouped(
        [
            holding(
                renamed(one.path),
                _scalars_of(one),
                one.layout,
                restored=one.restored and copied_from(renamed(one.restored.source)),
            )
            for one in made
        ]
    )
    assert _renamed_shape(before, renamed) == shape(after)


def _scalars_of(one: Member) -> dict[str, int | float]:
    held: dict[str, int | float] = {}
    data = one.metadata
    if data.epoch is not None and data.epoch_source is Source.CONTENTS:
        held["epoch"] = data.epoch
    if data.global_step is not None and "step_" not in one.path.name:
        held["global_step"] = data.global_step
    return held


def _renamed_shape(found: Membership, renamed: object) -> object:
    def of(members: Iterable[Member]) -> frozenset[Path]:
        return frozenset(renamed(one.path) for one in members)  # type: ignore[operator]

    return (
        {(of(g.members), of(g.sides), of(g.copies)) for g in found.groups},
        of(found.strays),
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("v1_{}.pth", "v2_{}.pth"),
        ("tern_lr0.1_{}.pth", "tern_lr0.05_{}.pth"),
        ("s4_e{}.pt", "s5_e{}.pt"),
    ],
)
def test_what_stands_before_the_count_tells_runs_apart(one: str, other: str) -> None:
    found = grouped([*numbered(one, EPOCHS), *numbered(other, EPOCHS)])
    assert sets(found) == {family(one), family(other)}


def test_a_version_is_no_epoch_of_the_last_one() -> None:
    found = grouped([*numbered("v3_{}.pth", EPOCHS), member("v3_final.pth")])
    assert sets(found) == {family("v3_{}.pth", EPOCHS, "v3_final.pth")}


def test_bare_weights_of_another_model_lie_beside_a_single_checkpoint() -> None:
    found = grouped([member("best.pth", epoch=3), member("plover_pretrained.pth", OTTER)])
    assert sets(found) == {frozenset({"best.pth"})}
    assert names(found.strays) == ["plover_pretrained.pth"]
    alone = grouped([member("egret.pth"), member("plover.pth", OTTER)])
    assert alone.strays == (), "nothing here can be resumed from: each is a run of its own"
