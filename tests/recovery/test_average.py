"""The mean of the weights of several files: against torch's own, and nothing else of it changes."""

from __future__ import annotations

import copy
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from ckptdoctor.diagnose import examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Verdict
from ckptdoctor.layouts.files import single
from ckptdoctor.manifest import restored_from
from ckptdoctor.recovery import average
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.restore import Restored, restore
from ckptdoctor.scanning.mean import mean_of
from tests.builders import TarPid, load, save, small_model, torch_tar, training_checkpoint

State = dict[str, Any]


def trained(folder: Path, count: int = 3, **options: Any) -> tuple[list[Path], list[nn.Module]]:
    """Files of a real training, an epoch each, and the nets that they hold."""
    torch.manual_seed(1)
    model = small_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    files, nets = [], []
    for epoch in range(1, count + 1):
        optimizer.zero_grad()
        model(torch.randn(8, 1, 6, 6)).square().mean().backward()
        optimizer.step()
        scheduler.step()
        state = {
            "epoch": epoch,
            "model_state_dict": model.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "scaler": {
                "scale": 2.0 ** (13 + epoch),
                "growth_factor": 2.0,
                "_growth_tracker": epoch,
            },
            "val_iou": 0.5 + epoch / 100,
        }
        files.append(save(folder / f"checkpoint_epoch_{epoch}.pth", state, **options))
        nets.append(copy.deepcopy(model))
    return files, nets


def averaged(files: list[Path], **edits: Any) -> tuple[Restored, Path]:
    """The mean of files, the newest last; none of them changed."""
    before = [path.read_bytes() for path in files]
    target = files[-1].with_name(f"mean{files[-1].suffix}")
    several = tuple(single(path) for path in files[:-1])
    done = restore(files[-1], target, Edits(average=several, **edits))
    assert [path.read_bytes() for path in files] == before
    return done, target


def series(folder: Path, *states: State, **options: Any) -> list[Path]:
    """Checkpoints of these weights, an epoch each."""
    return [
        save(folder / f"checkpoint_epoch_{at}.pth", {"epoch": at, "model": state}, **options)
        for at, state in enumerate(states, start=1)
    ]


def mean64(tensors: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack([one.double() for one in tensors]).mean(0).to(tensors[0].dtype)


# -- what it is ----------------------------------------------------------------------------------


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_are_those_of_torchs_averaged_model(legacy: bool, tmp_path: Path) -> None:
    files, nets = trained(tmp_path, 4, _use_new_zipfile_serialization=not legacy)
    theirs = AveragedModel(nets[0], use_buffers=True)
    for net in nets:
        theirs.update_parameters(net)
    done, target = averaged(files)
    ours = load(target)["model_state_dict"]
    assert done.verified
    for name, tensor in theirs.module.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(ours[name], tensor, rtol=1e-6, atol=1e-7)
            each = [net.state_dict()[name] for net in nets]
            assert ours[name].equal(mean64(each)), name
        else:
            assert ours[name].equal(nets[-1].state_dict()[name]), name


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "complex64"])
def test_every_type_of_weight_keeps_its_type(dtype: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    kind = getattr(torch, dtype)
    states = [{"w.weight": torch.randn(33, 5).to(kind)} for _ in range(2)]
    _, target = averaged(series(tmp_path, *states))
    wide = torch.complex128 if kind.is_complex else torch.float64
    expected = ((states[0]["w.weight"].to(wide) + states[1]["w.weight"].to(wide)) / 2).to(kind)
    assert load(target)["model"]["w.weight"].equal(expected)


def test_everything_else_is_that_of_the_newest_and_resumes(tmp_path: Path) -> None:
    files, _ = trained(tmp_path)
    _, target = averaged(files)
    ours, newest = load(target), load(files[-1])
    for key in ("epoch", "scheduler", "scaler", "val_iou"):
        assert ours[key] == newest[key]
    model = small_model()
    model.load_state_dict(ours["model_state_dict"], strict=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0)
    optimizer.load_state_dict(ours["optimizer_state_dict"])
    for at, state in newest["optimizer_state_dict"]["state"].items():
        for key, value in state.items():
            assert torch.as_tensor(value).equal(
                torch.as_tensor(ours["optimizer_state_dict"]["state"][at][key])
            )
    model(torch.randn(8, 1, 6, 6)).square().mean().backward()
    optimizer.step()
    assert (
        optimizer.param_groups[0]["lr"] == newest["optimizer_state_dict"]["param_groups"][0]["lr"]
    )


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    files, _ = trained(tmp_path)
    weights = load(averaged(files)[1])["model_state_dict"]
    assert weights["2.weight"].data_ptr() == weights["4.weight"].data_ptr()


def test_weights_that_lie_otherwise_in_memory_are_averaged_by_place(tmp_path: Path) -> None:
    states = [
        {"conv.weight": torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)}
        for _ in range(2)
    ]
    _, target = averaged(series(tmp_path, *states))
    found = load(target)["model"]["conv.weight"]
    assert found.equal(mean64([state["conv.weight"] for state in states]))
    assert found.stride() == states[0]["conv.weight"].stride()


