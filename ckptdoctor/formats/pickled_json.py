"""A JSON whose values are partly pickles, as Stable-Baselines3 writes ``data`` into its archives.

What JSON has no word for stands there as base64 of ``cloudpickle.dumps``, and is unpickled when the
model is loaded. So the pickles are run as inertly as those of any file, and judged alike.

Source: ``data_to_json`` in ``stable_baselines3/common/save_util.py`` of 2.9.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ckptdoctor.checkpoint import Checkpoint, Problem
from ckptdoctor.errors import CorruptCheckpointError, LimitExceededError
from ckptdoctor.finding import Severity
from ckptdoctor.formats.assemble import assemble
from ckptdoctor.formats.json_values import is_bloated
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.nodes import PickleError
from ckptdoctor.formats.source import MemorySource
from ckptdoctor.formats.tree import Harvest

__all__ = ["read_json", "read_pickled_json"]

_PICKLED = ":serialized:"
_MAX_NBYTES = 256 << 20
_MAX_PICKLES = 1000
_COPY = "Copy the file again, or use another checkpoint."


def read_json(file: OpenFile) -> dict[str, Any]:
    """The object that a JSON text is.

    Raises:
        LimitExceededError: it is larger than one can be.
        CorruptCheckpointError: it is none.
    """
    if file.nbytes > _MAX_NBYTES:
        raise LimitExceededError(file.path, f"a JSON of {file.nbytes} bytes")
    data = file.source.read(0, file.nbytes)
    if is_bloated(data):
        raise LimitExceededError(file.path, "a JSON of more values than one can have")
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptCheckpointError(
            file.path, f"no JSON that can be read: {error}", offset=file.start, remedy=_COPY
        ) from error
    if not isinstance(said, dict):
        raise CorruptCheckpointError(
            file.path, "a JSON that is no object", offset=file.start, remedy=_COPY
        )
    return said


def read_pickled_json(file: OpenFile, limits: Limits | None = None) -> Checkpoint:
    """What the pickles in a JSON name and call; it holds no tensor.

    Args:
        file: the JSON; a window where it lies in an archive.
        limits: bounds on the work for all pickles together.

    Raises:
        CheckpointError: as from :func:`read_json`.
    """
    limits = limits or Limits.for_file(file.nbytes)
    machines: list[PickleMachine] = []
    problems: list[Problem] = []
    for name, text in _pickled(read_json(file)):
        if len(machines) >= _MAX_PICKLES:
            raise LimitExceededError(file.path, f"more than {_MAX_PICKLES} pickles in one JSON")
        try:
            data = base64.b64decode(text.encode())  # as leniently as whoever loads it
            machine = PickleMachine(MemorySource(data), limits.within(len(data)))
            machines.append(machine)
            machine.run()
        except (PickleError, ValueError) as error:
            problems.append(
                Problem(
                    code="CD104",
                    severity=Severity.WARNING,
                    subject=name,
                    message=f"its pickle cannot be read: {error}",
                    remedy=_COPY,
                )
            )
    found = assemble(file, "json", Harvest(), machines, problems=problems)
    # torch.load, whose list of safe names it is, never sees them
    uses = tuple(replace(use, allowed=not use.runs_code) for use in found.globals)
    return replace(found, globals=uses)


def _pickled(said: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in said.items():
        text = value.get(_PICKLED) if isinstance(value, dict) else None
        if isinstance(text, str):
            yield name, text
