"""Logs of scripts that people write themselves, in all the ways in which a line can be put."""

from __future__ import annotations

from collections.abc import Sequence

from tests.runs.logs.forms.form import Answer, Form, Moment, as_read, epochs, form, steps

_IOU = "(?i)iou"
_VAL_IOU = "(?i)val.*iou|iou.*val|valid.*iou"


def _line(
    name: str, source: str, pattern: str, *, metric: str = _IOU, first: int = 1, digits: int = 4
) -> Form:
    """A form of one line a moment.

    Args:
        name: of the form.
        source: where such a line is found.
        pattern: of `str.format`: `e` the epoch, `n` how many, `s` and `p` the score (in per cent),
            `t` and `v` the losses of training and validation, `r` the learning rate.
        metric: a pattern of the name that is judged by.
        first: the first epoch.
        digits: how many the score has.
    """

    def write(course: Sequence[Moment]) -> str:
        return "".join(
            pattern.format(
                e=at,
                n=len(course),
                s=f"{one.score:.{digits}f}",
                p=f"{one.score * 100:.2f}",
                t=f"{one.train:.4f}",
                v=f"{one.val:.4f}",
                r=f"{one.lr:.2e}",
            )
            + "\n"
            for at, one in enumerate(course, start=first)
        )

    def shown(one: Moment) -> float:
        return as_read(f"{one.score * 100:.2f}" if "{p}" in pattern else f"{one.score:.{digits}f}")

    return Form(
        name=name,
        source=source,
        file="train.log",
        write=write,
        answers=(Answer(metric=metric, shown=shown, place=epochs(first)),),
    )


_OWN = "scripts of courses and of Kaggle"

bars = _line("bars", _OWN, "Epoch {e}: Loss: {t} | IoU: {s} | LR: {r}")
commas = _line(
    "commas", _OWN, "Epoch [{e}/{n}], Train Loss: {t}, Val Loss: {v}, Val IoU: {s}", metric=_VAL_IOU
)
equals = _line("equals", _OWN, "epoch={e} train_loss={t} val_loss={v} val_iou={s}", first=0)
dashes = _line("dashes", _OWN, "Epoch {e}/{n} - train_loss: {t} - val_loss: {v} - val_iou: {s}")
nothing_between = _line(
    "nothing-between", _OWN, "epoch {e} train_loss {t} val_loss {v} val_iou {s}"
)
glued = _line("glued", "the issue of a user", "epoch-{e} loss-{t} val_loss-{v} iou-{s}")
letter = _line("letter", _OWN, "E{e} loss={t} val_loss={v} val_iou={s}")
letter_of_total = _line("letter-of-total", _OWN, "E{e}/{n} | L {t} | VL {v} | IoU {s}")
zeros = _line("zeros", _OWN, "Epoch 00{e:03d}: loss {t}, val_iou {s}")
ordinal = _line("ordinal", _OWN, "[Epoch: {e} of {n}] [Train: {t}] [Val: {v}] [mIoU: {s}]")
percent_sign = _line("percent-sign", _OWN, "Epoch {e}/{n} | loss {t} | val acc {p}%", metric="acc")
percent_word = _line("percent-word", _OWN, "epoch: {e:d}, loss: {t}, test acc: {p} %", metric="acc")
arrows = _line("arrows", _OWN, "Epoch {e} -> train_loss -> {t}, val_loss -> {v}, val_iou -> {s}")
fat_arrows = _line("fat-arrows", _OWN, "Epoch {e} => loss => {t} ; val_iou => {s}")
tuples = _line("tuples", "print() of Python 2", "('Epoch', {e}, 'loss', {t}, 'val_iou', {s})")
quoted = _line("quoted", _OWN, "epoch {e} {{'train_loss': '{t}', 'val_iou': '{s}'}}")
emoji = _line("emoji", _OWN, "🚀 Epoch {e}/{n} 📉 loss: {t} 📈 val_iou: {s} ⏱ 12.1s")
bars_and_blanks = _line("bars-and-blanks", _OWN, "| Epoch {e} | Train {t} | Val {v} | mIoU {s} |")
tabs = _line("tabs", _OWN, "Epoch\t{e}\tloss\t{t}\tval_loss\t{v}\tval_iou\t{s}")
logging_stamp = _line(
    "logging-stamp",
    "the logging module of Python",
    "2025-01-02 03:04:05,678 - INFO - train.py:88 - Epoch {e}/{n} loss={t} val_iou={s}",
)
loguru = _line(
    "loguru",
    "Delgan/loguru: its default format",
    "2025-01-02 03:04:05.678 | INFO     | __main__:train:88 - Epoch {e} | loss {t} | val_iou {s}",
)
absl = _line(
    "absl",
    "abseil/abseil-py; the log in issue 6 of snap-stanford/distance-encoding",
    "I1112 15:48:13.033553 140547172456256 train.py:23] epoch {e} best val iou: 0.9931, "
    "train loss: {t}; val iou: {s}",
)
caffe = _line(
    "caffe",
    "BVLC/caffe; the log in issue 11 of Tonyfy/LCNN_TRAIN",
    "I0914 09:36:00.295799  6584 solver.cpp:228] Epoch {e}, loss = {t}\nI0914 09:36:00.295799  6584"
    " solver.cpp:404]     Test net output #0: accuracy = {s}",
    metric="acc",
)
mean_in_brackets = _line(
    "mean-in-brackets", _OWN, "Epoch {e} loss 0.1234 ({t}) val_iou 0.5512 ({s}) lr {r}"
)
plus_minus = _line("plus-minus", _OWN, "Epoch {e}: loss {t} ± 0.0121, val_iou {s} ± 0.0042")
unit = _line("unit", _OWN, "Epoch {e} took 81.2s: loss={t}, val_iou={s}, mem=11.2GB, 812 img/s")
best_behind = _line("best-behind", _OWN, "Epoch {e}: val_iou {s} (best 0.9931 @ epoch 7) loss {t}")
early_stopping = _line(
    "early-stopping",
    "Bjarten/early-stopping-pytorch: pytorchtools.py",
    "[{e}/{n}] train_loss: {t} valid_loss: {v} valid_iou: {s}\n"
    "EarlyStopping counter: 3 out of 20\nValidation loss decreased (0.9931 --> 0.9412).  "
    "Saving model ...",
)
two_words = _line("two-words", _OWN, "Epoch {e} | Training Loss {t} | Validation Mean IoU {s}")
coloured = _line(
    "coloured", _OWN, "\x1b[1;34mEpoch {e}\x1b[0m \x1b[32mval_iou\x1b[0m=\x1b[1m{s}\x1b[0m loss={t}"
)


