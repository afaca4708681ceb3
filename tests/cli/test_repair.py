"""``ckptdoctor repair``, and what ``scan`` and ``restore`` say of a flipped bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import ckptdoctor
from tests.builders import save
from tests.cli.support import run, training_state
from tests.recovery.repair.damaged import Whole, flipped, whole


@pytest.fixture
def one(tmp_path: Path) -> Whole:
    return whole(tmp_path)


@pytest.fixture
def damaged(one: Whole) -> Path:
    """One bit of an exponent; the whole file does not lie beside."""
    path = flipped(one, [(one.element("data/0", 83) + 3, 6)])
    one.path.unlink()
    return path


def test_it_writes_a_new_file_and_says_what_was_wrong(one: Whole, damaged: Path) -> None:
    out = run("repair", damaged)
    assert out.code == 0
    assert damaged.with_name("damaged_repaired.pth").read_bytes() == one.data
    assert "model_state_dict.weight[2, 3], in its exponent" in out.stdout
    assert f"sha256 {one.sha256}" in out.stdout
    assert not out.stderr


def test_json_has_what_the_page_tells(one: Whole, damaged: Path) -> None:
    out = run("repair", damaged, "--format", "json")
    found = out.json
    assert set(found) == {
        *("schema_version", "source", "destination", "written", "sound", "certainty", "odds"),
        *("flips", "given_back", "witnesses", "refused", "sha256", "manifest"),
    }
    assert (found["written"], found["certainty"], found["sha256"]) == (True, "decided", one.sha256)
    (flip,) = found["flips"]
    assert (flip["tensor"], flip["index"], flip["part"]) == (
        *("model_state_dict.weight", [2, 3]),
        "exponent",
    )


def test_a_refusal_is_exit_4_with_its_reasons_in_json_too(tmp_path: Path) -> None:
    large = whole(tmp_path, {"weight": torch.randn(40_000)})
    path = flipped(large, [(large.element("data/0", 7), 4)])
    large.path.unlink()
    out = run("repair", path, "-f", "json")
    assert out.code == 4
    assert out.json["written"] is False
    assert out.json["certainty"] == "likely"
    assert out.json["flips"]
    assert "--accept-odds" in out.stderr
    table = run("repair", path)
    assert (table.code, table.stdout) == (4, "")
    assert run("repair", path, "--accept-odds").code == 0
    assert run("repair", path, "--accept-odds").code == 4  # it is there by now


def test_other_damage_is_exit_4(one: Whole) -> None:
    path = flipped(one, [(one.element("data/0", 5), 3), (one.element("data/0", 900), 1)])
    out = run("repair", path, "--accept-odds")
    assert out.code == 4
    assert "more than one bit is wrong in 'model/data/0'" in out.stderr
    assert sorted(p.name for p in path.parent.iterdir()) == ["damaged.pth", "model.pth"]


def test_a_sound_file_is_exit_0_and_nothing_is_written(one: Whole) -> None:
    out = run("repair", one.path)
    assert out.code == 0
    assert "nothing to repair" in out.stdout
    assert [p.name for p in one.path.parent.iterdir()] == ["model.pth"]


def test_without_checksums_it_is_exit_4(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    save(path, {"w": torch.ones(3)}, _use_new_zipfile_serialization=False)
    out = run("repair", path)
    assert out.code == 4
    assert "stores no checksum" in out.stderr


def test_no_file_is_exit_3_and_no_sha256_exit_2(one: Whole, tmp_path: Path) -> None:
    assert run("repair", tmp_path / "none.pth").code == 3
    assert run("repair", tmp_path).code == 3
    assert run("repair", one.path, "--sha256", "12").code == 2
    page = tmp_path / "page.pth"
    page.write_text("<html>")
    assert run("repair", page).code == 4


def test_scan_says_which_bit_and_what_puts_it_right(damaged: Path) -> None:
    out = run("scan", damaged, "--format", "json")
    finding = next(f for f in out.json["checkpoints"][0]["findings"] if f["code"] == "CD103")
    assert "one bit is wrong, bit 6 of byte" in finding["message"]
    assert "weight[2, 3], in its exponent" in finding["message"]
    assert finding["remedy"].endswith(f"ckptdoctor repair {damaged}")
    assert finding["evidence"]["flipped_part"] == "exponent"
    assert finding["evidence"]["flipped_index"] == [2, 3]
    assert f"Next:      ckptdoctor repair {damaged}" in run("scan", damaged).stdout


def test_scan_says_so_of_a_mantissa_and_of_the_odds(tmp_path: Path) -> None:
    large = whole(tmp_path, {"weight": torch.randn(40_000)})
    path = flipped(large, [(large.element("data/0", 7), 4)])
    findings = run("scan", path, "--format", "json").json["checkpoints"][0]["findings"]
    message = next(f["message"] for f in findings if f["code"] == "CD103")
    assert "in its mantissa" in message
    assert "(other damage looks like that in 1 of 3,35" in message


def test_scan_names_repair_where_the_file_cannot_be_read(one: Whole) -> None:
    start, _ = one.span("data.pkl")
    for at, bit in ((start + 1, 6), (0, 0), (len(one.data) - 22, 1)):
        path = flipped(one, [(at, bit)])
        (found,) = run("scan", path, "--format", "json").json["checkpoints"]
        remedies = [finding["remedy"] for finding in found["findings"]]
        assert any(f"ckptdoctor repair {path}" in text for text in remedies), (at, found)


def test_restore_refuses_and_names_repair(damaged: Path) -> None:
    out = run("restore", "--from", damaged)
    assert out.code == 4
    assert f"ckptdoctor repair {damaged}" in out.stderr


def test_a_repaired_file_is_no_copy_and_a_candidate_in_its_place(tmp_path: Path) -> None:
    for epoch in (1, 2):
        save(tmp_path / f"epoch_{epoch}.pth", training_state(epoch, best=0.5 + epoch / 100))
    one = Whole(tmp_path / "epoch_2.pth")
    flipped(one, [(one.element("data/0", 3) + 3, 6)], "epoch_2.pth")
    assert run("repair", tmp_path / "epoch_2.pth").code == 0
    found = run("scan", tmp_path, "--format", "json").json
    rows = {Path(row["path"]).name: row for row in found["checkpoints"]}
    assert rows["epoch_2_repaired.pth"]["restored_from"] is None
    assert rows["epoch_2_repaired.pth"]["verdict"] == "healthy"
    (tmp_path / "epoch_2_repaired.pth").rename(tmp_path / "epoch_2.pth")  # as it advises
    found = run("scan", tmp_path, "--format", "json").json
    assert Path(found["last_good"]["path"]).name == "epoch_2.pth"


def three_epochs(folder: Path) -> Whole:
    """The last of three."""
    for epoch in (1, 2, 3):
        save(folder / f"epoch_{epoch}.pth", training_state(epoch, best=0.5 + epoch / 100))
    return Whole(folder / "epoch_3.pth")


@pytest.mark.parametrize("hit", [b"epoch", b"torch._utils", b"\x80\x02"])
@pytest.mark.one_in(2)
def test_next_is_repair_though_an_older_file_is_sound(tmp_path: Path, hit: bytes) -> None:
    """A name of the state, one of torch's, which leaves no tensor, and the first of all opcodes."""
    one = three_epochs(tmp_path)
    at = one.data.index(hit, one.span("data.pkl")[0])
    path = flipped(one, [(at, 1)], "epoch_3.pth")
    command = f"ckptdoctor repair {path}"
    found = run("scan", tmp_path, "--format", "json").json
    assert [run_["next"] for run_ in found["runs"]] == [command]
    for form in ("table", "markdown", "html"):
        assert command in run("scan", tmp_path, "--format", form).stdout
    assert run("repair", path).code == 0
    assert path.with_name("epoch_3_repaired.pth").read_bytes() == one.data


