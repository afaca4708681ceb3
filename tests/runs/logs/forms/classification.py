"""Logs of image classification: torchvision, timm, PyTorch's examples, ignite, catalyst."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, as_read, epochs, form

_TOP1 = "(?i)acc@?1|top.?1|prec@?1"


def _percent(value: float, digits: int = 3) -> float:
    return as_read(f"{value * 100:.{digits}f}")


def _top5(one: Moment) -> float:
    return min(100.0, one.score * 116)


@form("train.log", metric=_TOP1, shown=lambda m: _percent(m.score), place=epochs(0))
def torchvision_classification(course: Sequence[Moment]) -> str:
    """pytorch/vision: references/classification/train.py and utils.py."""
    out = []
    for at, one in enumerate(course):
        for batch in (0, 10, 99):
            out.append(
                f"Epoch: [{at}]  [{batch:3d}/100]  eta: 0:01:12  lr: {one.lr}  "
                f"img/s: 412.2810  loss: {one.train * 1.03:.4f} ({one.train:.4f})  "
                f"acc1: {one.score * 99:.4f} ({one.score * 98:.4f})  "
                f"acc5: {_top5(one):.4f} ({_top5(one):.4f})  time: 0.0912  data: 0.0019  "
                "max mem: 5311"
            )
        out.append(f"Epoch: [{at}] Total time: 0:01:12")
        out.append(
            f"Test:   [ 0/50]  eta: 0:00:10  loss: {one.val * 1.1:.4f} ({one.val * 1.1:.4f})  "
            f"acc1: {one.score * 90:.4f} ({one.score * 90:.4f})  acc5: 93.7500 (93.7500)"
        )
        out.append("Test:  Total time: 0:00:08")
        out.append(f"Test:  Acc@1 {one.score * 100:.3f} Acc@5 {_top5(one):.3f}")
    return "\n".join(out) + "\n"


@form("train.log", metric=_TOP1, shown=lambda m: _percent(m.score), place=epochs(0))
def imagenet_example(course: Sequence[Moment]) -> str:
    """pytorch/examples: imagenet/main.py, `ProgressMeter`."""
    out = []
    for at, one in enumerate(course):
        for batch in (1, 10, 100):
            out.append(
                f"Epoch: [{at}][{batch:4d}/5005]\tTime  0.213 ( 0.271)\tData  0.001 ( 0.021)\t"
                f"Loss {one.train * 1.02:.4e} ({one.train:.4e})\tAcc@1 {one.score * 90:6.2f} "
                f"({one.score * 91:6.2f})\tAcc@5 {_top5(one):6.2f} ({_top5(one):6.2f})"
            )
        out.append(
            f"Test: [  1/196]\tTime  2.910 ( 2.910)\tLoss {one.val:.4e} ({one.val:.4e})\t"
            f"Acc@1 {one.score * 95:6.2f} ({one.score * 95:6.2f})\tAcc@5  92.11 ( 92.11)"
        )
        out.append(f" *   Acc@1 {one.score * 100:.3f} Acc@5 {_top5(one):.3f}")
    return "\n".join(out) + "\n"


@form("train.log", metric=_TOP1, shown=lambda m: _percent(m.score), place=epochs(0))
def timm_console(course: Sequence[Moment]) -> str:
    """huggingface/pytorch-image-models: train.py: the average stands in brackets."""
    out = []
    best = (0.0, 0)
    for at, one in enumerate(course):
        for batch in (0, 50, 97):
            out.append(
                f"Train: {at} [{batch:>4d}/98 ({100 * (batch + 1) / 98:>3.0f}%)]  "
                f"Loss: {one.train * 1.02:#.3g} ({one.train:#.3g})  Time: 0.213s,  601.13/s  "
                f"(0.271s,  472.51/s)  LR: {one.lr:.3e}  Data: 0.001 (0.021)"
            )
        for batch, share in ((0, 91.0), (97, 103.0)):
            out.append(
                f"Test: [{batch:>4d}/97]  Time: 0.110 (0.213)  Loss: {one.val * 1.05:>7.3f} "
                f"({one.val:>6.3f})  Acc@1: {one.score * share:>7.3f} ({one.score * 100:>7.3f})  "
                f"Acc@5: {_top5(one):>7.3f} ({_top5(one):>7.3f})"
            )
        best = max(best, (one.score * 100, at))
        out.append("Current checkpoints:")
        out.append(f" ('./output/train/checkpoint-{best[1]}.pth.tar', {best[0]:.3f})\n")
    out.append(f"*** Best metric: {best[0]} (epoch {best[1]})")
    return "\n".join(out) + "\n"


@form("summary.csv", metric=_TOP1, shown=lambda m: m.score * 100, place=epochs(0))
def timm_summary(course: Sequence[Moment]) -> str:
    """huggingface/pytorch-image-models: timm/utils/summary.py, `update_summary`."""
    lines = ["epoch,train_loss,eval_loss,eval_top1,eval_top5,lr"]
    for at, one in enumerate(course):
        lines.append(f"{at},{one.train},{one.val},{one.score * 100},{_top5(one)},{one.lr}")
    return "\r\n".join(lines) + "\r\n"


@form("log.txt", metric="(?i)test_acc1", shown=lambda m: m.score * 100, place=epochs(0))
def deit_log(course: Sequence[Moment]) -> str:
    """facebookresearch/deit: main.py; the log in issue 13 of yuhuan-wu/P2T: a row an epoch."""
    rows = [
        {
            "train_lr": one.lr,
            "train_loss": one.train,
            "test_loss": one.val,
            "test_acc1": one.score * 100,
            "test_acc5": _top5(one),
            "epoch": at,
            "n_parameters": 11590840,
        }
        for at, one in enumerate(course)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


@form("train.log", metric="(?i)acc", shown=lambda m: as_read(f"{m.score:.2f}"))
def ignite_mnist(course: Sequence[Moment]) -> str:
    """pytorch/ignite: examples/mnist/mnist.py."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(
            f"Training Results - Epoch: {at}  Avg accuracy: {one.score * 0.99:.2f} "
            f"Avg loss: {one.train:.2f}"
        )
        out.append(
            f"Validation Results - Epoch: {at}  Avg accuracy: {one.score:.2f} "
            f"Avg loss: {one.val:.2f}"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)acc", shown=lambda m: m.score)
