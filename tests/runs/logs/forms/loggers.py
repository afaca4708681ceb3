"""Logs of Lightning and of files that loggers write: CSV, JSON lines, bars of tqdm and of rich."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, epochs, form, steps

_BOTH = dict[str, object]


def _cells(*values: object) -> str:
    return ",".join("" if value is None else str(value) for value in values)


@form(
    "metrics.csv",
    metric="val_iou",
    shown=lambda m: m.score,
    place=lambda at: Place(epoch=at, step=at * 50 + 49),
)
def lightning_csv(course: Sequence[Moment]) -> str:
    """Lightning-AI/pytorch-lightning: src/lightning/fabric/loggers/csv_logs.py: sorted columns, an
    empty cell for what was not logged; the same step twice."""
    lines = ["epoch,lr-AdamW,step,train_loss_epoch,train_loss_step,val_iou,val_loss"]
    for at, one in enumerate(course):
        for count in (24, 49):
            step = at * 50 + count
            lines.append(_cells(None, one.lr, step, None, None, None, None))
            lines.append(_cells(at, None, step, None, one.train * 1.02, None, None))
        lines.append(_cells(at, None, at * 50 + 49, None, None, one.score, one.val))
        lines.append(_cells(at, None, at * 50 + 49, one.train, None, None, None))
    return "\n".join(lines) + "\n"


@form("metrics.csv", metric="val/dice", shown=lambda m: m.score, place=steps(1000, first=999))
def csv_of_steps(course: Sequence[Moment]) -> str:
    """Lightning-AI/pytorch-lightning: the same by Fabric: `step` without an epoch."""
    lines = ["step,train/loss,val/dice,val/loss"]
    for at, one in enumerate(course, start=1):
        lines += [_cells(at * 1000 - back, one.train, None, None) for back in (751, 501, 251)]
        lines.append(_cells(at * 1000 - 1, None, one.score, one.val))
    return "\n".join(lines) + "\n"


@form("nohup.out", metric="val_iou", shown=lambda m: as_read(f"{m.score:.3f}"), place=epochs(0))
def lightning_bar(course: Sequence[Moment]) -> str:
    """Lightning-AI/pytorch-lightning: src/lightning/pytorch/callbacks/progress/tqdm_progress.py;
    the values of the validation before stand in the bar."""
    out = []
    before = ""
    for at, one in enumerate(course):
        for batch in (78, 157):
            out.append(
                f"\rEpoch {at}: {100 * batch // 157:3d}%|█████     | {batch}/157 "
                f"[01:33<01:33,  1.19s/it, v_num=96f9, train_loss={one.train:.3f}{before}]"
            )
        out.append("\rValidation DataLoader 0: 100%|██████████| 20/20 [00:02<00:00,  8.12it/s]")
        before = f", val_loss={one.val:.3f}, val_iou={one.score:.3f}"
        out.append(
            f"\rEpoch {at}: 100%|██████████| 157/157 [03:06<00:00,  1.19s/it, v_num=96f9, "
            f"train_loss={one.train:.3f}{before}]"
        )
    return "".join(out) + "\n`Trainer.fit` stopped: `max_epochs` reached.\n"


@form("nohup.out", metric="val_iou", shown=lambda m: as_read(f"{m.score:.3f}"), place=epochs(0))
def lightning_rich(course: Sequence[Moment]) -> str:
    """Lightning-AI/pytorch-lightning: src/lightning/pytorch/callbacks/progress/rich_progress.py:
    names and values apart by `: `, on the line of the bar."""
    out = []
    for at, one in enumerate(course):
        out.append(
            f"Epoch {at}/{len(course) - 1}  ━━━━━━━━━━━━━━━━ 157/157 0:01:12 • 0:00:00 2.13it/s "
            f"v_num: 0.000 train_loss: {one.train:.3f} val_loss: {one.val:.3f} "
            f"val_iou: {one.score:.3f}"
        )
    return "\n".join(out) + "\n"


@form("train.jsonl", metric="val_iou", shown=lambda m: m.score)
def json_lines(course: Sequence[Moment]) -> str:
    """Any script with `json.dumps` a row."""
    return "".join(
        json.dumps({"epoch": at, "loss": one.train, "val_loss": one.val, "val_iou": one.score})
        + "\n"
        for at, one in enumerate(course, start=1)
    )


@form("log.jsonl", metric="val/iou|val_iou|val.iou", shown=lambda m: m.score, place=steps(100))
def json_lines_of_steps(course: Sequence[Moment]) -> str:
    """Any script that counts steps: training rows in between, values of validation nested."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(json.dumps({"step": at * 100 - 50, "train/loss": one.train}))
        row: _BOTH = {"step": at * 100, "val/iou": one.score, "val/loss": one.val}
        out.append(json.dumps(row))
    return "\n".join(out) + "\n"


