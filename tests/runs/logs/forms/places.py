"""Scripts that say elsewhere than on the line itself of which moment, or of which data, it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from tests.runs.logs.forms.form import Form, Moment, as_read, form, steps

_VAL = "(?i)(val|vld|test).*(iou|acc)|(iou|acc).*(val|test)"


def _score(one: Moment) -> float:
    return as_read(f"{one.score:.4f}")


def _a_moment(name: str, line: Callable[[int, int, Moment], str], metric: str) -> Form:
    """A form of the same lines a moment.

    Args:
        name: of the form.
        line: the epoch, how many there are, and what was measured, to what is printed.
        metric: a pattern of the name that is judged by.
    """

    def write(course: Sequence[Moment]) -> str:
        """scripts of courses and of Kaggle"""
        return "".join(line(at, len(course), one) for at, one in enumerate(course, start=1))

    write.__name__ = name
    return form("train.log", metric=metric, shown=_score)(write)


after_epoch = _a_moment(
    "after-epoch",
    lambda e, n, one: (
        f"Training loss after epoch {e}: {one.train:.4f}\n"
        f"Validation accuracy after epoch {e}/{n}: {one.score:.4f}\n"
    ),
    _VAL,
)
at_epoch = _a_moment(
    "at-epoch", lambda e, n, one: f"Test accuracy at epoch {e} is {one.score:.4f}\n", _VAL
)
after_epochs = _a_moment(
    "after-epochs",
    lambda e, n, one: (
        f"After {e} epochs, the loss is {one.train:.4f} and the val accuracy is {one.score:.4f}\n"
    ),
    _VAL,
)
underscored = _a_moment(
    "underscored", lambda e, n, one: f"epoch_{e}: loss {one.train:.4f} iou {one.score:.4f}\n", "iou"
)
in_round_brackets = _a_moment(
    "in-round-brackets",
    lambda e, n, one: f"({e}/{n}) loss {one.train:.4f} val_iou {one.score:.4f}\n",
    _VAL,
)
ordinal_in_english = _a_moment(
    "ordinal-in-english",
    lambda e, n, one: f"{e}th epoch: loss {one.train:.4f}, val iou {one.score:.4f}\n",
    _VAL,
)
ordinal_in_german = _a_moment(
    "ordinal-in-german",
    lambda e, n, one: f"{e}. Epoche: Verlust {one.train:.4f} Genauigkeit {one.score:.4f}\n",
    "acc",
)
short_prefixes = _a_moment(
    "short-prefixes",
    lambda e, n, one: (
        f"Epoch {e}: trn_loss {one.train:.4f} vld_loss {one.val:.4f} "
        f"trn_acc 0.9931 vld_acc {one.score:.4f}\n"
    ),
    "vld_acc",
)
two_to_two = _a_moment(
    "two-to-two",
    lambda e, n, one: (
        f"Epoch {e} | Train/Val Loss: {one.train:.4f} / {one.val:.4f} | "
        f"Train/Val Acc: 0.9931 / {one.score:.4f}\n"
    ),
    _VAL,
)
two_behind = _a_moment(
    "two-behind",
    lambda e, n, one: (
        f"Epoch {e}: loss (train/val): {one.train:.4f}/{one.val:.4f}, "
        f"acc (train/val): 0.9931/{one.score:.4f}\n"
    ),
    _VAL,
)
sections = _a_moment(
    "sections",
    lambda e, n, one: (
        f"Epoch {e}/{n}\nTraining:\n  loss: {one.train:.4f}\n  acc: 0.9931\n"
        f"Validation:\n  loss: {one.val:.4f}\n  acc: {one.score:.4f}\n"
    ),
    _VAL,
)
ruled_sections = _a_moment(
    "ruled-sections",
    lambda e, n, one: (
        f"Epoch {e}\n== Train ==\nloss: {one.train:.4f} acc: 0.9931\n"
        f"== Val ==\nloss: {one.val:.4f} acc: {one.score:.4f}\n"
    ),
    _VAL,
)
spoken_sections = _a_moment(
    "spoken-sections",
    lambda e, n, one: (
        f"Epoch {e} - Training\nloss: {one.train:.4f} acc: 0.9931\n"
        f"Evaluating on the validation set...\nloss: {one.val:.4f} acc: {one.score:.4f}\n"
    ),
    _VAL,
)
classes_first = _a_moment(
    "classes-first",
    lambda e, n, one: (
        f"Epoch {e}: loss {one.train:.4f}\nroad IoU: {1 - one.score / 2:.4f}\n"
        f"car IoU: 0.1201\nmean IoU: {one.score:.4f}\n"
    ),
    "(?i)mean.?iou|miou",
)
metric_then_class = _a_moment(
    "metric-then-class",
    lambda e, n, one: (
        f"Epoch {e}: loss {one.train:.4f}\nIoU road: {1 - one.score / 2:.4f}\n"
        f"IoU car: 0.1201\nIoU mean: {one.score:.4f}\n"
    ),
    "(?i)mean.?iou|miou",
)


@form("train.jsonl", metric="(?i)val.*iou", shown=lambda m: m.score)
def enveloped(course: Sequence[Moment]) -> str:
    """Loggers that put every row into an envelope, with a kind and a time."""
    rows = (
        {"type": "metrics", "time": at, "data": {"epoch": at, "loss": m.train, "val_iou": m.score}}
        for at, m in enumerate(course, start=1)
    )
    return "".join(f"{json.dumps(row)}\n" for row in rows)


@form("log.jsonl", metric="(?i)loss", shown=lambda m: m.train, place=steps(100))
def enveloped_events(course: Sequence[Moment]) -> str:
    """hynek/structlog: what happened is a field of its own."""
    rows = (
        {"event": "step done", "step": at * 100, "loss": m.train}
        for at, m in enumerate(course, start=1)
    )
    return "".join(f"{json.dumps(row)}\n" for row in rows)


@form("train.log", metric=_VAL, shown=_score)
def settings_first(course: Sequence[Moment]) -> str:
    """Scripts that dump their settings before they begin, an epoch to begin with among them."""
    settings = {"lr": 0.1, "epoch": 0, "epochs": 50, "batch_size": 4, "loss_weight": 2.0}
    return (
        f"{json.dumps(settings)}\n{settings}\nNamespace(epoch=0, epochs=50, batch_size=4, acc=None)"
        "\n"
        + "".join(
            f"Epoch {at}: loss {one.train:.4f} val_iou {one.score:.4f}\n"
            for at, one in enumerate(course, start=1)
        )
    )


@form("train.log", metric=_VAL, shown=_score)
def settings_indented(course: Sequence[Moment]) -> str:
    """The same over many lines, then lines of text."""
    settings = {"lr": 0.1, "epoch": 0, "epochs": 50, "batch_size": 4, "model": {"loss": 1.0}}
    return (
        json.dumps(settings, indent=2)
        + "\n"
        + "".join(
            f"Epoch {at}: loss {one.train:.4f} val_iou {one.score:.4f}\n"
            for at, one in enumerate(course, start=1)
        )
    )


@form("log.csv", metric="val_iou", shown=_score)
def long_table(course: Sequence[Moment]) -> str:
    """pandas-dev/pandas: `DataFrame.melt`: a metric a row."""
    out = ["epoch,metric,value"]
    for at, one in enumerate(course, start=1):
        out.append(f"{at},train_loss,{one.train:.4f}")
        out.append(f"{at},val_loss,{one.val:.4f}")
        out.append(f"{at},val_iou,{one.score:.4f}")
    return "\n".join(out) + "\n"


@form("log.csv", metric="(?i)val.*acc", shown=_score, place=steps(50))
def long_table_of_steps(course: Sequence[Moment]) -> str:
    """The same by step, with the part of the data in a column of its own."""
    out = ["step;phase;name;value"]
    for at, one in enumerate(course, start=1):
        out.append(f"{at * 50};train;loss;{one.train:.4f}")
        out.append(f"{at * 50};train;acc;0.9931")
        out.append(f"{at * 50};val;acc;{one.score:.4f}")
    return "\n".join(out) + "\n"


@form("train.log", metric="loss", shown=lambda m: as_read(f"{m.train:.6f}"))
def two_numbers(course: Sequence[Moment]) -> str:
    """Scripts with `print(epoch, loss)`."""
    return "loading data\n" + "".join(
        f"{at} {one.train:.6f}\n" for at, one in enumerate(course, start=1)
    )
