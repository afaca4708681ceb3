"""Files of full size whose end was never written, and honest zeros at the end of others."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ckptdoctor.diagnose import examine
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.sources import positioned

Tensors = dict[str, torch.Tensor]


def stored(tensors: Tensors, path: Path) -> Path:
    save_file({name: tensor.detach().clone() for name, tensor in tensors.items()}, path)
    return path


def unwritten_behind(path: Path, share: float) -> Path:
    """The file with zeros behind this share of its payload."""
    raw = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(raw[:8], "little")
    cut = start + int((len(raw) - start) * share)
    raw[cut:] = bytes(len(raw) - cut)
    path.write_bytes(raw)
    return path


def holder_of(raw: bytes, at: int) -> str | None:
    """The tensor with bytes on both sides of a place in the file."""
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    spans = {name: one["data_offsets"] for name, one in header.items() if name != "__metadata__"}
    return next((name for name, (a, b) in spans.items() if start + a < at < start + b), None)


def told(path: Path) -> tuple[Verdict, list[Finding]]:
    (report,) = examine([path]).checkpoints
    return report.verdict, [found for found in report.findings if found.code == "CD102"]


def stack(count: int = 6) -> nn.Module:
    layers = (nn.TransformerEncoderLayer(32, 4, 64, batch_first=True) for _ in range(count))
    return nn.Sequential(*layers)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("share", [0.07, 0.331, 0.502, 0.613, 0.777, 0.96])
@pytest.mark.one_in(3)
def test_an_end_that_was_never_written_is_suspect(
    share: float, dtype: torch.dtype, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    path = stored(stack().to(dtype).state_dict(), tmp_path / "a.safetensors")
    assert told(path) == (Verdict.HEALTHY, [])
    verdict, found = told(unwritten_behind(path, share))
    assert verdict is Verdict.SUSPECT
    assert [one.severity for one in found] == [Severity.WARNING]
    raw = path.read_bytes()
    assert found[0].evidence["start"] == len(raw.rstrip(b"\0"))
    assert found[0].evidence["zeros"] == len(raw) - len(raw.rstrip(b"\0"))
    assert f"({found[0].evidence['zeros'] / len(raw):.0%} of it)" in found[0].message
    border = holder_of(raw, found[0].evidence["start"])
    assert found[0].evidence["border"] == border
    assert (f"{border} is written in part" in found[0].message) is (border is not None)


def test_zeros_that_begin_with_a_layer_are_told_by_the_layers_before(tmp_path: Path) -> None:
    tensors = {f"layers.{at}.weight": torch.randn(16, 16) for at in range(8)}
    for at in (6, 7):
        tensors[f"layers.{at}.weight"].zero_()
    verdict, (found,) = told(stored(tensors, tmp_path / "a.safetensors"))
    assert verdict is Verdict.SUSPECT
    assert found.evidence["border"] is None
    assert found.evidence["empty"] == ["layers.6.weight", "layers.7.weight"]


def test_the_last_storage_of_an_old_torch_file_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"w": torch.randn(64, 61)}, path, _use_new_zipfile_serialization=False)
    raw = path.read_bytes()
    path.write_bytes(raw[:-9001] + bytes(9001))
    assert told(path)[0] is Verdict.SUSPECT


# -- honest zeros --------------------------------------------------------------------------------


def fresh_biases() -> Tensors:
    weights = {f"{at}.weight": torch.randn(40, 40) for at in range(4)}
    return weights | {f"{at}.bias": torch.zeros(40) for at in range(4)} | {"z": torch.zeros(4000)}


def a_last_layer_that_starts_at_zero() -> Tensors:
    last = nn.Linear(70, 9)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    layers = (nn.Linear(9, 70), nn.ReLU(), nn.Linear(70, 70), nn.ReLU(), last)
    return nn.Sequential(*layers).state_dict()


def zero_convolutions() -> Tensors:
    """ControlNet's, which come last by their names."""
    tensors = {f"blocks.{at}.weight": torch.randn(8, 8, 3, 3) for at in range(5)}
    zeros = {f"zero_convs.{at}.weight": torch.zeros(8, 8, 1, 1) for at in range(9)}
    return tensors | zeros | {f"zero_convs.{at}.bias": torch.zeros(8) for at in range(9)}


def lora(*, by_layer: bool) -> Tensors:
    names = ("layers.{}.q.lora_{}.weight" if by_layer else "lora_{1}.{0}.weight",)
    return {
        names[0].format(at, part): torch.randn(4, 64) if part == "A" else torch.zeros(64, 4)
        for at in range(6)
        for part in "AB"
    }


def padded_vocabulary() -> Tensors:
    embedding = torch.randn(1000, 48)
    embedding[970:] = 0
    return {"body.weight": torch.randn(48, 48), "wte.weight": embedding}


def padded_outputs() -> Tensors:
    """A transposed output layer: the last columns of each row."""
    output = torch.randn(48, 1024)
    output[:, 800:] = 0
    return {"body.weight": torch.randn(48, 48), "head.weight": output}


