"""The order of a run."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import torch

from ckptdoctor.diagnose import examine
from ckptdoctor.metadata import Metadata
from ckptdoctor.runs.order import in_order
from tests.builders import save
from tests.reports import report


def test_contents_come_before_names_and_numbers_before_strings() -> None:
    reports = [
        report("z_first.pth", 1),
        report("e10.pth", 10),
        report("e9.pth", 9),
        report("no_epoch_10.pth"),
        report("no_epoch_9.pth"),
        report("late_step.pth", 9, step=200),
    ]
    order = [r.path.name for r in in_order(reversed(reports))]
    assert order == [
        *("z_first.pth", "e9.pth", "late_step.pth", "e10.pth"),
        *("no_epoch_9.pth", "no_epoch_10.pth"),
    ]


def test_the_epoch_of_an_unreadable_file_is_that_of_its_name() -> None:
    lost = replace(report("e9.pth"), metadata=Metadata(name_epoch=9))
    order = in_order([report("e10.pth", 10), lost, report("e8.pth", 8)])
    assert [r.path.name for r in order] == ["e8.pth", "e9.pth", "e10.pth"]


def test_the_time_of_modification_counts_for_nothing(tmp_path: Path) -> None:
    for at, name in enumerate(("b.pth", "a.pth")):
        save(tmp_path / name, {"epoch": at, "model": {"w": torch.ones(1)}})
        os.utime(tmp_path / name, (1000 - at, 1000 - at))
    reports = examine([tmp_path / "a.pth", tmp_path / "b.pth"]).checkpoints
    assert [r.path.name for r in in_order(reports)] == ["b.pth", "a.pth"]