def test_next_is_no_repair_that_would_be_refused(tmp_path: Path) -> None:
    for epoch in (1, 2):
        state = {"model_state_dict": {"w": torch.randn(40_000)}, "epoch": epoch, "best_iou": 0.5}
        save(tmp_path / f"epoch_{epoch}.pth", state)
    one = Whole(tmp_path / "epoch_2.pth")
    path = flipped(one, [(one.element("data/0", 7), 4)], "epoch_2.pth")
    assert run("repair", path).code == 4
    (of_run,) = run("scan", tmp_path, "--format", "json").json["runs"]
    assert of_run["next"] == f"ckptdoctor restore --from {tmp_path / 'epoch_1.pth'}"


def test_a_nan_by_one_bit_is_no_collapse(tmp_path: Path) -> None:
    weight = torch.full((64,), 1.25)
    for epoch in (1, 2):
        state = {"model_state_dict": {"w": weight}, "epoch": epoch, "best_iou": 0.5 + epoch / 10}
        save(tmp_path / f"epoch_{epoch}.pth", state)
    one = Whole(tmp_path / "epoch_2.pth")
    path = flipped(one, [(one.element("data/0", 3) + 3, 6)], "epoch_2.pth")
    (of_run,) = run("scan", tmp_path, "--format", "json").json["runs"]
    assert of_run["next"] == f"ckptdoctor repair {path}"


