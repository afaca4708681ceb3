"""Commands: what is not changed stays to the letter, what is changed reads back."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ckptdoctor.errors import UsageError
from ckptdoctor.recovery.command_line import parse_command, without_others
from tests.bash import words_of
from tests.each import each

GUIDE = """python train_ultimate.py train \\
    --dataset-path /kaggle/input/cod10k-dataset/COD10K-v3 \\
    --checkpoint-dir /kaggle/working/checkpoints \\
    --resume-from /kaggle/working/checkpoints/best_model.pth \\
    --skip-stage1 \\
    --lr 0.00025 \\
    --stage2-lr 0.0002 \\
    --deep-supervision"""


def flags(text: str) -> dict[str, str | None]:
    return {flag.name: flag.value for flag in parse_command(text).flags}


def test_the_guides_command() -> None:
    assert flags(GUIDE) == {
        "dataset-path": "/kaggle/input/cod10k-dataset/COD10K-v3",
        "checkpoint-dir": "/kaggle/working/checkpoints",
        "resume-from": "/kaggle/working/checkpoints/best_model.pth",
        "skip-stage1": None,
        "lr": "0.00025",
        "stage2-lr": "0.0002",
        "deep-supervision": None,
    }


@each(
    ("text", "expected"),
    [
        ("python t.py --lr=0.1 --name 'a b'", {"lr": "0.1", "name": "a b"}),
        ("!python t.py --lr 0.1", {"lr": "0.1"}),
        ("$ python t.py -lr 1e-3 --shift -0.5", {"lr": "1e-3", "shift": "-0.5"}),
        ("CUDA_VISIBLE_DEVICES=0 python t.py --lr 1", {"lr": "1"}),
        ("torchrun --nproc_per_node 2 t.py --lr 1", {"lr": "1"}),
        ("torchrun --log-dir x -m pkg.train --lr 1", {"lr": "1"}),
        ("accelerate launch --config_file a.yaml t.py --lr 1", {"lr": "1"}),
        ("srun --output=slurm.log python -u tools/train.py a.py --lr 1", {"lr": "1"}),
        ("python -m pkg.train optim.lr=0.1 +x=3", {"lr": "0.1", "x": "3"}),
        ("yolo train lr0=0.01", {"lr0": "0.01"}),
        ("python t.py --cfg-options a.lr=0.1 b=2", {"cfg-options": None, "lr": "0.1", "b": "2"}),
        ("python t.py --resume epoch=8.ckpt", {"resume": "epoch=8.ckpt"}),
        ('python t.py --a "$(cat "x --lr 5")" --b 1', {"a": '$(cat "x --lr 5")', "b": "1"}),
        ("python t.py --a $(echo ')' \"it's\") --b 1", {"a": "$(echo ')' \"it's\")", "b": "1"}),
        ("python t.py --a ${X:-a b} --b $'it\\'s'", {"a": "${X:-a b}", "b": "it's"}),
        ("python t.py --lr 1 & tail -f log", {"lr": "1"}),
        ("$PYTHON t.py --lr 1", {"lr": "1"}),
        ("cd /x && python t.py --lr 1 2>&1 | tee log.txt", {"lr": "1"}),
        ("python t.py --lr 1 > out.txt 2> err.txt", {"lr": "1"}),
        ('python t.py --a "$(cat x | head -1)" --b `ls`', {"a": "$(cat x | head -1)", "b": "`ls`"}),
        ("python t.py --a $(echo (1)) --b 2 # --c 3", {"a": "$(echo (1))", "b": "2"}),
        ('python t.py --q "a\\"b" --r a\\ b', {"q": 'a"b', "r": "a b"}),
        ("echo start; python t.py --lr 1", {"lr": "1"}),
    ],
)
def test_the_ways_in_which_commands_are_written(text: str, expected: dict[str, str]) -> None:
    assert flags(text) == expected
    assert parse_command(text).text() == text.removeprefix("!").removeprefix("$ ")


@pytest.mark.parametrize(
    ("text", "shell"),
    [
        ("%cd /kaggle\n!python t.py --lr 1", "cd /kaggle\n python t.py --lr 1"),
        ("%run t.py --lr 1", "python t.py --lr 1"),
        ("%%bash\npython t.py --lr 1", "bash\npython t.py --lr 1"),
        (">>> python t.py --lr 1 \\\n", "python t.py --lr 1"),
        ("python t.py \\\r\n --lr 1", "python t.py \\\n --lr 1"),
    ],
)
def test_cells_and_prompts(text: str, shell: str) -> None:
    assert parse_command(text).text() == shell
    assert flags(text) == {"lr": "1"}


@each(
    ("text", "where"),
    [
        ("python 'train", "quote ' at line 1, column 8"),
        ('python t.py \\\n  --a "b', 'quote " at line 2, column 7'),
        ("python t.py --a `ls", "quote ` at line 1, column 17"),
        ("python t.py --a $(ls", "bracket $( at line 1, column 17"),
        ("\n!python 'train", "quote ' at line 2, column 9"),
        ("python t.py --a ${X", "brace ${ at line 1, column 17"),
        ("python t.py \\\n\n --a $(echo ')", "bracket $( at line 3, column 6"),
    ],
)
def test_what_is_never_closed_is_said_with_its_place(text: str, where: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_command(text)
    assert where in str(error.value)


@pytest.mark.parametrize("text", ["", "  ", "# nothing", ";;"])
def test_what_is_no_command(text: str) -> None:
    with pytest.raises(UsageError, match="no command"):
        parse_command(text)


def test_replacing_adding_and_removing() -> None:
    line = parse_command(GUIDE)
    (lr,) = line.find("stage2-lr")
    (skip,) = line.find("skip-stage1")
    (resume,) = line.find("resume-from")
    line.replace(lr, "0.00015")
    line.remove(skip)
    line.replace(resume, "my dir/a.pth")
    line.add("--warmup-epochs", "5")
    text = line.text()
    assert "    --stage2-lr 0.00015 \\\n" in text
    assert "--skip-stage1" not in text
    assert "--resume-from 'my dir/a.pth' \\\n" in text
    assert text.endswith("--deep-supervision \\\n    --warmup-epochs 5")
    assert flags(text)["warmup-epochs"] == "5"
    hydra = parse_command("python t.py optim.lr=0.1 | tee log")
    hydra.replace(hydra.find("lr")[0], "0.05")
    assert hydra.add("--warmup-epochs", "5") == "warmup_epochs"
    assert hydra.text() == "python t.py optim.lr=0.05 warmup_epochs=5 | tee log"


def test_hydra_wants_quotes_of_its_own_around_an_equals_sign() -> None:
    line = parse_command("python t.py ckpt_path=old.ckpt lr=1")
    line.replace(line.find("ckpt-path")[0], "it's/epoch=8 a.ckpt")
    assert shlex.split(line.text())[2] == r"ckpt_path='it\'s/epoch=8 a.ckpt'"


@each(
    ("value", "told"),
    [  # each was read back by Hydra 1.3 and OmegaConf 2.3
        ("ends\\", r"'ends\\'"),
        (r"a\'b", r"'a\\\'b'"),
        (r"a\b", r"'a\b'"),
        ("${x}", r"'\${x}'"),
        ("~x", "'~x'"),
        ("été.pth", "'été.pth'"),
        ("a/b-1.5:c", "a/b-1.5:c"),
    ],
)
def test_what_hydra_wants_of_odd_names(value: str, told: str) -> None:
    line = parse_command("python t.py ckpt_path=old.ckpt lr=1")
    line.replace(line.find("ckpt-path")[0], value)
    assert words_of(line.text()) == ["python", "t.py", f"ckpt_path={told}", "lr=1"]


def test_a_flag_that_is_quoted_as_a_whole() -> None:
    for text in ("python t.py '--resume=a b' --x 1", 'python t.py "--resume"=a --x 1'):
        line = parse_command(text)
        line.replace(line.find("resume")[0], "c d")
        assert shlex.split(line.text()) == ["python", "t.py", "--resume=c d", "--x", "1"]


@pytest.mark.parametrize("value", ["$OUT/run", '"$OUT/run"', "`pwd`/run", "~/run", '"$(pwd)/run"'])
def test_a_value_that_the_shell_fills_in_is_extended(value: str) -> None:
    line = parse_command(f"python t.py --out {value} --last 1")
    (out,) = line.find("out")
    assert out.live
    line.extend(out, "_new")
    assert line.text() == f"python t.py --out {value}'_new' --last 1"


def test_a_value_that_stands_for_itself() -> None:
    for value in ("'$OUT'", "a/b", '"a b"', "a~b", "\\$OUT", '"\\$OUT"'):
        assert not parse_command(f"python t.py --out {value}").find("out")[0].live


@each(
    ("text", "moves", "several"),
    [
        ("python t.py --lr 1", False, False),
        ("cd x && python t.py --lr 1 | tee log &", True, False),
        ("# mine\npython t.py --lr 1\n", False, False),
        ("cd x; python t.py --lr 1", True, True),
        ("export A=1\npython t.py --lr 1", False, True),
        ("python t.py lr=1", True, False),
    ],
)
def test_several_commands_and_folders(text: str, moves: bool, several: bool) -> None:
    line = parse_command(text)
    assert (line.moves, line.several) == (moves, several)
    assert (line.copy().moves, line.copy().several) == (moves, several)


words = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=12
)


@given(st.lists(st.tuples(st.sampled_from(["--a", "--b_c", "--lr", "-x"]), words), max_size=6))
def test_any_quoted_command_is_read_and_kept(pairs: list[tuple[str, str]]) -> None:
    listed = ["python", "t.py", *(word for pair in pairs for word in pair)]
    text = shlex.join(listed)
    line = parse_command(text)
    assert line.text() == text.strip()
    values = [value for _, value in pairs if not value.startswith("-")]
    assert [f.value for f in line.flags if f.value is not None and f.value in values][
        : len(values)
    ] or not values


@settings(deadline=None, max_examples=60)
@given(words.filter(lambda word: not word.startswith("-")), words)
def test_a_new_value_reads_back_and_the_rest_stays(old: str, new: str) -> None:
    text = shlex.join(["python", "t.py", "--keep", "a  b", "--resume", old, "--last", "$X"])
    line = parse_command(text)
    line.replace(line.find("resume")[0], new)
    again = parse_command(line.text())
    assert [flag.value for flag in again.find("keep", "last")] == ["a  b", "$X"]
    if not new.startswith("-"):
        assert again.find("resume")[0].value == new
        assert not again.find("resume")[0].live
    assert words_of(line.text()) == [
        *("python", "t.py", "--keep", "a  b", "--resume"),
        new,
        *("--last", "$X"),
    ]


@given(st.text(max_size=60))
@example("0)\r")
def test_any_text_is_a_command_or_a_usage_error(text: str) -> None:
    try:
        line = parse_command(text)
    except UsageError:
        return
    for flag in line.flags:
        assert 0 <= flag.start < flag.end <= len(line.source)
    written = line.add("--x", "1")
    assert {"--x": "--x 1", "x": "x=1"}[written] in line.text()


@pytest.mark.parametrize("text", ["A=", "A=1", "train.py lr=1"])
def test_a_command_of_nothing_but_assignments_gets_another(text: str) -> None:
    line = parse_command(text)
    assert (line.add("--warmup-epochs", "3"), line.text()) == (
        "warmup_epochs",
        f"{text} warmup_epochs=3",
    )


@each(
    ("text", "alone"),
    [
        ("cd /w/x && python train.py --lr 1 && curl x | sh", "cd /w/x && python train.py --lr 1"),
        ("cd $(evil) && python train.py --lr 1", "python train.py --lr 1"),
        (
            "rm -rf x; A=1 python train.py --lr '1 2' > log 2>&1 & echo",
            "A=1 python train.py --lr '1 2'",
        ),
        ("$ python train.py \\\n  --lr 1 | tee log", "python train.py \\\n  --lr 1"),
        ("echo python -a -b -c; cd y", "echo python -a -b -c"),
        (
            "python -m pip install -r r && python prep.py --lr 5 --a && python train.py --lr=1e-3",
            "python train.py --lr=1e-3",
        ),
        ("python train.py --lr=1 && python eval.py --ckpt a --c --d", "python train.py --lr=1"),
        ("pip install -q --upgrade torch && python main.py", "python main.py"),
    ],
)
def test_what_else_a_line_runs_can_be_left_out(text: str, alone: str) -> None:
    assert without_others(text) == alone