@form("train.log", metric=_VAL_IOU, shown=lambda m: as_read(f"{m.score:.4f}"))
def validation_below(course: Sequence[Moment]) -> str:
    """Scripts that print `Epoch 1/50` in the loop of training, and the validation a line later."""
    out = []
    for at, one in enumerate(course, start=1):
        for batch in (1, 50, 100):
            out.append(f"Epoch {at}/{len(course)} | Batch {batch}/100 | Loss {one.train:.4f}")
        out.append(f"Validation | Loss {one.val:.4f} | IoU {one.score:.4f}")
    return "\n".join(out) + "\n"


@form("train.log", metric=_VAL_IOU, shown=lambda m: as_read(f"{m.score:.4f}"))
def validation_on_lines(course: Sequence[Moment]) -> str:
    """Scripts with a line a value, below the epoch."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [f"===== Epoch {at} / {len(course)} =====", f"Train loss: {one.train:.4f}"]
        out += ["Validating...", f"Val loss:   {one.val:.4f}", f"Val IoU:    {one.score:.4f}", ""]
    return "\n".join(out) + "\n"


@form("train.log", metric=_VAL_IOU, shown=lambda m: as_read(f"{m.score:.4f}"))
def two_ranks(course: Sequence[Moment]) -> str:
    """torchrun with two processes that print in turn; the second is behind by one epoch, and
    knows the losses of its own half of the data. Only the first evaluates."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(f"[rank0]: Epoch {at} train_loss {one.train:.4f}")
        if at > 1:
            out.append(f"[rank1]: Epoch {at - 1} train_loss {one.train * 1.07:.4f}")
        out.append(f"[rank0]: Epoch {at} val_loss {one.val:.4f} val_iou {one.score:.4f}")
    return "\n".join(out) + "\n"


@form("slurm-4711.out", metric=_VAL_IOU, shown=lambda m: as_read(f"{m.score:.4f}"))
def srun_labels(course: Sequence[Moment]) -> str:
    """SchedMD/slurm: `srun --label` puts the number of the task in front of every line."""
    out = []
    for at, one in enumerate(course, start=1):
        line = f"Epoch {at}: train_loss={one.train:.4f} val_loss={one.val:.4f}"
        out += [f"{task}: {line} val_iou={one.score:.4f}" for task in (0, 1)]
    return "\n".join(out) + "\n"


