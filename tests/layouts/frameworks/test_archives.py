"""Archives that hold several torch files: read where they lie, whole, cut and damaged."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import pickle
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.checkpoint import Checkpoint, Problem, TensorStats
from ckptdoctor.errors import CheckpointError, UnsupportedCheckpointError
from ckptdoctor.finding import Severity
from ckptdoctor.formats import open_checkpoint, opened
from ckptdoctor.layouts.files import CheckpointFiles, Form, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks.archives import LAYOUT, claim_file
from ckptdoctor.layouts.reading import read_part
from ckptdoctor.runs.discover import checkpoint_at, discover
from ckptdoctor.scanning.scanner import Scanner
from tests.formats.dcp.folders import Seen, grid, write


def torch_bytes(obj: Any) -> bytes:
    out = io.BytesIO()
    torch.save(obj, out)
    return out.getvalue()


def weights(*, bad: float | None = None) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    found = {"net.0.weight": torch.randn(6, 4), "net.0.bias": torch.randn(6)}
    if bad is not None:
        found["net.0.weight"][2, 1] = bad
    return found


def baselines(
    path: Path,
    method: int = zipfile.ZIP_STORED,
    changes: Mapping[str, bytes | None] | None = None,
) -> Path:
    """What Stable-Baselines3 writes, member by member as it does."""
    members: dict[str, bytes | None] = {
        "data": json.dumps({"num_timesteps": 2048, "gamma": 0.99}).encode(),
        "pytorch_variables.pth": torch_bytes(None),
        "policy.pth": torch_bytes(weights()),
        "policy.optimizer.pth": torch_bytes({"state": {0: {"exp_avg": torch.ones(4)}}}),
        "_stable_baselines3_version": b"2.9.2",
    }
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in (members | dict(changes or {})).items():
            if data is not None:
                with archive.open(name, "w", force_zip64=True) as member:
                    member.write(data)
    return path


def nemo(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    """A tar as NeMo writes it, of the folder with a dot in front."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def claimed(path: Path) -> CheckpointFiles:
    found = claim_file(path)
    assert found is not None
    return found


def read(
    files: CheckpointFiles,
) -> tuple[dict[str, Checkpoint], dict[str, TensorStats], list[Problem]]:
    """By part what it holds; what its tensors are; and all problems."""
    checkpoints: dict[str, Checkpoint] = {}
    stats: dict[str, TensorStats] = {}
    problems = list(files.problems)
    with Scanner(1) as scanner:
        for part in files.parts:
            if part.form is Form.TEXT:
                continue
            with opened(part.path) as file:
                checkpoint = checkpoints[part.name] = read_part(part, file)
                result = scanner.submit(checkpoint, file.fd).result()
            stats |= {part.prefix + fqn: one for fqn, one in result.stats.items()}
            problems += [*checkpoint.problems, *result.problems]
    return checkpoints, stats, problems


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_of_a_zip_are_parts_and_read_where_they_lie(tmp_path: Path, method: int) -> None:
    path = baselines(tmp_path / "ppo.zip", method)
    files = claimed(path)
    assert (files.path, files.layout) == (path, "stable-baselines3")
    assert files.scalars == {"global_step": 2048}
    assert [(part.name, part.role) for part in files.parts if part.form is Form.TENSORS] == [
        ("policy.pth", PartRole.MODEL),
        ("pytorch_variables.pth", PartRole.STATE),
        ("policy.optimizer.pth", PartRole.OPTIMIZER),
    ]
    assert {part.path for part in files.parts} == {path}
    checkpoints, stats, problems = read(files)
    assert not problems
    assert not files.absent
    expected = weights()
    found = checkpoints["policy.pth"].tensors
    assert {tensor.fqn: tensor.shape for tensor in found} == {
        name: tuple(tensor.shape) for name, tensor in expected.items()
    }
    assert stats["net.0.weight"].max == expected["net.0.weight"].max().item()
    assert stats["policy.optimizer.state.0.exp_avg"].min == 1
    assert checkpoints["pytorch_variables.pth"].scalars == {"value": None}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_nan_in_a_member_is_found(tmp_path: Path, method: int) -> None:
    bad = torch_bytes(weights(bad=float("nan")))
    path = baselines(tmp_path / "ppo.zip", method, {"policy.pth": bad})
    _, stats, _ = read(claimed(path))
    assert stats["net.0.weight"].nan == 1
    assert stats["net.0.weight"].first_bad_index == (2, 1)