def padded_outputs_of_the_last_row() -> Tensors:
    output = torch.randn(4, 1024)
    output[-1, 17:] = 0
    return {"body.weight": torch.randn(48, 48), "head.weight": output}


def pruned(amount: float) -> Tensors:
    weights = {f"{at}.weight": torch.randn(64, 64) for at in range(3)}
    return {name: w * (torch.rand(64, 64) >= amount) for name, w in weights.items()}


def pruned_rows() -> Tensors:
    weights = {f"{at}.weight": torch.randn(64, 64) for at in range(3)}
    for weight in weights.values():
        weight[::2] = weight[-20:] = 0
    return weights


def masks() -> Tensors:
    above = torch.triu(torch.ones(200, 200), 1)
    return {"w": torch.randn(9, 9), "x.mask": above, "z.mask": torch.zeros(90, 90).bool()}


def one_hot() -> Tensors:
    table = torch.zeros(500, 80)
    table[torch.arange(300), torch.arange(300) % 80] = 1
    return {"a.weight": torch.randn(80, 80), "b.table": table}


def tokens() -> Tensors:
    """Bytes of a text that ends within a row."""
    text = torch.randint(1, 255, (50, 64)).byte()
    text.view(-1)[2010:] = 0
    return {"a.weight": torch.randn(80, 80), "b.text": text}


def statistics_of_nothing() -> Tensors:
    net = nn.Sequential(*(nn.BatchNorm2d(900) for _ in range(3)))
    return {f"conv.{at}.weight": torch.randn(9, 9, 3, 3) for at in range(3)} | {
        f"norm.{name}": tensor for name, tensor in net.state_dict().items()
    }


def moments() -> Tensors:
    """Of an optimizer whose last layers are frozen."""
    tensors = {f"model.{at}.weight": torch.randn(32, 32) for at in range(6)}
    for at in range(6):
        moment = torch.randn(32, 32) if at < 3 else torch.zeros(32, 32)
        tensors[f"optimizer.state.{at}.exp_avg"] = moment
    return tensors


def frozen_rows() -> Tensors:
    net = nn.Embedding(400, 30)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.arange(100)).square().sum().backward()
    optimizer.step()
    return {
        "optimizer.momentum": optimizer.state[net.weight]["momentum_buffer"],
        **net.state_dict(),
    }


def quantized() -> Tensors:
    tensors = {f"layers.{at}.qweight": torch.randint(1, 9, (64, 8)).int() for at in range(4)}
    return tensors | {f"layers.{at}.qzeros": torch.zeros(64, 8).byte() for at in range(4)}


HONEST: dict[str, Callable[[], Tensors]] = {
    "fresh biases": fresh_biases,
    "a last layer that starts at zero": a_last_layer_that_starts_at_zero,
    "zero convolutions": zero_convolutions,
    "LoRA by layer": lambda: lora(by_layer=True),
    "LoRA, all A first": lambda: lora(by_layer=False),
    "a padded vocabulary": padded_vocabulary,
    "padded outputs": padded_outputs,
    "padding within the last row": padded_outputs_of_the_last_row,
    "half pruned": lambda: pruned(0.5),
    "mostly pruned": lambda: pruned(0.97),
    "nearly all pruned": lambda: pruned(0.999),
    "rows pruned": pruned_rows,
    "masks": masks,
    "one hot": one_hot,
    "tokens": tokens,
    "statistics of nothing": statistics_of_nothing,
    "moments of frozen layers": moments,
    "momentum of rows never seen": frozen_rows,
    "quantized": quantized,
    "all zero": lambda: {f"l.{at}.weight": torch.zeros(20, 20) for at in range(4)},
    "one number": lambda: {"w": torch.zeros(())},
    "nothing": lambda: {"w": torch.zeros(0, 5)},
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.one_in(3)
def test_honest_zeros_at_the_end_raise_nothing(
    name: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    tensors = {
        key: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for key, tensor in copy.deepcopy(HONEST[name]()).items()
    }
    assert told(stored(tensors, tmp_path / "a.safetensors"))[1] == []
    torch.save(tensors, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert told(tmp_path / "a.pth")[1] == []


def test_a_file_that_ends_with_weights_costs_one_small_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ckptdoctor.formats import opened, read_checkpoint
    from ckptdoctor.scanning import zero_tail

    path = stored({"w": torch.randn(999, 999)}, tmp_path / "a.safetensors")
    read: list[int] = []
    with opened(path) as file:
        checkpoint = read_checkpoint(file)
        pread = os.pread

        def counting(fd: int, nbytes: int, offset: int) -> bytes:
            read.append(nbytes)
            return pread(fd, nbytes, offset)

        monkeypatch.setattr(positioned, "pread", counting)
        assert zero_tail.find_zero_tail(checkpoint, file.fd) is None
    assert sum(read) <= 4096
