"""Folders that somebody made to hang, to crash, or to hide code."""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import BytesStorageMetadata, Metadata, MetadataIndex

from ckptdoctor import scan
from ckptdoctor.finding import Severity
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks import fairseq
from ckptdoctor.layouts.frameworks.deepspeed import tags as deepspeed
from ckptdoctor.report import CheckpointReport
from tests.formats.dcp.folders import write
from tests.layouts.folders import huggingface
from tests.layouts.folders.others import stable_baselines

INDEX = "model.safetensors.index.json"


class Chosen:
    """Pickles as a call that would leave a proof."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.proof),)


def examined(path: Path) -> CheckpointReport:
    return next(one for one in scan(path.parent).checkpoints if one.path == path)


def names_code(path: Path, proof: Path) -> bool:
    found = [one for one in examined(path).findings if one.code == "CD106"]
    assert not proof.exists()
    return any(one.severity is Severity.ERROR for one in found)


def shards(tmp_path: Path) -> Path:
    return huggingface.sharded(tmp_path / "run").root / "checkpoint-60"


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/zero", path)])
def test_a_text_that_is_no_file_is_not_waited_for(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "trainer_state.json")
    assert Folder(tmp_path).text("trainer_state.json") is None


@pytest.mark.slow
def test_a_note_of_a_save_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "CKPT+1"
    folder.mkdir()
    torch.save({"w": torch.ones(3)}, folder / "model.ckpt")
    os.mkfifo(folder / "CKPT.yaml")
    code = "import sys, ckptdoctor; ckptdoctor.scan(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)


def test_a_text_of_more_values_than_memory_should_hold_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[" + "{}," * 4_000_000 + "{}]")
    assert Folder(tmp_path).text("config.json") is None


@pytest.mark.parametrize("other", ["optimizer.pt", INDEX, "trainer_state.json"])
def test_an_index_may_name_another_part_for_a_shard(tmp_path: Path, other: str) -> None:
    folder = shards(tmp_path)
    said = json.loads((folder / INDEX).read_text())
    said["weight_map"] |= dict.fromkeys(list(said["weight_map"])[:2], other)
    (folder / INDEX).write_text(json.dumps(said))
    report = examined(folder)
    assert [one.part.name for one in report.parts].count(other) == 1
    assert any(one.code == "CD104" for one in report.findings)


def with_item(data: bytes, *, before: int = 0) -> Callable[[Metadata], None]:
    """A value that lies behind all others, and at whose place another may lie too."""

    def change(described: Metadata) -> None:
        file = next(iter(described.storage_data.values())).relative_path
        end = max(
            one.offset + one.length
            for one in described.storage_data.values()
            if one.relative_path == file
        )
        if before:
            described.state_dict_metadata["first"] = BytesStorageMetadata()
            described.storage_data[MetadataIndex("first")] = _StorageInfo(
                file, end - before, before + len(data)
            )
        described.state_dict_metadata["last"] = BytesStorageMetadata()
        described.storage_data[MetadataIndex("last")] = _StorageInfo(file, end, len(data))

    return change


@pytest.mark.parametrize("kind", ["pickle", "legacy", "overlapped", "beyond"])
def test_code_in_a_slice_that_is_lost_is_named(tmp_path: Path, kind: str) -> None:
    """``torch.load`` takes a slice for whatever it is, and runs it before it complains."""
    proof, stream = tmp_path / "proof", io.BytesIO()
    torch.save(Chosen(proof), stream, _use_new_zipfile_serialization=kind != "legacy")
    data = stream.getvalue() if kind in ("legacy", "overlapped") else pickle.dumps(Chosen(proof))
    longer = data + b"0" * 1000 if kind == "beyond" else data
    change = with_item(longer, before=100 if kind == "overlapped" else 0)
    folder = write(tmp_path / "run" / "step-1", {"model.w": torch.ones(4)}, files=1, change=change)
    with (folder / "__0_0.distcp").open("ab") as file:
        file.write(data)
    assert names_code(folder, proof)


@pytest.mark.parametrize("path", ["../x.distcp", "/tmp/x.distcp", "sub/x.distcp"])
def test_a_slice_in_another_folder_is_told_and_not_read(tmp_path: Path, path: str) -> None:
    def change(described: Metadata) -> None:
        described.state_dict_metadata["x"] = BytesStorageMetadata()
        described.storage_data[MetadataIndex("x")] = _StorageInfo(path, 0, 10)

    folder = write(tmp_path / "run" / "step-1", {"model.w": torch.ones(4)}, change=change)
    (told,) = [one for one in examined(folder).findings if one.code == "CD104"]
    assert told.severity is Severity.ERROR
    assert path in told.message


def changed_archive(tmp_path: Path, name: str, data: bytes, method: int) -> Path:
    path = max((stable_baselines(tmp_path / "run").root).rglob("*.zip"))
    with zipfile.ZipFile(path) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for one, held in members.items():
            archive.writestr(one, data if one == name else held, method if one == name else None)
    return path


@pytest.mark.parametrize("junk", ["\n", "!", "é"])
def test_base64_is_read_as_leniently_as_by_whoever_loads_it(tmp_path: Path, junk: str) -> None:
    proof = tmp_path / "proof"
    text = base64.b64encode(pickle.dumps(Chosen(proof))).decode()
    said = {"policy_class": {":serialized:": f"{text[:8]}{junk}{text[8:]}"}}
    data = json.dumps(said).encode()
    assert names_code(changed_archive(tmp_path, "data", data, zipfile.ZIP_STORED), proof)


@pytest.mark.parametrize("name", ["policy.pth", "pytorch_variables.pth"])
def test_code_in_a_compressed_member_is_named(tmp_path: Path, name: str) -> None:
    proof = tmp_path / "proof"
    data = pickle.dumps(Chosen(proof))
    assert names_code(changed_archive(tmp_path, name, data, zipfile.ZIP_DEFLATED), proof)


def test_what_an_index_misses_is_not_told_a_million_times(tmp_path: Path) -> None:
    folder = shards(tmp_path)
    said = json.loads((folder / INDEX).read_text())
    said["weight_map"] |= {f"t{at}": f"m{at}.safetensors" for at in range(3000)}
    (folder / INDEX).write_text(json.dumps(said))
    missing = [one for one in examined(folder).findings if one.code == "CD111"]
    assert len(missing) < 600
    assert "2500 more parts are missing" in missing[-1].message


def test_one_file_of_a_million_times_a_million_ranks_is_no_endless_list(tmp_path: Path) -> None:
    folder = tmp_path / "global_step1"
    folder.mkdir()
    for name in ("mp_rank_999999_model_states.pt", "zero_pp_rank_999999_mp_rank_0_optim_states.pt"):
        torch.save({"module": {}}, folder / name)
    (found,) = deepspeed.LAYOUT.claim(Folder(folder))
    assert 0 < len(found.absent) <= 10_000


def test_one_name_of_many_parts_in_many_shards_is_no_endless_list(tmp_path: Path) -> None:
    for at in (0, 99999):
        torch.save({"model": {}}, tmp_path / f"checkpoint1-model_part-{at}-shard{at}.pt")
    (found,) = fairseq.LAYOUT.claim(Folder(tmp_path))
    assert 0 < len(found.absent) <= 10_000
