"""The story of docs/recovery-story.md: its commands in order, its transcript, and its plot."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cli.support import Outcome, run
from tests.recovery.real_run import EpochLine, options_of, train

__all__ = ["SCAN", "Planned", "Plot", "Story", "draw", "play_and_draw"]

SCAN = "scan checkpoints/"
_COLOURS = ("--first", "--second", "--trap", "--recovered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """The numbers of a story, and its commands.

    Attributes:
        stage_one: its last epoch.
        session: the last epoch of the first session of the second stage.
        died: where its second session is given up.
        warmup: epochs of the second stage over which the learning rate rises.
        lr: of the second stage; far too high.
        end: the last epoch that was planned.
    """

    stage_one: int = 8
    session: int = 12
    died: int = 24
    warmup: int = 14
    lr: float = 0.32
    end: int = 40

    def first(self) -> str:
        """The first stage."""
        return f"--checkpoint-dir checkpoints --epochs {self.stage_one}"

    def second(self) -> str:
        """The second stage, its first session."""
        start = f"checkpoints/checkpoint_epoch_{self.stage_one}.pth"
        return (
            f"--checkpoint-dir checkpoints --epochs {self.session} --resume-from {start} "
            f"--new-stage --lr {self.lr:g}{self._stage()}"
        )

    def third(self) -> str:
        """Its second session, which dies."""
        start = f"checkpoints/checkpoint_epoch_{self.session}.pth"
        return (
            f"--checkpoint-dir checkpoints --epochs {self.end} --resume-from {start} "
            f"--lr {self.lr:g}{self._stage()}"
        )

    def trapped(self, epoch: int, lr: str) -> str:
        """A lower ``--lr``, and the checkpoint as it is."""
        return (
            f"--checkpoint-dir checkpoints_trap --epochs {self.died} --resume-from "
            f"checkpoints/checkpoint_epoch_{epoch}.pth --lr {lr}{self._stage()}"
        )

    def plan(self) -> str:
        """What asks for a way out."""
        return (
            "plan checkpoints/ --added deep-supervision --command "
            f"{shlex.quote(f'python train.py {self.third()}')}"
        )

    def _stage(self) -> str:
        return f" --deep-supervision --warmup-epochs {self.warmup} --schedule-epochs 34"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Option A of a plan, as it was printed.

    Attributes:
        restore: the arguments of ckptdoctor.
        train: those of the script.
    """

    restore: str
    train: str

    @classmethod
    def of(cls, option: dict[str, Any]) -> Planned:
        """The two commands that are joined in one."""
        first, _, second = option["command"].partition(" && ")
        return cls(
            restore=first.removeprefix("ckptdoctor "),
            train=second.replace("\\\n", " ").strip().removeprefix("python train.py "),
        )

    def value(self, name: str) -> str:
        """What follows a flag of either command."""
        words = [*shlex.split(self.restore), *shlex.split(self.train)]
        return words[words.index(name) + 1]

    @property
    def factor(self) -> float:
        """Of the learning rate."""
        return float(self.value("--scale-lr"))

    @property
    def epoch(self) -> int:
        """That it goes back to."""
        return int(Path(self.value("--from")).stem.rpartition("_")[2])


@dataclass(slots=True)
class Story:
    """What happened in a folder.

    Attributes:
        folder: where everything lies.
        seed: of all trainings.
        seconds: that it took.
        runs: the epochs of each training, by title.
        transcript: commands and what they answered.
    """

    folder: Path
    seed: int = 1
    seconds: float = 0.0
    runs: dict[str, list[EpochLine]] = field(default_factory=dict)
    transcript: list[str] = field(default_factory=list)

    def train(self, title: str, command: str, *, stop: int | None = None) -> list[EpochLine]:
        """Train in the folder, up to an epoch at which a person interrupts it."""
        options = options_of([*shlex.split(command), "--seed", str(self.seed)])
        begun = time.perf_counter()
        with contextlib.chdir(self.folder):
            lines = train(options, stop=stop)
        self.runs[title] = [*self.runs.get(title, []), *lines]
        self.seconds += time.perf_counter() - begun
        self.transcript += [
            f"$ python train.py {command}",
            *map(str, lines),
            "^C" * (stop is not None),
        ]
        return lines

    def doctor(self, command: str) -> Outcome:
        """Run ckptdoctor in the folder."""
        begun = time.perf_counter()
        outcome = run(*shlex.split(command), cwd=self.folder)
        self.seconds += time.perf_counter() - begun
        self.transcript += [f"$ ckptdoctor {command}", outcome.stdout + outcome.stderr]
        self.transcript += [f"(exit {outcome.code})", ""]
        return outcome


def play_and_draw(path: Path) -> None:
    """Play everything, print the transcript, write the plot."""
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder))
        plot = Plot()
        story.train("stage 1", plot.first())
        title = f"stage 2, deep supervision, lr {plot.lr}"
        story.train(title, plot.second())
        story.train(title, plot.third(), stop=plot.died)
        story.doctor(SCAN)
        option = run(*shlex.split(plot.plan()), "-f", "json", cwd=story.folder).json["options"][0]
        planned = Planned.of(option)
        lr = planned.value("--lr")
        story.train(f"resumed with --lr {lr}", plot.trapped(planned.epoch, lr))
        story.doctor(plot.plan())
        story.doctor(planned.restore)
        story.train("resumed as plan says", planned.train)
    print("\n".join(story.transcript))
    print(f"seed {story.seed}, {story.seconds:.0f} s on {os.cpu_count()} cores")
    path.write_text(draw(story.runs), encoding="utf-8")
    print(f"wrote {path}")


