"""The files that other tools are tried on, and the words that would name what is wrong in them."""

from __future__ import annotations

import enum
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch

__all__ = ["CASES", "MARKER", "Case", "Task", "make_files"]

MARKER = "the-code-was-run"
_NEVER = r"(?!)"
_CUT = r"truncat|corrupt|\bcut\b|incomplete|central directory|end of file|eof"
_NAN = r"(?<![a-z])nans?(?![a-z])|non-?finite|not a number"


class Task(enum.Enum):
    """What a tool says of itself that it looks for."""

    VALUES = "values"
    DAMAGE = "damage"
    CODE = "code"
    RUN = "runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A file or folder.

    Attributes:
        title: what is wrong with it, as the table says it.
        name: of the file.
        twin: the name of the sound one of the same kind; its own for a sound one.
        words: a pattern of what would name the fault, in lower case.
        task: whose task it is to find it; none for a sound one.
    """

    title: str
    name: str
    twin: str
    words: str = _NEVER
    task: Task | None = None

    @property
    def is_sound(self) -> bool:
        """Whether there is nothing to find."""
        return self.name == self.twin


CASES = (
    Case(title="sound", name="sound.pth", twin="sound.pth"),
    Case(title="NaN in a weight", name="nan.pth", twin="sound.pth", words=_NAN, task=Task.VALUES),
    Case(
        title="Inf in the optimizer alone",
        name="optimizer.pth",
        twin="sound.pth",
        words=r"(?<![a-z])infs?(?![a-z])|infinit|non-?finite",
        task=Task.VALUES,
    ),
    Case(
        title="a flipped bit, finite",
        name="flip.pth",
        twin="sound.pth",
        words=r"crc|checksum|corrupt|flipped",
        task=Task.DAMAGE,
    ),
    Case(title="cut at two thirds", name="cut.pth", twin="sound.pth", words=_CUT, task=Task.DAMAGE),
    Case(
        title="code, run by loading",
        name="code.pth",
        twin="sound.pth",
        words=r"\bsystem\b",
        task=Task.CODE,
    ),
    Case(title="sound, legacy format", name="legacy.pth", twin="legacy.pth"),
    Case(
        title="legacy, NaN in a weight",
        name="nan-legacy.pth",
        twin="legacy.pth",
        words=_NAN,
        task=Task.VALUES,
    ),
    Case(
        title="legacy, code",
        name="code-legacy.pth",
        twin="legacy.pth",
        words=r"\bsystem\b",
        task=Task.CODE,
    ),
    Case(title="sound, safetensors", name="sound.safetensors", twin="sound.safetensors"),
    Case(
        title="safetensors, NaN",
        name="nan.safetensors",
        twin="sound.safetensors",
        words=_NAN,
        task=Task.VALUES,
    ),
    Case(
        title="safetensors, cut",
        name="cut.safetensors",
        twin="sound.safetensors",
        words=_CUT,
        task=Task.DAMAGE,
    ),
    Case(title="sound, two shards", name="shards", twin="shards"),
    Case(
        title="a shard lacks",
        name="lacking",
        twin="shards",
        words=r"missing|lack|not found|no such file|incomplete|absent",
        task=Task.DAMAGE,
    ),
    Case(title="sound Trainer run", name="run", twin="run"),
    Case(
        title="its loss turns NaN",
        name="nan-run",
        twin="run",
        words=_NAN,
        task=Task.RUN,
    ),
)


class _Touches:
    """Makes an empty file in the working folder when it is loaded, and nothing else."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {MARKER}",)


def _weights(state: dict[str, object]) -> dict[str, torch.Tensor]:
    found = state["model_state_dict"]
    assert isinstance(found, dict)
    return found


def _save(state: object, path: Path, *, is_zip: bool = True) -> None:
    """Write a file of torch whose records do not bear its name."""
    whole = io.BytesIO()
    torch.save(state, whole, _use_new_zipfile_serialization=is_zip)
    path.write_bytes(whole.getvalue())


