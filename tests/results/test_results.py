"""What the functions return: the facts of the command, and what can be made of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import ckptdoctor
from ckptdoctor.results.result import Result
from tests.builders import save
from tests.cli.support import run, training_state
from tests.render.html.own_script import without_our_script

LOG = {8: 0.55, 9: 0.61, 10: 0.6, 11: 0.58, 12: 0.55, 13: 0.02, 14: 0.01}


def collapsed(made: Path) -> Path:
    """A run that declines and collapses, with its log; its last file holds NaN."""
    made.mkdir()
    for epoch in (8, 9, 10, 14):
        fill = float("nan") if epoch == 14 else 0.25 + epoch / 1000
        save(made / f"net_epoch_{epoch}.pth", training_state(epoch, best=0.61, fill=fill))
    lines = [f"Epoch {epoch}: val_iou: {value}\n" for epoch, value in LOG.items()]
    (made / "train.log").write_text("".join(lines))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collapsed(tmp_path_factory.mktemp("results") / "checkpoints")


CALLS: Mapping[str, Callable[[Path], Result]] = {
    "scan": ckptdoctor.scan,
    "rank": ckptdoctor.rank,
    "history": ckptdoctor.history,
    "inspect": lambda folder: ckptdoctor.inspect(folder / "net_epoch_14.pth"),
    "diff": lambda f: ckptdoctor.diff(f / "net_epoch_9.pth", f / "net_epoch_10.pth"),
    "plan": lambda folder: ckptdoctor.plan(folder, command="python train.py --lr 0.1"),
    "restore": lambda folder: ckptdoctor.restore(folder, epoch=9, dry_run=True),
    "repair": lambda folder: ckptdoctor.repair(folder / "net_epoch_9.pth", dry_run=True),
    "autopsy": ckptdoctor.autopsy,
}
WORDS: Mapping[str, tuple[str, ...]] = {
    "inspect": ("net_epoch_14.pth",),
    "diff": ("net_epoch_9.pth", "net_epoch_10.pth"),
    "plan": ("", "--command", "python train.py --lr 0.1"),
    "restore": ("", "--epoch", "9", "--dry-run"),
    "repair": ("net_epoch_9.pth", "--dry-run"),
}


@pytest.fixture(scope="module")
def made(folder: Path) -> dict[str, Result]:
    return {name: call(folder) for name, call in CALLS.items()}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.one_in(3)
def test_its_dictionary_is_the_json_of_the_command(
    name: str, folder: Path, made: dict[str, Result]
) -> None:
    first, *others = WORDS.get(name, ("",))
    paths = [folder / first, *(folder / w if w.endswith(".pth") else w for w in others)]
    said = run(name, *paths, "--format", "json").json
    found = made[name].to_dict()
    assert found == said
    assert found["schema_version"] == 1


def test_length_iteration_and_names(made: dict[str, Any]) -> None:
    assert len(made["scan"]) == len(list(made["scan"])) == 4
    assert made["scan"]["net_epoch_14.pth"].verdict is ckptdoctor.Verdict.CORRUPT
    assert made["rank"]["net_epoch_9.pth"].rank == 1
    assert [place.rank for place in made["rank"]] == [1, 2, 3, 4]
    (course,) = made["history"]
    assert made["history"][course.name] is course
    assert course.history.collapse == 13
    weight = made["inspect"]["model_state_dict.conv.weight"]
    assert (weight.tensor.shape, weight.stats.nan) == ((4, 3), 12)
    assert next(iter(made["inspect"])).tensor.fqn == "model_state_dict.conv.weight"  # NaN first
    assert made["diff"]["model_state_dict.conv.weight"].movement.changed == 12
    assert made["plan"]["A"].recommended
    assert made["plan"].recommended is made["plan"]["A"]
    assert [option.name for option in made["plan"]] == ["A", "B", "C"]
    assert len(made["restore"]) == len(made["restore"].actions) > 0
    assert {section.key for section in made["autopsy"]} >= {"causes"} or len(made["autopsy"]) > 3


def test_a_name_that_is_none_is_told_with_the_nearest(made: dict[str, Any]) -> None:
    with pytest.raises(KeyError, match=r"net_epoch_41\.pth.*net_epoch_14"):
        made["scan"]["net_epoch_41.pth"]
    with pytest.raises(KeyError, match="no option is called 'D'"):
        made["plan"]["D"]


def test_a_name_that_several_have_is_refused_with_their_paths(tmp_path: Path) -> None:
    for fold in ("a", "b"):
        (tmp_path / fold).mkdir()
        for epoch in (1, 2):
            save(tmp_path / fold / f"e_{epoch}.pth", training_state(epoch))
    report = ckptdoctor.scan(tmp_path)
    with pytest.raises(KeyError, match="the name of 2 checkpoints") as caught:
        report["e_1.pth"]
    assert str(tmp_path / "a" / "e_1.pth") in str(caught.value)
    assert str(tmp_path / "b" / "e_1.pth") in str(caught.value)
    assert report[str(tmp_path / "b" / "e_1.pth")].path == tmp_path / "b" / "e_1.pth"


# -- pandas and matplotlib -----------------------------------------------------------------------


def test_a_data_frame_has_the_rows(made: dict[str, Any]) -> None:
    pytest.importorskip("pandas")
    scan = made["scan"].to_pandas()
    assert list(scan["verdict"]) == [row.verdict.value for row in made["scan"]]
    assert list(scan["nan"]) == [0, 0, 0, 12]
    points = made["history"].to_pandas()
    assert dict(zip(points["epoch"], points["value"], strict=True)) == LOG
    tensors = made["inspect"].to_pandas().set_index("fqn")
    assert tensors.loc["model_state_dict.conv.weight", "nan"] == 12
    assert list(made["rank"].to_pandas()["rank"]) == [1, 2, 3, 4]
    assert len(made["diff"].to_pandas()) == len(made["diff"])
    assert list(made["plan"].to_pandas()["name"]) == ["A", "B", "C"]
    assert list(made["repair"].to_pandas().columns) == []  # nothing is wrong


@pytest.mark.parametrize("name", CALLS)
def test_without_pandas_the_line_for_pip_is_told(
    name: str, made: dict[str, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match="python -m pip install pandas") as caught:
        made[name].to_pandas()
    assert caught.value.name == "pandas"


def test_without_matplotlib_the_line_for_pip_is_told(
    made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in ("scan", "rank", "history", "diff", "autopsy"):
        with pytest.raises(ModuleNotFoundError, match="python -m pip install matplotlib"):
            made[name].plot()


class Axes:
    """What ``plot`` draws into, as far as it asks."""

    def __init__(self) -> None:
        self.lines: list[tuple[list[float], list[float]]] = []
        self.spans: list[tuple[float, float]] = []
        self.walls: list[float] = []
        self.bars: list[tuple[list[str], list[float]]] = []

    def plot(self, xs: list[float], ys: list[float], *_: object, **__: object) -> list[Any]:
        self.lines.append((xs, ys))
        return [self]

    def get_color(self) -> str:
        return "C0"

    def axvspan(self, first: float, last: float, **_: object) -> None:
        self.spans.append((first, last))

    def axvline(self, at: float, **_: object) -> None:
        self.walls.append(at)

    def barh(self, names: list[str], values: list[float]) -> None:
        self.bars.append((names, values))

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


@pytest.mark.parametrize("name", ["scan", "rank", "history", "autopsy"])
def test_the_plot_shows_the_run(name: str, made: dict[str, Any]) -> None:
    axes = Axes()
    assert made[name].plot(ax=axes) is axes
    assert axes.lines[0] == (list(LOG), list(LOG.values()))
    assert axes.lines[1] == ([9], [0.61])
    assert axes.walls == [13]


def test_the_plot_of_a_difference_shows_layers(made: dict[str, Any]) -> None:
    axes = Axes()
    made["diff"].plot(axes)
    ((names, values),) = axes.bars
    assert names[-1] == "model_state_dict.conv"
    assert values == sorted(values)


def test_nothing_heavy_is_imported_before_it_is_asked_for(folder: Path) -> None:
    code = (
        "import sys, ckptdoctor; folder = sys.argv[1]\n"
        "one = ckptdoctor.rank(folder); ckptdoctor.plan(folder); ckptdoctor.history(folder)\n"
        "one.to_dict(); list(one); repr(one)\n"
        "print([m for m in ('torch', 'rich', 'typer', 'jinja2', 'pandas', 'matplotlib', 'IPython')"
        " if m in sys.modules])"
    )
    outcome = run(folder, code=code)
    assert outcome.stdout == "[]\n", outcome.stderr


# -- HTML ----------------------------------------------------------------------------------------


class Cells(HTMLParser):
    """The style of every cell."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append(dict(attrs).get("style") or "")


