"""What plan and autopsy say of the same run does not stand unexplained side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ckptdoctor.postmortem.causes.apart import apart
from ckptdoctor.postmortem.causes.suspicion import KIND_OF, Kind, Suspicion
from ckptdoctor.recovery.causes.cause import Cause, CauseKind, Sure
from ckptdoctor.recovery.lr_rules import Advice
from ckptdoctor.recovery.plan import Plan, make_plan
from ckptdoctor.recovery.rewrite import Request
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey
from ckptdoctor.tasks.stored import stored_scalars
from tests.benchmarks.comes_back.cases import CASES
from tests.benchmarks.comes_back.play import SCRIPT, Stage
from tests.each import each
from tests.postmortem.test_perform import autopsy_of, texts


def plan_of(folder: Path) -> Plan:
    (run,) = survey(discover([folder])).runs
    return make_plan(run, Request(), stored=stored_scalars)


def advice(*causes: CauseKind, factor: float = 0.5) -> Advice:
    told = tuple(Cause(kind=kind, sure=Sure.LIKELY, evidence=("x",)) for kind in causes)
    return Advice(factor=factor, low=0.4, high=0.6, warmup_epochs=5, reasons=("x",), causes=told)


def suspicion(kind: Kind, score: float = 2.0) -> Suspicion:
    return Suspicion(kind=kind, title="something", score=score)


def test_every_cause_of_the_plan_has_a_sort_here() -> None:
    assert set(KIND_OF) == set(CauseKind)


@each("kind", list(CauseKind))
def test_where_both_tell_of_the_same_nothing_is_added(kind: CauseKind) -> None:
    own = suspicion(KIND_OF[kind], 0.0 if kind is CauseKind.UNKNOWN else 2.0)
    assert apart(advice(kind), [own]) == ""


def test_without_a_cause_on_either_side_nothing_is_added() -> None:
    assert apart(advice(), [suspicion(Kind.BATCH)]) == ""
    assert apart(advice(CauseKind.BAD_BATCH), []) == ""


def test_where_the_plan_knows_no_cause_and_the_tensors_do_it_is_said() -> None:
    told = apart(advice(CauseKind.UNKNOWN), [suspicion(Kind.BAD_STEP)])
    assert "the cause is not known, and it takes the rate times 0.5" in told
    assert told.endswith("once that is mended, the rate need not be lower.")
    thin = apart(advice(CauseKind.UNKNOWN), [suspicion(Kind.BAD_STEP, 1.0)])
    assert thin.endswith("which is no more than possible.")


def test_a_cause_of_the_rate_does_not_ask_for_the_rate_to_be_kept() -> None:
    told = apart(advice(CauseKind.UNKNOWN), [suspicion(Kind.OWN_RATE)])
    assert told
    assert "need not be lower" not in told
    kept = apart(advice(CauseKind.BROKEN_SAVING, factor=1.0), [suspicion(Kind.BATCH)])
    assert "it keeps the rate" in kept
    assert "need not be lower" not in kept


def test_a_cause_of_the_plan_that_the_tensors_speak_against_is_told_as_such() -> None:
    told = apart(advice(CauseKind.RATE_TOO_HIGH), [suspicion(Kind.RATE, 0.2)])
    assert "by these it is learning rate too high (likely)" in told
    assert told.endswith("speak against that.")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gamma-rings", "nan-batch-shapes", "big-batch-rings"])
def test_of_real_runs_that_died_a_difference_is_told_and_nothing_else(
    name: str, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    case = next(one for one in CASES if one.name == name)
    here = tmp_path / name
    here.mkdir()
    (here / "train.py").write_text(SCRIPT, encoding="utf-8")
    Stage(folder=tmp_path).die(case, 0, here)
    found, planned = autopsy_of(here), plan_of(here)
    cause = planned.advice.causes[0]
    assert planned.options[0].recommended
    for words in planned.options[0].changes:
        assert words.reason in texts(found, "restart")
    same = KIND_OF[cause.kind] is found.causes[0].kind
    assert bool(found.apart) is not same
    assert found.apart in texts(found, "restart")
