"""What ``safe_save`` leaves on the disk is whole and finite, or what was there before."""

from __future__ import annotations

import argparse
import errno
import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.errors import DestinationError, NonFiniteError, SaveError
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.guard.saving import saver
from ckptdoctor.guard.saving.contents import Contents
from ckptdoctor.guard.saving.saver import Snapshot, safe_save, save_snapshot, why_bad
from ckptdoctor.guard.saving.sink import MemorySink, torch_save
from ckptdoctor.manifest import manifest_path
from ckptdoctor.recovery.restore import restore
from tests.builders import (
    DTYPES,
    load,
    load_unsafe,
    save,
    small_model,
    tensor_of,
    training_checkpoint,
)
from tests.each import each
from tests.test_destination import NO_FILES

NAN, INF = float("nan"), float("inf")
WEIGHT = "0.weight"


def poisoned(value: float, part: str = "model_state_dict") -> dict[str, Any]:
    state = training_checkpoint()
    if part == "optimizer":
        state["optimizer_state_dict"]["state"][0]["exp_avg"].view(-1)[3] = value
    else:
        state[part][WEIGHT].view(-1)[3] = value
    return state


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


# -- what is written -----------------------------------------------------------------------------


def test_it_saves_what_torch_loads(tmp_path: Path) -> None:
    state = training_checkpoint()
    report = safe_save(state, tmp_path / "a.pth", check="all")
    assert equal(load(report.path), state)
    assert (report.epoch, report.metric and report.metric.value) == (88, 0.6413)
    assert report.nbytes == report.path.stat().st_size
    assert report.tensors == examine([report.path]).checkpoints[0].tensors.count > 20
    assert report.checksums > report.tensors - 2  # tied weights share a record
    assert report.findings == ()
    assert report.duration_s > 0
    assert examine([report.path]).checkpoints[0].verdict is Verdict.HEALTHY
    assert os.listdir(tmp_path) == ["a.pth"]


def test_an_epoch_that_only_the_name_tells_is_not_told_as_the_files(tmp_path: Path) -> None:
    report = safe_save({"weight": torch.ones(2)}, tmp_path / "checkpoint_epoch_7.pth")
    assert (report.epoch, report.metric, report.findings) == (None, None, ())
    other = safe_save({"weight": torch.ones(2), "epoch": 9}, tmp_path / "checkpoint_epoch_8.pth")
    assert (other.epoch, other.checksums) == (9, len(saver_records(other.path)))
    assert not any(finding.code == "CD406" for finding in other.findings)


def saver_records(path: Path) -> list[object]:
    (report,) = examine([path], Examination(keep_details=True)).checkpoints
    assert report.checkpoint is not None
    return list(report.checkpoint.records)


def test_the_same_contents_have_the_same_digest(tmp_path: Path) -> None:
    one = safe_save(training_checkpoint(), tmp_path / "a.pth")
    other = safe_save(training_checkpoint(), tmp_path / "b.pth")
    changed = safe_save(training_checkpoint() | {"epoch": 89}, tmp_path / "c.pth")
    assert one.digest == other.digest != changed.digest


def test_any_object_can_be_saved(tmp_path: Path) -> None:
    model = small_model()
    safe_save({"model": model, "args": argparse.Namespace(lr=0.1)}, tmp_path / "a.pth")
    assert equal(load_unsafe(tmp_path / "a.pth")["model"].state_dict(), model.state_dict())
    safe_save([], tmp_path / "empty.pth")
    assert load(tmp_path / "empty.pth") == []


@pytest.mark.filterwarnings("ignore")  # rare types
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.one_in(3)
def test_every_type_of_element(tmp_path: Path, dtype: str) -> None:
    values = tensor_of(dtype, 3, 4)
    if (values.dtype.is_floating_point or values.dtype.is_complex) and "float4" not in dtype:
        values = torch.ones(3, 4).to(values.dtype)
    report = safe_save({"weight": values, "none": values[:0]}, tmp_path / "a.pth", check="all")
    assert report.tensors == 2


