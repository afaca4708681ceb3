"""Logs of recommenders, tables and older libraries that the reader was not made for."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, epochs, form, steps


@form(
    "train.log",
    metric="(?i)valid.*auc",
    shown=lambda m: as_read(f"{m.score:.5f}"),
    place=epochs(0),
)
def tab_net(course: Sequence[Moment]) -> str:
    """dreamquark-ai/tabnet: pytorch_tabnet/callbacks.py, `History`: `epoch 0  | loss: 0.65123
    | train_auc: 0.7 | valid_auc: 0.61 |  0:00:01s`."""
    return "".join(
        f"epoch {at:<3}| loss: {one.train:<8.5f}| train_auc: {one.score * 1.03:<8.5f}| valid_auc:"
        f" {one.score:<8.5f}|  0:00:{at + 10}s\n"
        for at, one in enumerate(course)
    )


@form(
    "train.log",
    metric="(?i)validation score",
    shown=lambda m: as_read(f"{m.score:f}"),
    or_place=lambda at: Place(step=at + 1),
)
def sklearn_mlp(course: Sequence[Moment]) -> str:
    """scikit-learn/scikit-learn: sklearn/neural_network/_multilayer_perceptron.py: `Iteration
    1, loss = 2.3`, `Validation score: 0.9`."""
    return "".join(
        f"Iteration {at}, loss = {one.train:.8f}\nValidation score: {one.score:f}\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "train.log",
    metric="(?i)loss",
    shown=lambda m: as_read(f"{m.train:.4f}"),
    place=epochs(1),
    or_place=lambda at: Place(step=at + 1),
)
def sklearn_boosting(course: Sequence[Moment]) -> str:
    """scikit-learn/scikit-learn: sklearn/ensemble/_gb.py, `VerboseReporter`: a head, `Iter`
    first, a time with a unit last."""
    out = [f"{'Iter':>10s} {'Train Loss':>16s} {'Remaining Time':>16s} "]
    out += [
        f"{at:>10d} {one.train:>16.4f} {f'{12.3 - at / 10:.2f}m':>16s} "
        for at, one in enumerate(course, start=1)
    ]
    return "\n".join(out) + "\n"


@form(
    "metrics.json",
    metric="(?i)validation.acc",
    shown=lambda m: m.score,
    place=epochs(0),
    or_place=lambda at: Place(step=at),
)
def sacred(course: Sequence[Moment]) -> str:
    """IDSIA/sacred: sacred/observers/file_storage.py, `metrics.json`: a name has lists
    `steps`, `timestamps`, `values`."""

    def series(values: list[float]) -> dict[str, object]:
        return {
            "steps": list(range(len(values))),
            "timestamps": [f"2022-05-11T10:{at + 10}:10.123" for at in range(len(values))],
            "values": values,
        }

    return json.dumps(
        {
            "training.loss": series([one.train for one in course]),
            "validation.accuracy": series([one.score for one in course]),
        },
        indent=2,
    )


@form(
    "wandb_export_2023-05-11T10_10_10.123+02_00.csv",
    metric="(?i)val.acc",
    shown=lambda m: m.score,
    place=steps(100),
)
def wandb_export(course: Sequence[Moment]) -> str:
    """wandb/wandb: a chart that was exported: `"Step","run - val/acc","run -
    val/acc__MIN","run - val/acc__MAX"`, all in quotes."""
    head = (
        '"Step","fluent-sun-1 - val/acc","fluent-sun-1 - val/acc__MIN","fluent-sun-1 -'
        ' val/acc__MAX"\n'
    )
    return head + "".join(
        f'"{at * 100}","{one.score}","{one.score}","{one.score}"\n'
        for at, one in enumerate(course, start=1)
    )


@form(
    "metrics_epoch.csv",
    metric="(?i)validation_loss|validation_f_mae|validation_e",
    shown=lambda m: as_read(f"{m.val:.6g}"),
    place=epochs(0),
    either={"(?i)validation_f_mae": lambda m: as_read(f"{m.val * 0.1:.6g}")},
)
def nequip(course: Sequence[Moment]) -> str:
    """mir-group/nequip: nequip/train/trainer.py: cells padded to columns, `wal`, `LR`, the
    parts of the loss before the measures."""
    head = [
        "epoch",
        "wall",
        "LR",
        "training_loss_f",
        "training_loss",
        "training_f_mae",
        "validation_loss_f",
        "validation_loss",
        "validation_f_mae",
    ]
    out = [",".join(f"{name:>18}" for name in head)]
    for at, one in enumerate(course):
        losses = [k * loss for loss in (one.train, one.val) for k in (0.9, 1.0, 0.1)]
        cells = [f"{at:>18}", *(f"{value:18.6g}" for value in (at * 12.1, one.lr, *losses))]
        out.append(",".join(cells))
    return "\n".join(out) + "\n"


@form(
    "log.csv",
    metric="(?i)validation loss|MAE",
    shown=lambda m: m.val,
    either={"(?i)MAE": lambda m: m.val * 3},
)
def sch_net(course: Sequence[Moment]) -> str:
    """atomistic-machine-learning/schnetpack: src/schnetpack/train/hooks/logging_hooks.py: no
    epochs, a time of day first, blanks in the names."""
    return "Time,Learning rate,Train loss,Validation loss,MAE_energy_U0\n" + "".join(
        f"{1620000000 + at * 60},{one.lr},{one.train},{one.val},{one.val * 3}\n"
        for at, one in enumerate(course)
    )


@form(
    "train.log",
    metric="(?i)metric|errs|loss|evalerr",
    shown=lambda m: as_read(f"{(1 - m.score) * 100:.2f}"),
    either={"(?i)loss": lambda m: as_read(f"{m.train:.6f}")},
)
def cntk(course: Sequence[Moment]) -> str:
    """microsoft/CNTK: bindings/python/cntk/logging/progress_print.py: `Finished Epoch[1 of
    160]: [Training] loss = 1.234567 * 50000, metric = 45.12% * 50000 12.345s (4051.2
    samples/s);`."""
    return "".join(
        f"Finished Epoch[{at} of {len(course)}]: [Training] loss = {one.train:.6f} * 50000, metric"
        f" = {(1 - one.score * 0.97) * 100:.2f}% * 50000 12.3{at}s (4051.2 samples/s);\nFinished"
        f" Evaluation [{at}]: Minibatch[1-313]: metric = {(1 - one.score) * 100:.2f}% * 10000;\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "train.log", metric="(?i)validation error", shown=lambda m: as_read(f"{(1 - m.score) * 100:f}")
)
def theano_tutorials(course: Sequence[Moment]) -> str:
    """lisa-lab/DeepLearningTutorials: code/mlp.py: `epoch 1, minibatch 83/83, validation error
    12.458333 %`, the test of the best model below."""
    out, best = [], 1.0
    for at, one in enumerate(course, start=1):
        err = 1 - one.score
        out.append(f"epoch {at}, minibatch 83/83, validation error {err * 100:f} %")
        if err < best:
            best = err
            out.append(
                f"     epoch {at}, minibatch 83/83, test error of best model {err * 104:f} %"
            )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)val.*acc", shown=lambda m: as_read(f"{m.score:.4f}"))
def rich_table(course: Sequence[Moment]) -> str:
    """Textualize/rich: rich/table.py, drawn anew after every epoch with one row more."""
    names, out = ["Epoch", "Train Loss", "Val Loss", "Val Acc"], []
    for end in range(1, len(course) + 1):
        rows = [
            (f"{at}", f"{one.train:.4f}", f"{one.val:.4f}", f"{one.score:.4f}")
            for at, one in enumerate(course[:end], start=1)
        ]
        out.append(
            "┏"
            + "┳".join("━" * 12 for _ in names)
            + "┓\n┃"
            + "┃".join(f" {n:<10} " for n in names)
            + "┃\n┡"
            + "╇".join("━" * 12 for _ in names)
            + "┩"
        )
        out += ["│" + "│".join(f" {c:>10} " for c in row) + "│" for row in rows]
        out.append("└" + "┴".join("─" * 12 for _ in names) + "┘")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)valid.*acc|top1", shown=lambda m: as_read(f"{m.score:.4f}"))
def tabulate_grid(course: Sequence[Moment]) -> str:
    """astanin/python-tabulate: `tablefmt="grid"`: plus signs and rules between all rows."""
    rule = "+" + "+".join("-" * 14 for _ in range(4)) + "+"
    head = ("epoch", "train_loss", "valid_loss", "valid_acc")
    out = [rule, "|" + "|".join(f" {n:<12} " for n in head) + "|", rule.replace("-", "=")]
    for at, one in enumerate(course, start=1):
        out += [
            "|"
            + "|".join(
                f" {c:>12} "
                for c in (f"{at}", f"{one.train:.4f}", f"{one.val:.4f}", f"{one.score:.4f}")
            )
            + "|",
            rule,
        ]
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)val.*acc", shown=lambda m: as_read(f"{m.score:.4f}"))
def table_a_epoch(course: Sequence[Moment]) -> str:
    """astanin/python-tabulate: `tablefmt="fancy_grid"`: a table of two columns an epoch, below
    its number."""
    out = []
    for at, one in enumerate(course, start=1):
        rows = (("train_loss", one.train), ("val_loss", one.val), ("val_acc", one.score))
        out.append(
            f"Epoch {at}/{len(course)}\n╒════════════╤══════════╕\n│ metric     │    value"
            " │\n╞════════════╪══════════╡"
        )
        out.append("\n├────────────┼──────────┤\n".join(f"│ {n:<10} │ {v:8.4f} │" for n, v in rows))
        out.append("╘════════════╧══════════╛")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)val_acc", shown=lambda m: as_read(f"{m.score:.4f}"))
def mpirun_tags(course: Sequence[Moment]) -> str:
    """open-mpi/ompi: `mpirun -tag-output`, as Horovod is started: `[1,0]<stdout>:` in front of
    every line; rank 1 prints too."""
    out = []
    for at, one in enumerate(course, start=1):
        for rank in (0, 1):
            out.append(f"[1,{rank}]<stdout>:Epoch {at}/{len(course)}")
        for rank, k in ((1, 1.02), (0, 1.0)):
            out.append(
                f"[1,{rank}]<stdout>:100/100 - 12s - loss: {one.train * k:.4f} - val_loss:"
                f" {one.val:.4f} - val_acc: {one.score:.4f}"
            )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)test acc", shown=lambda m: as_read(f"{m.score:.3f}"))
def d2l(course: Sequence[Moment]) -> str:
    """d2l-ai/d2l-en: d2l/mxnet.py of 2019: `epoch 1, loss 0.7, train acc 0.7, test acc 0.8,
    time 3.2 sec`."""
    return "".join(
        f"epoch {at}, loss {one.train:.4f}, train acc {one.score * 0.97:.3f}, test acc"
        f" {one.score:.3f}, time {3.2:.1f} sec\n"
        for at, one in enumerate(course, start=1)
    )


@form("train.log", metric="(?i)acc", shown=lambda m: as_read(f"{m.score:.4f}"))
def paddle_hapi(course: Sequence[Moment]) -> str:
    """PaddlePaddle/Paddle: python/paddle/hapi/callbacks.py, `ProgBarLogger`: `Eval begin...`
    between lines of one shape: `step 157/157 - loss: … - acc: …`."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(f"Epoch {at}/{len(course)}")
        out += [
            f"step {s}/938 - loss: {one.train:.4f} - acc: {one.score * 0.97:.4f} - 10ms/step"
            for s in (100, 938)
        ]
        out.append("Eval begin...")
        out += [
            f"step {s}/157 - loss: {one.val:.4f} - acc: {one.score:.4f} - 8ms/step"
            for s in (100, 157)
        ]
        out.append("Eval samples: 10000")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)acc", shown=lambda m: m.score, or_place=epochs(1))
