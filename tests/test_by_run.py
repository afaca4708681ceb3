"""Run by run it is told what is told of all at once, and each run as soon as its files are read."""

from __future__ import annotations

import gc
import random
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import ckptdoctor
from ckptdoctor.by_run import survey_by_run
from ckptdoctor.diagnose import Examination, judged
from ckptdoctor.errors import UsageError
from ckptdoctor.keeper import Kept
from ckptdoctor.measure import Reading
from ckptdoctor.render.machine.jsonl import report_lines, summary_line
from ckptdoctor.render.machine.tally import Tally
from ckptdoctor.report import Report
from ckptdoctor.rules import Case, Rule
from ckptdoctor.runs.discover import Discovery, discover
from ckptdoctor.runs.logs import compile_pattern
from ckptdoctor.runs.member import Member
from ckptdoctor.runs.wish import Wish
from ckptdoctor.shelf import Folded
from ckptdoctor.survey import survey
from tests.builders import save

GENERATOR = torch.Generator().manual_seed(0)
UNET = {"enc.weight": (8, 8), "enc.bias": (8,), "dec.weight": (8, 8)}
RESNET = {"conv.weight": (4, 3, 3, 3), "fc.weight": (10, 4), "fc.bias": (10,)}


def state(model: dict[str, tuple[int, ...]], epoch: int | None = None, **more: Any) -> Any:
    weights = {name: torch.rand(shape, generator=GENERATOR) for name, shape in model.items()}
    return weights if epoch is None else {"model_state_dict": weights, "epoch": epoch, **more}