@pytest.mark.slow
def test_every_cut_of_a_zip_is_named(tmp_path: Path) -> None:
    path = baselines(tmp_path / "ppo.zip")
    told: list[str] = []
    for length in reversed(range(40, path.stat().st_size)):
        os.truncate(path, length)
        files = claim_file(path)
        assert files is not None, length
        assert any(problem.code in ("CD102", "CD104") for problem in files.problems), length
        told += [problem.message for problem in files.problems if problem.code == "CD102"]
        names = {part.name for part in files.parts}
        assert "policy.pth" in names or files.absent
    assert "the archive is cut: it ends within 'policy.pth', and what followed is lost" in told


def test_a_cut_zip_says_in_which_member_it_ends(tmp_path: Path) -> None:
    path = baselines(tmp_path / "ppo.zip")
    with zipfile.ZipFile(path) as archive:
        behind = archive.start_dir
    part = next(part for part in claimed(path).parts if part.name == "policy.pth")
    assert part.member is not None
    inside = part.member.start + part.member.nbytes // 2
    for length, where in ((behind + 20, ""), (inside, " within 'policy.pth'")):
        os.truncate(path, length)
        told = [one.message for one in claimed(path).problems if one.code == "CD102"]
        assert f"the archive is cut: it ends{where}, and what followed is lost" in told


def test_a_cut_member_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = baselines(tmp_path / "ppo.zip")
    part = next(part for part in claimed(path).parts if part.name == "policy.pth")
    assert part.member is not None
    os.truncate(path, part.member.start + part.member.nbytes - 300)
    checkpoints, _, problems = read(claimed(path))
    assert [tensor.fqn for tensor in checkpoints["policy.pth"].tensors] == list(weights())
    assert {"CD102"} <= {problem.code for problem in problems}


def test_a_flipped_bit_of_a_member_fails_its_checksum(tmp_path: Path) -> None:
    path = baselines(tmp_path / "ppo.zip")
    checkpoints, _, _ = read(claimed(path))
    storage = checkpoints["policy.pth"].tensors[0].storage
    assert storage is not None
    data = bytearray(path.read_bytes())
    data[storage.offset + 5] ^= 4
    path.write_bytes(data)
    _, _, problems = read(claimed(path))
    assert [problem.code for problem in problems] == ["CD103"]
    assert problems[0].subject == "net.0.weight"


def test_a_flipped_bit_of_what_is_beside_is_named(tmp_path: Path) -> None:
    path = baselines(tmp_path / "ppo.zip")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"0.99", b"0.98"))
    (problem,) = claimed(path).problems
    assert (problem.code, problem.subject) == ("CD103", "data")


@pytest.mark.parametrize(
    ("name", "role"), [("policy.pth", PartRole.MODEL), ("data", PartRole.STATE)]
)
def test_an_archive_without_what_each_has_lacks_it(
    tmp_path: Path, name: str, role: PartRole
) -> None:
    path = baselines(tmp_path / "ppo.zip", changes={name: None})
    assert [(one.name, one.role) for one in claimed(path).absent] == [(name, role)]


def test_a_member_that_claims_to_inflate_to_more_than_it_can_is_refused(tmp_path: Path) -> None:
    path = baselines(tmp_path / "ppo.zip", zipfile.ZIP_DEFLATED)
    files = claimed(path)
    part = files.parts[0]
    assert part.member is not None
    for plain in (1 << 40, 1 << 27):
        member = replace(part.member, plain_nbytes=plain)
        with pytest.raises(CheckpointError), opened(path) as file:
            read_part(replace(part, member=member), file)


