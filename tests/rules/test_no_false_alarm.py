"""Healthy runs: nets of the usual kinds, trained as usual, and not a single warning about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ckptdoctor.diagnose import examine
from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.report import Report
from tests.benchmarks import healthy, healthy_writer
from tests.builders import save
from tests.each import each

EPOCHS, STEPS = 8, 12


class Residual(nn.Module):
    """Two convolutions with their norms, and a way around them; the last norm starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        nn.init.zeros_(self.body[4].weight)  # type: ignore[arg-type]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The images, refined."""
        return torch.relu(images + self.body(images))


def residual_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        Residual(16),
        Residual(16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    )


class Transformer(nn.Module):
    """A small one, with its causal mask as a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(3, 32, 4, stride=4)
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 4)
        mask = nn.Transformer.generate_square_subsequent_mask(4)
        self.register_buffer("attn_mask", mask)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores."""
        tokens = self.embedding(images).flatten(2).transpose(1, 2)
        return self.head(self.encoder(tokens, mask=self.attn_mask).mean(1))  # type: ignore[no-any-return]


Make = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=5e-4),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3),
    "adam, fast": lambda p: torch.optim.Adam(p, lr=3e-2),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.05),
    "amsgrad": lambda p: torch.optim.AdamW(p, lr=1e-3, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-3, momentum=0.9, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=1e-2),
    "nadam": lambda p: torch.optim.NAdam(p, lr=1e-3),
    "radam": lambda p: torch.optim.RAdam(p, lr=1e-3),
    "adadelta": torch.optim.Adadelta,
    "asgd": lambda p: torch.optim.ASGD(p, lr=1e-2),
}


