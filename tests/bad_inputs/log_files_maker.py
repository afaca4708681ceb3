"""Logs in files that no program would leave: documents, encodings and archives, with mistakes."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
from collections.abc import Callable
from functools import partial

from tests.bad_inputs.archive_maker import shaken
from tests.bad_inputs.log_maker import a_log

__all__ = ["a_log_file"]

_NAMES = (
    "loss",
    "val_loss",
    "iou",
    "epoch",
    "step",
    "1",
    "epoch_2",
    "train",
    "val",
    "_step",
    "é",
    "",
)
_ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "utf-32")
_PACKERS: tuple[Callable[[bytes], bytes], ...] = (
    partial(gzip.compress, mtime=0),  # else it writes the second in which it ran
    bz2.compress,
    lzma.compress,
)


def a_log_file(chance: random.Random) -> bytes:
    """A log as text or as a document, mostly in another encoding, packed, joined or cut."""
    data = a_log(chance) if chance.random() < 0.4 else _document(chance)
    kind = chance.random()
    if kind < 0.4:
        encoding = chance.choice(_ENCODINGS)
        data = data.decode("utf-8", "replace").encode(encoding, "replace")
    elif kind < 0.5:
        data += chance.choice((bytes(2000), "Epoch 9: loss 0.5\r\n".encode("utf-16")))
    if chance.random() < 0.2:
        data = shaken(chance, data)
    if chance.random() < 0.25:
        data = chance.choice(_PACKERS)(data)
        if chance.random() < 0.3:
            data += chance.choice(_PACKERS)(b"Epoch 1: loss 0.5\n")
        if chance.random() < 0.5:
            data = shaken(chance, data)
    return data


def _document(chance: random.Random) -> bytes:
    make = chance.choice((_value, _history, _rows, _notebook, _kaggle))
    text = json.dumps(make(chance), indent=chance.choice((None, None, 1)))
    if chance.random() < 0.15:
        text = "".join(f"17{chance.randrange(10**8):08} {chance.random()} {n}\n" for n in range(9))
    if chance.random() < 0.3:
        text = text[: chance.randrange(len(text) + 1)]
    return text.encode()


def _value(chance: random.Random, depth: int = 0) -> object:
    kind = chance.randrange(8 if depth < 5 else 5)
    if kind < 3:
        return chance.choice((0.5, 1, 3, float("nan"), 1e999, 10**30, -1))
    if kind < 5:
        return chance.choice((None, True, "NaN", "0.5", "x", "Epoch 1: loss 0.5\n", ""))
    inner = [_value(chance, depth + 1) for _ in range(chance.randrange(5))]
    return inner if kind == 5 else {chance.choice(_NAMES): one for one in inner}


def _history(chance: random.Random) -> object:
    return {
        chance.choice(_NAMES): [chance.choice((0.5, 1, None, "nan"))] * chance.choice((1, 4, 4, 9))
        for _ in range(4)
    }


def _rows(chance: random.Random) -> object:
    rows = [
        {"epoch": at, "loss": chance.random(), chance.choice(_NAMES): _value(chance, 4)}
        for at in range(chance.randrange(9))
    ]
    return chance.choice((rows, {"log_history": rows}, dict(enumerate(rows))))


def _notebook(chance: random.Random) -> object:
    printed = a_log(chance).decode("utf-8", "replace")
    cells = "".join(f"<tr><td>{n}<td>0.{n}</tr>" for n in range(chance.randrange(4)))
    table = f"<table><tr><th>epoch<th>loss</tr>{cells}</table>"
    outputs: tuple[object, ...] = (
        {"output_type": "stream", "text": chance.choice((printed, [printed], 5, None))},
        {"data": {"text/html": table[: chance.randrange(len(table) + 1)], "text/plain": [printed]}},
        {"data": chance.choice((None, 3, [], {"text/plain": _value(chance)}))},
    )
    return {"cells": [{"outputs": chance.sample(outputs, 2)}, _value(chance)], "nbformat": 4}


def _kaggle(chance: random.Random) -> object:
    printed = a_log(chance).decode("utf-8", "replace")
    return [
        {"stream_name": chance.choice(("stdout", "stderr", 1)), "time": at, "data": printed[at::7]}
        for at in range(chance.randrange(1, 6))
    ]
