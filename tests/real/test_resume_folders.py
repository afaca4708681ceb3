"""Damaged folders of real frameworks: what is recommended instead resumes as if nothing had been.

Each framework writes a series of three with a metric where it has one. The newest is damaged. The
damage must be named, the damaged checkpoint never be the last good one, and both the recommended
folder and the one that ``restore`` writes must resume, and end with the very weights that an
undisturbed resume from the sound original ends with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch

from tests.benchmarks.parts_verdict import cli, judge, judge_healthy, scan
from tests.layouts.folders.faults import Fault, Injury, copy, inflict, injuries
from tests.layouts.folders.real import FRAMEWORKS, Framework
from tests.layouts.folders.truth import Kind, Series

pytestmark = pytest.mark.real

CASES = (
    (Fault.NAN, Kind.WEIGHTS),
    (Fault.DELETED, Kind.WEIGHTS),
    (Fault.CUT, Kind.WEIGHTS),
    (Fault.NAN, Kind.OPTIMIZER),
    (Fault.CUT, Kind.POINTER),
)

Ended = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Trained:
    """A sound series, and the weights after resuming from each of its checkpoints."""

    series: Series
    undisturbed: dict[str, Ended]


def by_name(name: str) -> Framework:
    """The framework of this name."""
    return next(framework for framework in FRAMEWORKS if framework.name == name)


Train = Callable[[str], Trained]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Trains a framework once for all of its cases."""

    @cache
    def train(name: str) -> Trained:
        framework = by_name(name)
        pytest.importorskip(framework.package)
        scratch = tmp_path_factory.mktemp(name)
        root = scratch / "run"
        root.mkdir()
        series = framework.train(root)
        names = [one[0] for one in series.checkpoints]
        ended = framework.resume(scratch, *(root / one for one in names[1:]))
        return Trained(series, dict(zip(names[1:], ended, strict=True)))

    return train


NAMES = [framework.name for framework in FRAMEWORKS]


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_series_is_healthy(trained: Train, name: str) -> None:
    series = trained(name).series
    assert judge_healthy(series, scan(series.root)) == []


@pytest.mark.parametrize(("fault", "kind"), CASES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_recommended_resumes(
    trained: Train, name: str, fault: Fault, kind: Kind, tmp_path: Path
) -> None:
    sound = trained(name)
    injury = first(sound.series, fault, kind)
    if injury is None:
        pytest.skip("no such part")
    damaged = copy(sound.series, tmp_path / "run")
    inflict(damaged, injury)
    answer = scan(damaged.root)
    assert judge(damaged, injury, answer) == []
    assert answer.last_good is not None
    good = Path(answer.last_good)
    step = good.relative_to(damaged.root).as_posix()
    restored = tmp_path / "restored" / good.name
    restored.parent.mkdir()
    code, _, err = cli("restore", damaged.root, "-o", restored, "--format", "json")
    written = [restored] if code == 0 else []
    for one in by_name(name).resume(tmp_path, good, *written):
        assert one.keys() == sound.undisturbed[step].keys()
        for key, value in one.items():
            assert torch.equal(value, sound.undisturbed[step][key]), key
    assert code == 0, err
    assert restored.is_dir() == good.is_dir()


def first(series: Series, fault: Fault, kind: Kind) -> Injury | None:
    """The first injury of this sort of a part that is, above all, of this kind."""
    fits = [one for one in injuries(series) if one.fault is fault and one.kind is kind]
    return next((one for one in fits if not one.unseen and not one.part.whole), None) or next(
        (one for one in fits if not one.unseen), None
    )


def test_the_oracle_notices_a_wrong_weight(trained: Train, tmp_path: Path) -> None:
    series = trained("accelerate").series
    damaged = copy(series, tmp_path / "run")
    injury = first(series, Fault.NAN, Kind.WEIGHTS)
    assert injury is not None
    inflict(damaged, injury)
    newest = series.checkpoints[-1][0]
    (ended,) = by_name("accelerate").resume(tmp_path, damaged.root / newest)
    assert not all(bool(value.isfinite().all()) for value in ended.values())