def test_views_of_one_storage_are_averaged_each(tmp_path: Path) -> None:
    wholes = [torch.randn(10) for _ in range(2)]
    files = series(tmp_path, *({"a.weight": one[:4], "b.weight": one[4:]} for one in wholes))
    found = load(averaged(files)[1])["model"]
    assert torch.cat([found["a.weight"], found["b.weight"]]).equal(mean64(wholes))


def test_infinite_masks_and_counters_stay_those_of_the_newest(tmp_path: Path) -> None:
    mask = torch.full((4, 4), -math.inf).triu(1)
    states = [
        {"attn.mask": mask, "w.weight": torch.full((8,), float(at)), "w.seen": torch.tensor([at])}
        for at in (1, 3)
    ]
    found = load(averaged(series(tmp_path, *states))[1])["model"]
    assert found["attn.mask"].equal(mask)
    assert found["w.weight"].equal(torch.full((8,), 2.0))
    assert found["w.seen"].equal(torch.tensor([3]))


def test_the_ema_stays_that_of_the_newest_and_that_is_said(tmp_path: Path) -> None:
    files = []
    for at in (1, 3):
        state = {"w.weight": torch.full((8,), float(at))}
        ema = {"w.weight": torch.full((8,), at * 10.0)}
        path = tmp_path / f"epoch_{at}.pth"
        files.append(save(path, {"epoch": at, "model": state, "ema": ema}))
    done, target = averaged(files)
    assert load(target)["ema"]["w.weight"].equal(torch.full((8,), 30.0))
    assert load(target)["model"]["w.weight"].equal(torch.full((8,), 2.0))
    (said,) = [action for action in done.actions if action.name == "keep-ema"]
    assert "epoch_3.pth" in said.message


def test_running_statistics_are_averaged_and_a_refresh_is_asked_for(tmp_path: Path) -> None:
    files, nets = trained(tmp_path)
    done, target = averaged(files)
    ours = load(target)["model_state_dict"]
    for name in ("1.running_mean", "1.running_var"):
        assert ours[name].equal(mean64([net.state_dict()[name] for net in nets]))
    assert any("torch.optim.swa_utils.update_bn" in action.notice for action in done.actions)
    (report,) = examine([target]).checkpoints
    assert report.verdict is Verdict.HEALTHY


def test_reset_statistics_are_not_averaged(tmp_path: Path) -> None:
    files, _ = trained(tmp_path)
    ours = load(averaged(files, reset_bn=True)[1])["model_state_dict"]
    assert ours["1.running_var"].equal(torch.ones(2))


def test_rates_are_scaled_as_ever(tmp_path: Path) -> None:
    files, _ = trained(tmp_path)
    rate = load(files[-1])["optimizer_state_dict"]["param_groups"][0]["lr"]
    _, target = averaged(files, scale_lr=0.5)
    group = load(target)["optimizer_state_dict"]["param_groups"][0]
    assert group["lr"] == pytest.approx(rate / 2)


