"""What the user wants neither shown nor counted, in words: it is never left out in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ckptdoctor.finding import Aside, Finding, SetAside
from ckptdoctor.render.text import plural
from ckptdoctor.render.wording import brief

__all__ = ["lowered_words", "set_aside_words", "settings_words"]

_WORDS = {
    Aside.NOT_SELECTED: "not in",
    Aside.IGNORED: "ignored by",
    Aside.ACCEPTED: "accepted in",
}
_MOST_CODES = 6
_MOST_CHARS = 80


def set_aside_words(found: Iterable[SetAside]) -> str:
    """``3 findings not counted: 2 × CD105, 1 × CD407 (ignored by --ignore)``; "" for none."""
    every = list(found)
    if not every:
        return ""
    by: dict[tuple[Aside, str], Counter[str]] = {}
    for one in every:
        by.setdefault((one.why, one.by), Counter())[one.finding.code] += 1
    groups = [
        f"{_counted(codes)} ({_WORDS[why]} {brief(place, _MOST_CHARS)})"
        for (why, place), codes in by.items()
    ]
    noun = "finding" if len(every) == 1 else "findings"
    return f"{len(every)} {noun} not counted: {'; '.join(groups)}"


def _counted(codes: Counter[str]) -> str:
    shown = [f"{count} × {code}" for code, count in sorted(codes.items())[:_MOST_CODES]]
    if len(codes) > _MOST_CODES:
        shown.append(f"{len(codes) - _MOST_CODES} more codes")
    return ", ".join(shown)


def lowered_words(findings: Iterable[Finding]) -> str:
    """``2 findings are lower by ckptdoctor.toml: 2 × CD402 (error to info)``; "" for none."""
    by: dict[str, list[Finding]] = {}
    for one in findings:
        if one.weighed is not None and one.is_lowered:
            by.setdefault(one.weighed.by, []).append(one)
    return "; ".join(
        f"{plural(len(lower), 'finding')} {'is' if len(lower) == 1 else 'are'} lower by "
        f"{brief(place, _MOST_CHARS)}: {_counted(Counter(map(_step, lower)))}"
        for place, lower in by.items()
    )


def _step(finding: Finding) -> str:
    was = "" if finding.weighed is None else finding.weighed.was.label
    return f"{finding.code} ({was} to {finding.severity.label})"


def settings_words(
    found: Iterable[SetAside], settings: str, counted: Iterable[Finding] = ()
) -> str:
    """What is set aside or lowered, and the file of settings; "" where there is nothing to say.

    Args:
        found: what is set aside.
        settings: the file.
        counted: the findings that count.
    """
    words = "; ".join(filter(None, (set_aside_words(found), lowered_words(counted))))
    file = brief(settings, _MOST_CHARS) if settings else ""
    if file and file not in words:
        return f"{words}; settings: {file}" if words else f"settings: {file}"
    return words