def test_views_and_shared_storages(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    state = {"weight": whole, "bias": whole.t()[1], "c": torch.tensor([1 + 2j]).conj()}
    safe_save(state, tmp_path / "a.pth")
    found = load(tmp_path / "a.pth")
    assert equal(found, state)
    assert found["bias"].data_ptr() - found["weight"].data_ptr() == 4


def all_have_checksums(folder: Path) -> bool:
    reports = examine(sorted(folder.iterdir()), Examination(keep_details=True)).checkpoints
    found = [report.checkpoint for report in reports]
    return all(c is not None and all(record.crc32 for record in c.records) for c in found)


def test_checksums_are_on_and_the_switch_is_put_back(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        safe_save(training_checkpoint(), tmp_path / "a.pth")
        assert not torch.serialization.get_crc32_options()
        with pytest.raises(Exception, match="pickle"):
            torch_save({"loss": lambda x: x}, MemorySink())
        assert not torch.serialization.get_crc32_options()
    finally:
        torch.serialization.set_crc32_options(True)
    safe_save(training_checkpoint(), tmp_path / "b.pth")
    assert torch.serialization.get_crc32_options()
    assert all_have_checksums(tmp_path)


@pytest.mark.slow
def test_checksums_are_on_in_all_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = {"on": False}  # one for all, as in some versions of torch
    monkeypatch.setattr(torch.serialization, "get_crc32_options", lambda: switch["on"])
    monkeypatch.setattr(
        torch.serialization,
        "set_crc32_options",
        lambda compute_crc32: switch.update(on=compute_crc32),
    )

    def save_some(thread: int) -> None:
        for n in range(5):
            safe_save(training_checkpoint(), tmp_path / f"{thread}_{n}.pth", jobs=1)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(save_some, range(6)))
    assert len(os.listdir(tmp_path)) == 30
    assert all_have_checksums(tmp_path)
    assert not switch["on"]


def test_a_torch_without_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.serialization, "set_crc32_options")
    sink = MemorySink()
    torch_save({"weight": torch.ones(2)}, sink)
    assert b"".join(sink.pieces).startswith(b"PK")


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_broken_weights_are_refused_before_anything_is_written(
    tmp_path: Path, value: float
) -> None:
    path = tmp_path / "best_model.pth"
    before = save(path, training_checkpoint()).read_bytes()
    with pytest.raises(NonFiniteError, match=r"model_state_dict\.0\.weight: 1 of 18") as caught:
        safe_save(poisoned(value), path)
    assert isinstance(caught.value, FloatingPointError)
    assert "stays" in str(caught.value)
    assert "at [0, 0, 1, 0]" in str(caught.value)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["best_model.pth"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64])
def test_broken_weights_of_other_types(tmp_path: Path, dtype: torch.dtype) -> None:
    weight = torch.ones(70, dtype=dtype)
    weight[69] = NAN
    with pytest.raises(NonFiniteError, match=r"weight: 1 of 70.*\[69\]"):
        safe_save({"weight": weight}, tmp_path / "a.pth")
    assert os.listdir(tmp_path) == []


def test_what_only_the_file_shows_is_refused_as_well(tmp_path: Path) -> None:
    weight = torch.tensor([1.0, NAN]).to(torch.float8_e4m3fn)  # no order, so not seen in memory
    assert Contents.of({"weight": weight}).findings(tmp_path, ()) == []
    with pytest.raises(NonFiniteError, match="weight: 1 of 2"):
        safe_save({"weight": weight}, tmp_path / "a.pth")
    assert os.listdir(tmp_path) == []


def test_weights_within_a_module_are_seen(tmp_path: Path) -> None:
    model = small_model()
    with torch.no_grad():
        next(model.parameters()).fill_(NAN)
    with pytest.raises(NonFiniteError, match="18 of 18"):
        safe_save({"net": model}, tmp_path / "a.pth")


@pytest.mark.filterwarnings("ignore")  # prototypes
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.tensor([[0, NAN], [1, 0.0]]).to_sparse(),
        lambda: torch.tensor([[0, NAN], [1, 0.0]]).to_sparse_csr(),
        lambda: torch.nested.nested_tensor([torch.ones(2), torch.full((3,), NAN)]),
        lambda: torch.nn.Parameter(torch.tensor([NAN])),
        lambda: torch.tensor([NAN]).expand(9, 9),
        lambda: torch.tensor(NAN),
        lambda: torch.tensor([NAN]).as_subclass(Subclass),
    ],
    ids=["sparse", "csr", "nested", "parameter", "expanded", "scalar", "subclass"],
)
def test_broken_tensors_of_every_kind(tmp_path: Path, make: Callable[[], torch.Tensor]) -> None:
    with pytest.raises(NonFiniteError, match="weight"):
        safe_save({"weight": make()}, tmp_path / "a.pth")
    assert os.listdir(tmp_path) == []