def _make_single_files(folder: Path) -> dict[str, torch.Tensor]:
    """The files of torch; returns the sound weights."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.randn(8, 64)).square().mean().backward()
    optimizer.step()

    def state() -> dict[str, object]:
        weights = {name: one.clone() for name, one in net.state_dict().items()}
        return {"epoch": 3, "model_state_dict": weights, "optimizer": optimizer.state_dict()}

    broken = state()
    _weights(broken)["0.weight"][3, 5] = float("nan")
    for end, is_zip in ((".pth", True), ("-legacy.pth", False)):
        for start, what in (("nan", broken), ("code", state() | {"extra": _Touches()})):
            _save(what, folder / f"{start}{end}", is_zip=is_zip)
    _save(state(), folder / "legacy.pth", is_zip=False)
    _save(state(), folder / "sound.pth")
    whole = (folder / "sound.pth").read_bytes()
    (folder / "cut.pth").write_bytes(whole[: len(whole) * 2 // 3])
    flipped = bytearray(whole)
    at = whole.index(_weights(state())["0.weight"].numpy().tobytes()[:64])
    flipped[at + 100] ^= 4  # of a mantissa
    (folder / "flip.pth").write_bytes(bytes(flipped))
    sound = state()
    next(iter(optimizer.state.values()))["exp_avg"][0] = float("inf")
    _save(state(), folder / "optimizer.pth")

    safetensors.torch.save_file(_weights(sound), folder / "sound.safetensors")
    safetensors.torch.save_file(_weights(broken), folder / "nan.safetensors")
    data = (folder / "sound.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(data[: len(data) * 2 // 3])
    return _weights(sound)


def _make_shards(folder: Path, weights: dict[str, torch.Tensor], *, lacks: bool) -> None:
    folder.mkdir()
    names = list(weights)
    where: dict[str, str] = {}
    for number, part in enumerate((names[:2], names[2:]), start=1):
        name = f"model-{number:05}-of-00002.safetensors"
        where |= dict.fromkeys(part, name)
        if not (lacks and number == 2):
            safetensors.torch.save_file(
                {key: weights[key] for key in part}, folder / name, metadata={"format": "pt"}
            )
    total = sum(one.nbytes for one in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def _make_run(folder: Path, weights: dict[str, torch.Tensor], *, turns_nan: bool) -> None:
    """A run of Trainer with three checkpoints, each with its state."""
    history: list[dict[str, object]] = []
    for step in range(10, 310, 10):
        is_lost = turns_nan and step > 200
        loss = float("nan") if is_lost else 2.0 / (1 + step / 100)
        entry: dict[str, object] = {
            "epoch": step / 100,
            "step": step,
            "learning_rate": 5e-5 * (1 - step / 400),
        }
        history.append(entry | {"loss": loss, "grad_norm": loss})
        if step % 100:
            continue
        history.append({"epoch": step / 100, "step": step, "eval_loss": loss * 1.1})
        place = folder / f"checkpoint-{step}"
        place.mkdir(parents=True)
        saved = {
            name: torch.full_like(one, float("nan")) if is_lost else one
            for name, one in weights.items()
        }
        safetensors.torch.save_file(saved, place / "model.safetensors", metadata={"format": "pt"})
        state = {"epoch": step / 100, "global_step": step, "max_steps": 300, "log_history": history}
        (place / "trainer_state.json").write_text(json.dumps(state, indent=2))
        (folder / "trainer_state.json").write_text(json.dumps(state, indent=2))


def make_files(folder: Path) -> None:
    """Write what every case needs into an empty folder."""
    weights = _make_single_files(folder)
    _make_shards(folder / "shards", weights, lacks=False)
    _make_shards(folder / "lacking", weights, lacks=True)
    _make_run(folder / "run", weights, turns_nan=False)
    _make_run(folder / "nan-run", weights, turns_nan=True)
    lost = [case.name for case in CASES if not (folder / case.name).exists()]
    assert not lost, lost
