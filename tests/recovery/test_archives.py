"""Archives of several files: copied byte by byte, never edited, their weights taken out."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ckptdoctor.diagnose import examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.named import checkpoint_named
from ckptdoctor.recovery.next_step import clean_name, makes_folder
from ckptdoctor.recovery.restore import restore
from tests.builders import save
from tests.recovery.folders.builders import trained


def archive(path: Path, *, nan_in: str = "") -> Path:
    """What Stable-Baselines3 writes: a zip of torch files and JSON."""
    model, optimizer, _ = trained()
    weights, state = model.state_dict(), optimizer.state_dict()
    if nan_in == "optimizer":
        state["state"][0]["exp_avg"][0, 0] = float("nan")
    if nan_in == "policy":
        weights["0.weight"][0, 0] = float("nan")
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("data", json.dumps({"num_timesteps": 100}))
        for name, value in (
            ("pytorch_variables.pth", {}),
            ("policy.pth", weights),
            ("policy.optimizer.pth", state),
        ):
            file = save(path.with_name("member"), value)
            out.write(file, name)
            file.unlink()
        out.writestr("_stable_baselines3_version", "2.9.0")
    return path


def test_an_archive_is_copied_byte_by_byte(tmp_path: Path) -> None:
    source = archive(tmp_path / "model_100_steps.zip")
    files = checkpoint_named(source)
    target = clean_name(source, several=makes_folder(files))
    assert target == tmp_path / "best_model_clean.zip"
    done = restore(files, target)
    assert target.read_bytes() == source.read_bytes()
    assert done.verified
    target.write_bytes(archive(tmp_path / "other.zip", nan_in="optimizer").read_bytes())
    (report,) = examine([checkpoint_named(target)]).checkpoints
    assert "CD110" in {finding.code for finding in report.findings}


def test_a_copy_of_a_protected_archive_can_be_written_by_its_owner(tmp_path: Path) -> None:
    source = archive(tmp_path / "model_100_steps.zip")
    source.chmod(0o440)
    target = tmp_path / "clean.zip"
    restore(checkpoint_named(source), target)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (source, target)]
    assert modes == [0o440, 0o640]


@pytest.mark.parametrize(("nan_in", "edits"), [("optimizer", Edits()), ("", Edits(scale_lr=0.5))])
def test_what_would_change_it_is_refused(nan_in: str, edits: Edits, tmp_path: Path) -> None:
    files = checkpoint_named(archive(tmp_path / "model_100_steps.zip", nan_in=nan_in))
    with pytest.raises(RestoreError, match="copied, but not edited") as refused:
        restore(files, tmp_path / "clean.zip", edits)
    assert ("not edited: 1 NaN and 0 Inf in" in str(refused.value)) == bool(nan_in)
    bad = checkpoint_named(archive(tmp_path / "model_200_steps.zip", nan_in="policy"))
    with pytest.raises(RestoreError, match="is corrupt"):
        restore(bad, tmp_path / "clean.zip")
    assert not (tmp_path / "clean.zip").exists()


def test_its_weights_are_taken_out(tmp_path: Path) -> None:
    files = checkpoint_named(archive(tmp_path / "model_100_steps.zip", nan_in="optimizer"))
    restore(files, tmp_path / "clean.safetensors", Edits(to_safetensors=True))
    found, expected = load_file(tmp_path / "clean.safetensors"), trained()[0].state_dict()
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