class Subclass(torch.Tensor):
    """A tensor of another class."""


def test_storages_and_tensors_without_data(tmp_path: Path) -> None:
    whole: list[object] = [torch.ones(3).untyped_storage(), torch.empty(3, device="meta")]
    whole.append(whole)
    assert safe_save({"weight": torch.ones(2), "odd": whole}, tmp_path / "a.pth").tensors >= 2


def test_nan_outside_the_view_does_not_count(tmp_path: Path) -> None:
    whole = torch.tensor([NAN, 1.0, 2.0])
    safe_save({"weight": whole[1:]}, tmp_path / "a.pth")
    assert load(tmp_path / "a.pth")["weight"].tolist() == [1.0, 2.0]


def test_the_optimizer_counts_if_all_is_to_be_checked(tmp_path: Path) -> None:
    state = poisoned(NAN, "optimizer")
    report = safe_save(state, tmp_path / "a.pth")
    assert [finding.code for finding in report.findings] == ["CD301"]
    with pytest.raises(NonFiniteError, match="CD301"):
        safe_save(state, tmp_path / "b.pth", check="all")
    state = training_checkpoint()
    state["optimizer_state_dict"]["param_groups"][0]["lr"] = NAN
    with pytest.raises(NonFiniteError, match="the stored lr is nan"):
        safe_save(state, tmp_path / "b.pth", check="all")
    ema = training_checkpoint() | {"ema": poisoned(INF)["model_state_dict"]}
    with pytest.raises(NonFiniteError, match="CD305"):
        safe_save(ema, tmp_path / "b.pth", check="all")
    assert not (tmp_path / "b.pth").exists()


def test_nothing_counts_if_nothing_is_to_be_checked(tmp_path: Path) -> None:
    report = safe_save(poisoned(NAN), tmp_path / "a.pth", check="none")
    assert report.findings[0].code == "CD201"


def test_what_is_infinite_by_design_is_saved(tmp_path: Path) -> None:
    state = training_checkpoint()
    state["model_state_dict"]["attn.mask"] = torch.full((4, 4), -INF).triu(1)
    state["model_state_dict"]["noise_constraint.upper_bound"] = torch.tensor(INF)
    state["scheduler"] = {"mode_worse": INF, "best": INF, "last_epoch": 3, "_last_lr": [0.1]}
    state["callbacks"] = {"checkpoint": {"best_model_score": torch.tensor(-INF)}}
    state["metrics"] = {"lowest": torch.tensor(INF)}
    report = safe_save(state, tmp_path / "a.pth", check="all")
    assert report.tensors > 0


def test_exceptions_can_be_named(tmp_path: Path) -> None:
    state = {"weight": torch.ones(2), "slopes": torch.full((2,), -INF)}
    with pytest.raises(NonFiniteError, match=r"allow=\['slopes'\]"):
        safe_save(state, tmp_path / "a.pth")
    safe_save(state, tmp_path / "a.pth", allow=["*slopes"])
    with pytest.raises(NonFiniteError, match="slopes"):
        safe_save(state, tmp_path / "b.pth", allow=["*mask"])


def test_many_broken_tensors_are_counted(tmp_path: Path) -> None:
    state = {f"{n}.weight": torch.full((2,), NAN) for n in range(20)}
    with pytest.raises(NonFiniteError, match="and 17 more tensors"):
        safe_save(state, tmp_path / "a.pth")


@pytest.mark.parametrize(("many", "told"), [(3, ""), (4, "and 1 more tensors")])
def test_three_of_them_are_named(tmp_path: Path, many: int, told: str) -> None:
    state = {f"{n}.weight": torch.full((2,), NAN) for n in range(many)}
    with pytest.raises(NonFiniteError) as caught:
        safe_save(state, tmp_path / "a.pth")
    assert all(f"{n}.weight: 2 of 2" in str(caught.value) for n in range(3))
    assert told in str(caught.value)
    assert ("more tensors" in str(caught.value)) == bool(told)
    assert "stays" not in str(caught.value)  # there is no file yet


# -- what is not gone on from --------------------------------------------------------------------


def reasons(path: Path, *findings: Finding) -> str:
    (report,) = examine([path], Examination(keep_details=True)).checkpoints
    return why_bad(replace(report, findings=findings))