def test_a_compressed_member_of_another_format_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    torch.save(weights(), out, _use_new_zipfile_serialization=False)
    changes = {"policy.pth": out.getvalue()}
    path = baselines(tmp_path / "ppo.zip", zipfile.ZIP_DEFLATED, changes)
    part = claimed(path).parts[0]
    with pytest.raises(UnsupportedCheckpointError, match="compressed"), opened(path) as file:
        read_part(part, file)


def test_a_member_of_the_old_format_is_read_where_it_lies(tmp_path: Path) -> None:
    out = io.BytesIO()
    torch.save(weights(), out, _use_new_zipfile_serialization=False)
    path = baselines(tmp_path / "ppo.zip", changes={"policy.pth": out.getvalue()})
    _, stats, problems = read(claimed(path))
    assert not problems
    assert stats["net.0.bias"].max == weights()["net.0.bias"].max().item()


def test_checkpoints_of_torch_are_no_archives(tmp_path: Path) -> None:
    torch.save(weights(), tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("data", b"{}")
        archive.writestr("notes.txt", b"x")
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("notes.txt"))
    assert [claim_file(path) for path in sorted(tmp_path.iterdir())] == [None] * 3
    assert claim_file(tmp_path / "absent.zip") is None
    assert list(LAYOUT.claim(Folder(tmp_path))) == []


def test_archives_of_a_folder_are_claimed_by_their_names(tmp_path: Path) -> None:
    baselines(tmp_path / "rl_model_1000_steps.zip")
    nemo(tmp_path / "b.nemo", {"model_config.yaml": b"", "model_weights.ckpt": torch_bytes({})})
    (tmp_path / "c.txt").write_text("x")
    assert [files.path.name for files in LAYOUT.claim(Folder(tmp_path))] == [
        "b.nemo",
        "rl_model_1000_steps.zip",
    ]


def test_a_tar_of_nemo_is_read_where_it_lies(tmp_path: Path) -> None:
    members = {"model_config.yaml": b"a: 1", "model_weights.ckpt": torch_bytes(weights())}
    path = nemo(tmp_path / "m.nemo", members)
    files = claimed(path)
    assert (files.layout, [part.name for part in files.parts]) == (
        "nemo",
        ["model_weights.ckpt", "model_config.yaml"],
    )
    checkpoints, stats, problems = read(files)
    assert not problems
    assert stats["net.0.weight"].max == weights()["net.0.weight"].max().item()
    storage = checkpoints["model_weights.ckpt"].tensors[1].storage
    assert storage is not None
    raw = path.read_bytes()[storage.offset : storage.offset + storage.nbytes]
    assert raw == weights()["net.0.bias"].numpy().tobytes()


def test_a_distributed_checkpoint_in_a_tar_is_read_where_it_lies(tmp_path: Path) -> None:
    weight = torch.randn(4, 3)
    folder = write(tmp_path / "d", {"model.w": weight}, boxes={"model.w": grid((4, 3), (2, 1))})
    members = {f"model_weights/{one.name}": one.read_bytes() for one in folder.iterdir()}
    path = nemo(tmp_path / "m.nemo", members | {"model_config.yaml": b"a: 1"})
    files = claimed(path)
    found = Seen(files)
    assert found.is_sound
    assert found.stats["model.w"].max == weight.max().item()
    assert {part.name for part in files.parts} == {*members, "model_config.yaml"}
    del members["model_weights/__1_0.distcp"]
    (absent,) = claimed(nemo(path, members)).absent
    assert absent.name == "model_weights/__1_0.distcp"


def test_every_cut_of_a_tar_is_named(tmp_path: Path, stride: int) -> None:
    members = {"model_config.yaml": b"a: 1", "model_weights.ckpt": torch_bytes(weights())}
    path = nemo(tmp_path / "m.nemo", members)
    part = claimed(path).parts[0]
    assert part.member is not None
    for length in reversed(range(512, part.member.start + part.member.nbytes, 5 * stride)):
        os.truncate(path, length)
        files = claimed(path)
        if files.absent:
            continue
        try:
            _, _, problems = read(files)
        except CheckpointError:
            continue
        assert "CD102" in {problem.code for problem in problems}, length