def test_copies_that_a_mixed_precision_optimizer_works_on_are_named(tmp_path: Path) -> None:
    files = []
    for at in (1, 2):
        weights = {"w.weight": torch.full((8,), float(at)).half()}
        optimizer = {"state": {}, "param_groups": [], "fp32_from_fp16": [[torch.ones(8) * at]]}
        path = tmp_path / f"epoch_{at}.pth"
        files.append(save(path, {"epoch": at, "model": weights, "optimizer": optimizer}))
    done, _ = averaged(files)
    assert any("--weights-only" in action.notice for action in done.actions)


# -- formats -------------------------------------------------------------------------------------


def test_safetensors_become_safetensors(tmp_path: Path) -> None:
    states = [{"a/b.weight": torch.randn(7, 3), "c/b.weight": torch.randn(5)} for _ in range(3)]
    files = []
    for at, state in enumerate(states, start=1):
        files.append(tmp_path / f"epoch_{at}.safetensors")
        save_file(state, files[-1], {"format": "pt", "note": str(at)})
    _, target = averaged(files)
    found = load_file(target)
    for name in states[0]:
        assert found[name].equal(mean64([state[name] for state in states]))
    assert b'"note":"3"' in target.read_bytes()[:500]


def test_the_mean_as_safetensors(tmp_path: Path) -> None:
    files, nets = trained(tmp_path)
    target = tmp_path / "mean.safetensors"
    several = tuple(single(path) for path in files[:-1])
    restore(files[-1], target, Edits(average=several, to_safetensors=True))
    found = load_file(target)
    assert found["0.weight"].equal(mean64([net.state_dict()["0.weight"] for net in nets]))


def test_a_format_that_is_not_edited_is_refused(tmp_path: Path) -> None:
    files = []
    for at in (1, 2):
        files.append(tmp_path / f"epoch_{at}.pth")
        storages = [(10, torch.FloatStorage, torch.ones(4) * at)]
        tensors = [(20, 10, torch.FloatTensor, (4,), (1,), 0)]
        torch_tar(files[-1], storages=storages, tensors=tensors, obj={"w.weight": TarPid("20")})
    with pytest.raises(RestoreError, match="not edited"):
        averaged(files)


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"w.weight": torch.ones(4)}, "has model.w.bias"),
        ({"w.weight": torch.ones(4), "w.bias": torch.ones(2), "x": torch.ones(1)}, "has model.x"),
        ({"w.weight": torch.ones(5), "w.bias": torch.ones(2)}, r"the shape \[5\]|\[4\] in"),
        ({"w.weight": torch.ones(4).half(), "w.bias": torch.ones(2)}, "the type float32"),
    ],
)
def test_other_structures_have_no_mean(other: State, words: str, tmp_path: Path) -> None:
    newest = {"w.weight": torch.ones(4), "w.bias": torch.ones(2)}
    with pytest.raises(RestoreError, match=words):
        averaged(series(tmp_path, other, newest))
    assert not (tmp_path / "mean.pth").exists()


def test_a_file_with_nan_is_no_part_of_a_mean(tmp_path: Path) -> None:
    bad = {"w.weight": torch.tensor([1.0, math.nan])}
    with pytest.raises(RestoreError, match=r"epoch_1\.pth is corrupt"):
        averaged(series(tmp_path, bad, {"w.weight": torch.ones(2)}))


def test_quantized_weights_have_no_mean_unless_they_are_frozen(tmp_path: Path) -> None:
    def state(at: int, quantized: int) -> State:
        return {
            "q.weight": torch.full((4,), quantized, dtype=torch.int8),
            "q.scale": torch.ones(1) * at,
        }

    with pytest.raises(RestoreError, match="quantized weights have no mean"):
        averaged(series(tmp_path, state(1, 1), state(2, 2)))
    found = load(averaged(series(tmp_path, state(1, 5), state(2, 5)))[1])["model"]
    assert found["q.weight"].equal(torch.full((4,), 5, dtype=torch.int8))
    assert found["q.scale"].equal(torch.tensor([1.5]))


