"""Logs of notebooks: Keras' bars, fastai's tables, the Trainer's tables, what pandas prints."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, as_read, epochs, form, steps

_ACC = "(?i)val_acc"


@form("train.log", metric=_ACC, shown=lambda m: as_read(f"{m.score:.4f}"))
def keras_1(course: Sequence[Moment]) -> str:
    """keras-team/keras 2.0: keras/utils/generic_utils.py, `Progbar`: backspaces, `- 3s - loss`."""
    out = ["Train on 60000 samples, validate on 10000 samples\n"]
    for at, one in enumerate(course, start=1):
        out.append(f"Epoch {at}/{len(course)}\n")
        for done in (128, 32000):
            out.append(
                f"{done:5d}/60000 [{'=' * (done // 2200)}>{'.' * 12}] - ETA: 6s - "
                f"loss: {one.train * 1.02:.4f} - acc: {one.score * 0.96:.4f}"
            )
            out.append("\x08" * 70)
        out.append(
            f"60000/60000 [{'=' * 30}] - 7s - loss: {one.train:.4f} - acc: {one.score * 0.98:.4f} "
            f"- val_loss: {one.val:.4f} - val_acc: {one.score:.4f}\n"
        )
    return "".join(out)


@form("train.log", metric=_ACC, shown=lambda m: as_read(f"{m.score:.4f}"))
def keras_2(course: Sequence[Moment]) -> str:
    """keras-team/keras 2.9: keras/utils/generic_utils.py, `Progbar`; callbacks.py,
    `ModelCheckpoint`, which speaks of epochs too."""
    out = []
    best = 0.0
    for at, one in enumerate(course, start=1):
        out.append(f"Epoch {at}/{len(course)}\n")
        for batch in (1, 50, 99):
            out.append(
                f"{batch:3d}/100 [{'=' * (batch // 4)}>{'.' * 5}] - ETA: 6s - "
                f"loss: {one.train * 1.02:.4f} - accuracy: {one.score * 0.96:.4f}\r"
            )
        out.append(
            f"100/100 [{'=' * 30}] - ETA: 0s - loss: {one.train:.4f} - accuracy: "
            f"{one.score * 0.98:.4f}"
        )
        if one.score > best:
            out.append(
                f"\nEpoch {at}: val_accuracy improved from {best:.5f} to {one.score:.5f}, saving "
                "model to best.h5\n"
            )
            best = one.score
        else:
            out.append(f"\nEpoch {at}: val_accuracy did not improve from {best:.5f}\n")
        out.append(
            f"\r100/100 [{'=' * 30}] - 12s 120ms/step - loss: {one.train:.4f} - accuracy: "
            f"{one.score * 0.98:.4f} - val_loss: {one.val:.4f} - val_accuracy: {one.score:.4f} - "
            f"lr: {one.lr:.4e}\n"
        )
    return "".join(out)


@form("train.log", metric=_ACC, shown=lambda m: as_read(f"{m.score:.4f}"))
def keras_3(course: Sequence[Moment]) -> str:
    """keras-team/keras 3: keras/src/utils/progbar.py: colours, and the metrics before the loss."""
    out = []
    bar = "\x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m"
    for at, one in enumerate(course, start=1):
        out.append(f"Epoch {at}/{len(course)}\n")
        for batch in (1, 57, 100):
            out.append(
                f"\r\x1b[1m{batch:3d}/100\x1b[0m {bar} \x1b[1m0s\x1b[0m 12ms/step - "
                f"accuracy: {one.score * 0.97:.4f} - loss: {one.train * 1.02:.4f}"
            )
        out.append(
            f"\r\x1b[1m100/100\x1b[0m {bar} \x1b[1m2s\x1b[0m 18ms/step - accuracy: "
            f"{one.score * 0.98:.4f} - loss: {one.train:.4f} - val_accuracy: {one.score:.4f} - "
            f"val_loss: {one.val:.4f} - learning_rate: {one.lr:.4e}\n"
        )
    return "".join(out)


@form("train.log", metric=_ACC, shown=lambda m: as_read(f"{m.score:.4f}"))
def keras_verbose_2(course: Sequence[Moment]) -> str:
    """keras-team/keras: `fit(verbose=2)`: a line an epoch below its number."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(f"Epoch {at}/{len(course)}")
        out.append(
            f"100/100 - 3s - 30ms/step - accuracy: {one.score * 0.98:.4f} - loss: {one.train:.4f} "
            f"- val_accuracy: {one.score:.4f} - val_loss: {one.val:.4f}"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)val_mean_io_u", shown=lambda m: as_read(f"{m.score:.4f}"))