def catalyst(course: Sequence[Moment]) -> str:
    """catalyst-team/catalyst: catalyst/loggers/console.py and core/runner.py."""
    out = []
    for at, one in enumerate(course, start=1):
        count = f"({at}/{len(course)})"
        out.append(
            f"{at}/{len(course)} * Epoch (train): 100%|██████| 49/49 [00:01<00:00, 40.8it/s]"
        )
        out.append(f"train {count} accuracy01: {one.score * 0.98} | loss: {one.train} | lr: 0.001")
        out.append(f"valid {count} accuracy01: {one.score} | loss: {one.val}")
        out.append(f"* Epoch {count} ")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)acc", shown=lambda m: as_read(f"{m.score:.4f}"), place=epochs(0))
def transfer_learning_tutorial(course: Sequence[Moment]) -> str:
    """pytorch/tutorials: beginner_source/transfer_learning_tutorial.py."""
    out = []
    for at, one in enumerate(course):
        out += [f"Epoch {at}/{len(course) - 1}", "-" * 10]
        out.append(f"train Loss: {one.train:.4f} Acc: {one.score * 0.97:.4f}")
        out.append(f"val Loss: {one.val:.4f} Acc: {one.score:.4f}\n")
    out.append("Training complete in 3m 12s")
    out.append(f"Best val Acc: {max(one.score for one in course):4f}")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)acc", shown=lambda m: as_read(f"{m.score * 100:.1f}"))
def pytorch_quickstart(course: Sequence[Moment]) -> str:
    """pytorch/tutorials: beginner_source/basics/quickstart_tutorial.py: a per cent sign, and the
    epoch above a rule."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [f"Epoch {at}", "-" * 31]
        out += [f"loss: {one.train:>7f}  [{done:>5d}/60000]" for done in (64, 32064, 57664)]
        out.append("Test Error: ")
        out.append(f" Accuracy: {one.score * 100:>0.1f}%, Avg loss: {one.val:>8f} \n")
    return "\n".join(out) + "Done!\n"


@form(
    "train.log",
    metric="(?i)acc",
    shown=lambda m: as_read(f"{m.score * 100:.0f}"),
    either={"(?i)acc": lambda m: round(m.score * 10000) / 10000},
)
def mnist_example(course: Sequence[Moment]) -> str:
    """pytorch/examples: mnist/main.py: `Average loss`, and an accuracy as a fraction and per
    cent."""
    out = []
    for at, one in enumerate(course, start=1):
        for done in (0, 32000, 59520):
            out.append(
                f"Train Epoch: {at} [{done}/60000 ({done / 600:.0f}%)]\tLoss: {one.train:.6f}"
            )
        right = round(one.score * 10000)
        out.append(
            f"\nTest set: Average loss: {one.val:.4f}, Accuracy: {right}/10000 "
            f"({one.score * 100:.0f}%)\n"
        )
    return "\n".join(out) + "\n"


@form(
    "log.txt",
    metric="(?i)valid acc|valid.*acc",
    shown=lambda m: _percent(m.score, 6),
    place=epochs(0),
    or_place=epochs(1),
)
def pytorch_classification_log(course: Sequence[Moment]) -> str:
    """bearpaw/pytorch-classification: utils/logger.py, `Logger`: columns by tabs, no epochs."""
    lines = ["Learning Rate\tTrain Loss\tValid Loss\tTrain Acc.\tValid Acc.\t"]
    for one in course:
        row = (one.lr, one.train, one.val, one.score * 98, one.score * 100)
        lines.append("".join(f"{value:.6f}\t" for value in row))
    return "\n".join(lines) + "\n"


@form(
    "train.log", metric="(?i)acc", shown=lambda m: as_read(f"{m.score * 100:.3f}"), place=epochs(0)
)
def pytorch_cifar(course: Sequence[Moment]) -> str:
    """kuangliu/pytorch-cifar: main.py and utils.py, `progress_bar`; kept in a file."""
    out = []
    for at, one in enumerate(course):
        out.append(f"\nEpoch: {at}")
        right = round(one.score * 0.98 * 50000)
        out.append(
            f" [{'=' * 64}>]  Step: 51ms | Tot: 20s312ms | Loss: {one.train:.3f} | "
            f"Acc: {one.score * 98:.3f}% ({right}/50000) 391/391 "
        )
        right = round(one.score * 10000)
        out.append(
            f" [{'=' * 64}>]  Step: 21ms | Tot: 2s131ms | Loss: {one.val:.3f} | "
            f"Acc: {one.score * 100:.3f}% ({right}/10000) 100/100 "
        )
        out.append("Saving..")
    return "\n".join(out) + "\n"