@pytest.mark.parametrize("name", CALLS)
def test_a_notebook_shows_it_with_every_cell_aligned_by_itself(
    name: str, made: dict[str, Result]
) -> None:
    html = made[name]._repr_html_()
    found = Cells(html)
    assert html.startswith('<div class="ckptdoctor-report">')
    assert not found.tags & {"script", "link", "img", "iframe", "form", "html", "body"}
    for style in found.cells:
        assert style in ("text-align: left", "text-align: right")
    if name not in ("repair", "restore", "autopsy"):
        assert found.cells


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"autopsy"}))
def test_a_page_needs_nothing_else(name: str, made: dict[str, Result]) -> None:
    html = without_our_script(made[name].to_html())
    assert html.startswith("<!DOCTYPE html>")
    assert not Cells(html).tags & {"script", "link", "img", "iframe", "form"}
    assert "http" not in html.replace("http-equiv", "")


def test_the_page_of_the_commands_is_that_of_the_results(
    folder: Path, made: dict[str, Result]
) -> None:
    file = folder / "net_epoch_14.pth"
    assert run("inspect", file, "-f", "html").stdout == made["inspect"].to_html()
    assert run("history", folder, "-f", "html").stdout == made["history"].to_html()


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>{{ 7*7 }}`x`"
    state = training_state(1)
    state["model_state_dict"][hostile] = state["model_state_dict"].pop("conv.weight")
    state[hostile] = hostile + "\x1b[2J"
    path = save(tmp_path / "a\x1b[2J<b>.pth", state)
    one = ckptdoctor.inspect(path)
    for html in (without_our_script(one.to_html()), one._repr_html_(), repr(one)):
        assert "<script>" not in html
        assert "\x1b" not in html
        assert "<b>.pth" not in html or html.startswith("<Inspect")
    assert "{{ 7*7 }}" in one.to_html()


