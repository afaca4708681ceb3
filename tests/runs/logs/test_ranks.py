"""Several processes that print into one log: the first one's values are the run's."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ckptdoctor.runs.logs import read_logs
from ckptdoctor.runs.logs.ranks import Ranks
from tests.each import each

EPOCHS = range(1, 9)
TAGS = {
    "torchrun, torchtitan": "[rank{r}]: Epoch {e} ",
    "behind a stamp": "2026-01-02 10:00:00,123 [INFO] [Rank {r}] Epoch {e} ",
    "of several nodes": "[global_rank={r}] Epoch {e} ",
    "of so many": "(rank {r}/2) Epoch {e} ",
    "a word in front": "Rank {r}: Epoch {e} ",
    "FunASR": "train, rank: {r}, epoch: {e}/8, ",
    "torchrun --tee": "[default{r}]:Epoch {e} ",
    "mpirun --tag-output": "[1,{r}]<stdout>:Epoch {e} ",
}


def said(tag: str, epoch: int, rank: int) -> str:
    values = f"val_loss: {2 / epoch + rank:.4f} val_acc: {0.1 * epoch - 0.05 * rank:.4f}"
    return tag.format(r=rank, e=epoch) + values + "\n"


def read(folder: Path, text: str) -> dict[float, dict[str, float]]:
    path = folder / "train.log"
    path.write_text(text)
    return {at: dict(values) for at, values in read_logs([path]).by_epoch.values.items()}


@each(
    "turn",
    [(0, 1), (1, 0), (1, 2, 0, 3), (0, 0, 1, 1)],
)
@each("tag", list(TAGS.values()), ids=list(TAGS))
def test_of_ranks_in_turn_the_first_counts(tag: str, turn: tuple[int, ...], tmp_path: Path) -> None:
    told = read(tmp_path, "".join(said(tag, epoch, rank) for epoch in EPOCHS for rank in turn))
    assert [told[epoch]["val_acc"] for epoch in EPOCHS] == [round(0.1 * e, 4) for e in EPOCHS]
    assert [told[epoch]["val_loss"] for epoch in EPOCHS] == [round(2 / e, 4) for e in EPOCHS]


def test_a_rank_that_is_ahead_begins_no_epoch(tmp_path: Path) -> None:
    tag = TAGS["torchrun, torchtitan"]
    lines = (said(tag, epoch, 0) + said(tag, epoch + 1, 1) for epoch in EPOCHS)
    assert list(read(tmp_path, "".join(lines))) == list(EPOCHS)


def test_what_only_the_last_rank_knows_is_read_of_it(tmp_path: Path) -> None:
    """The loss of a pipeline is known to its last stage."""
    lines = (f"[rank0]: Epoch {e} begins\n[rank7]: loss: {2 / e:.4f}\n" for e in EPOCHS)
    told = read(tmp_path, "".join(lines))
    assert [told[epoch]["loss"] for epoch in EPOCHS] == [round(2 / e, 4) for e in EPOCHS]


def test_a_nan_of_another_rank_is_one_of_the_run(tmp_path: Path) -> None:
    lines = [said(TAGS["torchrun, torchtitan"], e, rank) for e in EPOCHS for rank in (0, 1)]
    lines.insert(10, "[rank1]: Epoch 5 val_loss: nan val_acc: 0.1000\n")
    told = read(tmp_path, "".join(lines))
    assert any(math.isnan(value) for row in told.values() for value in row.values())


@pytest.mark.parametrize(
    "line",
    [
        "Rank-{r} : {v:.3f}",  # of a search for persons: how often it is among the first
        "Rank {r} accuracy: {v:.3f}",
        "[Rank {r}] {v:.3f}",
        "mean rank: {r} loss: {v:.3f}",
        "LoRA rank: {r}, loss: {v:.3f}",
    ],
)
def test_a_rank_that_is_no_process_hides_nothing(line: str) -> None:
    ranks = Ranks()
    assert not any(ranks.is_of_another(line.format(r=r, v=0.2).encode()) for r in (1, 5, 10))