def test_what_was_repaired_stands_in_its_run_and_is_recommended(tmp_path: Path) -> None:
    one = three_epochs(tmp_path)
    path = flipped(one, [(one.element("data/0", 3) + 3, 6)], "epoch_3.pth")
    assert run("repair", path).code == 0
    new = tmp_path / "epoch_3_repaired.pth"
    found = run("scan", tmp_path, "--format", "json").json
    (of_run,) = found["runs"]
    assert str(new) in of_run["checkpoints"]
    assert (found["last_good"]["path"], of_run["next"]) == (str(new), None)
    ranking = run("rank", tmp_path, "--format", "json").json["ranking"]
    assert [Path(place["path"]).name for place in ranking[:2]] == [new.name, "epoch_2.pth"]
    assert run("restore", tmp_path).code == 0
    (of_run,) = run("scan", tmp_path, "--format", "json").json["runs"]
    assert of_run["last_good"]["path"] == str(new)  # the clean copy of it is a copy


def test_the_best_that_was_repaired_is_the_best(tmp_path: Path) -> None:
    three_epochs(tmp_path)
    one = Whole(save(tmp_path / "best.pth", training_state(3, best=0.53)))
    path = flipped(one, [(one.element("data/0", 3) + 3, 6)], "best.pth")
    assert run("repair", path).code == 0
    (of_run,) = run("scan", tmp_path, "--format", "json").json["runs"]
    assert str(tmp_path / "best_repaired.pth") in of_run["checkpoints"]


def test_from_python(one: Whole, damaged: Path) -> None:
    seen = ckptdoctor.repair(damaged, dry_run=True)
    assert not seen.written
    done = ckptdoctor.repair(damaged, damaged.with_name("out.pth"))
    assert done.sha256 == one.sha256
    assert done.manifest is not None
    assert json.loads(done.manifest.read_text())["file"]["sha256"] == one.sha256
    with pytest.raises(ckptdoctor.RestoreError, match="more than one bit"):
        ckptdoctor.repair(flipped(one, [(1500, 1), (1600, 2), (1700, 2)]))


def test_of_a_folder_the_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-10"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "trainer_state.json").write_text('{"global_step": 10, "epoch": 1.0}')
    one = whole(folder, {"w": torch.randn(64, 3)}, "pytorch_model.bin")
    path = flipped(one, [(one.element("data/0", 3) + 3, 6)], "pytorch_model.bin")
    assert f"ckptdoctor repair {path}" in run("scan", tmp_path).stdout
