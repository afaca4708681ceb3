"""An autopsy as one HTML file that needs nothing else: no script, no link, no font, no network.

It reads on a phone and on paper, in the dark and in the light. Shades go from blue over grey to
orange, which all eyes tell apart; every cell says its figure as well.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from ckptdoctor.postmortem.document import Autopsy, Command, Part, Table
from ckptdoctor.render.html.autopsy_pictures import charts_of, heat_map, spark_of
from ckptdoctor.render.text import printable
from ckptdoctor.version import __version__

__all__ = ["autopsy_html"]

_WIDE, _NARROW = (960, 30), (340, 14)


def autopsy_html(found: Autopsy) -> str:
    """The page."""
    from jinja2 import Environment, StrictUndefined

    source = resources.files("ckptdoctor.render.html").joinpath("autopsy.html.jinja")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(source.read_text(encoding="utf-8"))
    sizes = (("wide", *_WIDE), ("narrow", *_NARROW))
    pictures = [
        {"kind": kind, "charts": charts_of(found, width), "heat": heat_map(found, width, chars)}
        for kind, width, chars in sizes
    ]
    text = template.render(
        version=__version__,
        name=printable(found.name or "the run"),
        headline=printable(found.headline),
        first=printable(found.first),
        next=printable(found.next),
        pictures=pictures,
        word=found.course.clock.word,
        hidden=found.heat.hidden,
        worst=[
            {
                "name": printable(found.course.short(one.name)),
                "since": printable(found.course.say(one.place)),
                "figure": one.trait.word,
                "spark": spark_of(one),
                "words": printable(one.words),
            }
            for one in found.worst
        ],
        sections=[
            {
                "key": section.key,
                "title": section.title,
                "parts": [_part(part) for part in section.parts],
            }
            for section in found.sections
        ],
    )
    return text + "\n"


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Command):
        return {"kind": "command", "text": "\n".join(map(printable, part.text.split("\n")))}
    if isinstance(part, Table):
        rows = [[printable(cell) for cell in row] for row in part.rows]
        return {"kind": "table", "head": [printable(cell) for cell in part.head], "rows": rows}
    return {"kind": "text", "text": printable(part)}
