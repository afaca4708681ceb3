"""What a command imports: every module more is paid by each start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.builders import save
from tests.cli.support import run

NEVER = frozenset(
    "torch numpy ctypes pydantic jinja2 junitparser plotille regex psutil fsspec asyncio".split()
)
"""What a scan of a small file, with a table for its result, needs none of."""


def imported(
    tmp_path: Path, *arguments: str | Path, code: int = 0, unset: bool = False
) -> set[str]:
    """The modules that a command has imported when it ends.

    Args:
        tmp_path: where it keeps its results.
        arguments: of the command.
        code: its exit code.
        unset: whether no variable of the environment is a setting.
    """
    forgets = "[os.environ.pop(one) for one in [*os.environ] if one.startswith('CKPTDOCTOR_')]; "
    listed = tmp_path / "modules.json"
    outcome = run(
        code=f"import json, os, sys; {forgets * unset}"
        f"os.environ['CKPTDOCTOR_CACHE_DIR'] = {str(tmp_path / 'cache')!r}\n"
        "from ckptdoctor.__main__ import run\n"
        f"assert run({[str(one) for one in arguments]!r}) == {code}\n"
        f"open({str(listed)!r}, 'w').write(json.dumps(sorted(sys.modules)))",
        # Coverage starts with the interpreter and imports modules of its own.
        env={"CKPTDOCTOR_NO_CACHE": "1", "COVERAGE_PROCESS_CONFIG": ""},
    )
    assert outcome.code == 0, outcome.stderr
    return set(json.loads(listed.read_text()))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    state = {f"{at}.weight": torch.rand(8, 8) for at in range(24)}
    (tmp_path / "run").mkdir()
    return save(tmp_path / "run" / "one.pth", {"model_state_dict": state, "epoch": 3})


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_none_of_our_rooms(tmp_path: Path, option: str) -> None:
    found = imported(tmp_path, option)
    assert not found & (NEVER | {"rich", "sqlite3", "asyncio"})
    rooms = {"scanning", "formats", "layouts", "rules", "runs", "recovery", "render", "cache"}
    assert not found & {f"ckptdoctor.{room}" for room in rooms}


def test_a_scan_of_a_small_file_loads_neither_torch_nor_its_library(
    tmp_path: Path, small: Path
) -> None:
    found = imported(tmp_path, "scan", small)
    assert sorted(found & (NEVER - {"ctypes"})) == []
    assert "ckptdoctor.scanning.libtorch" not in found
    others = ("render.html", "render.machine", "guard", "watch", "gpu", "memory", "api", "compare")
    assert not [name for name in found if name.startswith(tuple(f"ckptdoctor.{o}" for o in others))]


def test_a_scan_of_more_loads_the_library_and_no_torch(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    path = save(tmp_path / "run" / "one.pth", {"model": {"weight": torch.rand(1 << 20)}})
    found = imported(tmp_path, "scan", path)
    assert "torch" not in found
    assert "ckptdoctor.scanning.libtorch" in found


@pytest.mark.slow
def test_where_nothing_is_set_no_setting_is_looked_at(tmp_path: Path, small: Path) -> None:
    found = imported(tmp_path, "scan", small, unset=True)
    assert {"ckptdoctor.settings.keys", "ckptdoctor.settings.settings"}.isdisjoint(found)
