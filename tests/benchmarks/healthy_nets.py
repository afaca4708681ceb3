"""Small nets of the usual kinds, each with a task that it learns within seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["TASKS", "Lora", "Residual", "Task", "causal_net", "conv_net", "matrix_net"]

TRAIN, TEST, CLASSES = 96, 128, 4
IMAGE = (3, 8, 8)
WORDS, LENGTH = 40, 12


@dataclass(frozen=True)
class Task:
    """A net and what it is to learn.

    Attributes:
        net: gives a score for each of four classes.
        inputs: of shape (224, ...), the first 96 to train on, the others to measure on.
        labels: int64, of shape (224,).
    """

    net: nn.Module
    inputs: Tensor
    labels: Tensor

    def loss(self, batch: slice) -> Tensor:
        """The cross entropy of a batch."""
        return nn.functional.cross_entropy(self.net(self.inputs[batch]), self.labels[batch])

    def measure(self) -> tuple[float, float]:
        """Accuracy and loss on what was not trained on."""
        self.net.eval()
        with torch.no_grad():
            scores = self.net(self.inputs[TRAIN:])
            loss = nn.functional.cross_entropy(scores, self.labels[TRAIN:])
        self.net.train()
        hits = int((scores.argmax(1) == self.labels[TRAIN:]).sum())
        return hits / TEST, float(loss)


# -- images --------------------------------------------------------------------------------------


class Residual(nn.Module):
    """Two convolutions and a way around them; the gamma of the last norm starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.BatchNorm2d(width)
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            last,
        )

    def forward(self, images: Tensor) -> Tensor:
        """The images, refined."""
        return torch.relu(images + self.body(images))


def conv_net() -> nn.Module:
    """Convolutions with BatchNorm and a residual branch."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        Residual(8),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, CLASSES),
    )


def group_net() -> nn.Module:
    """Convolutions with GroupNorm and InstanceNorm, PReLU, and Dropout."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.GroupNorm(2, 8),
        nn.PReLU(8),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.InstanceNorm2d(8, affine=True, track_running_stats=True),
        nn.Dropout(0.1),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, CLASSES),
    )


def matrix_net() -> nn.Module:
    """Nothing but matrices: what Muon takes."""
    wide = torch.Size(IMAGE).numel()
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(wide, 16, bias=False),
        nn.Tanh(),
        nn.Linear(16, CLASSES, bias=False),
    )


class _Causal(nn.Module):
    """A transformer with its causal mask as a buffer."""

    def __init__(self, mask_name: str) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(3, 16, 4, stride=4)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, CLASSES)
        self.mask_name = mask_name
        mask = torch.full((4, 4), float("-inf")).triu(1)
        self.register_buffer(mask_name, mask)

    def forward(self, images: Tensor) -> Tensor:
        """Scores."""
        tokens = self.embedding(images).flatten(2).transpose(1, 2)
        hidden: Tensor = self.encoder(tokens, mask=getattr(self, self.mask_name))
        scores: Tensor = self.head(self.norm(hidden).mean(1))
        return scores


def causal_net(mask_name: str = "attn_mask") -> nn.Module:
    """A transformer over four patches; its mask holds -Inf."""
    return _Causal(mask_name)


# -- words ---------------------------------------------------------------------------------------


class _Recurrent(nn.Module):
    """An embedding, whose row of the padding stays zero, and a recurrent net over it."""

    def __init__(self, cell: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 8, padding_idx=0)
        self.cell = cell(8, 12, batch_first=True)
        self.head = nn.Linear(12, CLASSES)

    def forward(self, words: Tensor) -> Tensor:
        """Scores."""
        scores: Tensor = self.head(self.cell(self.embedding(words))[0].mean(1))
        return scores


class _Tied(nn.Module):
    """Embedding and output share one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 8)
        self.body = nn.Linear(8, 8)
        self.lm_head = nn.Linear(8, WORDS, bias=False)
        self.lm_head.weight = self.embedding.weight

    def forward(self, words: Tensor) -> Tensor:
        """Scores: those of the first four words."""
        hidden = torch.tanh(self.body(self.embedding(words).mean(1)))
        scores: Tensor = self.lm_head(hidden)
        return scores[:, :CLASSES]


class _SparseBag(nn.Module):
    """An embedding with sparse gradients, and nothing else: what SparseAdam takes."""

    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(WORDS, CLASSES, sparse=True, mode="mean")

    def forward(self, words: Tensor) -> Tensor:
        """Scores."""
        scores: Tensor = self.bag(words)
        return scores


# -- others --------------------------------------------------------------------------------------


class Lora(nn.Module):
    """A frozen layer with an adapter beside it, whose B starts at zero."""

    def __init__(self, rank: int = 2) -> None:
        super().__init__()
        wide = torch.Size(IMAGE).numel()
        self.base_layer = nn.Linear(wide, 16)
        self.base_layer.requires_grad_(requires_grad=False)
        self.lora_A = nn.Linear(wide, rank, bias=False)
        self.lora_B = nn.Linear(rank, 16, bias=False)
        nn.init.zeros_(self.lora_B.weight)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Scores."""
        flat = images.flatten(1)
        scores: Tensor = self.head(self.base_layer(flat) + self.lora_B(self.lora_A(flat)))
        return scores