def numbered(folder: Path, name: str, epochs: Sequence[int], **more: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for epoch in epochs:
        save(folder / f"{name}{epoch}.pth", state(UNET, epoch, **more))


def series(root: Path) -> None:
    numbered(root, "unet_", range(3))
    (root / "train.log").write_text("".join(f"epoch {e} val_iou {0.4 + e / 9}\n" for e in range(3)))


def with_nan(root: Path) -> None:
    numbered(root, "unet_", range(3), best_iou=0.5)
    bad = state(UNET, 3)
    bad["model_state_dict"]["enc.weight"][0, 0] = float("nan")
    save(root / "unet_3.pth", bad)


def with_best(root: Path) -> None:
    numbered(root, "unet_epoch_", range(2))
    save(root / "best.pth", state(UNET, 1))
    save(root / "pretrained_resnet.pth", state(RESNET))
    (root / "broken.pth").write_bytes(b"PK\x03\x04nonsense")


def two_families(root: Path) -> None:
    numbered(root, "G_", range(2))
    for epoch in range(2):
        save(root / f"D_{epoch}.pth", state(RESNET, epoch))


def just_begun(root: Path) -> None:
    numbered(root, "unet_", [0])


def lone_weights(root: Path) -> None:
    root.mkdir(parents=True)
    save(root / "unet.pth", state(UNET))


def versions(root: Path) -> None:
    for version in range(2):
        numbered(root / f"version_{version}" / "checkpoints", "epoch=", range(2))


def folders(root: Path) -> None:
    for step in (10, 20):
        numbered(root / f"checkpoint-{step}", "model_", [step])
        save(root / f"checkpoint-{step}" / "optimizer.pt", {"state": {}, "step": step})


def copies(root: Path) -> None:
    """A run, and a copy of one of it in a folder of its own."""
    numbered(root, "unet_", range(2))
    (root / "out").mkdir()
    ckptdoctor.restore(root / "unet_1.pth", output=root / "out" / "clean.pth")


def nested(root: Path) -> None:
    numbered(root, "unet_", range(2))
    numbered(root / "export", "unet_", [7])


def unreadable(root: Path) -> None:
    root.mkdir(parents=True)
    for epoch in range(2):
        (root / f"net_{epoch}.pth").write_bytes(b"PK\x03\x04nonsense")


def sides(root: Path) -> None:
    numbered(root, "unet_", range(2))
    save(root / "optimizer_state.pth", {"optimizer": {"state": {}, "param_groups": []}, "epoch": 1})


KINDS = (
    *(series, with_nan, with_best, two_families, just_begun, lone_weights, versions, folders),
    *(copies, nested, unreadable, sides),
)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each kind."""
    root = tmp_path_factory.mktemp("kinds")
    for make in KINDS:
        make(root / make.__name__)
    return root


def in_one(root: Path, wish: Wish | None = None) -> Report:
    found = survey(discover([root]), Examination(jobs=1), wish)
    return replace(found, notes=tuple(sorted(found.notes)))


def by_run(root: Path, wish: Wish | None = None) -> list[Report]:
    told: list[Report] = []
    last = survey_by_run(discover([root]), Examination(jobs=1), wish, told.append)
    return [*told, replace(last, notes=tuple(sorted(last.notes)))]


def sorted_lines(reports: Sequence[Report]) -> list[str]:
    tally = Tally()
    for report in reports:
        tally.add(report)
    lines = [line for report in reports for line in report_lines(report).splitlines()]
    return [*sorted(lines), summary_line(tally)]


def trees() -> Iterator[list[str]]:
    chosen = random.Random(7)
    names = [make.__name__ for make in KINDS]
    yield names
    yield from ([name] for name in names)
    for _ in range(24):
        yield chosen.choices(names, k=chosen.randint(2, 5))


def test_it_tells_what_is_told_of_all_at_once(kinds: Path, tmp_path: Path) -> None:
    for at, names in enumerate(trees()):
        root = tmp_path / f"t{at}"
        for number, name in enumerate(names):
            shutil.copytree(kinds / name, root / f"{number}_{name}")
        assert sorted_lines(by_run(root)) == sorted_lines([in_one(root)]), names
        shutil.rmtree(root)


@pytest.mark.parametrize("other", ["other", "checkpoints"])
def test_a_run_is_told_apart_from_one_that_has_only_begun(other: str, tmp_path: Path) -> None:
    """Whether ``a/checkpoints`` needs its parent's name is known once the lone file is read."""
    numbered(tmp_path / "a" / "checkpoints", "unet_", range(2))
    numbered(tmp_path / "b" / other, "unet_", range(2))
    numbered(tmp_path / "c" / "checkpoints", "unet_", [0])
    told = by_run(tmp_path)
    assert sorted_lines(told) == sorted_lines([in_one(tmp_path)])
    names = {run.name for report in told for run in report.runs}
    assert {"a/checkpoints", "c/checkpoints"} < names


def test_a_copy_waits_until_it_is_known_whether_its_source_is_a_run(tmp_path: Path) -> None:
    numbered(tmp_path / "a", "unet_", range(2))
    for name in ("b/resnet_0", "c/resnet_0", "c/resnet_1"):
        path = tmp_path / f"{name}.pth"
        path.parent.mkdir(exist_ok=True)
        save(path, state(RESNET, int(name[-1])))
    copy = tmp_path / "a" / "clean.pth"
    ckptdoctor.restore(tmp_path / "b" / "resnet_0.pth", output=copy)
    told = by_run(tmp_path)
    assert sorted_lines(told) == sorted_lines([in_one(tmp_path)])
    (owner,) = (run for one in told for run in one.runs if run.run.metadata_of(copy) is not None)
    assert owner.name == "b"


def test_files_named_one_by_one_are_runs_by_their_models(tmp_path: Path) -> None:
    """By their names there are two runs; what they hold says otherwise."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for at, model in enumerate((UNET, RESNET)):
            save(tmp_path / folder / f"net_{at}.pth", state(model, at + (folder == "b")))
    found = discover(sorted(tmp_path.glob("*/*.pth")))
    told: list[Report] = []
    end = survey_by_run(found, Examination(jobs=1), None, told.append)
    whole = survey(found, Examination(jobs=1))
    assert sorted_lines([*told, end]) == sorted_lines([whole])
    assert [len(run.checkpoints) for run in whole.runs] == [2, 2]


def of_runs(root: Path, count: int) -> Path:
    for at in range(count):
        numbered(root / f"run_{at:02}", "unet_", range(2), val_iou=0.5)
    return root


def test_each_run_is_told_with_its_files_in_the_order_of_paths(tmp_path: Path) -> None:
    told = by_run(of_runs(tmp_path, 4))
    assert [[run.name for run in report.runs] for report in told] == [
        *([f"run_{at:02}"] for at in range(4)),
        [],
    ]
    assert all(report.is_part for report in told[:-1])


def test_a_run_whose_files_are_scanned_waits_for_none_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reading, "is_scanned", lambda *_: True)  # as if it took no time
    seen: list[str] = []
    how = Examination(jobs=1, expect=lambda path, _: seen.append(path.parent.name))
    found = discover([of_runs(tmp_path, 3)])
    survey_by_run(found, how, None, lambda told: seen.append(f"told {told.runs[0].name}"))
    of_first = seen.index("told run_00")
    assert seen[:of_first] == ["run_00"] * 2
    assert seen[of_first + 1 :].count("run_02") == 2


def test_of_the_runs_that_workers_read_none_is_kept_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[type] = []

    def noted(waiting: Sequence[tuple[Member, Kept]], *more: Any, **named: Any) -> Report:
        kept.extend(type(case) for _, case in waiting)
        return judged(waiting, *more, **named)

    monkeypatch.setattr("ckptdoctor.by_run.judged", noted)
    of_runs(tmp_path, 2)
    with ThreadPoolExecutor(2) as workers:
        how = Examination(executor=workers)
        survey_by_run(discover([tmp_path]), how, None, lambda _: None)
    assert kept == [Folded] * 4


@pytest.mark.slow
def test_what_was_told_is_not_kept(tmp_path: Path) -> None:
    alive: list[int] = []

    def take(_: Report) -> None:
        alive.append(sum(type(one) is Member for one in gc.get_objects()))

    of_runs(tmp_path, 24)
    before = sum(type(one) is Member for one in gc.get_objects())
    survey_by_run(discover([tmp_path]), Examination(jobs=1), None, take)
    assert len(alive) == 24
    assert max(alive) - before <= 16


def test_no_run_is_told_before_one_has_the_metric_that_is_asked_for(tmp_path: Path) -> None:
    of_runs(tmp_path, 2)
    for epoch in range(2):
        save(tmp_path / "run_01" / f"unet_{epoch}.pth", state(UNET, epoch, val_dice=0.5))
    told: list[Report] = []
    found, how = discover([tmp_path]), Examination(jobs=1)
    with pytest.raises(UsageError, match="val_f1: no such metric; there are"):
        survey_by_run(found, how, Wish(metric="val_f1"), told.append)
    with pytest.raises(UsageError, match="val_wobble: say which direction is better"):
        survey_by_run(of_unknown_direction(tmp_path), how, Wish(metric="val_wobble"), told.append)
    assert not told
    wish = Wish(metric="val_dice")
    assert sorted_lines(by_run(tmp_path, wish)) == sorted_lines([in_one(tmp_path, wish)])


def of_unknown_direction(root: Path) -> Discovery:
    for at in range(2):
        log = root / f"run_{at:02}" / "log.jsonl"
        log.write_text("".join(f'{{"epoch": {e}, "val_wobble": {e}}}\n' for e in range(2)))
    return discover([root])


def test_what_is_said_of_logs_is_said_once(tmp_path: Path) -> None:
    of_runs(tmp_path, 3)
    for at in range(3):
        (tmp_path / f"run_{at:02}" / "train.log").write_text("epoch 0 val_iou 0.5\n")
    (tmp_path / "silent.log").write_text("nothing\n")
    pattern = compile_pattern(r"never (?P<epoch>\d+) (?P<iou>\d+)", print)
    for wish in (Wish(logs=(tmp_path / "silent.log",)), Wish(pattern=pattern)):
        notes = [report.notes for report in by_run(tmp_path, wish)]
        assert notes == [(), (), (), in_one(tmp_path, wish).notes]
        assert notes[-1]


def test_what_was_not_understood_of_a_run_is_said_in_the_end(tmp_path: Path) -> None:
    of_unknown_direction(of_runs(tmp_path, 2))
    for path in tmp_path.rglob("*.pth"):
        save(path, state(UNET))
    notes = [report.notes for report in by_run(tmp_path)]
    assert notes == [(), (), in_one(tmp_path).notes]
    assert [note.partition(";")[0] for note in notes[-1]] == [
        *(f"run_0{at}: not understood: val_wobble" for at in range(2))
    ]


def test_a_rule_that_crashed_is_told_in_the_end(tmp_path: Path) -> None:
    class Broken(Rule):
        """Broken."""

        code = "CD999"

        def check(self, case: Case) -> Any:
            raise ZeroDivisionError

    how = Examination(jobs=1, rules=(Broken,))
    told: list[Report] = []
    end = survey_by_run(discover([of_runs(tmp_path, 2)]), how, None, told.append)
    assert [report.crashes for report in told] == [(), ()]
    paths = [(crash.rule, crash.path) for crash in end.crashes]
    assert paths == [("Broken", path) for path in sorted(tmp_path.rglob("*.pth"))]


class Holding(ThreadPoolExecutor):
    """Two workers, one of which waits with one file."""

    def __init__(self, name: str) -> None:
        super().__init__(2)
        self.name = name
        self.release = threading.Event()

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        held = self.name in repr(arguments)

        def once() -> Any:
            if held:
                assert self.release.wait(60)
            return work(*arguments, **named)

        return super().submit(once)


@pytest.mark.parametrize("last", ["run_00/unet_0.pth", "run_02/unet_1.pth"])
def test_workers_hold_up_no_run_but_that_of_their_file(tmp_path: Path, last: str) -> None:
    of_runs(tmp_path, 3)
    told: list[Report] = []

    def take(report: Report) -> None:
        told.append(report)
        if len(told) == 2:
            assert last[:6] not in {run.name for one in told for run in one.runs}
            workers.release.set()

    with Holding(last) as workers:
        how = Examination(executor=workers)
        end = survey_by_run(discover([tmp_path]), how, None, take)
    assert sorted_lines([*told, end]) == sorted_lines([in_one(tmp_path)])