# -- the plot ------------------------------------------------------------------------------------

_LEFT, _RIGHT = 56, 704
_IOU_TOP, _IOU_BOTTOM = 66, 276
_LR_TOP, _LR_BOTTOM = 316, 396
_OPENING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 440" role="img" '
    'aria-label="IoU and learning rate over the epochs of four runs">'
)
_STYLE = """
  svg { font: 13px system-ui, sans-serif; --ink: #1f2328; --dim: #6e7781; --line: #d8dee4;
    --paper: #ffffff; --first: #57606a; --second: #cf222e; --trap: #1f2328; --recovered: #1a7f37 }
  @media (prefers-color-scheme: dark) { svg { --ink: #e6edf3; --dim: #9198a1; --line: #3d444d;
    --paper: #0d1117; --first: #b1bac4; --second: #ff7b72; --trap: #e6edf3; --recovered: #56d364 } }
  .paper { fill: var(--paper) } .axis { stroke: var(--line) }
  text { fill: var(--ink) } .dim { fill: var(--dim) }
  polyline { fill: none; stroke-width: 2; stroke-linejoin: round }
"""


def draw(runs: dict[str, list[EpochLine]]) -> str:
    """IoU over the epochs, and below it the learning rate, as SVG for light and dark pages."""
    last = max(line.epoch for lines in runs.values() for line in lines)
    top_lr = max(line.lr for lines in runs.values() for line in lines)

    def x(epoch: int) -> float:
        return _LEFT + (_RIGHT - _LEFT) * epoch / last

    def iou_y(line: EpochLine) -> float:
        return _IOU_BOTTOM - (_IOU_BOTTOM - _IOU_TOP) * line.iou / 0.8

    def lr_y(line: EpochLine) -> float:
        return _LR_BOTTOM - (_LR_BOTTOM - _LR_TOP) * line.lr / top_lr

    parts = [
        _OPENING,
        f"<style>{_STYLE}</style>",
        '<rect class="paper" width="720" height="440" rx="6"/>',
        *_axes(last, top_lr),
    ]
    ends: dict[int, EpochLine] = {}
    for lines in runs.values():
        for line in lines:
            ends.setdefault(line.epoch, line)
    for index, ((title, lines), colour) in enumerate(zip(runs.items(), _COLOURS, strict=True)):
        before = [ends[lines[0].epoch - 1]] if lines[0].epoch - 1 in ends else []
        style = f'style="stroke: var({colour})"' + (
            ' stroke-dasharray="4 6"' if colour == "--trap" else ""
        )
        iou = " ".join(f"{x(line.epoch):.1f},{iou_y(line):.1f}" for line in before + lines)
        lr = " ".join(f"{x(line.epoch):.1f},{lr_y(line):.1f}" for line in lines)
        parts += [f'<polyline {style} points="{iou}"/>', f'<polyline {style} points="{lr}"/>']
        left, top = (_LEFT, 354)[index % 2], 24 + 20 * (index // 2)
        parts.append(
            f'<polyline {style} points="{left},{top - 4} {left + 22},{top - 4}"/>'
            f'<text x="{left + 28}" y="{top}">{title}</text>'
        )
    parts += _first_nan(runs, x)
    return "\n".join(parts) + "\n</svg>\n"


def _axes(last: int, top_lr: float) -> list[str]:
    """Lines of the grid with their numbers."""
    parts = []
    for tenths in (0, 2, 4, 6, 8):
        y = _IOU_BOTTOM - (_IOU_BOTTOM - _IOU_TOP) * tenths / 8
        parts.append(f'<path class="axis" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>')
        parts.append(
            f'<text class="dim" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{tenths / 10:.1f}</text>"
        )
    for y, number in ((_LR_TOP, f"{top_lr:.2f}"), (_LR_BOTTOM, "0")):
        parts.append(f'<path class="axis" d="M{_LEFT} {y}H{_RIGHT}"/>')
        parts.append(
            f'<text class="dim" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{number}</text>'
        )
    parts += [
        f'<text class="dim" x="{_LEFT + (_RIGHT - _LEFT) * epoch / last:.1f}" y="416" '
        f'text-anchor="middle">{epoch}</text>'
        for epoch in range(0, last + 1, 8)
    ]
    return [
        *parts,
        f'<text class="dim" x="{_LEFT + 6}" y="{_IOU_TOP + 14}">IoU</text>',
        f'<text class="dim" x="{_LEFT + 6}" y="{_LR_TOP + 14}">learning rate</text>',
        f'<text class="dim" x="{_RIGHT}" y="432" text-anchor="end">epoch</text>',
    ]


def _first_nan(runs: dict[str, list[EpochLine]], x: Callable[[int], float]) -> list[str]:
    """A mark where the loss is NaN for the first time."""
    broken = [line.epoch for lines in runs.values() for line in lines if math.isnan(line.loss)]
    if not broken:
        return []
    at = x(min(broken))
    return [
        f'<text x="{at + 4:.1f}" y="{_IOU_BOTTOM - 8}" style="fill: var(--second)">loss NaN</text>'
    ]