class _Complex(nn.Module):
    """Complex weights, as nets over spectra have them."""

    def __init__(self) -> None:
        super().__init__()
        wide = torch.Size(IMAGE).numel()
        self.spectrum = nn.Parameter(torch.randn(16, wide, dtype=torch.complex64) / wide**0.5)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Scores."""
        spectrum = images.flatten(1).to(torch.complex64) @ self.spectrum.T
        scores: Tensor = self.head(spectrum.abs())
        return scores


class _RawFeatures(nn.Module):
    """Columns of a table as they come, with a BatchNorm before anything else."""

    def __init__(self) -> None:
        super().__init__()
        wide = torch.Size(IMAGE).numel()
        self.bn_cont = nn.BatchNorm1d(wide)
        self.body = nn.Sequential(nn.Linear(wide, 16), nn.ReLU(), nn.BatchNorm1d(16))
        self.head = nn.Linear(16, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Scores."""
        incomes = (images.flatten(1) + 3.0) * 2e5
        scores: Tensor = self.head(self.body(self.bn_cont(incomes)))
        return scores


class _Codebook(nn.Module):
    """A VQ layer: codes that follow an average, and counts of codes that nobody uses."""

    def __init__(self) -> None:
        super().__init__()
        wide = torch.Size(IMAGE).numel()
        self.encoder = nn.Linear(wide, 4)
        self.head = nn.Linear(4, CLASSES)
        self.register_buffer("codes", torch.randn(32, 4))
        self.register_buffer("cluster_size", torch.zeros(32))
        self.register_buffer("initted", torch.tensor([True]))
        self.codes: Tensor
        self.cluster_size: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Scores."""
        hidden = self.encoder(images.flatten(1))
        nearest = torch.cdist(hidden.detach(), self.codes).argmin(1)
        if self.training:
            counts = torch.bincount(nearest, minlength=32).float()
            self.cluster_size.mul_(0.9).add_(counts, alpha=0.1)
        quantised = hidden + (self.codes[nearest] - hidden).detach()
        scores: Tensor = self.head(quantised)
        return scores


class _Stateful(nn.Module):
    """A hidden state that is kept from batch to batch, and emptied before every evaluation."""

    def __init__(self) -> None:
        super().__init__()
        wide = torch.Size(IMAGE).numel()
        self.body = nn.Linear(wide, 8)
        self.head = nn.Linear(8, CLASSES)
        self.hidden: Tensor
        self.register_buffer("hidden", torch.zeros(1, 8))
        self.seen = 0

    def forward(self, images: Tensor) -> Tensor:
        """Scores."""
        new = torch.tanh(self.body(images.flatten(1)) + 0.1 * self.hidden)
        if self.training:
            self.seen += 1
            self.hidden = new.mean(0, keepdim=True).detach()
            if self.seen % 12 == 0:  # the end of a text: every other epoch ends with one
                self.hidden = torch.zeros_like(self.hidden)
        scores: Tensor = self.head(new)
        return scores


def _images(net: nn.Module) -> Task:
    """Four patterns under noise."""
    generator = torch.Generator().manual_seed(7)
    patterns = torch.randn(CLASSES, *IMAGE, generator=generator)
    labels = torch.randint(0, CLASSES, (TRAIN + TEST,), generator=generator)
    noise = torch.randn(TRAIN + TEST, *IMAGE, generator=generator)
    return Task(net, patterns[labels] + 0.7 * noise, labels)


def _texts(net: nn.Module) -> Task:
    """Texts whose words come from one of four ranges, three times in four."""
    generator = torch.Generator().manual_seed(7)
    labels = torch.randint(0, CLASSES, (TRAIN + TEST,), generator=generator)
    shape = (TRAIN + TEST, LENGTH)
    topical = labels[:, None] * 9 + torch.randint(1, 10, shape, generator=generator)
    any_word = torch.randint(0, WORDS, shape, generator=generator)
    chosen = torch.rand(shape, generator=generator) < 0.75
    return Task(net, torch.where(chosen, topical, any_word), labels)


TASKS: dict[str, Callable[[], Task]] = {
    "conv": lambda: _images(conv_net()),
    "group-norm": lambda: _images(group_net()),
    "matrices": lambda: _images(matrix_net()),
    "causal": lambda: _images(causal_net()),
    "lora": lambda: _images(Lora()),
    "complex": lambda: _images(_Complex()),
    "raw-features": lambda: _images(_RawFeatures()),
    "codebook": lambda: _images(_Codebook()),
    "stateful": lambda: _images(_Stateful()),
    "rnn": lambda: _texts(_Recurrent(nn.RNN)),
    "lstm": lambda: _texts(_Recurrent(nn.LSTM)),
    "gru": lambda: _texts(_Recurrent(nn.GRU)),
    "tied": lambda: _texts(_Tied()),
    "sparse-bag": lambda: _texts(_SparseBag()),
}
"""Name -> a fresh net with its task."""
