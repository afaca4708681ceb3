"""A case that was put away is the case that it was, and takes little room meanwhile."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.measure import measure
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules import Case
from ckptdoctor.runs.discover import discover
from ckptdoctor.shelf import Folded, Shelf
from tests.builders import save

LAYERS = 60


def with_adamw(epoch: int, **more: torch.Tensor) -> dict[str, Any]:
    """A checkpoint of many small tensors, three quarters of which are the optimizer's."""
    model = {f"layers.{at}.weight": torch.rand(8, 8) + epoch for at in range(LAYERS)} | more
    state = {
        at: {
            "step": torch.tensor(10.0 * epoch),
            "exp_avg": torch.rand_like(weight, dtype=torch.float32),
            "exp_avg_sq": torch.rand_like(weight, dtype=torch.float32),
        }
        for at, weight in enumerate(model.values())
    }
    groups = [{"lr": 0.1 / (epoch + 1), "betas": (0.9, 0.999), "params": [*range(len(model))]}]
    return {"model": model, "optimizer": {"state": state, "param_groups": groups}, "epoch": epoch}


def cases_in(folder: Path) -> list[Case]:
    """The cases of a folder, in full."""
    found: list[Case] = []

    def kept(case: Case | CheckpointReport) -> None:
        assert isinstance(case, Case)
        found.append(case)

    measure(discover([folder]).checkpoints, Examination(jobs=1), kept)
    return found


def same(one: Case, other: Case) -> bool:
    """Whether two cases are equal, and share their storages alike."""
    shares = [_sharing(case.checkpoint.tensors) for case in (one, other)]
    samples = [[stats.sample for stats in case.stats.values()] for case in (one, other)]
    return one == other and shares[0] == shares[1] and samples[0] == samples[1]


def _sharing(tensors: Sequence[Any]) -> list[int]:
    met: dict[int, int] = {}
    return [met.setdefault(id(tensor.storage), len(met)) for tensor in tensors]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    for epoch in range(4):
        save(tmp_path / f"zip_{epoch}.pth", with_adamw(epoch))
        whole = torch.rand(6, 6)
        odd = {
            "whole": whole,
            "view": whole[2:, 1:],
            "none": torch.empty(0, 3),
            "mask": torch.full((3, 3), -torch.inf).triu(1),
            "count": torch.tensor(2**62 + epoch),
            "flag": torch.tensor([True, False]),
            "half": torch.tensor([65504.0, 1.0], dtype=torch.float16),
        }
        save(
            tmp_path / f"odd_{epoch}.pth", {"model": odd, "epoch": epoch, "note": "", "zero": -0.0}
        )
    for epoch in range(2):
        old = with_adamw(epoch)
        save(tmp_path / f"old_{epoch}.pth", old, _use_new_zipfile_serialization=False)
        safetensors.torch.save_file(old["model"], tmp_path / f"plain_{epoch}.safetensors")
        (tmp_path / f"checkpoint-{epoch}").mkdir()
        weights = tmp_path / f"checkpoint-{epoch}" / "model.safetensors"
        safetensors.torch.save_file(old["model"], weights, metadata={"format": "pt"})
        save(tmp_path / f"checkpoint-{epoch}" / "optimizer.pt", old["optimizer"])
    broken = with_adamw(9)
    broken["model"]["layers.3.weight"][2, 1] = torch.nan
    broken["optimizer"]["state"][5]["exp_avg"][:] = torch.inf
    save(tmp_path / "zip_9.pth", broken)
    return tmp_path


def test_a_case_comes_back_as_it_was(mixed: Path) -> None:
    shelf = Shelf()
    cases = cases_in(mixed)
    assert len(cases) == 15
    for case, folded in [(case, shelf.folded(case)) for case in (*cases, *cases)]:
        assert same(folded.unfolded(), case)


def test_files_of_one_structure_share_what_is_not_their_own(mixed: Path) -> None:
    shelf = Shelf()
    folded = [
        shelf.folded(case)
        for case in cases_in(mixed)
        if case.checkpoint.path.name.startswith("zip_") and case.checkpoint.path.name != "zip_9.pth"
    ]
    assert len({id(one._form) for one in folded}) == 1
    assert len({id(one.figures.places) for one in folded}) == 1


@pytest.mark.parametrize("keep_details", [False, True])
@pytest.mark.one_in(2)
def test_the_report_is_that_of_cases_in_full(
    mixed: Path, monkeypatch: pytest.MonkeyPatch, keep_details: bool
) -> None:
    how = Examination(jobs=1, keep_details=keep_details)
    found = discover([mixed])
    monkeypatch.setattr("ckptdoctor.keeper._TENSORS_IN_FULL", 0)
    report = examine(found.checkpoints, how)
    monkeypatch.setattr(Shelf, "folded", lambda self, case: _InFull(case))
    monkeypatch.setattr(Shelf, "figures_of", lambda self, folded, chosen, key: chosen)
    monkeypatch.setattr("ckptdoctor.diagnose.unfolded", lambda kept: getattr(kept, "case", kept))
    assert examine(found.checkpoints, how).checkpoints == report.checkpoints


class _InFull:
    def __init__(self, case: Case) -> None:
        self.case = case


# -- room ----------------------------------------------------------------------------------------

MOST_BYTES = 100
"""What a tensor may take once its file is done."""


def test_a_tensor_of_a_file_that_is_done_takes_a_hundred_bytes(tmp_path: Path) -> None:
    for epoch in range(12):
        save(tmp_path / f"zip_{epoch}.pth", with_adamw(epoch))
    cases = cases_in(tmp_path)
    shelf = Shelf()
    kept: list[Folded] = [shelf.folded(case) for case in cases[:2]]  # what all of them share
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept += [shelf.folded(case) for case in cases[2:]]
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    tensors = sum(len(case.checkpoint.tensors) for case in cases[2:])
    assert (after - before) / tensors < MOST_BYTES


@pytest.mark.slow
def test_nothing_else_is_kept_of_a_file_that_is_done(tmp_path: Path) -> None:
    for epoch in range(40):
        save(tmp_path / f"zip_{epoch}.pth", with_adamw(epoch))
    shelf = Shelf()
    found = discover([tmp_path]).checkpoints
    counts: list[int] = []

    def kept(case: Case | CheckpointReport) -> Folded:
        assert isinstance(case, Case)
        counts.append(tracemalloc.get_traced_memory()[0])
        return shelf.folded(case)

    gc.collect()
    tracemalloc.start()
    try:
        measure(found, Examination(jobs=1), kept)
    finally:
        tracemalloc.stop()
    grown = (counts[-1] - counts[20]) / (len(counts) - 21)
    assert grown / (4 * LAYERS) < MOST_BYTES
