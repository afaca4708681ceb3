"""What a restart changes in a command, and what it leaves alone."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptdoctor.recovery.added import parse_added
from ckptdoctor.recovery.command_line import parse_command
from ckptdoctor.recovery.lr_rules import Advice
from ckptdoctor.recovery.rewrite import Request, Rewrite
from ckptdoctor.recovery.warm_up import Facts
from tests.bash import words_of
from tests.each import each

LESS = Advice(factor=0.75, low=0.7, high=0.8, warmup_epochs=0, reasons=("why",))
SAME = replace(LESS, factor=1.0, low=1.0, high=1.0)
WARM = replace(LESS, warmup_epochs=5)


def rewrite(
    command: str,
    advice: Advice = LESS,
    *,
    resume_flag: str = "",
    lr_flags: tuple[str, ...] = (),
) -> Rewrite:
    request = Request(resume_flag=resume_flag, lr_flags=lr_flags)
    return Rewrite(parse_command(command), advice, request)


def resumed(command: str, resume: str = "new.pth", *, resume_flag: str = "") -> Rewrite:
    found = rewrite(command, resume_flag=resume_flag)
    found.resume_from(Path(resume), Path("run/old.pth"))
    return found


@each(
    ("command", "after"),
    [
        ("python t.py --resume a.pth", "python t.py --resume new.pth"),
        ("python t.py --resume_from_checkpoint=a", "python t.py --resume_from_checkpoint=new.pth"),
        ("python t.py --resume a --resume b", "python t.py --resume new.pth --resume new.pth"),
        ("python t.py --resume '' --lr 1", "python t.py --resume new.pth --lr 1"),
        ('python t.py --resume "$OLD"', "python t.py --resume new.pth"),
        (
            "python t.py --init-checkpoint pre.pt --resume a.pth",
            "python t.py --init-checkpoint pre.pt --resume new.pth",
        ),
        (
            "torchrun --checkpoint x t.py --ckpt a.pt",
            "torchrun --checkpoint x t.py --ckpt new.pth",
        ),
    ],
)
def test_the_checkpoint_is_replaced(command: str, after: str) -> None:
    found = resumed(command)
    assert found.text() == after
    assert found.warnings == []
    assert {change.after for change in found.changes} == {"new.pth"}


def test_a_command_that_takes_no_checkpoint() -> None:
    found = resumed("python t.py --lr 1")
    assert found.text() == "python t.py --lr 1 --resume-from new.pth"
    assert ["is a guess" in warning for warning in found.warnings] == [True]
    assert (
        resumed("python t.py --lr 1", resume_flag="start_at").text().endswith("--start_at new.pth")
    )
    assert resumed("python t.py lr=1").text() == "python t.py lr=1 resume_from={}".format(
        Path("new.pth").absolute()
    )


def test_a_switch_is_no_place_for_a_checkpoint() -> None:
    for command in ("python t.py --resume --lr 1", "python t.py --lr 1 --resume config.yaml"):
        found = resumed(command)
        assert found.text() == f"{command} --resume-from new.pth"
    assert any("takes no file" in warning for warning in resumed("python t.py --resume").warnings)


def test_a_path_holds_where_the_command_goes_elsewhere() -> None:
    found = resumed("cd /x && python t.py --resume a.pth")
    assert found.text() == f"cd /x && python t.py --resume {Path('new.pth').absolute()}"
    name = "epoch=8-step=100.ckpt"
    found = resumed("python t.py ckpt_path=a.ckpt", resume=name)
    assert shlex.split(found.text())[-1] == f"ckpt_path='{Path(name).absolute()}'"


def test_the_folder_of_a_checkpoint() -> None:
    found = rewrite("python t.py --resume_from_checkpoint out/checkpoint-9")
    source = Path("out/checkpoint-5/model.safetensors")
    assert found.takes_folder(source)
    assert not found.takes_folder(Path("out/best.pth"))
    assert not rewrite("python t.py --resume a.pth").takes_folder(source)
    assert not rewrite("python t.py --lr 1").takes_folder(source)
    found.resume_from(Path("unused.safetensors"), source)
    assert found.text() == "python t.py --resume_from_checkpoint out/checkpoint-5"
    assert any("takes a folder" in warning for warning in found.warnings)


@each(
    ("command", "after", "warned"),
    [
        ("python t.py --resume a --skip-stage1 --lr 1", "python t.py --lr 1", False),
        ("python t.py \\\n  --lr 1 \\\n  --resume", "python t.py \\\n  --lr 1", False),
        ("python t.py --load pre.pt --resume a", "python t.py --load pre.pt", False),
        ("python t.py --lr 1 --load pre.pt", "python t.py --lr 1", True),
        ("python t.py resume=a lr=1", "python t.py lr=1", False),
        ("python t.py --lr 1", "python t.py --lr 1", False),
    ],
)
def test_a_fresh_start_leaves_out_what_resumes(command: str, after: str, warned: bool) -> None:
    found = rewrite(command)
    found.resume_from_nothing()
    assert found.text() == after
    assert any("pretrained" in warning for warning in found.warnings) is warned


def moved(command: str, suffix: str = "recovery") -> Rewrite:
    found = rewrite(command)
    found.move_to_new_folder(suffix)
    return found


def test_the_new_folder(tmp_path: Path) -> None:
    old = tmp_path / "run"
    assert (
        moved(f"python t.py --save-dir {old}/").text() == f"python t.py --save-dir {old}_recovery"
    )
    (tmp_path / "run_recovery").mkdir()
    again = f"python t.py --save-dir {old}_recovery_2"
    for command in (f"python t.py --save-dir {old}", f"python t.py --save-dir {old}_recovery"):
        assert moved(command).text() == again
    (tmp_path / "run_recovery_2").mkdir()
    assert moved(again).text() == f"python t.py --save-dir {old}_recovery_3"
    assert moved(f"python t.py --save-dir {old}_recovery", "safe").text().endswith("/run_safe")
    for switch in ("python t.py", "python t.py --output"):
        assert moved(switch).text() == switch
        assert "names no folder" in moved(switch).warnings[0]
    twice = moved("python t.py --out a --out b")
    assert twice.text() == "python t.py --out a_recovery --out a_recovery"


def test_a_folder_that_the_shell_fills_in_stays_so() -> None:
    found = moved('python t.py --save-dir "$OUT/run" --lr 1')
    assert found.text() == "python t.py --save-dir \"$OUT/run\"'_recovery' --lr 1"
    assert found.changes[0].after == "$OUT/run_recovery"
    assert "does not exist yet" in found.warnings[0]


@each(
    ("command", "after"),
    [
        ("python t.py --lr 0.0002", "python t.py --lr 0.00015"),
        ("python t.py -lr=2e-4", "python t.py -lr=1.5e-4"),
        ("python t.py --base_learning_rate '4E-3'", "python t.py --base_learning_rate 3e-3"),
        ("python t.py --head-lr 4 --warmup-lr 1", "python t.py --head-lr 3 --warmup-lr 0.75"),
        ("yolo train lr0=0.01 lrf=0.1", "yolo train lr0=0.0075 lrf=0.1"),
        ("python t.py --cfg-options a.lr=4 b.c=1", "python t.py --cfg-options a.lr=3 b.c=1"),
        ("python t.py --lr 1 --stage2-lr 4 --skip-stage1", None),
        ("python t.py --lr 400", "python t.py --lr 300"),
    ],
)
def test_rates_are_scaled_and_written_as_they_were(command: str, after: str | None) -> None:
    found = rewrite(command)
    found.scale_rates(fresh=False)
    assert found.text() == (after or "python t.py --lr 1 --stage2-lr 3 --skip-stage1")
    assert {change.reason for change in found.changes} == {"times 0.75 (range 0.7 to 0.8)"}


@pytest.mark.parametrize(
    "command",
    [
        "python t.py --min-lr 1 --eta-min-lr 1 --end-learning-rate 1 --scale-lr 2 --use-lr",
        "python t.py --lr-decay 0.1 --momentum 0.9 config.py",
        "LR=1 python t.py --momentum 0.9",
    ],
)
def test_what_is_no_rate_is_left(command: str) -> None:
    found = rewrite(command)
    found.scale_rates(fresh=False)
    assert found.text() == command
    assert "no flag of the command holds a learning rate" in found.warnings[0]


@each("value", ["$LR", "auto", "nan", "inf", "0", "-1", "1e999999999", "''"])
def test_what_cannot_be_scaled_is_left_and_said(value: str) -> None:
    found = rewrite(f"python t.py --lr {value}")
    found.scale_rates(fresh=False)
    assert found.text() == f"python t.py --lr {value}"
    assert "no number: left as it is" in found.warnings[0]


def test_the_user_says_which_flags_are_rates() -> None:
    found = rewrite("python t.py --lr 4 optim.eta=4", lr_flags=("optim.eta",))
    found.scale_rates(fresh=True)
    assert found.text() == "python t.py --lr 4 optim.eta=3"


def test_nothing_is_changed_twice() -> None:
    found = rewrite("python t.py --out 4", resume_flag="--out", lr_flags=("--out",))
    found.resume_from(Path("a.pth"), Path("a.pth"))
    found.move_to_new_folder("safe")
    found.scale_rates(fresh=False)
    found.resume_from_nothing()
    assert found.text() == "python t.py --out a.pth"
    assert len(found.changes) == 1


def test_a_warm_up_is_made_longer_where_the_command_has_one() -> None:
    found = rewrite("python t.py --warmup_epochs=2", WARM)
    found.warm_up()
    assert found.text() == "python t.py --warmup_epochs=5"
    assert found.warnings == []


def test_a_warm_up_is_not_made_up() -> None:
    found = rewrite("python t.py --lr 1", WARM)
    found.warm_up()
    assert found.text() == "python t.py --lr 1"
    assert found.warnings[0].startswith("warm-up: the script has no such flag: ")


def test_a_warm_up_that_the_stored_arguments_know() -> None:
    found = rewrite("python t.py --batch_size 8", WARM)
    found.warm_up(Facts(arguments={"warmup_epochs": 1}))
    assert found.text() == "python t.py --batch_size 8 --warmup_epochs 5"


def test_no_advice_changes_nothing() -> None:
    found = rewrite("python t.py --lr $LR", SAME)
    found.scale_rates(fresh=True)
    found.warm_up()
    assert (found.text(), found.changes, found.warnings) == ("python t.py --lr $LR", [], [])


words = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=8
).filter(lambda word: not word.startswith("-"))


@settings(deadline=None, max_examples=60)
@given(before=words, after=words, rate=st.decimals("1e-9", "1e6", places=9), path=words)
@pytest.mark.slow
def test_all_other_words_stay(before: str, after: str, rate: object, path: str) -> None:
    listed = ["python", "t.py", "--keep", before, "--lr", f"{rate}", "--ckpt", "old", "--z", after]
    found = resumed(shlex.join(listed), resume=f"./{path}/new.pth")
    found.scale_rates(fresh=False)
    words = words_of(found.text())
    assert words[:5] == listed[:5]
    assert words[-2:] == listed[-2:]
    assert words[7] == str(Path(f"./{path}/new.pth"))
    if float(str(rate)) > 0:
        assert float(words[5]) == pytest.approx(float(str(rate)) * 0.75, rel=1e-3)


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("python t.py --lr 1 --work_dir out", "--resume_from"),
        ("python t.py --lr 1 --save-dir out", "--resume-from"),
        ("python t.py --lr 1", "--resume-from"),
    ],
)
def test_a_flag_that_is_a_guess_is_written_as_the_others_are(command: str, flag: str) -> None:
    found = rewrite(command)
    found.resume_from(Path("a.pth"), Path("a.pth"), "", None)
    assert f"{flag} a.pth" in found.text()


def test_what_a_user_says_is_said_again_in_whole() -> None:
    """Refusals print the command for each run: none of its options may be missing."""
    said = ["deep-supervision", "batch-size:X2", "ema"]
    request = Request(
        command="python t.py --lr 0.1",
        added=parse_added(said),
        lr_flags=("--lr", "--head-lr"),
        resume_flag="--from",
    )
    assert request.words() == [
        *("--command", "python t.py --lr 0.1"),
        *(word for one in said for word in ("--added", one)),
        *("--lr-flag", "--lr", "--lr-flag", "--head-lr"),
        *("--resume-flag", "--from"),
    ]
    assert Request(added=parse_added(["ema"])).words() == ["--added", "ema"]
