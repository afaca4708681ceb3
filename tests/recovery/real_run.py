"""A training script as people write it: a small segmentation net that can be made to diverge.

python -m tests.recovery.real_run --checkpoint-dir checkpoints --epochs 8
python -m tests.recovery.real_run --plot docs/recovery-story.svg

The second form plays the story of docs/recovery-story.md and draws it. Two habits of real
scripts are kept on purpose: the best state is held by reference, so what is written as the best is
whatever the weights are by then; and resuming loads the stored learning rate over ``--lr``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as everybody calls it

__all__ = ["EpochLine", "Options", "SegmentationNet", "main", "options_of", "start", "train"]

_SIZE = 24
_TRAINING, _VALIDATION = 192, 64
_BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says.

    Attributes:
        checkpoint_dir: checkpoints and training.log go there.
        epochs: train up to this one.
        schedule_epochs: length of the cosine, in epochs of this stage.
        warmup_epochs: over which the learning rate rises to lr.
        lr: the highest learning rate, unless a checkpoint brings its own.
        deep_supervision: the inner heads take part in the loss.
        resume_from: a checkpoint.
        new_stage: take only its weights; optimizer and schedule start anew.
        save_every: epochs between checkpoints.
        seed: of images, weights and order.
    """

    checkpoint_dir: Path
    epochs: int
    schedule_epochs: int
    warmup_epochs: int
    lr: float
    deep_supervision: bool
    resume_from: Path | None
    new_stage: bool
    save_every: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochLine:
    """One line of the log."""

    epoch: int
    loss: float
    iou: float
    lr: float

    def __str__(self) -> str:
        return (
            f"Epoch {self.epoch}: Loss: {self.loss:.4f} | IoU: {self.iou:.4f} | LR: {self.lr:.6f}"
        )


# -- images, net, loss ---------------------------------------------------------------------------


def blobs(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noisy images [count, 3, 24, 24] and the masks of the two ellipses in each."""
    y, x = torch.meshgrid(torch.arange(_SIZE), torch.arange(_SIZE), indexing="ij")
    masks = torch.zeros(count, 1, _SIZE, _SIZE)
    for _ in range(2):
        centre = (torch.rand(2, count, 1, 1, 1, generator=generator) * 0.7 + 0.15) * _SIZE
        radius = (torch.rand(2, count, 1, 1, 1, generator=generator) * 0.18 + 0.12) * _SIZE
        inside = ((x - centre[0]) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2 < 1
        masks = torch.maximum(masks, inside.float())
    ground = torch.rand(count, 3, 1, 1, generator=generator) - 0.5
    contrast = torch.randn(count, 3, 1, 1, generator=generator) * 0.5
    noise = torch.randn(count, 3, _SIZE, _SIZE, generator=generator) * 0.2
    return 2 * (ground + contrast * masks + noise), masks


def block(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.LeakyReLU(0.1),
    )


class SegmentationNet(nn.Module):
    """A U-Net of two levels; each of its inner stages has a head for deep supervision."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder1, self.encoder2 = block(3, 8), block(8, 16)
        self.bottleneck = block(16, 32)
        self.decoder2, self.decoder1 = block(32 + 16, 16), block(16 + 8, 8)
        self.head = nn.Conv2d(8, 1, 1)
        self.deep_heads = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in (16, 32, 16))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(cast("Tensor", module.bias))
        for head in self.deep_heads:
            nn.init.zeros_(cast("Tensor", head.weight))  # silent until it is trained

    def forward(self, images: Tensor) -> list[Tensor]:
        """Logits: those that count first, then those of the inner heads, all in full size."""
        first = self.encoder1(images)
        second = self.encoder2(F.max_pool2d(first, 2))
        third = self.bottleneck(F.max_pool2d(second, 2))
        up2 = self.decoder2(torch.cat([F.interpolate(third, scale_factor=2), second], 1))
        up1 = self.decoder1(torch.cat([F.interpolate(up2, scale_factor=2), first], 1))
        inner = zip(self.deep_heads, (up2, third, second), strict=True)
        return [self.head(up1)] + [F.interpolate(head(x), size=_SIZE) for head, x in inner]


def segmentation_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross entropy and Dice."""
    p = logits.sigmoid()
    overlap, total = (p * masks).sum((1, 2, 3)), (p + masks).sum((1, 2, 3))
    dice = 1 - ((2 * overlap + 1) / (total + 1)).mean()
    return F.binary_cross_entropy_with_logits(logits, masks) + dice


@torch.no_grad()
def mean_iou(model: nn.Module, images: Tensor, masks: Tensor) -> float:
    """Intersection over union, averaged over the images."""
    found = (model(images)[0] > 0).float()
    both = (found * masks).sum((1, 2, 3))
    either = torch.maximum(found, masks).sum((1, 2, 3))
    return float((both / either).mean())


# -- training ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Training:
    """What changes while training."""

    model: SegmentationNet
    optimizer: torch.optim.SGD
    scheduler: torch.optim.lr_scheduler.LambdaLR
    epoch: int = 0
    best_iou: float = 0.0
    best: dict[str, Any] | None = None

    def state(self) -> dict[str, Any]:
        """A checkpoint. Its tensors are the model's own, not copies."""
        return {
            "epoch": self.epoch,
            "model_state_dict": self.model.state_dict(),
            "optimizer_state_dict": self.optimizer.state_dict(),
            "scheduler_state_dict": self.scheduler.state_dict(),
            "best_iou": self.best_iou,
        }