# -- the functions -------------------------------------------------------------------------------


def test_restore_writes_and_says_what(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "clean.pth"
    done = ckptdoctor.restore(folder, output=target, epoch=9)
    assert done.destination == target
    assert done.verified
    assert target.stat().st_size > 0
    assert ckptdoctor.open_checkpoint(target).scalars["epoch"] == 9
    with pytest.raises(ckptdoctor.RestoreError, match="clean"):
        ckptdoctor.restore(folder, output=target, epoch=9)


def test_what_speaks_against_a_choice_is_a_warning_at_the_callers_line(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="decline") as caught:
        ckptdoctor.restore(folder, output=tmp_path / "ten.pth", epoch=10, dry_run=True)
    assert caught[0].filename == __file__


def test_what_contradicts_itself_or_is_not_there_is_an_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ckptdoctor.UsageError, match="contradict"):
        ckptdoctor.restore(folder, scale_lr=0.5, set_lr=0.1)
    with pytest.raises(ckptdoctor.RestoreError, match="no checkpoint of epoch 77"):
        ckptdoctor.restore(folder, epoch=77)
    (tmp_path / "empty").mkdir()
    for call in (ckptdoctor.restore, ckptdoctor.plan, ckptdoctor.rank, ckptdoctor.autopsy):
        with pytest.raises(ckptdoctor.NothingToExamineError):
            call(tmp_path / "empty")
    for name in ("gone.pth",):
        with pytest.raises(ckptdoctor.NothingToExamineError, match="gone"):
            ckptdoctor.inspect(tmp_path / name)
        with pytest.raises(ckptdoctor.NothingToExamineError, match="gone"):
            ckptdoctor.restore(source=tmp_path / name)
    with pytest.raises(ckptdoctor.UsageError, match="no tensor is called nosuch"):
        ckptdoctor.inspect(folder / "net_epoch_9.pth", tensors=["nosuch*"])
    assert len(ckptdoctor.history(tmp_path / "empty")) == 0
