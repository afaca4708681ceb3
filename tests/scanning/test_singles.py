"""Checkpoints of one structure are planned alike, and measured as if each were the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.formats import Repeats, opened, read_checkpoint
from ckptdoctor.scanning.kernels import Kernels
from ckptdoctor.scanning.pending import ScanResult
from ckptdoctor.scanning.scanner import Scanner
from tests.builders import DTYPES, data_span, patched, save, tensor_of
from tests.scanning.builders import backends

BAD = float("nan")


def contents(epoch: int) -> dict[str, Any]:
    """Tensors of every type and kind of view, other numbers in each epoch."""
    torch.manual_seed(epoch)
    shared = torch.randn(40)
    made: dict[str, Any] = {
        "epoch": epoch,
        "types": {f"{name}.{i}": tensor_of(name, 3, i + 1) for name in DTYPES for i in range(2)},
        "shared": shared,
        "part": shared[4:9],
        "turned": torch.randn(4, 5).T,
        "gaps": torch.randn(6, 6)[:, ::2],
        "expanded": torch.randn(3, 1).expand(3, 4),
        "nothing": torch.empty(0, 3),
        "none of many": shared[3:3],
        "large": torch.randn(700_000),
        "small": {str(i): torch.randn(1 + i % 40) for i in range(300)},
        "halves": {str(i): torch.randn(1 + i).to(torch.float16) for i in range(30)},
    }
    made["small"]["7"][3 % len(made["small"]["7"])] = BAD
    made["halves"]["9"][2] = float("inf")
    made["halves"]["11"][1] = 65504.0
    return made


def scanned(
    paths: list[Path], kernels: Kernels | None, repeats: Repeats | None
) -> list[tuple[Checkpoint, ScanResult]]:
    found = []
    with Scanner(2, kernels) as scanner:
        for path in paths:
            with opened(path) as file:
                checkpoint = read_checkpoint(file, repeats=repeats)
                found.append((checkpoint, scanner.submit(checkpoint, file.fd).result()))
    return found


@pytest.mark.parametrize("kernels", backends(), ids=lambda kernels: kernels.name)
@pytest.mark.one_in(2)
def test_files_of_one_structure_are_measured_as_if_each_were_the_first(
    kernels: Kernels, tmp_path: Path
) -> None:
    paths = [save(tmp_path / f"epoch_{i}.pth", contents(i)) for i in range(30, 36)]
    for record in ("data/100", ".data/serialization_id"):  # of one tensor, and of none
        start, nbytes = data_span(paths[-1], f"epoch_35/{record}")
        patched(paths[-1], start + nbytes // 2, b"5")
    alone = [scanned([path], kernels, None)[0] for path in paths]
    together = scanned(paths, kernels, Repeats())
    assert [one.structure is not None for one, _ in together] == [False] + [True] * 5
    for (checkpoint, result), (repeated, again) in zip(alone, together, strict=True):
        assert repeated == checkpoint
        assert repr(sorted(again.stats.items())) == repr(sorted(result.stats.items()))
        samples = {name: stats.sample for name, stats in result.stats.items()}
        assert {name: stats.sample for name, stats in again.stats.items()} == samples
        assert again.problems == result.problems
        assert (again.unchecked, again.zero_tail) == (result.unchecked, result.zero_tail)
        assert again.scanned_nbytes == result.scanned_nbytes
    assert len(together[-1][1].problems) == 2
    assert together[0][1].stats["small.7"].nan == 1
    assert together[-1][1].stats["halves.9"].posinf == 1
    assert together[-1][1].stats["halves.11"].saturated == 1