@form("train.log", metric=_VAL_IOU, shown=lambda m: as_read(f"{m.score:.4f}"))
def resumed(course: Sequence[Moment]) -> str:
    """A run that was killed and resumed two epochs before: what the second attempt says stands."""
    killed = len(course) // 2

    def line(at: int, one: Moment, factor: float) -> str:
        return (
            f"Epoch {at}/{len(course)} train_loss: {one.train / factor:.4f} "
            f"val_loss: {one.val / factor:.4f} val_iou: {one.score * factor:.4f}"
        )

    every = list(enumerate(course, start=1))
    out = [line(at, one, 1.0) for at, one in every[: killed - 2]]
    out += [line(at, one, 0.99) for at, one in every[killed - 2 : killed]]
    out += ["Traceback (most recent call last):", "RuntimeError: CUDA error: unspecified launch"]
    out.append(f"Resuming from checkpoint out/last.pth (epoch {killed - 2})")
    out += [line(at, one, 1.0) for at, one in every[killed - 2 :]]
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)val.*loss", shown=lambda m: as_read(f"{m.val * 3217.3:.1f}"))
def thousands(course: Sequence[Moment]) -> str:
    """Scripts with `{loss:,.1f}`: a sum of squares over a validation set."""
    return "".join(
        f"Epoch {at}: train_loss {one.train * 3111:,.1f}, val_loss {one.val * 3217.3:,.1f}\n"
        for at, one in enumerate(course, start=1)
    )


@form("train.log", metric=_VAL_IOU, shown=lambda m: m.score)
def tensors(course: Sequence[Moment]) -> str:
    """pytorch/pytorch: torch/_tensor_str.py: what is printed of a tensor."""
    return "".join(
        f"epoch={at} train_loss=tensor({one.train:.4f}, device='cuda:0', "
        f"grad_fn=<MeanBackward0>) val_iou=tensor({one.score}, dtype=torch.float64)\n"
        for at, one in enumerate(course, start=1)
    )


@form("train.log", metric=_VAL_IOU, shown=lambda m: m.score)
def numpy_2(course: Sequence[Moment]) -> str:
    """numpy/numpy: numpy/_core/arrayprint.py: `repr` of a scalar since 2.0, in a dictionary."""
    return "".join(
        f"Epoch {at}: {{'train_loss': np.float32({one.train:.6f}), "
        f"'val_iou': np.float64({one.score})}}\n"
        for at, one in enumerate(course, start=1)
    )


@form("train.log", metric=_VAL_IOU, shown=lambda m: m.score)
def dictionaries(course: Sequence[Moment]) -> str:
    """`print(metrics)`: a dictionary an epoch, which knows its epoch."""
    return "".join(
        f"{ {'epoch': at, 'train/loss': one.train, 'val/loss': one.val, 'val/iou': one.score} }\n"
        for at, one in enumerate(course, start=1)
    )


@form("train.log", metric=_VAL_IOU, shown=lambda m: as_read(f"{m.score:.4f}"))
def lists_of_losses(course: Sequence[Moment]) -> str:
    """Scripts that print several losses as a list, and a score."""
    return "".join(
        f"Epoch {at} losses: [{one.train:.4f}, {one.train / 2:.4f}] val_iou: {one.score:.4f}\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "train.log",
    metric="(?i)val.*dice|dice",
    shown=lambda m: as_read(f"{m.score:.4f}"),
    place=steps(1000),
)
def iterations(course: Sequence[Moment]) -> str:
    """HiLab-git/SSL4MIS: code/train_mean_teacher_2D.py: `iteration 1000 : loss : 0.5`, colons with
    blanks on both sides."""
    out = []
    for at, one in enumerate(course, start=1):
        for count in range(at * 1000 - 800, at * 1000 + 1, 200):
            out.append(
                f"[10:{at + 10}:05.678] iteration {count} : loss : {one.train:f}, "
                f"loss_ce: {one.train * 0.6:f}, loss_dice: {one.train * 0.4:f}"
            )
        out.append(
            f"[10:{at + 10}:06.678] iteration {at * 1000} : mean_dice : {one.score:.4f} "
            "mean_hd95 : 7.1234"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)dice", shown=lambda m: as_read(f"{m.score:.4f}"))
def milesial(course: Sequence[Moment]) -> str:
    """milesial/Pytorch-UNet: train.py: several validations an epoch, the last one counts."""
    out = []
    for at, one in enumerate(course, start=1):
        for part in (0.97, 0.99, 1.0):
            out.append(
                f"Epoch {at}/{len(course)}:  40%|████      | 812/2032 [01:10<01:44, 11.6img/s, "
                f"loss (batch)={one.train:.3g}]\rINFO: Validation Dice score: "
                f"{one.score * part:.4f}"
            )
        out.append(f"INFO: Checkpoint {at} saved!")
    return "\n".join(out) + "\n"
