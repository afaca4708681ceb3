"""Habits of scripts: what stands between the lines, and validations that are not in every epoch."""

from __future__ import annotations

from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, form, steps

_VAL_IOU = "(?i)val.*iou|iou.*val|valid.*iou"


@form(
    "train.log",
    metric=_VAL_IOU,
    shown=lambda m: as_read(f"{m.score:.4f}"),
    place=lambda at: Place(epoch=at * 3 + 3),
)
def validation_now_and_then(course: Sequence[Moment]) -> str:
    """Scripts that validate every third epoch; in between there is a training loss alone."""
    out = []
    for at, one in enumerate(course):
        out += [f"Epoch {at * 3 + part}: train_loss: {one.train:.4f}" for part in (1, 2, 3)]
        out.append(f"Epoch {at * 3 + 3}: val_loss: {one.val:.4f} val_iou: {one.score:.4f}")
    return "\n".join(out) + "\n"


@form("train.log", metric="", shown=lambda m: None)
def unnamed_tuples(course: Sequence[Moment]) -> str:
    """Scripts that print a tuple for each part of the data; which value is which they know."""
    return "".join(
        f"epoch {at} train ({one.train:.4f}, {one.score * 0.98:.4f}) "
        f"val ({one.val:.4f}, {one.score:.4f})\n"
        for at, one in enumerate(course, start=1)
    )


@form("train.log", metric="(?i)f1|acc|avg", shown=lambda m: as_read(f"{m.score:.2f}"))
def classification_report(course: Sequence[Moment]) -> str:
    """scikit-learn/scikit-learn: sklearn/metrics/_classification.py: a table in which a row is a
    class, below every epoch."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(f"Epoch {at}/{len(course)} train loss {one.train:.4f} val loss {one.val:.4f}")
        out.append("              precision    recall  f1-score   support\n")
        score = f"{one.score:9.2f}"
        for name, support in (("cat", 120), ("dog", 310)):
            out.append(f"{name:>12} {score} {score} {score} {support:9d}")
        out.append("")
        out.append(f"{'accuracy':>12} {'':9} {'':9} {score} {430:9d}")
        for name in ("macro avg", "weighted avg"):
            out.append(f"{name:>12} {score} {score} {score} {430:9d}")
    return "\n".join(out) + "\n"


@form("train.log", metric=_VAL_IOU, shown=lambda m: as_read(f"{m.score:.4f}"))
def scheduler_lines(course: Sequence[Moment]) -> str:
    """pytorch/pytorch: torch/optim/lr_scheduler.py, `ReduceLROnPlateau(verbose=True)`: it counts
    epochs of its own, one behind."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(f"Epoch {at} train_loss {one.train:.4f} val_loss {one.val:.4f}")
        out.append(f"Val IoU {one.score:.4f}")
        if at % 4 == 0:
            out.append(f"Epoch {at - 1:05d}: reducing learning rate of group 0 to {one.lr:.4e}.")
    return "\n".join(out) + "\n"


@form("train.log", metric=_VAL_IOU, shown=lambda m: as_read(f"{m.score:.4f}"))
def best_lines(course: Sequence[Moment]) -> str:
    """Scripts that repeat the best so far behind every epoch, in many words."""
    out = []
    best = (0.0, 0)
    for at, one in enumerate(course, start=1):
        out.append(
            f"Epoch {at} of {len(course)}: train_loss={one.train:.4f}, val_iou={one.score:.4f}"
        )
        best = max(best, (one.score, at))
        out.append(f"Best val_iou so far: {best[0]:.4f} (epoch {best[1]})")
        out.append(f"val_iou did not improve for {at - best[1]} epochs (patience 20)")
        out.append(f"Saved out/epoch_{best[1]:03d}_iou_{best[0]:.4f}.pth, keeping top 3: epoch 1")
    out.append(f"Finished. Best epoch: {best[1]}, best val_iou: {best[0]:.4f}, test_iou: 0.9931")
    return "\n".join(out) + "\n"


