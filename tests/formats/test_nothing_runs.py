"""Reading runs nothing: an audit hook watches a process of its own, which no hook can leave."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.builders import rezip, save

_WATCHED = """
import json, sys

from ckptdoctor.errors import CheckpointError
from ckptdoctor.formats import locate_scalars, open_checkpoint
import encodings.unicode_escape, encodings.raw_unicode_escape, encodings.latin_1

FORBIDDEN = ("pickle.", "os.", "subprocess.", "socket.", "ctypes.", "exec", "compile",
             "import", "marshal.", "code.", "shutil.",
             "tempfile.", "webbrowser.", "builtins.input", "builtins.breakpoint", "pty.")
watching, seen = False, []

def hook(event, arguments):
    if not watching:
        return
    if event == "open":
        path, mode, flags = arguments
        if flags is not None and flags & 3:
            seen.append(f"open {path} for writing")
    elif event.startswith(FORBIDDEN):
        seen.append(f"{event} {arguments!r:.200}")

sys.addaudithook(hook)
before, calls, globals_ = set(sys.modules), [], []
for path in sys.argv[1:]:
    watching = True
    try:
        checkpoint = open_checkpoint(path)
        locate_scalars(path)
        watching = False
        calls += [call.call for call in checkpoint.calls]
        globals_ += [use.name for use in checkpoint.globals if use.runs_code]
    except CheckpointError as error:
        watching = False
        calls.append(type(error).__name__)
watching = False
print(json.dumps({"seen": seen, "imported": sorted(set(sys.modules) - before),
                  "calls": calls, "globals": globals_, "torch": "torch" in sys.modules}))
"""


def watched(*paths: Path) -> dict[str, Any]:
    """What an audit hook saw, what was imported, and what the reader reported."""
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Call:
    """Pickles as a call of anything."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


def marker(tmp_path: Path) -> str:
    return str(tmp_path / "owned")


def malice(tmp_path: Path) -> dict[str, tuple[bytes, str]]:
    """Pickles that would run code, and the call that the report must show."""
    owned = marker(tmp_path)
    write = f"open({owned!r}, 'w').write('x')"
    return {
        "os.system": (pickle.dumps(Call(os.system, f"touch {owned}"), 2), "posix.system('touch"),
        "eval": (pickle.dumps(Call(eval, write), 4), "builtins.eval("),
        "exec": (pickle.dumps({"a": [Call(exec, write)]}, 5), "builtins.exec("),
        "Popen": (pickle.dumps(Call(subprocess.Popen, ["touch", owned]), 3), "subprocess.Popen("),
        "dropped": (b"\x80\x02cos\nsystem\nU\x04true\x85R0N\x85.", "os.system('true')"),
        "getattr": (
            b"\x80\x02cbuiltins\ngetattr\n(cposixpath\nos\nU\x06systemtRU\x04true\x85R.",
            "posixpath.os.system('true')",
        ),
        "import": (
            b"\x80\x02cbuiltins\n__import__\nU\x0bantigravity\x85R.",
            "builtins.__import__(",
        ),
        "dotted": (
            b"\x80\x04\x8c\x13torch.serialization\x8c\x09os.system\x93\x8c\x04true\x85R.",
            "torch.serialization.os.system('true')",
        ),
        "runpy": (b"\x80\x02crunpy\nrun_path\nU\x01x\x85R.", "runpy.run_path('x')"),
        "inst": (b"(S'true'\nios\nsystem\n.", "os.system('true')"),
        "nested": (
            pickle.dumps({"x": Call(pickle.loads, pickle.dumps(Call(os.system, "true")))}, 4),
            "_pickle.loads(",
        ),
    }


NAMES = "os.system eval exec Popen dropped getattr import dotted runpy inst nested".split()


def test_malicious_pickles_run_nothing_in_any_container(tmp_path: Path) -> None:
    files: list[Path] = []
    expected: list[str] = []
    good = save(tmp_path / "good.pt", {"w": torch.ones(2)})
    evil = malice(tmp_path)
    assert list(evil) == NAMES
    preamble: tuple[object, ...] = (0x1950A86A20F9469CFC6C, 1001, {})
    legacy = b"".join(pickle.dumps(part, 2) for part in preamble)
    for name, (raw, call) in evil.items():
        bare = tmp_path / f"{name}.pkl"
        bare.write_bytes(raw)
        old = tmp_path / f"{name}.pth"
        old.write_bytes(legacy + raw + pickle.dumps([], 2))
        files += [bare, rezip(good, tmp_path / f"{name}.pt", replace={"data.pkl": raw}), old]
        expected += [call] * 3
    found = watched(*files)
    assert found["seen"] == []
    assert found["imported"] == []
    assert found["torch"] is False
    assert not Path(marker(tmp_path)).exists()
    assert len(found["calls"]) == len(expected)
    for call, start in zip(found["calls"], expected, strict=True):
        assert call.startswith(start)
    assert found["globals"]


def test_the_watch_itself_sees_what_runs(tmp_path: Path) -> None:
    """The hook would have told: the same bytes, given to pickle, leave a trace."""
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(Call(eval, "1"), 2))
    script = _WATCHED.replace(
        "checkpoint = open_checkpoint(path)",
        "import pickle; pickle.load(open(path, 'rb')); checkpoint = open_checkpoint(path)",
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert any(event.startswith("pickle.find_class") for event in json.loads(done.stdout)["seen"])


def test_unknown_modules_are_not_imported(tmp_path: Path) -> None:
    """A module beside the file, named by the file, stays what it is: a file."""
    (tmp_path / "payload_module.py").write_text("raise SystemExit(9)\n")
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x02cpayload_module\nClass\n)R}U\x01aK\x01sb.")
    found = watched(path)
    assert (found["imported"], found["seen"], found["calls"]) == ([], [], [])


@pytest.mark.parametrize("new", [True, False])
def test_reading_a_checkpoint_imports_neither_torch_nor_numpy(tmp_path: Path, new: bool) -> None:
    path = save(tmp_path / "a.pt", {"w": torch.ones(2)}, _use_new_zipfile_serialization=new)
    script = (
        "import sys; from ckptdoctor.formats import open_checkpoint;"
        f"assert open_checkpoint({str(path)!r}).tensors;"
        "print(*sorted({'torch', 'numpy', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
