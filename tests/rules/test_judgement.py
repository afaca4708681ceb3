"""What each rule makes of what was measured, without files: corner cases and words."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from ckptdoctor.checkpoint import CallUse, GlobalUse, Role
from ckptdoctor.finding import Finding, Severity
from ckptdoctor.rules import ALL_RULES, Case, Rule
from ckptdoctor.rules.container import CodeInPickle
from ckptdoctor.runs.run import NO_RUN
from tests.cases import case, measured, problem, record
from tests.each import each

BY_CODE = {rule.code: rule for rule in ALL_RULES}


def use(name: str, *, runs_code: bool = False, allowed: bool = False) -> GlobalUse:
    return GlobalUse(name=name, count=2, offset=99, runs_code=runs_code, allowed=allowed)


def scalar_case(**scalars: float | None) -> Case:
    """A checkpoint with a scaler of plain numbers."""
    found = case(measured("model.w"))
    named = {f"scaler.{name}": value for name, value in scalars.items()}
    object.__setattr__(found.checkpoint, "scalars", named)
    return found


NAN_WEIGHT = measured("model.w", nan=3)
INF_WEIGHT = measured("model.w", posinf=2, neginf=1)
MASK = measured("model.attn.mask", neginf=6)
UPPER = measured("model.covar.raw_lengthscale_constraint.upper_bound", posinf=12)
NAN_MASK = measured("model.attn.mask", nan=1, neginf=5)
CLEAN = [measured("model.w"), measured("optimizer.state.0.exp_avg", Role.OPTIMIZER)]
SECOND = "optimizer.state.0.exp_avg_sq"

SPEAKS: dict[str, list[Case]] = {
    **{
        code: [case(problems=[problem(code)])]
        for code in ("CD101", "CD102", "CD104", "CD107", "CD108", "CD109")
    },
    "CD103": [case(problems=[problem("CD103", "model.w")]), case(unchecked=4)],
    "CD105": [case(globals_=[use("argparse.Namespace")])],
    "CD106": [
        case(globals_=[use("os.system", runs_code=True)]),
        case(calls=[CallUse(name="os.system", call="os.system('id')", offset=3)]),
    ],
    "CD201": [case(NAN_WEIGHT), case(measured("model.w", nan=1, posinf=1)), case(NAN_MASK)],
    "CD202": [case(INF_WEIGHT), case(measured("model.bitmask_head", posinf=1))],
    "CD203": [case(MASK), case(UPPER), case(measured("ema.causal_mask", Role.EMA, neginf=1))],
    "CD301": [
        case(measured("optimizer.state.0.exp_avg", Role.OPTIMIZER, nan=1)),
        case(measured(SECOND, Role.OPTIMIZER, posinf=1)),
        case(measured("lr_scheduler.best", Role.SCHEDULER, nan=1)),
        case(measured("optimizer.state.0.mask", Role.OPTIMIZER, posinf=1)),
    ],
    "CD304": [
        case(measured("scaler.scale", Role.SCALER, posinf=1)),
        scalar_case(scale=math.nan, growth_factor=2.0),
        scalar_case(scale=math.inf, growth_factor=2.0),
        scalar_case(scale=0.0, growth_factor=2.0),
        scalar_case(scale=2.0**-30, growth_factor=2.0),
        scalar_case(scale=0.5, growth_factor=2.0, _growth_tracker=1999),
        scalar_case(scale=16.0, growth_factor=2.0, _growth_tracker=3),
        scalar_case(loss_scale=1.0, unskipped=0),
    ],
    "CD305": [
        case(measured("ema.w", Role.EMA, nan=1)),
        case(measured("ema.w", Role.EMA, neginf=1)),
    ],
}

SILENT: dict[str, list[Case]] = {
    **{
        code: [case(problems=[problem("CD103")]), case(NAN_WEIGHT)]
        for code in ("CD101", "CD102", "CD104", "CD107", "CD108", "CD109")
    },
    "CD103": [case(problems=[problem("CD104")], unchecked=0)],
    "CD105": [
        case(globals_=[use("torch.FloatStorage", allowed=True)]),
        case(globals_=[use("os.system", runs_code=True)]),  # CD106 says it
    ],
    "CD106": [case(globals_=[use("argparse.Namespace"), use("torch.Size", allowed=True)])],
    "CD201": [
        case(INF_WEIGHT),
        case(*CLEAN),
        case(measured("ema.w", Role.EMA, nan=1)),
        case(measured("optimizer.state.0.exp_avg", Role.OPTIMIZER, nan=1)),
        case(measured("history.loss", Role.OTHER, nan=1)),
    ],
    "CD202": [
        case(NAN_WEIGHT),
        case(measured("model.w", nan=1, posinf=1)),  # CD201 says it
        case(MASK, UPPER),
        case(measured("optimizer.state.0.exp_avg", Role.OPTIMIZER, posinf=1)),
    ],
    "CD203": [case(NAN_MASK), case(INF_WEIGHT), case(measured("model.mask")), case(*CLEAN)],
    "CD301": [
        case(*CLEAN),
        case(NAN_WEIGHT),
        case(measured("lr_schedulers.0.mode_worse", Role.SCHEDULER, posinf=1)),
    ],
    "CD304": [
        case(measured("scaler.scale", Role.SCALER)),
        case(NAN_WEIGHT),
        scalar_case(scale=65536.0, growth_factor=2.0),
        scalar_case(scale=1.0, growth_factor=2.0, _growth_tracker=1500),
        scalar_case(scale=256.0, growth_factor=2.0, _growth_tracker=0),
        scalar_case(scale=0.0),  # beside no growth factor: the scale of something else
        scalar_case(scale=None, growth_factor=2.0),
    ],
    "CD305": [
        case(measured("ema.w", Role.EMA)),
        case(measured("ema.attn_mask", Role.EMA, neginf=1)),
        case(NAN_WEIGHT),
    ],
}


def check(code: str, examined: Case) -> list[Finding]:
    return list(BY_CODE[code]().check(examined))


@each(
    ("code", "number"), [(code, at) for code, cases in SPEAKS.items() for at in range(len(cases))]
)
def test_the_rule_speaks(code: str, number: int) -> None:
    findings = check(code, SPEAKS[code][number])
    assert findings
    for finding in findings:
        assert finding.code == code
        assert finding.subject
        assert finding.message
        assert finding.remedy


@each(
    ("code", "number"), [(code, at) for code, cases in SILENT.items() for at in range(len(cases))]
)
def test_the_rule_is_silent(code: str, number: int) -> None:
    assert check(code, SILENT[code][number]) == []


def test_a_rule_without_a_hook_says_nothing() -> None:
    assert list(Rule().check(case())) == list(Rule().check_run(NO_RUN, [])) == []


# -- what they say -------------------------------------------------------------------------------


def test_a_problem_keeps_its_own_words_and_gets_the_general_remedy_if_it_has_none() -> None:
    (found,) = check("CD102", case(problems=[problem("CD102", "data/3", Severity.WARNING)]))
    assert (found.subject, found.message) == ("data/3", "CD102 happened")
    assert found.severity is Severity.WARNING
    assert found.remedy == BY_CODE["CD102"].remedy()


def test_missing_checksums_are_an_info() -> None:
    (found,) = check("CD103", case(unchecked=4))
    assert found.severity is Severity.INFO
    assert found.message.startswith("4 records carry no checksum")
    assert found.evidence == {"unchecked": 4}


def test_unsafe_classes_are_listed_in_one_finding() -> None:
    names = [f"project.Class{at}" for at in range(5)]
    (found,) = check("CD105", case(globals_=[use(name) for name in names]))
    assert found.severity is Severity.INFO
    assert found.message.endswith("project.Class0, project.Class1, project.Class2 and 2 more")
    assert found.evidence == {"globals": names}
    (few,) = check("CD105", case(globals_=[use(name) for name in names[:3]]))
    assert "more" not in few.message


def test_classes_of_which_nothing_is_known_come_first_and_are_counted() -> None:
    known = use("argparse.Namespace")
    unknown = replace(use("project.nets.UNet"), known=False)
    (found,) = check("CD105", case(globals_=[known, unknown]))
    assert ": project.nets.UNet, argparse" in found.message
    assert found.evidence["unknown"] == ["project.nets.UNet"]
    (plain,) = check("CD105", case(globals_=[known]))
    assert "not known" not in plain.message


def test_code_before_damage_is_told_with_its_call_or_by_its_name() -> None:
    runs = (("os.system", "os.system('x')"), ("posix.popen", ""))
    called, named = CodeInPickle().before_damage(runs)
    assert (called.code, called.subject, called.message) == (
        "CD106",
        "os.system",
        "calls os.system('x')",
    )
    assert named.message == "names posix.popen, which runs code"


def test_code_in_a_pickle_is_named_with_its_call() -> None:
    system = use("os.system", runs_code=True)
    call = CallUse(name="os.system", call="os.system('rm -rf /')", offset=5)
    (found,) = check("CD106", case(globals_=[system], calls=[call, call]))
    assert found.severity is Severity.ERROR
    assert found.subject == "os.system"
    assert found.message == "calls os.system('rm -rf /')"
    assert found.evidence == {"calls": [call.call] * 2, "offset": 99, "count": 2}
    (named,) = check("CD106", case(globals_=[system]))
    assert named.message == "names os.system, which runs code"


def test_nan_is_told_with_its_figures() -> None:
    (found,) = check("CD201", case(measured("model.w", nan=3, posinf=1, dtype="float16")))
    assert found.severity is Severity.ERROR
    assert found.subject == "model.w"
    assert found.message == "3 of 12 elements are NaN, the first bad one at [1, 2]"
    assert found.evidence == {
        "nan": 3,
        "posinf": 1,
        "neginf": 0,
        "numel": 12,
        "first_bad_index": [1, 2],
        "dtype": "float16",
        "ema_finite": None,
    }


def test_inf_is_told_with_its_figures() -> None:
    (found,) = check("CD202", case(INF_WEIGHT))
    assert found.message == "3 of 12 elements are infinite, the first bad one at [1, 2]"


def test_each_bad_tensor_has_its_own_finding() -> None:
    bad = [measured(f"model.{at}.weight", nan=at) for at in range(4)]
    assert [found.subject for found in check("CD201", case(*bad))] == [
        "model.1.weight",
        "model.2.weight",
        "model.3.weight",
    ]


@each(
    "name",
    [
        "model.attn_mask",
        "model.attention_mask",
        "model.layers.0.attn.causal_mask",
        "model.h.0.attn.masked_bias",
        "model.blocks.3.mask",
        "model.blocks.3.self_attn.bias_mask",
        "model.kernel.raw_lengthscale_constraint.upper_bound",
        "model.kernel.raw_lengthscale_constraint.lower_bound",
    ],
)
def test_masks_and_bounds_may_be_infinite(name: str) -> None:
    (found,) = check("CD203", case(measured(name, neginf=2)))
    assert found.severity is Severity.INFO
    assert check("CD202", case(measured(name, neginf=2))) == []


@pytest.mark.parametrize(
    "name", ["model.mask_head.weight", "model.unmask", "model.bound", "model.w"]
)
def test_a_weight_that_is_no_mask_may_not(name: str) -> None:
    assert check("CD203", case(measured(name, neginf=2))) == []
    assert len(check("CD202", case(measured(name, neginf=2)))) == 1


@pytest.mark.parametrize(("least", "code"), [(0.0, "CD203"), (-0.5, "CD202")])
def test_a_square_of_any_name_is_a_mask_only_if_what_is_finite_is_zero(
    least: float, code: str
) -> None:
    _, stats = measured("model.attn.bias", neginf=6)
    square = case((record("model.attn.bias", (4, 4)), replace(stats, min=least, max=0.0)))
    assert [other for other in ("CD202", "CD203") if check(other, square)] == [code]


@each(
    ("name", "bad", "effect"),
    [
        ("exp_avg", {"nan": 1}, "poisons"),
        ("exp_avg", {"posinf": 1}, "poisons"),
        ("momentum_buffer", {"nan": 2}, "poisons"),
        ("exp_avg_sq", {"posinf": 1}, "freezes"),
        ("max_exp_avg_sq", {"posinf": 1}, "freezes"),
        ("square_avg", {"posinf": 1}, "freezes"),
        ("sum", {"posinf": 1}, "freezes"),
        ("exp_avg_sq", {"nan": 1}, "poisons"),
        ("exp_avg_sq", {"nan": 1, "posinf": 1}, "poisons"),
        ("exp_avg_sq", {"neginf": 1}, "poisons"),  # the root of -Inf is NaN
    ],
)
def test_the_next_step_poisons_or_freezes(name: str, bad: dict[str, int], effect: str) -> None:
    fqn = f"optimizer.state.0.{name}"
    (found,) = check("CD301", case(measured(fqn, Role.OPTIMIZER, **bad)))  # type: ignore[arg-type]
    assert found.message.endswith(f"the next step {effect} those weights")


def test_a_scale_that_is_both_tensor_and_number_is_told_once() -> None:
    both = scalar_case(scale=math.inf, growth_factor=2.0)
    tensor, stats = measured("scaler.scale", Role.SCALER, posinf=1)
    found = case((tensor, stats))
    object.__setattr__(found.checkpoint, "scalars", both.checkpoint.scalars)
    assert len(check("CD304", found)) == 1


@each(
    ("name", "is_infamous"),
    [
        ("os.system", True),
        ("builtins.eval", True),
        ("types.FunctionType", True),
        ("joblib.numpy_pickle.load", True),
        ("torch.load", True),
        ("some.module.os.system", True),
        ("logging.LoggerAdapter", False),
        ("statistics.mean", False),
        ("torch.fx.graph_module.reduce_graph_module", False),
    ],
)
def test_only_what_is_known_to_run_code_is_to_be_deleted(name: str, is_infamous: bool) -> None:
    (found,) = check("CD106", case(globals_=[use(name, runs_code=True)]))
    assert ("which runs code" in found.message) == is_infamous
    assert ("Delete it" in found.remedy) == is_infamous
    assert ("save the state_dict alone" in found.remedy) != is_infamous
