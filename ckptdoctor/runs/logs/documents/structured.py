"""JSON that holds a training as a whole: Keras' history, lists of epochs, states, summaries.

Read by what it is made of: numbers in a list are a series over the epochs; objects in a list are
an epoch or a step each; so are objects under a number. A group such as ``{"val": {"iou": […]}}``
gives its name to what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ckptdoctor.metadata.metric_names import Split, split_of
from ckptdoctor.runs.logs.documents.document import Document, Part, Unread
from ckptdoctor.runs.logs.documents.json_text import is_json_lines, parsed
from ckptdoctor.runs.logs.documents.records import rows_of_records
from ckptdoctor.runs.logs.documents.series import rows_of_series
from ckptdoctor.runs.logs.numbers import number

__all__ = ["STRUCTURED"]

_BEGINS = re.compile(rb"\A\s*+(?:\{\s*+[\"}]|\[\s*[{\]])")
_EPOCH_KEY = re.compile(r"(?:epoch|ep|e)?[\s_:=-]?(\d{1,7})", re.IGNORECASE)
_WISHED = ("epochs", "steps", "iterations")
_DEEPEST = 4
_MOST_NAMES = 5000

Leaves = dict[str, object]


def _recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001
    return _BEGINS.match(head) is not None and not is_json_lines(head)


def _read(text: bytes, path: Path) -> Iterator[Part]:  # noqa: ARG001
    try:
        found = parsed(text.decode("utf-8", "replace"))
    except ValueError as error:
        yield Unread(text=f"no JSON: {error}: {text[:60].decode('utf-8', 'replace')}")
        return
    yield from _rows(found.value, is_cut=found.is_cut)


def _rows(value: object, *, is_cut: bool) -> Iterator[Part]:
    if isinstance(value, list):
        yield from _of_records(value)
        return
    if not isinstance(value, dict) or "schema_version" in value:  # our own output
        return
    by_epoch = _by_epoch(value) or _by_epoch(_turned(value))
    if by_epoch:
        yield from rows_of_records(by_epoch)
        return
    leaves = _with_axes(flat(value))
    lists = {name: one for name, one in leaves.items() if isinstance(one, list) and one}
    records = {name for name, one in lists.items() if any(isinstance(x, dict) for x in one)}
    for name in records:
        yield from _of_records(lists[name], name)
    series = {name: one for name, one in lists.items() if name not in records}
    last = next(reversed(leaves), "")
    yield from rows_of_series(series, cut=last if is_cut and last in series else "")
    if not lists:
        # W&B's summary is of the last step; `epochs` alone is what a configuration asks for.
        told = {name: one for name, one in leaves.items() if name.lower() not in _WISHED}
        yield from rows_of_records([told], counted=False)


def _of_records(found: Sequence[object], name: str = "") -> Iterator[Part]:
    records = [_prefixed(flat(one), name) for one in found if isinstance(one, dict)]
    yield from rows_of_records(records)
    if records:
        yield from (Unread(text=str(one)[:60]) for one in found if not isinstance(one, dict))


def flat(value: Mapping[str, object], prefix: str = "", depth: int = 0) -> Leaves:
    """What lies in an object and in those within it, by its path."""
    if not prefix and not any(isinstance(one, dict) for one in value.values()):
        return dict(value) if not isinstance(value, dict) else value
    found: Leaves = {}
    for key, one in value.items():
        if isinstance(one, dict) and depth < _DEEPEST:
            found |= flat(one, f"{prefix}{key}/", depth + 1)
        else:
            found[f"{prefix}{key}"] = one
        if len(found) > _MOST_NAMES:
            break
    return found


def _with_axes(leaves: Leaves) -> Leaves:
    """Lists called `values` by the name of their group: the steps beside them are of each."""
    groups = {name.rpartition("/")[0] for name in leaves if name.endswith("/values")}
    told = {f"{group}/values": f"{group}/{group.rpartition('/')[2]}" for group in groups if group}
    return {told.get(name, name): one for name, one in leaves.items()}


def _prefixed(record: Leaves, name: str) -> Leaves:
    """A record of a group that says on which data it was measured."""
    if split_of(name) is Split.UNSAID:
        return record
    return {
        key if key.lower() in ("epoch", "step") else f"{name}/{key}": one
        for key, one in record.items()
    }


def _by_epoch(value: Mapping[str, object]) -> list[Leaves]:
    """The objects under numbers of epochs, each with its epoch; none where there are others."""
    found: list[Leaves] = []
    for key, one in value.items():
        epoch = _EPOCH_KEY.fullmatch(key.strip())
        if epoch is None or not isinstance(one, dict):
            return []
        leaves = flat(one)
        found.append(leaves if "epoch" in leaves else leaves | {"epoch": int(epoch[1])})
    return found


def _turned(value: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """Columns to rows: pandas writes a table as name -> number of the row -> value."""
    rows: dict[str, dict[str, object]] = {}
    for name, column in value.items():
        if not isinstance(column, dict):
            return {}
        for at, one in column.items():
            if not str(at).isdecimal() or (number(one) is None and not _may_be_number(one)):
                return {}
            rows.setdefault(at, {})[name] = one
    return rows


def _may_be_number(value: object) -> bool:
    return value is None or isinstance(value, float | str)


STRUCTURED = Document(what="JSON of a whole training", recognises=_recognises, read=_read)