def finding(code: str, severity: Severity, **evidence: Any) -> Finding:
    return Finding(
        code=code, severity=severity, subject="w", message="m", evidence=evidence, remedy="r"
    )


def test_damage_of_every_kind_is_a_reason_not_to_go_on(tmp_path: Path) -> None:
    path = safe_save({"weight": torch.ones(2)}, tmp_path / "a.pth").path
    assert reasons(path) == ""
    for code in ("CD101", "CD102", "CD103", "CD104", "CD107", "CD108", "CD109"):
        for severity in (Severity.WARNING, Severity.ERROR):
            assert reasons(path, finding(code, severity)) == f"{code} w: m", code
        assert reasons(path, finding(code, Severity.INFO)) == "", code
    assert reasons(path, finding("CD103", Severity.INFO, unchecked=3)) == "CD103 w: m"
    for code in ("CD105", "CD104", "CD407"):  # whatever else was not checked
        assert reasons(path, finding(code, Severity.INFO, unchecked=3)) == ""
    for code in ("CD204", "CD407", "CD301"):
        assert reasons(path, finding(code, Severity.ERROR)) == ""
    assert reasons(path, finding("CD201", Severity.ERROR)) == "CD201 w: m"
    assert reasons(path, finding("CD201", Severity.INFO)) == ""


def test_what_cannot_be_read_is_not_gone_on_from(tmp_path: Path) -> None:
    path = safe_save({"weight": torch.ones(2)}, tmp_path / "a.pth").path
    (report,) = examine([path], Examination(keep_details=True)).checkpoints
    assert why_bad(report) == ""
    assert why_bad(replace(report, checkpoint=None)) == "it cannot be read"
    save(path, poisoned(NAN, "optimizer"))
    (report,) = examine([path], Examination(keep_details=True)).checkpoints
    assert why_bad(report) == why_bad(report, "none") == ""
    assert why_bad(report, "all").startswith("CD301 ")
    assert why_bad(report, "all", ["*exp_avg*"]) == ""


# -- force ---------------------------------------------------------------------------------------


def test_a_file_that_is_there_stays_without_force(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        safe_save(training_checkpoint(), path, force=False)
    assert path.read_bytes() == b"precious"
    safe_save(training_checkpoint(), path)
    assert load(path)["epoch"] == 88


def test_a_file_that_appears_meanwhile_stays_without_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pth"
    monkeypatch.setattr(
        "ckptdoctor.guard.saving.saver._check_space", lambda *_: path.write_bytes(b"precious")
    )
    with pytest.raises(FileExistsError, match="meanwhile"):
        safe_save(training_checkpoint(), path, force=False)
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["a.pth"]


def test_folders_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        safe_save({}, tmp_path)
    with pytest.raises(FileNotFoundError):
        safe_save({}, tmp_path / "missing" / "a.pth")


def test_what_cannot_be_pickled_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="pickle"):
        safe_save({"weight": torch.ones(2), "loss": lambda x: x}, tmp_path / "a.pth")
    assert os.listdir(tmp_path) == []


def test_links_are_replaced_and_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "epoch_88.pth"
    kept.write_bytes(b"precious")
    (tmp_path / "soft.pth").symlink_to(kept)
    (tmp_path / "hard.pth").hardlink_to(kept)
    for name in ("soft.pth", "hard.pth"):
        safe_save(training_checkpoint(), tmp_path / name)
        assert load(tmp_path / name)["epoch"] == 88
    assert kept.read_bytes() == b"precious"


def test_permissions_stay(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {})
    path.chmod(0o640)
    safe_save({}, path)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_note_of_restore_does_not_accuse_the_new_file(tmp_path: Path) -> None:
    source = save(tmp_path / "a.pth", training_checkpoint())
    clean = tmp_path / "clean.pth"
    restore(source, clean)
    assert manifest_path(clean).exists()
    safe_save(training_checkpoint() | {"epoch": 89}, clean)
    assert not manifest_path(clean).exists()
    manifest_path(clean).write_text(json.dumps({"notes": "the user's own"}))
    safe_save(training_checkpoint(), clean)
    assert manifest_path(clean).exists()