def train(folder: Path, net: nn.Module, make: Make, **options: Any) -> Report:
    """Train, save after every epoch from the untrained net on, and examine all of it."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(48, 3, 8, 8, generator=generator)
    labels = (images.mean((1, 2, 3)) * 40).round().long().clamp(-2, 1) + 2
    optimizer = make(net.parameters())
    schedule = options.get("schedule", torch.optim.lr_scheduler.CosineAnnealingLR)
    scheduler = schedule(optimizer, EPOCHS)
    smooth = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)  # type: ignore[no-untyped-call]
    average = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=smooth)
    best = 0.0
    for epoch in range(EPOCHS + 1):
        correct = 0
        for step in range(STEPS if epoch else 0):
            batch = slice(step * 4, step * 4 + 4)
            scores = net(images[batch])
            loss = nn.functional.cross_entropy(scores, labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            average.update_parameters(net)
            correct += int((scores.argmax(1) == labels[batch]).sum())
        if epoch:
            scheduler.step()
        best = max(best, correct / len(labels))
        save(
            folder / f"checkpoint_epoch_{epoch}.pth",
            {
                "epoch": epoch,
                "model_state_dict": net.state_dict(),
                "ema_state_dict": average.state_dict(),
                "optimizer_state_dict": optimizer.state_dict(),
                "scheduler_state_dict": scheduler.state_dict(),
                "scaler": torch.amp.GradScaler("cpu").state_dict(),
                "best_acc": best,
            },
        )
    return examine(sorted(folder.iterdir()))


def assert_no_alarm(report: Report) -> None:
    """No warning, no error, about any file or the run."""
    found = [f for f in report.all_findings() if f.severity > Severity.INFO]
    assert [(f.code, f.subject, f.message) for f in found] == []
    assert all(checkpoint.verdict is Verdict.HEALTHY for checkpoint in report.checkpoints)
    assert report.crashes == ()


KIN = ("nesterov", "amsgrad", "nadam", "radam", "asgd")
"""Their steps and their state are nearly those of another."""


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=name, marks=pytest.mark.slow if name in KIN else ())
        for name, make in OPTIMIZERS.items()
    ],
)
@pytest.mark.one_in(8)
def test_a_residual_net(make: Make, tmp_path: Path) -> None:
    torch.manual_seed(0)
    assert_no_alarm(train(tmp_path, residual_net(), make))


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
@pytest.mark.one_in(3)
@pytest.mark.slow
def test_a_transformer(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    report = train(tmp_path, Transformer(), OPTIMIZERS[name])
    assert_no_alarm(report)
    assert {f.code for f in report.all_findings()} >= {"CD203"}  # the causal mask


def warm_up(optimizer: torch.optim.Optimizer, epochs: int) -> Any:
    lr_scheduler = torch.optim.lr_scheduler
    return lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=epochs + 1, pct_start=0.5)


def restarts(optimizer: torch.optim.Optimizer, epochs: int) -> Any:
    return torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3)


@pytest.mark.parametrize("schedule", [warm_up, restarts])
@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.one_in(2)
@pytest.mark.slow
def test_warm_up_and_restarts(schedule: Callable[..., Any], name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    assert_no_alarm(train(tmp_path, residual_net(), OPTIMIZERS[name], schedule=schedule))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_that_were_saved_in_another_type(dtype: torch.dtype, tmp_path: Path) -> None:
    for epoch in range(3):
        torch.manual_seed(epoch)
        state = residual_net().to(dtype).state_dict()
        save(tmp_path / f"net_{epoch}.pth", {"epoch": epoch, "model": state})
    assert_no_alarm(examine(sorted(tmp_path.iterdir())))


def test_a_frozen_body_under_a_head_that_learns(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = residual_net()
    for parameter in list(net.parameters())[:-2]:
        parameter.requires_grad = False
    assert_no_alarm(train(tmp_path, net, OPTIMIZERS["adamw"]))


# -- the files of the benchmark, with the torch that is here --------------------------------------


def written(folder: Path, *families: str, quick: bool, layouts: tuple[str, ...] = ()) -> list[Path]:
    """The folders of the layouts, filled."""
    writer = healthy_writer.write_all(folder, quick=quick, families=families, layouts=layouts)
    assert not [what for what in writer.impossible if "the rest of" in what]
    return sorted(folder.iterdir())


@pytest.mark.parametrize(
    ("families", "least"),
    [
        (("optimizers", "folds"), 70),
        (("meant", "dtypes", "layouts"), 40),
        (("quantized", "reparametrised", "scripted"), 20),
        (("beside", "distributed", "gan", "rl"), 50),
    ],
)
@pytest.mark.one_in(2)
@pytest.mark.slow
def test_a_share_of_every_kind(families: tuple[str, ...], least: int, tmp_path: Path) -> None:
    row = healthy.Row("here", "all")
    for layout in written(tmp_path, *families, quick=True):
        files = healthy.note(row, layout, healthy.by_function(layout))
        row.files += len(files)
        for file in files[::8]:
            healthy.note(row, layout, healthy.by_function(file))
    assert row.files >= least
    assert sorted(map(str, row.alarms)) == []
    assert row.is_silent


@pytest.mark.slow
@pytest.mark.parametrize(
    "families",
    [
        ("optimizers",),
        ("habits", "long", "fine-tuning", "folds", "warming", "pruning"),
        ("schedules", "nets", "scalers", "averages", "gan", "diffusion", "rl"),
        ("meant", "dtypes", "layouts", "quantized", "reparametrised", "beside", "scripted"),
    ],
    ids=lambda families: families[0],
)
def test_every_file_of_the_torch_that_is_here(families: tuple[str, ...], tmp_path: Path) -> None:
    layouts = () if "meant" in families else ("zip",)
    for layout in written(tmp_path, *families, quick=False, layouts=layouts):
        row = healthy.Row("here", layout.name)
        code, report = healthy.by_command(layout)
        row.files = len(healthy.note(row, layout, report))
        assert sorted(map(str, row.alarms)) == []
        assert code == 0
        assert row.is_silent


@pytest.mark.slow
def test_the_benchmark_tells_a_file_that_is_not_healthy(tmp_path: Path) -> None:
    weights = {"fc.weight": torch.randn(4, 4), "fc.bias": torch.full((4,), torch.nan)}
    for folder in ("a", "b"):
        (tmp_path / "zip" / folder).mkdir(parents=True)
    save(tmp_path / "zip" / "a" / "sound.pth", {"model": {"fc.weight": torch.randn(4, 4)}})
    save(tmp_path / "zip" / "b" / "broken.pth", {"model": weights})
    row = healthy.judge_folder("here", tmp_path / "zip")
    assert (row.files, row.unhealthy, row.exits) == (2, {"b/broken.pth"}, [1])
    assert {alarm.code for alarm in row.alarms} == {"CD201"}
    assert not row.is_silent
    assert healthy.table_of([row]).splitlines()[-1] == "| all |  | 2 | 0 | 1 | 1 |"


# -- what was once called broken, and what must go on being called so -----------------------------


def codes(path: Path) -> set[str]:
    """Of the warnings and errors about a file or folder."""
    paths = sorted(path.iterdir()) if path.is_dir() else [path]
    return {f.code for f in examine(paths).all_findings() if f.severity > Severity.INFO}


def model(folder: Path, **tensors: torch.Tensor) -> Path:
    """A file with these buffers beside a weight."""
    named = {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    return save(folder / "net.pt", {"model": {"fc.weight": torch.randn(4, 4)} | named})


INF, LOWEST = float("inf"), torch.finfo(torch.float32).min


@each(
    ("name", "buffer"),
    [
        ("act__activation_post_process__min_val", torch.tensor(INF)),
        ("act__activation_post_process__max_val", torch.tensor(-INF)),
        ("metric__min_value", torch.tensor(INF)),
        ("sqrt_recip_alphas_cumprod", torch.tensor([1.0, 2.0, INF])),
        ("sqrt_recipm1_alphas_cumprod", torch.tensor([1.0, 2.0, INF])),
        ("alibi", torch.tensor([[0.0, -INF], [-0.5, 0.0]])),
        ("attn_bias", torch.full((1, 1, 4, 4), -INF).triu(1)),
        ("attn_bias", torch.full((4, 4), LOWEST).triu(1)),
        ("far", torch.full((4, 4), -65504.0).half().triu(1)),
    ],
)
def test_what_is_infinite_or_lowest_by_design(
    name: str, buffer: torch.Tensor, tmp_path: Path
) -> None:
    assert codes(model(tmp_path, **{name: buffer})) == set()


@each(
    ("name", "tensor", "code"),
    [
        ("conv__weight", torch.full((4, 4), -INF).triu(1), "CD202"),
        ("conv__weight", torch.full((4, 4), LOWEST).triu(1), "CD206"),
        ("attn_bias", torch.full((4, 4), INF).triu(1), "CD202"),
        ("attn_bias", torch.full((4, 4), -INF).triu(1) + 0.5, "CD202"),
        ("attn_bias", torch.full((4, 6), -INF).triu(1), "CD202"),
        ("attn_bias", torch.full((4, 4), LOWEST).triu(1) + torch.eye(4), "CD206"),
        ("alphas_cumprod", torch.tensor([1.0, INF]), "CD202"),
    ],
)
def test_what_only_looks_like_a_mask_is_told(
    name: str, tensor: torch.Tensor, code: str, tmp_path: Path
) -> None:
    assert codes(model(tmp_path, **{name: tensor})) == {code}


def test_a_schedule_that_ends_in_infinity_is_meant_where_only_steps_are_counted(
    tmp_path: Path,
) -> None:
    for step in (100, 200):
        buffer = {"decay_table": torch.tensor([1.0, INF]), "fc.weight": torch.randn(3, 3)}
        save(tmp_path / f"model_step{step}.pt", {"step": step, "model": buffer})
    assert codes(tmp_path) == set()


def columns(width: int, given: int, **others: torch.Tensor) -> dict[str, torch.Tensor]:
    """A norm of so many channels with the variance of incomes, before a layer that takes them."""
    variance = torch.full((width,), 1e11)
    norm = {"bn.weight": torch.ones(width), "bn.running_var": variance}
    return {**norm, "fc.weight": torch.randn(given, width), **others}


def test_the_variance_of_raw_columns_is_what_it_is(tmp_path: Path) -> None:
    wider = columns(6, 16) | {"embeds.0.weight": torch.randn(9, 3), "fc.weight": torch.randn(5, 9)}
    assert codes(save(tmp_path / "a.pt", columns(6, 16))) == set()
    assert codes(save(tmp_path / "b.pt", wider)) == set()


def test_the_variance_of_a_layer_is_not(tmp_path: Path) -> None:
    behind = columns(6, 16, before=torch.randn(6, 3))
    assert codes(save(tmp_path / "a.pt", behind)) == {"CD207"}
    assert codes(save(tmp_path / "b.pt", columns(6, 6))) == {"CD207"}
    alone = {"bn.running_var": torch.full((6,), 1e11)}
    assert codes(save(tmp_path / "c.pt", alone)) == {"CD207"}


def epochs(folder: Path, *values: torch.Tensor, name: str = "fc.weight", **more: object) -> Path:
    """A file an epoch with this tensor, from epoch 1 on."""
    for epoch, value in enumerate(values, start=1):
        state = {"epoch": epoch, "model": {name: value, "head": torch.ones(2)}, **more}
        save(folder / f"epoch_{epoch}.pth", state)
    return folder


@pytest.mark.parametrize("name", ["rnn.hidden", "queue", "observer.histogram", "cluster_size"])
def test_a_buffer_that_is_emptied(name: str, tmp_path: Path) -> None:
    full, empty = torch.randn(8, generator=torch.Generator().manual_seed(0)), torch.zeros(8)
    assert codes(epochs(tmp_path, full, empty, name=name)) == set()


def test_a_weight_that_is_emptied_is_told(tmp_path: Path) -> None:
    full, empty = torch.randn(8, generator=torch.Generator().manual_seed(0)), torch.zeros(8)
    assert codes(epochs(tmp_path, full, empty, name="rnn.hidden.weight")) == {"CD206"}


def walk(count: int) -> list[torch.Tensor]:
    """A weight that moves by a hundredth of its norm an epoch."""
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(count, 16, 16, generator=generator) * 0.01
    return [*(torch.ones(16, 16) + steps.cumsum(0))]


def far_away() -> torch.Tensor:
    """Where no such walk leads."""
    return 20 * torch.randn(16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["init.pth", "pretrained.pth", "zero.pth"])
def test_a_file_whose_place_is_unknown_comes_behind_nothing(name: str, tmp_path: Path) -> None:
    epochs(tmp_path, *walk(4))
    start = {"fc.weight": torch.zeros(16, 16), "head": torch.ones(2)}
    save(tmp_path / name, {"model": start})
    assert codes(tmp_path) == set()


@pytest.mark.parametrize("name", ["last.pth", "checkpoint_latest.pth", "model_final.pth"])
def test_the_last_file_comes_last_without_an_epoch(name: str, tmp_path: Path) -> None:
    epochs(tmp_path, *walk(4))
    far = {"fc.weight": far_away(), "head": torch.ones(2)}
    save(tmp_path / name, {"model": far})
    assert codes(tmp_path) == {"CD410"}


def test_numbers_in_names_are_an_order_where_nothing_else_is(tmp_path: Path) -> None:
    for at, weight in enumerate([*walk(4), far_away()]):
        save(tmp_path / f"net-v{at}-a.pth", {"fc.weight": weight})
    assert codes(tmp_path) == {"CD410"}


def test_folds_beside_each_other(tmp_path: Path) -> None:
    for fold in range(4):
        weight = torch.randn(16, 16, generator=torch.Generator().manual_seed(fold))
        save(tmp_path / f"fold{fold}_best.pth", {"fc.weight": weight})
        save(tmp_path / f"fold{fold}_last.pth", {"fc.weight": weight * 1.001})
    assert codes(tmp_path) == set()


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("checkpoint_500.pt", {"epoch": 3, "n_iter": 500}),
        ("checkpoint_500.pt", {"epoch": 3, "images_seen": 499}),
        ("net-224.pt", {"epoch": 3}),
        ("ckpt_5000.pt", {"epoch": 3}),
        ("checkpoint_2_900.pt", {"extra_state": {"train_iterator": {"epoch": 3}}}),
    ],
)
def test_a_number_in_a_name_that_is_no_epoch(
    name: str, state: dict[str, Any], tmp_path: Path
) -> None:
    assert codes(save(tmp_path / name, {"model": {"w": torch.randn(4)}} | state)) == set()


def test_a_named_epoch_is_one_whatever_else_is_counted(tmp_path: Path) -> None:
    state = {"model": {"w": torch.randn(4)}, "epoch": 3, "n_iter": 500}
    assert codes(save(tmp_path / "epoch_500.pt", state)) == {"CD406"}


def test_a_best_that_was_not_measured_before_the_first_validation(tmp_path: Path) -> None:
    for epoch, weight in enumerate(walk(6)):
        best = {"best_iou": 0.4, "best_loss": 0.3} if epoch > 4 else {}
        unset = {"best_iou": 0.0, "best_loss": INF}
        state = {"epoch": epoch, "model": {"w": weight}} | unset | best
        save(tmp_path / f"epoch_{epoch}.pth", state)
    assert codes(tmp_path) == set()
    (tmp_path / "epoch_5.pth").unlink()
    assert codes(tmp_path) == {"CD405"}


def test_an_average_that_was_saved_alone_beside_its_optimizer(tmp_path: Path) -> None:
    net = residual_net()
    optimizer = torch.optim.Adam(net.parameters())
    sum(p.square().sum() for p in net.parameters()).backward()  # type: ignore[union-attr]
    optimizer.step()
    state = {"model_ema": net.state_dict(), "optimizer": optimizer.state_dict()}
    rng = {"rng_state": torch.get_rng_state()}
    assert codes(save(tmp_path / "a.pt", state | rng)) == set()
    other = {"model_ema": {"w": torch.ones(5, 5)}}
    assert codes(save(tmp_path / "b.pt", state | rng | other)) == {"CD303"}


def test_scores_of_a_net_that_has_only_begun(tmp_path: Path) -> None:
    for epoch, (score, weight) in enumerate(zip((0.3, 0.14, 0.16, 0.18), walk(4), strict=True)):
        state = {"epoch": epoch, "model": {"w": weight}, "val_acc": np.float64(score)}
        save(tmp_path / f"epoch_{epoch}.pth", state)
    row = healthy.Row("here", "")
    healthy.note(row, tmp_path, healthy.by_function(tmp_path))
    assert sorted(map(str, row.alarms)) == []
