"""Logs that no script would print: the known ways of printing, with what may go wrong in them."""

from __future__ import annotations

import functools
import random
import re

from tests.bad_inputs.archive_maker import shaken
from tests.runs.logs.forms import FORMS, CourseKind, make_course

__all__ = ["a_log"]

_NUMBERS = (
    *(
        "0.5",
        "1e-4",
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "1e999",
        "-0.0",
        "0",
        "7",
        "12345678901234567890",
    ),
    *(
        "1.2.3",
        "--5",
        "1_000",
        "0x10",
        "1e",
        ".",
        "",
        "99999999",
        "٣",
        "9" * 400,
        "1" + "0" * 30 + ".5",
    ),
)
_NAMES = (
    "loss",
    "iou",
    "val_loss",
    "lr",
    "epoch",
    "step",
    "grad norm",
    "val/mAP50(B)",
    "é",
    "x" * 90,
    "",
)
_EPOCHS = (
    "1",
    "2",
    "3",
    "88",
    "0",
    "-1",
    "1.5",
    "0.03",
    "9999999",
    "99999999",
    "1e9",
    "nan",
    "",
    "٣",
)
_TIMES = (
    "",
    "",
    "2024-01-01 10:00:00 INFO ",
    "2024-13-45 99:99:99 ",
    "[rank0] ",
    "\x1b[32m",
    "\ufeff",
)
_LINES = (
    "{time}Epoch {e}: Loss: {a} | {name}: {b} | LR: {c}",
    "{time}Epoch [{e}/120][{f}/1000] loss: {a} ({b}) {name}: {c}",
    "{time}Epoch {e}:  30%|###   | {f}/10 [00:10<00:23, 30.0it/s, loss={a}]\r{name}={b}",
    "Epoch: [{e}][{f}/100]\tLoss {a} ({b})\tAcc@1 {c}",
    "{time}Epoch(val) [{e}][20/20]  {name}: {a}  data_time: {b}",
    "Train: {e} [ 30/100 (30%)]  Loss: {a} ({b})  LR: {c}",
    "Epoch {e}/{f}\n{name}: {a}\nval Loss: {b} Acc: {c}",
    "[{e}/{f}] {name}: {a}",
    "{{'loss': {a}, '{name}': {b}, 'epoch': {e}}}",
    '{{"epoch": {e}, "step": {f}, "{name}": {a}, "loss": {b}}}',
    '{{"{name}": {a}, "epoch": "{e}", "x": [{{"y": {b}}}]}}',
    '{{"epoch": {e}, "loss": ' + "[" * 400,
    "{e},{a},{b},{c}",
    '"{e}",{a},"{b}\n{c}",{f}',
    "epochs {e} / {f} {name} {a}",
    "loading checkpoint from epoch {e}; best {name}={a}",
    "$ python train.py --lr {a} --epochs {e}",
    "{name}:{a}:{b}:{c} " * 20,
    "epoch epoch epoch ( ( ( [ [ {e}",
)
_HEADS = (
    "",
    "",
    "",
    "epoch,loss,iou,lr",
    "epoch;loss",
    "epoch\tstep\tloss",
    '"epoch","a"',
    "{",
    "[[1",
    "\0",
)


_NUMBER = re.compile(r"\d+(?:\.\d+)?|\bnan\b")


def a_log(chance: random.Random) -> bytes:
    """Some lines, mostly of one or two kinds; now and then the state of a Hugging Face trainer, and
    often what some program prints, with other numbers and lines of another one in it.
    """
    which = chance.random()
    if which < 0.1:
        return _trainer_state(chance)
    if which < 0.5:
        return _of_forms(chance)
    kinds = [chance.choice(_LINES) for _ in range(chance.choice((1, 1, 2, 4)))]
    lines = [chance.choice(_HEADS)]
    for at in range(chance.choice((1, 4, 12, 40))):
        usual = str(at // 3) if chance.random() < 0.7 else chance.choice(_EPOCHS)
        a, b, c = (_number(chance) for _ in range(3))
        line = chance.choice(kinds).format(
            e=usual, f=at, a=a, b=b, c=c, name=chance.choice(_NAMES), time=chance.choice(_TIMES)
        )
        lines.append(line)
    data = chance.choice(("\n", "\n", "\n", "\r\n", "\r", "\n\n")).join(lines).encode()
    return shaken(chance, data) if chance.random() < 0.4 else data


def _of_forms(chance: random.Random) -> bytes:
    """A part of a log in some form, or of two that were written into one file."""
    lines = list(_printed(chance.randrange(len(FORMS))))
    if chance.random() < 0.3:
        others = _printed(chance.randrange(len(FORMS)))
        lines = [line for pair in zip(lines, others, strict=False) for line in pair]
    begin = chance.randrange(len(lines)) if chance.random() < 0.5 else 0
    lines = lines[begin : begin + chance.choice((2, 10, 40))]
    share = chance.choice((0.0, 0.02, 0.3))

    def other(found: re.Match[str]) -> str:
        return chance.choice(_NUMBERS) if chance.random() < share else found[0]

    text = _NUMBER.sub(other, "\n".join(lines))
    encoding = chance.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"))
    data = text.encode(encoding, "replace")
    return shaken(chance, data) if chance.random() < 0.5 else data


@functools.cache
def _printed(at: int) -> tuple[str, ...]:
    form = FORMS[at]
    text = form.write(make_course(CourseKind.STORY, form.name).moments[-12:])
    return tuple(text.split("\n"))


def _number(chance: random.Random) -> str:
    return f"{chance.random():.4f}" if chance.random() < 0.6 else chance.choice(_NUMBERS)


def _trainer_state(chance: random.Random) -> bytes:
    rows = ", ".join(
        f'{{"epoch": {_number(chance)}, "step": {at}, "{chance.choice(_NAMES)}": '
        f"{_number(chance)}}}"
        for at in range(chance.randrange(12))
    )
    data = f'{{\n"best_metric": 1,\n"log_history": [{rows}]}}'.encode()
    return shaken(chance, data) if chance.random() < 0.5 else data