def test_what_torch_wrote_wrongly_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.pth", training_checkpoint())
    before = path.read_bytes()
    real = os.fsync

    def flip(fd: int) -> None:  # a bit of a weight, on its way to the disk
        if stat.S_ISREG(os.fstat(fd).st_mode):
            at = os.pread(fd, 1 << 20, 0).index(b"data/0") + 100
            os.pwrite(fd, bytes([os.pread(fd, 1, at)[0] ^ 1]), at)
        real(fd)

    monkeypatch.setattr("ckptdoctor.guard.saving.saver.os.fsync", flip)
    with pytest.raises(SaveError, match="CD10"):
        safe_save(training_checkpoint(), path)
    assert path.read_bytes() == before
    assert leftovers(tmp_path) == []


def test_without_checksums_nothing_is_kept(tmp_path: Path) -> None:
    with torch.serialization.skip_data(), pytest.raises((SaveError, RuntimeError)):
        safe_save(training_checkpoint(), tmp_path / "a.pth")
    assert os.listdir(tmp_path) == []


# -- snapshots -----------------------------------------------------------------------------------


def test_a_snapshot_is_what_it_was(tmp_path: Path) -> None:
    state = training_checkpoint()
    snapshot = Snapshot(state, tmp_path / "a.pth")
    safe_save(state | {"epoch": 1}, tmp_path / "a.pth")  # is replaced, as torch.save would
    state["model_state_dict"][WEIGHT].zero_()
    state["epoch"] = 99
    report = save_snapshot(snapshot, tmp_path / "a.pth", check="all")
    assert report.nbytes == snapshot.nbytes
    assert equal(load(report.path), training_checkpoint())


def test_a_snapshot_stays_beside_what_is_there_without_force(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"precious")
    snapshot = Snapshot({"weight": torch.ones(2)}, path)
    with pytest.raises(FileExistsError, match="force=False: it stays"):  # before it is written
        save_snapshot(snapshot, path, force=False)
    assert path.read_bytes() == b"precious"
    with pytest.raises(IsADirectoryError, match="name a file in it"):
        save_snapshot(snapshot, tmp_path)
    assert os.listdir(tmp_path) == ["a.pth"]


def test_a_snapshot_is_judged_as_it_was_asked(tmp_path: Path) -> None:
    state = poisoned(NAN, "optimizer")
    Snapshot(state, tmp_path / "a.pth")
    with pytest.raises(NonFiniteError, match="CD301"):
        Snapshot(state, tmp_path / "a.pth", check="all")
    masked = {"weight": torch.ones(2), "slopes": torch.full((2,), -INF)}
    snapshot = Snapshot(masked, tmp_path / "a.pth", allow=["slopes"])
    with pytest.raises(NonFiniteError, match="slopes"):
        save_snapshot(snapshot, tmp_path / "a.pth")
    assert save_snapshot(snapshot, tmp_path / "a.pth", allow=["slopes"]).tensors == 2


def test_room_is_asked_for_the_file_and_for_its_parity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def space_missing(_: Path, nbytes: int) -> str:
        asked.append(nbytes)
        return ""

    monkeypatch.setattr(saver, "space_missing", space_missing)
    snapshot = Snapshot({"weight": torch.ones(30_000)}, tmp_path / "a.pth")
    report = save_snapshot(snapshot, tmp_path / "a.pth")
    assert asked == [report.nbytes]
    report = save_snapshot(snapshot, tmp_path / "a.pth", parity=0.1)
    assert report.parity is not None
    both_nbytes = report.nbytes + report.parity.stat().st_size
    assert both_nbytes <= asked[1] < 1.02 * both_nbytes


def test_a_broken_snapshot_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"0\.weight"):
        Snapshot(poisoned(NAN), tmp_path / "a.pth")


# -- a full disk ---------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small_disk / "best_model.pth"
    small = {"weight": torch.ones(1000)}
    safe_save(small, path)
    large = {"weight": torch.ones(1 << 20, dtype=torch.float64)}
    with pytest.raises(OSError, match="MB are needed") as caught:  # said before it is tried
        safe_save(large, path)
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.setattr("ckptdoctor.guard.saving.saver._check_space", lambda *_: None)
    with pytest.raises(OSError, match="No space") as caught:  # and as the system says it
        safe_save(large, path)
    assert caught.value.errno == errno.ENOSPC
    assert equal(load(path), small)
    assert leftovers(small_disk) == []
    (small_disk / "other").write_bytes(bytes(3 << 20))
    safe_save(small | {"epoch": 2}, path)
    assert load(path)["epoch"] == 2


