"""An autopsy for programs, and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from ckptdoctor.histories import Position
from ckptdoctor.postmortem.document import Autopsy, Command, Part, Section, Table
from ckptdoctor.render.console.autopsy import spark
from ckptdoctor.render.machine.as_json import SCHEMA_VERSION, TOOL, dump
from ckptdoctor.render.text import markdown_cell
from ckptdoctor.runs.departure.words import in_words
from ckptdoctor.version import __version__

__all__ = ["autopsy_json", "autopsy_markdown"]

_DIGITS = 4
_SPARK = 32


def autopsy_json(found: Autopsy) -> str:
    """The result of ``autopsy`` as JSON; figures have four digits, so that machines agree."""
    course = found.course
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "tool": TOOL,
            "run": found.name,
            "headline": found.headline,
            "first": None
            if not found.departures
            else {
                "tensor": found.departures[0].name,
                "module": found.departures[0].module,
                "trait": found.departures[0].trait.value,
                "checkpoint": course.moments[found.departures[0].place].name,
                "position": course.moments[found.departures[0].place].at,
                "sentence": found.first,
            },
            "next": found.next,
            "exact": course.exact,
            "clock": course.clock.value,
            "checkpoints": [{"name": one.name, "position": one.at} for one in course.moments],
            "departures": [
                {
                    "tensor": one.name,
                    "module": one.module,
                    "trait": one.trait.value,
                    "checkpoint": course.moments[one.place].name,
                    "position": course.moments[one.place].at,
                    "log_ratio": _short(one.excess),
                    "deviations": _short(one.deviations),
                    "stands_still": one.stands_still,
                    "words": in_words(course, one),
                }
                for one in found.departures
            ],
            "figures": [
                {"tensor": name, **{trait.value: _all(own) for trait, own in course.figures(name)}}
                for name in _shown(found)
            ],
            "heat": {
                "checkpoints": [course.moments[place].name for place in found.heat.columns],
                "modules": [
                    {"module": row.module, "log_ratio": _all(row.values)} for row in found.heat.rows
                ],
                "hidden": found.heat.hidden,
            },
            "rates": _pairs(found.rates),
            "loss_scales": _pairs(found.scales),
            "causes": [
                {
                    "kind": one.kind.value,
                    "title": one.title,
                    "sure": one.word,
                    "score": _short(one.score),
                    "for": list(one.reasons),
                    "against": list(one.against),
                    "todo": list(one.todo),
                }
                for one in found.causes
            ],
            "plan_differs": found.apart or None,
            "sections": [_section(section) for section in found.sections],
            "files": [
                {"path": one.name, "nbytes": one.nbytes, "sha256": one.sha256}
                for one in found.files
            ],
        }
    )


def _shown(found: Autopsy) -> list[str]:
    """The tensors whose figures are told: those that left their past, the first ones first."""
    return [one.name for one in found.worst]


def _pairs(pairs: Sequence[tuple[Position, float]]) -> list[list[float]]:
    return [[at, value] for at, value in pairs]


def _all(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None or math.isnan(value) else _short(value) for value in values]


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _section(section: Section) -> dict[str, Any]:
    return {
        "key": section.key,
        "title": section.title,
        "parts": [_part(part) for part in section.parts],
    }


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Command):
        return {"command": part.text}
    if isinstance(part, Table):
        return {"head": list(part.head), "rows": [list(row) for row in part.rows]}
    return {"text": part}


def autopsy_markdown(found: Autopsy) -> str:
    """The guide as Markdown: for an issue, a wiki, a chat."""
    lines = [f"# Autopsy of {markdown_cell(found.name or 'the run')}", ""]
    lines += [f"**{markdown_cell(found.headline)}** {markdown_cell(found.first)}", ""]
    for section in found.sections:
        lines += [f"## {section.title}", ""]
        for part in section.parts:
            lines += [*_lines(part), ""]
        if section.key == "first":
            lines += _worst(found)
    lines += [f"Made by ckptdoctor {__version__}."]
    return "\n".join(lines) + "\n"


def _lines(part: Part) -> Iterator[str]:
    if isinstance(part, Command):
        fence = "```"
        yield f"{fence}sh" if part.text.startswith("ckptdoctor") else fence
        yield from (line.replace("```", "'''") for line in part.text.split("\n"))
        yield fence
    elif isinstance(part, Table):
        yield f"| {' | '.join(map(markdown_cell, part.head))} |"
        yield f"|{'---|' * len(part.head)}"
        yield from (f"| {' | '.join(map(markdown_cell, row))} |" for row in part.rows)
    else:
        yield markdown_cell(part)


def _worst(found: Autopsy) -> list[str]:
    """The worst ten over the run."""
    if not found.worst:
        return []
    course = found.course
    rows = ["| tensor | from | over the run | figure |", "|---|---|---|---|"]
    for one in found.worst:
        bars = "".join(spark(one.values, _SPARK, one.place)).rstrip()
        cells = (markdown_cell(course.short(one.name)), markdown_cell(course.say(one.place)))
        rows.append(f"| {' | '.join(cells)} | `{bars}` | {one.trait.word} |")
    return [*rows, ""]