def mind_spore(course: Sequence[Moment]) -> str:
    """mindspore-ai/mindspore: mindspore/python/mindspore/train/callback/_loss_monitor.py:
    `epoch: 1 step: 1875, loss is 0.12`, a dictionary below."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [f"epoch: {at} step: {s}, loss is {one.train}" for s in (125, 1875)]
        out.append(f"Train epoch time: {12345.123 + at:.3f} ms, per step time: {6.584:.3f} ms")
        out.append(f"{{'Accuracy': {one.score}}}")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)val.*acc|Validation-accuracy",
    shown=lambda m: as_read(f"{m.score:f}"),
    place=epochs(0),
)
def mxnet_module(course: Sequence[Moment]) -> str:
    """apache/mxnet: python/mxnet/module/base_module.py: `Epoch[0] Train-accuracy=0.5`,
    `Epoch[0] Time cost=12.1`, `Epoch[0] Validation-accuracy=0.5`."""
    out = []
    for at, one in enumerate(course):
        out += [
            f"INFO:root:Epoch[{at}] Batch [{b}]\tSpeed: 1910.41"
            f" samples/sec\taccuracy={one.score * 0.95:f}\tcross-entropy={one.train:f}"
            for b in (20, 40)
        ]
        out.append(
            f"INFO:root:Epoch[{at}] Train-accuracy={one.score * 0.97:f}\nINFO:root:Epoch[{at}]"
            f" Train-cross-entropy={one.train:f}\nINFO:root:Epoch[{at}] Time cost=12.123"
        )
        out.append(
            f"INFO:root:Epoch[{at}] Validation-accuracy={one.score:f}\nINFO:root:Epoch[{at}]"
            f" Validation-cross-entropy={one.val:f}"
        )
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)mIoU|iou|acc",
    shown=lambda m: as_read(f"{m.score * 100:.1f}"),
    place=epochs(0),
    either={"(?i)acc": lambda m: m.score * 1.1},
)
def randla_net(course: Sequence[Moment]) -> str:
    """QingyongHu/RandLA-Net: RandLANet.py: `****EPOCH 3****`, steps over all epochs, `Mean IoU
    = 60.1%`, then each class."""
    out = []
    for at, one in enumerate(course):
        out.append(f"****EPOCH {at}****")
        out += [
            f"Step {at * 500 + s:08d} L_out={one.train:5.3f} Acc={one.score * 0.97:4.2f} --- "
            " 123.45 ms/batch"
            for s in (50, 450)
        ]
        out.append(
            f"eval accuracy: {one.score * 1.1}\nmean IOU:{one.score}\nMean IoU ="
            f" {one.score * 100:.1f}%"
        )
        out.append(
            "-" * 50
            + f"\n{one.score * 100:5.2f} | {one.score * 90:5.2f} {one.score * 110:5.2f} \n"
            + "-" * 50
        )
    return "\n".join(out) + "\n"
