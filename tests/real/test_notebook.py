"""In a real IPython kernel: what a cell shows of the command and of the Python API."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import ANSI, make_run, make_sparse

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the notebook packages' own
]

PAGE = Path(__file__).parent.parent.parent / "docs" / "notebooks.md"
GOOD = "checkpoints/checkpoint_epoch_9.pth"

Outputs = list[Mapping[str, Any]]
Notebook = Callable[..., list[Outputs]]


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    """Runs cells in a kernel of their own, in a folder with checkpoints; nobody answers a prompt.

    A cell that waits for an answer runs into the time limit, which is an error here.
    """
    make_run(tmp_path / "checkpoints")

    def execute(*cells: str, allow_errors: bool = False, **environment: str) -> list[Outputs]:
        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        )
        scripts = str(Path(sys.executable).parent)
        clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CKPTDOCTOR_DIR")}
        clean["PATH"] = os.pathsep.join([scripts, clean.get("PATH", "")])
        client = nbclient.NotebookClient(
            book,
            timeout=60,
            kernel_name="python3",
            allow_errors=allow_errors,
            resources={"metadata": {"path": str(tmp_path)}},
        )
        client.execute(env=clean | {"FORCE_COLOR": "1"} | environment)
        return [cell.outputs for cell in book.cells]

    return execute


def printed(outputs: Outputs) -> str:
    return "".join(output["text"] for output in outputs if output["output_type"] == "stream")


def result(outputs: Outputs) -> Mapping[str, str]:
    (shown,) = (o["data"] for o in outputs if o["output_type"] == "execute_result")
    return shown  # type: ignore[no-any-return]


def error(outputs: Outputs) -> Mapping[str, str]:
    (raised,) = (o for o in outputs if o["output_type"] == "error")
    return raised


def test_a_command_in_a_cell_is_coloured_and_fits(notebook: Notebook) -> None:
    shown, code = notebook("!ckptdoctor scan checkpoints/", "_exit_code")
    text = printed(shown)
    assert ANSI.search(text)
    lines = ANSI.sub("", text).replace("\r", "").splitlines()
    assert f"Last good: {GOOD}" in lines
    assert len(lines) <= 24
    assert all(len(line) <= 80 for line in lines if not line.startswith(("Next:", "Last good:")))
    assert result(code)["text/plain"] == "1"


def test_what_a_command_in_a_cell_is_given(notebook: Notebook) -> None:
    """What docs/notebooks.md says of ``!``: a terminal of 80x24, and nobody at its keyboard."""
    ask = "import os; print([os.isatty(n) for n in range(3)], *os.get_terminal_size(1))"
    (shown,) = notebook(f"!{sys.executable} -c '{ask}'")
    assert printed(shown).split("\n")[0].strip() == "[True, True, True] 80 24"


def test_captured_output_and_machine_formats_are_plain(notebook: Notebook) -> None:
    (captured,) = notebook(
        "import json\n"
        "said = !ckptdoctor scan checkpoints --format json 2>/dev/null\n"
        "json.loads(said.n)['last_good']['path']"
    )
    assert result(captured)["text/plain"] == repr(GOOD)


def test_a_bash_cell_gets_a_pipe_and_still_fits(notebook: Notebook) -> None:
    (shown,) = notebook("%%bash\nckptdoctor scan checkpoints --fail-on never | head -30")
    lines = ANSI.sub("", printed(shown)).splitlines()
    assert f"Last good: {GOOD}" in lines
    assert all(len(line) <= 80 for line in lines if not line.startswith(("Next:", "Last good:")))


def test_a_bash_cell_fails_on_findings_and_a_command_does_not(notebook: Notebook) -> None:
    failed, passed = notebook(
        "%%bash\nckptdoctor scan checkpoints", "!ckptdoctor scan checkpoints", allow_errors=True
    )
    assert error(failed)["ename"] == "CalledProcessError"
    assert [output["output_type"] for output in passed if output["output_type"] == "error"] == []


def test_a_report_is_a_table(notebook: Notebook) -> None:
    (shown,) = notebook("import ckptdoctor\nckptdoctor.scan('checkpoints/')")
    data = result(shown)
    assert data["text/html"].startswith('<div class="ckptdoctor-report">')
    assert GOOD in data["text/html"]
    assert data["text/plain"].startswith("<ScanReport: 5 checkpoints: 3 healthy, 1 corrupt")
    assert printed(shown) == ""


def test_the_environment_names_the_folder(notebook: Notebook, tmp_path: Path) -> None:
    make_run(tmp_path / "elsewhere")
    command, report = notebook(
        "!ckptdoctor scan",
        "import ckptdoctor\nckptdoctor.scan().last_good.path",
        CKPTDOCTOR_DIR="elsewhere",
    )
    assert "Last good: elsewhere/checkpoint_epoch_9.pth" in ANSI.sub("", printed(command))
    assert "elsewhere/checkpoint_epoch_9.pth" in result(report)["text/plain"]


def test_an_error_says_what_is_missing_and_the_kernel_lives_on(notebook: Notebook) -> None:
    failed, after = notebook(
        "import ckptdoctor\nckptdoctor.scan('nowhere')", "1 + 1", allow_errors=True
    )
    assert error(failed)["ename"] == "NothingToExamineError"
    assert error(failed)["evalue"] == "nowhere: no such file or folder"
    assert result(after)["text/plain"] == "2"


@pytest.mark.parametrize("first", ["", "import torch\ntorch.set_num_threads(2)\n"])
def test_it_runs_beside_torch_and_beside_a_running_loop(notebook: Notebook, first: str) -> None:
    awaited, counted = notebook(
        f"{first}import asyncio, threading, ckptdoctor\n"
        "threads = threading.active_count()\n"
        "ckptdoctor.scan('checkpoints')\n"
        "report = await asyncio.to_thread(ckptdoctor.scan, 'checkpoints')\n"
        "str(report.last_good.path)",
        "import torch\n"
        "left = [t.name for t in threading.enumerate() if t.name.startswith('ckptdoctor')]\n"
        "torch.set_num_threads(2)\n"
        "torch.get_num_threads(), left, torch.load(report.last_good.path)['epoch']",
    )
    assert result(awaited)["text/plain"] == repr(GOOD)
    assert result(counted)["text/plain"] == "(2, [], 9)"


def test_an_interrupt_ends_the_cell_and_not_the_kernel(notebook: Notebook, tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    sparse.mkdir()
    make_sparse(sparse)
    interrupted, after = notebook(
        "import os, signal, threading, ckptdoctor\n"
        "button = threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT))\n"
        "button.start()\n"
        "ckptdoctor.scan('sparse')",
        "len(ckptdoctor.scan('checkpoints').checkpoints)",
        allow_errors=True,
    )
    assert error(interrupted)["ename"] == "KeyboardInterrupt"
    assert result(after)["text/plain"] == "5"


def test_the_cells_of_the_page_run(notebook: Notebook) -> None:
    text = PAGE.read_text(encoding="utf-8").replace("/kaggle/working/checkpoints", "checkpoints")
    cells = re.findall(r"<!-- cell -->\n```(?:python)?\n(.*?)```", text, re.DOTALL)
    assert len(cells) == text.count("<!-- cell -->") == 8
    shown = notebook(*cells)
    said = [ANSI.sub("", printed(outputs)).replace("\r", "") for outputs in shown]
    assert f"Last good: {GOOD}" in said[0]
    assert said[1].count(f"Last good: {GOOD}") == 1
    assert "12 NaN, 0 Inf" in said[1]
    assert "something is broken" in said[2]
    assert "text/html" in result(shown[3])
    assert said[4].startswith(f"{GOOD} healthy")
    assert "do not resume" in said[4]
    assert said[5] == "resuming after epoch 9\n"
    assert said[6].splitlines() == ["torch-zip 3 9", "[]"]
    assert "model_state_dict.conv nan% 12 new NaN" in said[7]  # no distance to NaN


def test_the_tutorial_runs_from_its_first_cell_to_its_last(tmp_path: Path) -> None:
    book = nbformat.read(PAGE.with_name("tutorial.ipynb"), as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells), "it is kept without outputs"
    scripts = str(Path(sys.executable).parent)
    client = nbclient.NotebookClient(
        book,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute(env=os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"})
    told = ANSI.sub("", "".join(printed(cell.outputs) for cell in book.cells if "outputs" in cell))
    assert "Last good: run/model_epoch_12.pth" in told
    assert "cause: learning rate jumped (clear)" in told
    assert "wrote run/best_model_clean.pth" in told