def test_a_tar_that_is_compressed_says_how_to_unpack_it(tmp_path: Path) -> None:
    plain = nemo(tmp_path / "plain", {"model_config.yaml": b"a: 1"})
    path = tmp_path / "m.nemo"
    path.write_bytes(gzip.compress(plain.read_bytes()))
    with pytest.raises(UnsupportedCheckpointError) as caught:
        open_checkpoint(path)
    assert f"gzip -dc {path} > {tmp_path}/m-unpacked.nemo" in caught.value.remedy


def test_members_that_lead_out_of_the_folder_are_named(tmp_path: Path) -> None:
    path = nemo(tmp_path / "m.nemo", {"model_config.yaml": b"", "../../x.ckpt": b""})
    assert any(
        problem.severity is Severity.ERROR and "out of the folder" in problem.message
        for problem in claimed(path).problems
    )


class _Chosen:
    """Pickles as a call of the attacker's choosing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return eval, (f"open({str(self.path)!r}, 'w')",)


def test_pickles_in_the_json_are_judged_like_all_others(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    pickled = base64.b64encode(pickle.dumps(_Chosen(proof))).decode()
    said = {"num_timesteps": 3, "policy_class": {":type:": "x", ":serialized:": pickled}}
    path = baselines(tmp_path / "ppo.zip", changes={"data": json.dumps(said).encode()})
    checkpoints, _, _ = read(claimed(path))
    assert any("eval" in call.call for call in checkpoints["data"].calls)
    assert any(use.runs_code for use in checkpoints["data"].globals)
    assert not proof.exists()


@pytest.mark.parametrize("pickled", ["!!", base64.b64encode(b"\x80\x04N").decode()])
def test_pickles_in_the_json_that_cannot_be_read_are_named(tmp_path: Path, pickled: str) -> None:
    said = {"num_timesteps": 3, "policy_class": {":serialized:": pickled}}
    path = baselines(tmp_path / "ppo.zip", changes={"data": json.dumps(said).encode()})
    (problem,) = read(claimed(path))[2]
    assert (problem.code, problem.subject) == ("CD104", "policy_class")


@pytest.mark.parametrize("data", [b"{", b"[1]", b"[" * 100_000])
def test_a_json_that_is_none_is_a_part_that_cannot_be_read(tmp_path: Path, data: bytes) -> None:
    files = claimed(baselines(tmp_path / "ppo.zip", changes={"data": data}))
    assert files.scalars == {}
    with pytest.raises(CheckpointError, match="JSON"):
        read(files)


@pytest.mark.real
def test_what_stable_baselines3_saves_is_what_it_loads(tmp_path: Path) -> None:
    baselines3 = pytest.importorskip("stable_baselines3")
    model = baselines3.SAC("MlpPolicy", "Pendulum-v1", learning_starts=10, device="cpu")
    model.learn(20)
    model.save(tmp_path / "sac.zip")
    files = claimed(tmp_path / "sac.zip")
    assert files.scalars["global_step"] == 20
    assert not files.absent
    checkpoints, stats, problems = read(files)
    assert not problems
    loaded = baselines3.SAC.load(tmp_path / "sac.zip", device="cpu").policy.state_dict()
    assert {tensor.fqn for tensor in checkpoints["policy.pth"].tensors} == set(loaded)
    assert all(stats[name].max == one.max().item() for name, one in loaded.items() if one.numel())
    assert {part.name for part in files.parts if part.role is PartRole.OPTIMIZER} == {
        "actor.optimizer.pth",
        "critic.optimizer.pth",
        "ent_coef_optimizer.pth",
    }


def test_an_archive_that_is_named_is_one_checkpoint(tmp_path: Path) -> None:
    path = baselines(tmp_path / "anything")
    (found,) = discover([path]).checkpoints
    assert found.layout == "stable-baselines3"
    assert checkpoint_at(path).layout == "stable-baselines3"
    assert [files.path for files in discover([baselines(tmp_path / "a.zip").parent]).checkpoints]