@form("history.json", metric="val_iou", shown=lambda m: m.score, place=epochs(0))
def json_list_of_rows(course: Sequence[Moment]) -> str:
    """Any script that dumps a list of dictionaries at its end, indented."""
    rows = [
        {"epoch": at, "train_loss": one.train, "val_loss": one.val, "val_iou": one.score}
        for at, one in enumerate(course)
    ]
    return json.dumps(rows, indent=2)


@form("log.csv", metric="val_dice", shown=lambda m: as_read(f"{m.score:.5f}"))
def csv_with_semicolons(course: Sequence[Moment]) -> str:
    """A table of Excel in Europe: semicolons, and commas in the numbers."""
    lines = ["epoch;train_loss;val_loss;val_dice"]
    for at, one in enumerate(course, start=1):
        row = f"{at};{one.train:.5f};{one.val:.5f};{one.score:.5f}"
        lines.append(row.replace(".", ","))
    return "\n".join(lines) + "\n"


@form("training_log.csv", metric="(?i)val iou|val_iou", shown=lambda m: m.score)
def csv_with_blanks_and_units(course: Sequence[Moment]) -> str:
    """A table that a person named: capitals, blanks, per cent signs."""
    lines = ["Epoch, Train Loss, Val Loss, Val IoU, Time (s)"]
    for at, one in enumerate(course, start=1):
        lines.append(f"{at}, {one.train}, {one.val}, {one.score}, 81.2")
    return "\n".join(lines) + "\n"


@form("log.tsv", metric="(?i)dev_f1", shown=lambda m: as_read(f"{m.score:.4f}"))
def flair(course: Sequence[Moment]) -> str:
    """flairNLP/flair: flair/trainers/trainer.py, `loss.tsv`: tabs, capitals, a time."""
    lines = ["EPOCH\tTIMESTAMP\tLEARNING_RATE\tTRAIN_LOSS\tDEV_LOSS\tDEV_PRECISION\tDEV_F1"]
    for at, one in enumerate(course, start=1):
        lines.append(
            f"{at}\t10:{at + 10}:00\t{one.lr:.4f}\t{one.train}\t{one.val}\t{one.score:.4f}"
            f"\t{one.score:.4f}"
        )
    return "\n".join(lines) + "\n"


@form(
    "train.log",
    metric="(?i)score",
    shown=lambda m: as_read(f"{m.score:.2f}"),
    place=steps(200),
    either={"(?i)ents_f": lambda m: as_read(f"{m.score * 100:.2f}")},
)
def spacy(course: Sequence[Moment]) -> str:
    """explosion/spaCy: spacy/training/loggers.py, `console_logger`: epoch, step, losses, scores in
    columns."""
    lines = [
        "E    #       LOSS TOK2VEC  LOSS NER  ENTS_F  ENTS_P  ENTS_R  SCORE ",
        "---  ------  ------------  --------  ------  ------  ------  ------",
    ]
    for at, one in enumerate(course):
        percent = f"{one.score * 100:>6.2f}"
        lines.append(
            f"{at // 3:>3}  {at * 200 + 200:>6}  {one.train * 30:>12.2f}  {one.train * 99:>8.2f}  "
            f"{percent}  {percent}  {percent}  {one.score:>6.2f}"
        )
    return "\n".join(lines) + "\n"


@form(
    "train.log",
    metric="(?i)valid.*(auc|logloss)|auc",
    shown=lambda m: as_read(f"{m.score:.5f}"),
    place=lambda at: Place(epoch=at * 10, step=at * 10),
)
def xgboost(course: Sequence[Moment]) -> str:
    """dmlc/xgboost: python-package/xgboost/callback.py, `EvaluationMonitor`: `[10]` counts
    rounds."""
    return "".join(
        f"[{at * 10}]\ttrain-auc:{min(1, one.score * 1.05):.5f}\tvalid-auc:{one.score:.5f}\n"
        for at, one in enumerate(course)
    )