@pytest.mark.parametrize("most", [1, 1000, 4000, 9000])
def test_a_limit_on_the_size_of_files(tmp_path: Path, most: int) -> None:
    path = save(tmp_path / "a.pth", training_checkpoint())
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            safe_save(training_checkpoint() | {"epoch": 89}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert path.read_bytes() == before
    assert leftovers(tmp_path) == []


# -- kills ---------------------------------------------------------------------------------------

_KILLED_AGAIN_AND_AGAIN = """
import os, random, signal, sys, time
import torch
from pathlib import Path
from ckptdoctor.guard.saving.saver import safe_save

torch.set_num_threads(1)
path, kills = Path(sys.argv[1]), int(sys.argv[2])
chance = random.Random(88)
start = time.perf_counter()
def state(n):
    weight, bias = torch.full((50_000,), float(n)), torch.full((7,), float(n))
    return {"epoch": n, "weight": weight, "bias": bias}

safe_save(state(0), path)
usual = time.perf_counter() - start
seen = set()
for kill in range(kills):
    child = os.fork()
    if child == 0:
        for n in range(1, 1000):
            safe_save(state(1000 * kill + n), path, jobs=1)
    time.sleep(chance.random() * 4 * usual)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = torch.load(path, weights_only=True)
    assert torch.equal(found["weight"], torch.full((50_000,), float(found["epoch"]))), kill
    assert torch.equal(found["bias"], torch.full((7,), float(found["epoch"]))), kill
    seen.add(found["epoch"])
    for left in path.parent.glob(".ckptdoctor-*.tmp"):
        left.unlink()
print(len(seen))
"""


def kill_again_and_again(path: Path, kills: int) -> int:
    command = [sys.executable, "-c", _KILLED_AGAIN_AND_AGAIN, str(path), str(kills)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
def test_killed_at_any_moment_the_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    assert kill_again_and_again(tmp_path / "a.pth", 30) > 5


@pytest.mark.slow
def test_killed_at_many_moments(tmp_path: Path) -> None:
    assert kill_again_and_again(tmp_path / "a.pth", 600) > 100


# -- what is no file -----------------------------------------------------------------------------


@each("kind", sorted(set(NO_FILES) - {"a folder", "a link to a folder"}))
@each("force", [True, False])
def test_what_is_no_file_is_never_replaced(force: bool, kind: str, tmp_path: Path) -> None:
    place = NO_FILES[kind](tmp_path / "best_model.pth")
    before, listed = place.lstat(), sorted(tmp_path.iterdir())
    with pytest.raises(DestinationError) as caught:
        safe_save({"weight": torch.ones(3)}, place, force=force)
    assert f"is {kind}" in str(caught.value)
    assert (place.lstat().st_mode, place.lstat().st_ino) == (before.st_mode, before.st_ino)
    assert sorted(tmp_path.iterdir()) == listed


def test_what_takes_the_place_while_the_file_is_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "best_model.pth"
    verified = saver._verified

    def meanwhile(*arguments: Any) -> Any:
        os.mkfifo(path)
        return verified(*arguments)

    monkeypatch.setattr(saver, "_verified", meanwhile)
    with pytest.raises(FileExistsError, match="is a FIFO by now"):
        safe_save({"weight": torch.ones(3)}, path)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert leftovers(tmp_path) == []


def test_a_note_that_is_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    path = save(tmp_path / "best_model.pth", {"weight": torch.ones(3)})
    os.mkfifo(tmp_path / "best_model.pth.json")
    safe_save({"weight": torch.zeros(3)}, path)
    assert load(path)["weight"].equal(torch.zeros(3))
    assert (tmp_path / "best_model.pth.json").is_fifo()


def test_the_reserve_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 MB are free, 1 MB is needed: without the reserve nobody understands why not."""

    class Disk:
        f_blocks, f_frsize, f_bavail, f_bfree = 1000, 1000, 2000, 2000

    monkeypatch.setattr(os, "statvfs", lambda _: Disk)
    with pytest.raises(OSError, match="MB are needed") as caught:
        safe_save({"weight": torch.ones(300_000)}, tmp_path / "best_model.pth")
    assert caught.value.errno == errno.ENOSPC
    assert (
        "2.0 MB are free, 1.2 MB are needed and a reserve of 1.0 MB is kept free: "
        "0.3 MB are missing"
    ) in str(caught.value)
    assert list(tmp_path.iterdir()) == []
