"""Which factor of the rate would have brought a case back: what a plan could have known.

The stored rates of the best file before the death are scaled by hand, with torch, in every place
that the script's schedules read; ckptdoctor has no part in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.comes_back import oracle
from tests.benchmarks.comes_back.case import Case
from tests.benchmarks.comes_back.play import SCRIPT, Stage, run_here

__all__ = ["FACTORS", "sweep"]

FACTORS = (1.0, 0.5, 0.25, 0.1, 0.03, 0.01)
_RATES = {"lr", "initial_lr", "max_lr", "min_lr", "base_lrs", "_last_lr", "base_values"}
_RATES |= {"warmup_steps"}


def sweep(folder: Path, case: Case, seed: int) -> str:
    """A line: the factors with the score that each of them leads to."""
    here = folder / f"sweep-{case.name}-{seed}"
    here.mkdir()
    (here / "train.py").write_text(SCRIPT, encoding="utf-8")
    stage = Stage(folder=here)
    twin = stage.twin(case, seed)
    end = oracle.end_score(case.learns, twin)
    lines = stage.die(case, seed, here)
    onset = oracle.onset(case.learns, lines, end)
    died = case.struck or onset
    scores = " ".join(f"{line.score:.2f}" for line in lines)
    head = f"{case.name} seed {seed}: healthy {end:.3f}, died at {died}"
    if died is None or (onset is None and not case.cuts):
        return f"{head}, NOT DEAD: {scores}"
    files = oracle.evaluate(here / "checkpoints", case.learns, seed)
    sound = [one for one in files if -1 < one.epoch < died and one.score == one.score]
    if not sound:
        return f"{head}, NO SOUND FILE: {scores}"
    best = max(sound, key=lambda one: oracle.higher(case.learns, one.score))
    found = []
    for factor in FACTORS:
        after = _again(here, case, seed, best, factor)
        score = oracle.end_score(case.learns, after) if after else float("nan")
        good = oracle.higher(case.learns, score) >= oracle.higher(case.learns, end) - oracle.BACK
        found.append(f"×{factor:g} {score:.3f}{' back' if good else ''}")
    return f"{head}, best {best.epoch} ({best.score:.3f}): {', '.join(found)}"


def _again(
    here: Path, case: Case, seed: int, file: oracle.SavedFile, factor: float
) -> list[oracle.Line]:
    state = torch.load(file.path, map_location="cpu", weights_only=True)
    for key in ("optimizer", "scheduler"):
        state[key] = _scaled(state[key], factor, within=False)
    scaled = here / f"scaled-{factor:g}.pt"
    torch.save(state, scaled)
    target = f"again-{factor:g}"
    words = f"{case.arguments(seed)} --resume {scaled.name} --save-dir {target}".split()
    at = words.index("--lr") + 1
    words[at] = f"{float(words[at]) * factor:g}"
    run_here(here, " ".join(words))
    log = here / target / "train.log"
    return oracle.read_log(log, case.learns.metric) if log.exists() else []


def _scaled(value: Any, factor: float, *, within: bool) -> Any:
    if isinstance(value, dict):
        return {k: _scaled(v, factor, within=within or k in _RATES) for k, v in value.items()}
    if isinstance(value, list):
        return [_scaled(one, factor, within=within) for one in value]
    return value * factor if within and isinstance(value, float) else value