@form("train.log", metric=_VAL_IOU, shown=lambda m: as_read(f"{m.score:.4f}"))
def arguments_first(course: Sequence[Moment]) -> str:
    """Scripts that print their arguments, their model and warnings before they begin."""
    head = (
        "Namespace(epochs=120, lr=0.0002, start_epoch=0, val_iou=0.5, loss='dice', step=10)\n"
        "epoch: 120\nlearning_rate: 0.0002\nloss: dice\nbest_val_iou: 0.0\n"
        "Epoch 1/120 warm-up, then 119 epochs at lr=0.0002\n"
        "UNet(\n  (conv1): Conv2d(3, 64, kernel_size=(3, 3), eps=1e-05, momentum=0.1)\n)\n"
        "step 0 of the sanity check: val_iou 0.9931\n"
        "train.py:12: UserWarning: lr_scheduler.step() before optimizer.step(), epoch 0 loss 0.5\n"
    )
    return head + "".join(
        f"Epoch {at}: train_loss {one.train:.4f} val_iou {one.score:.4f}\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "train.log",
    metric="(?i)(eval|val|test).*(acc|f1)",
    place=steps(500),
    shown=lambda m: as_read(f"{m.score:.4f}"),
)
def global_steps(course: Sequence[Moment]) -> str:
    """google-research/bert's kind: an epoch and a step within it a line, and the evaluation by the
    global step."""
    out = []
    for at, one in enumerate(course, start=1):
        for part in (1, 2):
            out.append(
                f"[epoch {at * 500 // 2000} | step {(at * 500 + part * 10) % 2000}/2000 | "
                f"global step {at * 500 - 250 * (2 - part)}] loss {one.train:.4f} lr {one.lr:.2e}"
            )
        out.append(
            f"[eval @ global step {at * 500}] val_loss {one.val:.4f} val_acc {one.score:.4f}"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric=_VAL_IOU, shown=lambda m: as_read(f"{m.score:.4f}"))
def thousands_of_batches(course: Sequence[Moment]) -> str:
    """Scripts that print every batch, with a running mean and a clock."""
    out = []
    for at, one in enumerate(course, start=1):
        for batch in range(0, 1000, 50):
            out.append(
                f"{at:3d}/{len(course)} | {batch:5d}/1,000 | 00:{batch // 20:02d} | loss "
                f"{one.train * 1.04:.4f} (avg {one.train:.4f}) | lr {one.lr:.2e} | 1,234.5 img/s"
            )
        out.append(f"Epoch {at} done: train_loss {one.train:.4f}, val_iou {one.score:.4f}, 81.2 s")
    return "\n".join(out) + "\n"


@form("train.log", metric=_VAL_IOU, shown=lambda m: as_read(f"{m.score:.4f}"))
def folds(course: Sequence[Moment]) -> str:
    """Cross-validation: a short fold before this one, whose epochs are another training's."""
    out = ["Fold 1/5"]
    out += [f"Epoch {at}: train_loss 0.9{at} val_iou 0.3{at}" for at in range(1, 5)]
    out.append("Fold 2/5")
    out += [
        f"Epoch {at}: train_loss {one.train:.4f} val_iou {one.score:.4f}"
        for at, one in enumerate(course, start=1)
    ]
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)val.*acc|acc", shown=lambda m: as_read(f"{m.score * 100:.1f}"))
def percent_of_nothing(course: Sequence[Moment]) -> str:
    """Scripts that print a rate in per cent, and other rates beside it."""
    return "".join(
        f"Epoch {at:>2} |{'#' * (at % 20):<20}| 100.0% done | val acc {one.score * 100:.1f}% | "
        f"top-5 {min(100.0, one.score * 113):.1f}% | gpu 97% | loss {one.train:.3f}\n"
        for at, one in enumerate(course, start=1)
    )
