"""What people type by mistake: each gets its own sentence, what to type instead, and its code."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.builders import save
from tests.cli.support import make_run, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_run(tmp_path / "run")
    return tmp_path


def said(*arguments: str | Path, cwd: Path) -> tuple[int, str]:
    """Exit code, and what is said on standard error; nothing stands on standard output."""
    told = run(*arguments, cwd=cwd)
    assert told.stdout == ""
    assert all(line.startswith("ckptdoctor: ") for line in told.stderr.splitlines())
    return told.code, told.stderr


# -- the first word ------------------------------------------------------------------------------


def test_a_folder_in_place_of_a_command(folder: Path) -> None:
    code, told = said("run/", "-v", cwd=folder)
    assert (code, told) == (
        2,
        "ckptdoctor: run/ is a folder, and no command; to examine it:  ckptdoctor scan run/ -v\n",
    )


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("sacn", "scan"),
        ("check", "scan"),
        ("fix", "restore"),
        ("Compare", "diff"),
        ("ls", "rank"),
        ("resum", "plan"),
        ("recver", "restore"),
        ("postmortem", "autopsy"),
        ("settings", "config"),
    ],
)
@pytest.mark.one_in(3)
def test_another_word_for_a_command(word: str, meant: str, folder: Path) -> None:
    code, told = said(word, "run", cwd=folder)
    assert code == 2
    assert told.endswith(f"did you mean:  ckptdoctor {meant} run\n")


def test_a_word_for_nothing(folder: Path) -> None:
    code, told = said("qqqq", cwd=folder)
    assert code == 2
    assert told == "ckptdoctor: there is no command qqqq; all of them:  ckptdoctor --help\n"


@pytest.mark.parametrize(
    ("word", "option"), [("version", "--version"), ("completion", "--show-completion")]
)
def test_a_word_that_is_an_option_here(word: str, option: str, folder: Path) -> None:
    assert said(word, cwd=folder)[1].endswith(f"did you mean:  ckptdoctor {option}\n")


def test_help_is_a_word_too() -> None:
    assert run("help", "scan") == run("scan", "--help")
    assert run("help") == run("--help")
    assert run("help", "nonsense").code == 2


def test_the_version_has_a_letter() -> None:
    assert run("-V").stdout == run("--version").stdout != ""


# -- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("scan", "--jobs", "0"), "--jobs: takes at least 1"),
        (("scan", "--jobs", "x"), "--jobs: takes an integer"),
        (("scan", "--jbs", "2"), "no such option: --jbs; did you mean --jobs?"),
        (("restore", "--scale-lr", "x"), "--scale-lr: takes a number"),
        (("diff", "one"), "missing argument 'B'"),
        (("history", "-f", "xml"), "--format: 'xml' is not one of table, json, "),
    ],
)
@pytest.mark.one_in(3)
def test_a_wrong_option(arguments: tuple[str, ...], sentence: str, folder: Path) -> None:
    code, told = said(*arguments, cwd=folder)
    assert code == 2
    first, second = told.splitlines()
    assert first.startswith(f"ckptdoctor: {sentence}")
    assert second == f"ckptdoctor: its options:  ckptdoctor {arguments[0]} --help"


# -- paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("rnu", "no such file or folder; did you mean run?"),
        ("run/*.ckpt", "nothing matches in run, which has checkpoint_epoch_8.pth, "),
    ],
)
def test_a_path_to_nothing(path: str, sentence: str, folder: Path) -> None:
    code, told = said("scan", path, cwd=folder)
    assert code == 3
    assert told.startswith(f"ckptdoctor: {path}: {sentence}")


def test_a_name_without_its_folder_is_found_where_commands_look(folder: Path) -> None:
    (folder / "run").rename(folder / "checkpoints")
    for command in ("inspect", "scan", "restore"):
        code, told = said(command, "checkpoint_epoch_9.pth", cwd=folder)
        assert code == 3
        assert told.endswith(" here; did you mean checkpoints/checkpoint_epoch_9.pth?\n")


@pytest.mark.parametrize("before", [(), ("rank",)], ids=["scan", "rank"])
def test_an_empty_path_is_not_the_current_folder(before: tuple[str, ...], folder: Path) -> None:
    code, told = said(*(before or ("scan",)), "", cwd=folder / "run")
    assert code == 2
    assert "a path is empty" in told


def test_a_name_that_a_terminal_would_obey(folder: Path) -> None:
    (folder / "run\x1b[2J.pth").touch()
    code, told = said("scan", "run\x1b[2J", cwd=folder)
    assert code == 3
    assert "\x1b" not in told
    assert "did you mean" in told


def test_inspect_diff_watch_and_logs_say_what_was_meant(folder: Path) -> None:
    for arguments in (
        ("inspect", "run/checkpoint_epoch_9"),
        ("diff", "run/checkpoint_epoch_9.pth", "run/checkpoint_epoch_9"),
        ("restore", "--from", "run/checkpoint_epoch_9"),
    ):
        code, told = said(*arguments, cwd=folder)
        assert (code, told.endswith("did you mean run/checkpoint_epoch_9.pth?\n")) == (3, True)
    (folder / "train.log").write_text("epoch 1 loss 0.5\n")
    code, told = said("history", "run", "--log", "trian.log", cwd=folder)
    assert (code, told) == (
        3,
        "ckptdoctor: trian.log: no such log file; did you mean train.log?\n",
    )


def test_a_file_is_not_watched(folder: Path) -> None:
    code, told = said("watch", "run/checkpoint_epoch_9.pth", "--once", cwd=folder)
    assert code == 2
    assert told.endswith("a watch is kept on its folder:  ckptdoctor watch run\n")


def test_a_tensor_that_is_not_there(folder: Path) -> None:
    path = save(
        folder / "a.pth", {"model": {"conv.weight": torch.ones(2), "bn.bias": torch.ones(2)}}
    )
    code, told = said("inspect", path, "-t", "weight", cwd=folder)
    assert code == 2
    assert "no tensor is called weight; it has model.conv.weight (globs" in told
    assert run("inspect", path, "-t", "*weight*").code == 0


def test_an_epoch_of_files_that_say_none(folder: Path) -> None:
    (folder / "plain").mkdir()
    for name in ("a", "b"):
        save(folder / "plain" / f"{name}.pth", {"w": torch.ones(3)})
    code, told = said("restore", "plain", "--epoch", "3", cwd=folder)
    assert code == 4
    assert "none of these checkpoints says its epoch: name one with --from" in told
    assert "ckptdoctor restore --from plain/a.pth\n" in told


# -- destinations --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["scan", "rank", "history", "plan", "inspect", "explain"])
@pytest.mark.one_in(2)
def test_a_result_never_replaces_a_checkpoint(command: str, folder: Path) -> None:
    source = folder / "run" / "checkpoint_epoch_9.pth"
    other = folder / "no_suffix"
    other.write_bytes(source.read_bytes())
    before = hashlib.sha256(source.read_bytes()).digest()
    subjects: dict[str, str | Path] = {"inspect": source, "explain": "CD201"}
    path = subjects.get(command, folder / "run")
    for destination in (source, other):
        code, told = said(command, path, "-f", "json", "-o", destination, cwd=folder)
        assert code == 4
        assert "is a checkpoint, which the result would replace: name another file" in told
        assert hashlib.sha256(destination.read_bytes()).digest() == before


def test_a_result_never_replaces_what_belongs_to_a_training(folder: Path) -> None:
    """Parts of checkpoints, what leads to them, notes of ours, and logs; but earlier results."""
    shards = folder / "checkpoint-5"
    shards.mkdir()
    save_file({"a": torch.ones(2)}, shards / "model-00001-of-00001.safetensors")
    index = shards / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00001.safetensors"}}))
    log = folder / "train.log"
    log.write_text("epoch 1 val_iou 0.5\nepoch 2 val_iou 0.6\n")
    run("restore", "run", "-o", "clean.pth", cwd=folder)
    note = folder / "clean.pth.json"
    for destination in (index, log, note):
        before = destination.read_bytes()
        code, told = said("scan", "run", "-f", "json", "-o", destination, cwd=folder)
        assert (code, destination.read_bytes()) == (4, before), destination
        assert "which the result would replace: name another file" in told
    for name in ("scan.log", "scan.json", "scan.csv"):
        for _ in range(2):
            code, told = said("scan", "run", "-o", name, "--fail-on", "never", cwd=folder)
            assert code == 0, told


def test_a_destination_in_no_folder_is_told_before_the_work(folder: Path) -> None:
    code, told = said("scan", "run", "-o", folder / "nowhere" / "x.json", cwd=folder)
    assert (code, told) == (
        4,
        f"ckptdoctor: {folder}/nowhere is no folder: make it first, or name another\n",
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_behind_standard_output(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ckptdoctor", "scan", folder / "run"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 4
    assert done.stderr == (
        "ckptdoctor: standard output: no space left on device; "
        "the result was not written, or not all of it\n"
    )


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit of a file's size here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_disk_that_fills_while_standard_output_is_written(folder: Path, unbuffered: str) -> None:
    """As much as it takes is written without an error, and the rest is not silently left away."""
    result = folder / "result.json"
    with result.open("w") as file:
        done = subprocess.run(
            f"ulimit -f 2; exec '{sys.executable}' -m ckptdoctor scan run -f json",
            shell=True, cwd=folder, stdout=file, stderr=subprocess.PIPE, text=True, check=False,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    assert 0 < result.stat().st_size <= 2048
    assert done.returncode == 4
    assert "standard output: file too large; the result was not written" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell closes streams so")
@pytest.mark.slow
def test_closed_streams_end_quietly(folder: Path) -> None:
    word = f"{sys.executable} -m ckptdoctor"
    for line, code in (
        (f"{word} scan run >&-", 1),
        (f"{word} scan run >&- 2>&- <&-", 1),
        (f"{word} nonsense >&- 2>&-", 2),
        (f"{word} --help >&-", 0),
    ):
        done = subprocess.run(
            ["/bin/sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_a_restored_file_is_whole_though_streams_are_closed(folder: Path) -> None:
    """What is opened first takes the number of a closed stream, to which libraries write."""
    line = f"{sys.executable} -m ckptdoctor restore run -o out.pth >&- 2>&-"
    subprocess.run(["/bin/sh", "-c", line], cwd=folder, check=True)
    assert run("scan", folder / "out.pth").code == 0


def test_a_demo_that_cannot_be_made(folder: Path) -> None:
    (folder / "file").touch()
    code, told = said("demo", folder / "file" / "demo", cwd=folder)
    assert code == 4
    assert told.endswith("not a directory; name another folder\n")


# -- explain -------------------------------------------------------------------------------------


def test_a_word_leads_to_the_codes_that_speak_of_it() -> None:
    told = run("explain", "nan").stdout
    assert "CD201" in told
    assert "CD301" in told
    assert "CD407" not in told
    assert run("explain", "EMA").stdout == run("explain", "CD305").stdout
    assert run("explain", "xyzzy").code == 2


def test_a_folder_that_holds_a_log_alone_is_told_what_reads_it(tmp_path: Path) -> None:
    run_of = tmp_path / "my run"
    run_of.mkdir()
    (run_of / "train.log").write_text("epoch 1 iou 0.5\nepoch 2 iou 0.6\n")
    for command in ("scan", "autopsy"):
        code, told = said(command, "my run", cwd=tmp_path)
        assert code == 3
        wanted = shlex.split(told.splitlines()[-1].rpartition("  ")[2])
        assert wanted[:2] == ["ckptdoctor", "history"]
        assert run(*wanted[1:], cwd=tmp_path).code == 0


def test_what_a_process_writes_to_is_no_log_of_a_training(tmp_path: Path) -> None:
    """`/dev/stdout` and `/dev/stderr`, which are files here, lie beside it."""
    out, err = tmp_path / "out", tmp_path / "err"
    err.write_text("epoch 1 val_iou 0.5\nepoch 2 val_iou 0.6\n")
    with out.open("w") as stdout, err.open("a") as stderr:
        command = [sys.executable, "-m", "ckptdoctor", "scan", os.devnull, "--format", "json"]
        subprocess.run(command, stdout=stdout, stderr=stderr, check=False)
    document = json.loads(out.read_text())
    assert [one["verdict"] for one in document["checkpoints"]] == ["unreadable"]
    assert [one["logs"] for one in document["runs"]] == [[]]