def start(options: Options) -> Training:
    """A new net, or the one that the checkpoint holds."""
    torch.manual_seed(options.seed)
    model = SegmentationNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr, momentum=0.9, weight_decay=1e-4)

    def factor(epoch: int) -> float:
        """A warm-up that starts flat, then a cosine."""
        cosine = 0.5 * (1 + math.cos(math.pi * epoch / options.schedule_epochs))
        return min(1.0, (epoch + 1) / options.warmup_epochs) ** 2 * cosine

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    run = Training(model, optimizer, scheduler)
    if options.resume_from is not None:
        load(run, options.resume_from, weights_only=options.new_stage)
    return run


def load(run: Training, path: Path, *, weights_only: bool = False) -> None:
    """Go on from a checkpoint."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    run.model.load_state_dict(checkpoint["model_state_dict"])
    run.epoch = checkpoint["epoch"]
    run.best_iou = checkpoint["best_iou"]
    if not weights_only:
        run.optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
        run.scheduler.load_state_dict(checkpoint["scheduler_state_dict"])
    run.best = run.state()


def train(options: Options, *, stop: int | None = None) -> list[EpochLine]:
    """Train, and write checkpoints and a log; returns what the log got.

    Args:
        options: the command line.
        stop: the epoch after which the person at the keyboard gives up; None for nobody.
    """
    images = torch.Generator().manual_seed(options.seed)
    training, validation = blobs(_TRAINING, images), blobs(_VALIDATION, images)
    run = start(options)
    options.checkpoint_dir.mkdir(parents=True, exist_ok=True)
    lines: list[EpochLine] = []
    with (options.checkpoint_dir / "training.log").open("a", encoding="utf-8") as log:
        while run.epoch < (options.epochs if stop is None else stop):
            run.epoch += 1
            lr = run.optimizer.param_groups[0]["lr"]
            loss = train_epoch(run, training, options)
            iou = mean_iou(run.model, *validation)
            lines.append(EpochLine(epoch=run.epoch, loss=loss, iou=iou, lr=lr))
            print(lines[-1], file=log, flush=True)
            if iou > run.best_iou:
                run.best_iou = iou
                run.best = run.state()
            if run.epoch % options.save_every == 0:
                torch.save(
                    run.state(), options.checkpoint_dir / f"checkpoint_epoch_{run.epoch}.pth"
                )
                torch.save(run.best, options.checkpoint_dir / "best_model.pth")
    return lines


def train_epoch(run: Training, data: tuple[Tensor, Tensor], options: Options) -> float:
    """One pass over the images; returns the mean loss."""
    order = torch.Generator().manual_seed(1000 * options.seed + run.epoch)
    losses: list[float] = []
    shuffled = torch.randperm(_TRAINING, generator=order)
    for batch in shuffled.view(-1, _BATCH):
        masks = data[1][batch]
        head, *inner = run.model(data[0][batch])
        loss = segmentation_loss(head, masks)
        if options.deep_supervision:
            for logits in inner:
                loss = loss + segmentation_loss(logits, masks)
        run.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        run.optimizer.step()
        losses.append(loss.item())
    run.scheduler.step()
    return sum(losses) / len(losses)


# -- command line --------------------------------------------------------------------------------


def options_of(arguments: Sequence[str]) -> Options:
    """What a command line says."""
    parser = argparse.ArgumentParser(prog="train")
    parser.add_argument("--checkpoint-dir", type=Path, default=Path("checkpoints"))
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--schedule-epochs", type=int, default=40)
    parser.add_argument("--warmup-epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=0.04)
    parser.add_argument("--deep-supervision", action="store_true")
    parser.add_argument("--resume-from", type=Path)
    parser.add_argument("--new-stage", action="store_true")
    parser.add_argument("--save-every", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    return Options(**vars(parser.parse_args(arguments)))


def main(arguments: Sequence[str]) -> None:
    """Train, or play and draw the story."""
    torch.set_num_threads(1)
    if arguments[:1] == ["--plot"]:
        from tests.recovery.real_run_story import play_and_draw

        play_and_draw(Path(arguments[1]))
        return
    for line in train(options_of(arguments)):
        print(line)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