def test_a_mean_that_is_none_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, _ = trained(tmp_path)
    monkeypatch.setattr(average, "mean_of", lambda pieces, dtype: pieces[-1])
    with pytest.raises(RestoreError, match="is not the mean"):
        averaged(files)
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in files]


def test_a_file_that_changes_meanwhile_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, _ = trained(tmp_path)
    several = tuple(single(path) for path in files[:-1])

    def growing(pieces: list[bytes], dtype: str) -> bytes:
        files[0].write_bytes(files[0].read_bytes() + b"\0")
        return mean_of(pieces, dtype)

    monkeypatch.setattr(average, "mean_of", growing)
    with pytest.raises(RestoreError, match="changed while it was read"):
        restore(files[-1], tmp_path / "mean.pth", Edits(average=several))
    assert not (tmp_path / "mean.pth").exists()


def test_a_source_is_never_the_destination(tmp_path: Path) -> None:
    files, _ = trained(tmp_path)
    several = tuple(single(path) for path in files[:-1])
    with pytest.raises(RestoreError, match="is the source itself"):
        restore(files[-1], files[0], Edits(average=several), force=True)


# -- what is told --------------------------------------------------------------------------------


def test_the_manifest_tells_all_of_them(tmp_path: Path) -> None:
    files, _ = trained(tmp_path)
    done, target = averaged(files)
    assert done.averaged == tuple(files)
    note = json.loads((tmp_path / "mean.pth.json").read_text())
    assert [one["relative"] for one in note["averaged"]] == [path.name for path in files]
    assert [one["epoch"] for one in note["averaged"]] == [1, 2, 3]
    made = restored_from(target)
    assert made is not None
    assert made.averaged == tuple(files)
    assert made.source == files[-1]
    assert made.scale is None


def test_rates_of_a_mean_are_scaled_where_it_is_made(tmp_path: Path) -> None:
    files, _ = trained(tmp_path)
    _, target = averaged(files)
    with pytest.raises(RestoreError, match=r"--average 3 --scale-lr 0\.5"):
        restore(target, tmp_path / "again.pth", Edits(scale_lr=0.5))


def test_a_rehearsal_writes_nothing(tmp_path: Path) -> None:
    files, _ = trained(tmp_path)
    several = tuple(single(path) for path in files[:-1])
    done = restore(files[-1], tmp_path / "mean.pth", Edits(average=several), dry_run=True)
    assert [action.name for action in done.actions] == ["average", "average-statistics"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in files]


_PEAK = """
import sys
from pathlib import Path
from ckptdoctor.layouts.files import single
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.restore import restore
import torch
torch.set_num_threads(1)
*others, newest, target = map(Path, sys.argv[1:])
restore(newest, target, Edits(average=tuple(map(single, others))), jobs=1)
status = Path("/proc/self/status").read_text()  # ru_maxrss counts what the parent took as well
print(status.partition("VmHWM:")[2].split()[0])
"""


def _peak(files: list[Path], target: Path) -> int:
    """Bytes of memory that averaging these takes at its peak."""
    command = [sys.executable, "-c", _PEAK, *map(str, files), str(target)]
    return 1024 * int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_memory_does_not_grow_with_the_model(tmp_path: Path) -> None:
    peaks = []
    for millions in (4, 16):
        folder = tmp_path / str(millions)
        folder.mkdir()
        states = [{"w": torch.full((millions << 20,), float(at))} for at in range(3)]
        files = series(folder, *states)
        peaks.append(_peak(files, folder / "mean.pth"))
        assert load(folder / "mean.pth")["model"]["w"][-1] == 1.0
    assert peaks[1] - peaks[0] < 2 * (16 - 4) << 20  # half of what one file is larger


def test_a_training_checkpoint_is_averaged_with_itself_to_the_bit(tmp_path: Path) -> None:
    files = [save(tmp_path / f"epoch_{at}.pth", training_checkpoint()) for at in (1, 2)]
    weights = load(averaged(files)[1])["model_state_dict"]
    for name, tensor in training_checkpoint()["model_state_dict"].items():
        assert weights[name].equal(tensor)