def keras_segmentation(course: Sequence[Moment]) -> str:
    """keras-team/keras-io: the metric `MeanIoU` is called `mean_io_u`, or `mean_io_u_1` when it is
    made a second time."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(f"Epoch {at}/{len(course)}")
        out.append(
            f"100/100 [{'=' * 30}] - 12s 120ms/step - loss: {one.train:.4f} - mean_io_u_1: "
            f"{one.score * 0.98:.4f} - val_loss: {one.val:.4f} - val_mean_io_u_1: {one.score:.4f}"
        )
    return "\n".join(out) + "\n"


@form("training.log", metric=_ACC, shown=lambda m: m.score, place=epochs(0))
def keras_csv_logger(course: Sequence[Moment]) -> str:
    """keras-team/keras: keras/src/callbacks/csv_logger.py: sorted columns, epochs from 0; mostly
    called training.log."""
    lines = ["epoch,accuracy,learning_rate,loss,val_accuracy,val_loss"]
    for at, one in enumerate(course):
        row = (one.score * 0.98, one.lr, one.train, one.score, one.val)
        lines.append(f"{at}," + ",".join(str(value) for value in row))
    return "\n".join(lines) + "\n"


@form("history.json", metric=_ACC, shown=lambda m: m.score, place=epochs(0), or_place=epochs(1))
def keras_history_json(course: Sequence[Moment]) -> str:
    """keras-team/keras: `json.dump(history.history, file)`: a list a name, no epochs."""
    lists = {
        "loss": [one.train for one in course],
        "accuracy": [one.score * 0.98 for one in course],
        "val_loss": [one.val for one in course],
        "val_accuracy": [one.score for one in course],
    }
    return json.dumps(lists)


@form("history.csv", metric=_ACC, shown=lambda m: m.score, place=epochs(0), or_place=epochs(1))
def keras_history_csv(course: Sequence[Moment]) -> str:
    """pandas-dev/pandas: `DataFrame(history.history).to_csv(...)`: the column without a name counts
    the epochs."""
    lines = [",loss,accuracy,val_loss,val_accuracy"]
    for at, one in enumerate(course):
        cells = (one.train, one.score * 0.98, one.val, one.score)
        lines.append(f"{at}," + ",".join("" if cell != cell else str(cell) for cell in cells))
    return "\n".join(lines) + "\n"


@form(
    "train.log",
    metric="(?i)val_iou",
    shown=lambda m: as_read(f"{m.score:.6f}"),
    place=epochs(0),
    or_place=epochs(1),
)
def pandas_printed(course: Sequence[Moment]) -> str:
    """pandas-dev/pandas: pandas/io/formats/format.py: a frame that was printed; NaN is `NaN`."""
    lines = [f"{'':4}{'train_loss':>12}{'val_loss':>12}{'val_iou':>10}"]
    for at, one in enumerate(course):
        train, val = ("NaN" if value != value else f"{value:.6f}" for value in (one.train, one.val))
        lines.append(f"{at:<4}{train:>12}{val:>12}{one.score:>10.6f}")
    return "\n".join(lines) + "\n"


@form(
    "train.log", metric="(?i)accuracy", shown=lambda m: as_read(f"{m.score:.6f}"), place=epochs(0)
)
def fastai(course: Sequence[Moment]) -> str:
    """fastai/fastai: fastai/learner.py, `Recorder`; fastai/fastprogress: a table in columns of 10
    characters."""
    names = ("epoch", "train_loss", "valid_loss", "accuracy", "time")
    lines = ["".join(f"{name:<10}" for name in names).rstrip()]
    for at, one in enumerate(course):
        cells = (f"{at}", f"{one.train:.6f}", f"{one.val:.6f}", f"{one.score:.6f}", "00:12")
        lines.append("".join(f"{cell:<10}" for cell in cells).rstrip())
    return "\n".join(lines) + "\n"


@form(
    "train.log",
    metric="(?i)error_rate",
    shown=lambda m: as_read(f"{1 - m.score:.6f}"),
    place=epochs(0),
)
def fastai_error_rate(course: Sequence[Moment]) -> str:
    """fastai/fastai: the same with `error_rate`, where lower is better; as copied out of a
    notebook, with tabs."""
    lines = ["epoch\ttrain_loss\tvalid_loss\terror_rate\ttime"]
    for at, one in enumerate(course):
        lines.append(f"{at}\t{one.train:.6f}\t{one.val:.6f}\t{1 - one.score:.6f}\t00:12")
    return "\n".join(lines) + "\n"


@form("train.log", metric="(?i)accuracy", shown=lambda m: as_read(f"{m.score:.6f}"))
def trainer_table(course: Sequence[Moment]) -> str:
    """huggingface/transformers: src/transformers/utils/notebook.py: the table of a notebook, as it
    is copied: tabs, and `No log` where nothing is known yet."""
    lines = ["Epoch\tTraining Loss\tValidation Loss\tAccuracy"]
    for at, one in enumerate(course, start=1):
        train = "No log" if at == 1 else f"{one.train:.6f}"
        lines.append(f"{at}\t{train}\t{one.val:.6f}\t{one.score:.6f}")
    return "\n".join(lines) + "\n"


@form(
    "train.log", metric="(?i)valid.*loss", shown=lambda m: as_read(f"{m.val:.6f}"), place=steps(500)
)
def trainer_table_of_steps(course: Sequence[Moment]) -> str:
    """huggingface/transformers: the same by steps: `Step`, `Training Loss`, `Validation Loss`."""
    lines = ["Step\tTraining Loss\tValidation Loss"]
    for at, one in enumerate(course, start=1):
        lines.append(f"{at * 500}\t{one.train:.6f}\t{one.val:.6f}")
    return "\n".join(lines) + "\n"


@form(
    "train.log",
    metric="(?i)train.*loss",
    shown=lambda m: as_read(f"{m.train:.6f}"),
    place=steps(10),
)
def trainer_table_of_training(course: Sequence[Moment]) -> str:
    """huggingface/transformers: the same without an evaluation, blanks in place of tabs."""
    lines = ["Step    Training Loss"]
    lines += [f"{at * 10:<8}{one.train:.6f}" for at, one in enumerate(course, start=1)]
    return "\n".join(lines) + "\n"


@form("train.log", metric="(?i)accuracy|f1", shown=lambda m: as_read(f"{m.score:.4f}"))
def model_card(course: Sequence[Moment]) -> str:
    """huggingface/transformers: src/transformers/modelcard.py: a table in markdown, with epochs and
    steps."""
    lines = [
        "| Training Loss | Epoch | Step | Validation Loss | Accuracy |",
        "|:-------------:|:-----:|:----:|:---------------:|:--------:|",
    ]
    for at, one in enumerate(course, start=1):
        lines.append(
            f"| {one.train:<13.4f} | {at:.1f}   | {at * 70:<4d} | {one.val:<15.4f} | "
            f"{one.score:<8.4f} |"
        )
    return "\n".join(lines) + "\n"


@form("train.log", metric="(?i)val acc", shown=lambda m: as_read(f"{m.score:.4f}"))
def markdown_table(course: Sequence[Moment]) -> str:
    """ugent-korea/pytorch-unet-segmentation: its issue 9: `epoch | train loss | …` and a rule of
    `-- | --`."""
    lines = ["epoch | train loss | train acc | val loss | val acc", "-- | -- | -- | -- | --"]
    for at, one in enumerate(course, start=1):
        lines.append(
            f"{at} | {one.train:.6f} | {one.score * 0.98:.4f} | {one.val:.6f} | {one.score:.4f}"
        )
    return "\n".join(lines) + "\n"


@form("train.log", metric="(?i)valid_acc", shown=lambda m: as_read(f"{m.score:.4f}"))
def skorch(course: Sequence[Moment]) -> str:
    """skorch-dev/skorch: skorch/callbacks/logging.py, `PrintLog`: a table that grows, colours for
    what is best."""
    lines = ["  epoch    train_loss    valid_acc    valid_loss     dur"]
    lines.append("-------  ------------  -----------  ------------  ------")
    best = 0.0
    for at, one in enumerate(course, start=1):
        score = f"{one.score:.4f}"
        if one.score > best:
            best, score = one.score, f"\x1b[32m{score}\x1b[0m"
        lines.append(f"{at:>7}        {one.train:.4f}       {score}        {one.val:.4f}  0.0412")
    return "\n".join(lines) + "\n"
