"""The argument whose value names a checkpoint of the run is the one to replace."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.finding import Verdict
from ckptdoctor.recovery.command_line import parse_command
from ckptdoctor.recovery.lr_rules import Advice
from ckptdoctor.recovery.own_checkpoints import OwnCheckpoints
from ckptdoctor.recovery.resume_argument import ResumeArguments, flag_in
from ckptdoctor.recovery.rewrite import Request, Rewrite
from ckptdoctor.report import CheckpointReport

SAME = Advice(factor=1.0, low=1.0, high=1.0, warmup_epochs=0, reasons=("why",))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with the runs ``out`` and ``exp/weights``, and with ``else``."""
    for name in ("out/good.pt", "out/last.pt", "exp/weights/last.pt", "else/last.pt", "t.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"-")
    (tmp_path / "ds/global_step200").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own(*paths: str) -> OwnCheckpoints:
    """A run in which all is damaged but what is called good."""
    return OwnCheckpoints(
        CheckpointReport(
            path=Path(path), verdict=Verdict.HEALTHY if "good" in path else Verdict.CORRUPT
        )
        for path in paths
    )


def rewrite(command: str, *paths: str) -> Rewrite:
    return Rewrite(parse_command(command), SAME, Request(), own(*paths))


def resumed(command: str, *paths: str) -> Rewrite:
    found = rewrite(command, *(paths or ("out/good.pt", "out/last.pt")))
    found.resume_from(Path("out/clean.pt"), Path("out/good.pt"))
    return found


@pytest.mark.parametrize(
    ("command", "after"),
    [
        ("python t.py --snapshot out/last.pt", "python t.py --snapshot out/clean.pt"),
        ("python t.py -r=out/last.pt --x 1", "python t.py -r=out/clean.pt --x 1"),
        ("python t.py out/last.pt --x 1", "python t.py out/clean.pt --x 1"),
        ("python t.py --amp out/last.pt", "python t.py --amp out/clean.pt"),
        (
            "python t.py --resume true --from-file out/last.pt",
            "python t.py --resume true --from-file out/clean.pt",
        ),
        (
            "python t.py --snapshot /gone/out/last.pt --teacher /gone/best/last.pt",
            "python t.py --snapshot out/clean.pt --teacher /gone/best/last.pt",
        ),
        (
            "python t.py --teacher else/last.pt --snapshot ./out/../out/last.pt",
            "python t.py --teacher else/last.pt --snapshot out/clean.pt",
        ),
        ('python t.py --snapshot "$OUT/last.pt"', "python t.py --snapshot out/clean.pt"),
        ("python t.py --load pre.pt --w out/good.pt", "python t.py --load pre.pt --w out/clean.pt"),
        ("python t.py --resume old.pt --w out/good.pt", None),
        ("python t.py --resume auto --w out/last.pt", None),
    ],
)
def test_by_its_path(command: str, after: str | None, here: Path) -> None:
    found = resumed(command)
    expected = (
        after
        or {
            "old.pt": "python t.py --resume out/clean.pt --w out/good.pt",
            "auto": "python t.py --resume auto --w out/clean.pt",
        }[command.split()[3]]
    )
    assert found.text() == expected
    assert not any("guess" in warning for warning in found.warnings)


def test_a_bare_name_is_of_the_folder_that_the_run_saves_to(here: Path) -> None:
    clean = here / "out/clean.pt"
    found = resumed("fairseq-train data --save-dir out --restore-file last.pt")
    assert found.text() == f"fairseq-train data --save-dir out --restore-file {clean}"
    found = resumed("python t.py --snapshot last.pt")
    assert found.text() == f"python t.py --snapshot {clean}", "whatever folder it is joined to"


def test_ultralytics_and_hydra_take_a_path_that_holds_from_elsewhere(here: Path) -> None:
    clean = here / "out/clean.pt"
    for command in ("yolo resume model=weights/last.pt", "python t.py +ckpt_path=weights/last.pt"):
        found = resumed(command, "exp/weights/last.pt")
        assert found.text() == command.replace("weights/last.pt", str(clean))


def test_a_folder_and_a_tag(here: Path) -> None:
    command = "deepspeed t.py --load-dir ds --load-tag global_step200 --save-dir ds"
    found = rewrite(command, "ds/global_step200")
    copy = Path("ds/best_model_clean")
    found.resume_from(copy, Path("ds/global_step100"), "", copy / "global_step100")
    assert found.text() == (
        f"deepspeed t.py --load-dir {copy} --load-tag global_step100 --save-dir ds"
    )
    plain = rewrite(command, "ds/global_step200")
    plain.resume_from(Path("ds/global_step100"), Path("ds/global_step100"))
    assert "--load-dir ds --load-tag global_step100" in plain.text()


def test_nothing_damaged_is_left_in_another_argument(here: Path) -> None:
    found = resumed("python t.py --resume out/good.pt --ema-file out/last.pt --teacher out/good.pt")
    assert found.text() == (
        "python t.py --resume out/clean.pt --ema-file out/clean.pt --teacher out/good.pt"
    )
    assert found.changes[1].reason == "what it named is damaged"


@pytest.mark.parametrize(
    ("command", "after"),
    [
        ("fairseq-train data --lr 1", "fairseq-train data --lr 1 --restore-file out/clean.pt"),
        ("srun fairseq-train data", "srun fairseq-train data --restore-file out/clean.pt"),
        ("yolo train data=t.yaml", "yolo train data=t.yaml resume={}/out/clean.pt"),
    ],
)
def test_the_flag_of_a_known_program(command: str, after: str, here: Path) -> None:
    found = resumed(command)
    assert found.text() == after.format(here)
    assert found.warnings == []


@pytest.mark.parametrize(
    ("command", "after"),
    [
        ("python t.py --snapshot out/last.pt --lr 1", "python t.py --lr 1"),
        ("yolo resume model=weights/last.pt epochs=9", "yolo epochs=9"),
        ("python t.py out/last.pt --lr 1", "python t.py --lr 1"),
    ],
)
def test_a_fresh_start_goes_without(command: str, after: str, here: Path) -> None:
    found = rewrite(command, "out/last.pt", "exp/weights/last.pt")
    found.resume_from_nothing()
    assert found.text() == after
    assert "name the model there" in found.warnings[0]


def test_what_the_shell_or_a_path_cannot_be_is_no_checkpoint(here: Path) -> None:
    for value in ("''", "/", "a\\0b", "last", "$LAST", "https://x/else/last.pt"):
        line = parse_command(f"python t.py --snapshot {value}")
        assert ResumeArguments(line, own("out/last.pt")).own() == []


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        ({"lr": 0.1, "resume": None, "save_dir": "out"}, "--resume"),
        ({"resume_from_checkpoint": "a.pt", "checkpoint": ""}, "--resume-from-checkpoint"),
        ({"resume": False, "lr": 0.1}, ""),  # a switch takes no path
        ({"lr": 0.1, "epochs": 3}, ""),
    ],
)
def test_the_flag_that_a_script_stored_is_the_one_that_it_knows(
    arguments: dict[str, object], flag: str
) -> None:
    assert flag_in(arguments) == flag
