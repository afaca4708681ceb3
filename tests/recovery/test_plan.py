"""Restart plans, from reports and from real files."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.errors import UsageError
from ckptdoctor.finding import Verdict
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.layouts.files import CheckpointFiles, Form, Part, PartRole
from ckptdoctor.recovery.added import parse_added
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.option import Option
from ckptdoctor.recovery.plan import Plan, make_plan
from ckptdoctor.recovery.restore import restore
from ckptdoctor.recovery.rewrite import Request
from ckptdoctor.report import Report
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey
from tests.builders import save
from tests.recovery.causes.dead_runs import dead_run
from tests.recovery.causes.dead_runs import planned as of_folder
from tests.recovery.test_command_line import GUIDE
from tests.reports import report, score, with_last_good

ADDED = parse_added(["deep-supervision"])


def ranked(*rows: object) -> Report:
    return with_last_good(Report(checkpoints=rows))  # type: ignore[arg-type]


@pytest.fixture
def sound(tmp_path: Path) -> Report:
    """Epochs 80 and 88 of a run, under tmp_path/checkpoints."""
    folder = tmp_path / "checkpoints"
    return ranked(
        report(str(folder / "epoch_80.pth"), 80, score(0.60)),
        report(str(folder / "epoch_88.pth"), 88, score(0.64)),
    )


def planned(of: Report, request: Request, **how: Any) -> Plan:
    """The plan for the only run of a report."""
    return make_plan(next(iter(of.runs), None), request, **how)


def by_name(plan: Plan) -> dict[str, Option]:
    return {option.name: option for option in plan.options}


def changes(option: Option) -> dict[str, tuple[str | None, str | None]]:
    return {change.flag: (change.before, change.after) for change in option.changes}


def test_the_guides_restart(sound: Report, tmp_path: Path) -> None:
    plan = planned(sound, Request(command=GUIDE, added=ADDED))
    options = by_name(plan)
    assert [name for name, option in options.items() if option.recommended] == ["A"]
    clean = tmp_path / "checkpoints/best_model_clean.pth"
    assert changes(options["A"]) == {
        "--resume-from": ("/kaggle/working/checkpoints/best_model.pth", str(clean)),
        "--checkpoint-dir": (
            "/kaggle/working/checkpoints",
            "/kaggle/working/checkpoints_recovery",
        ),
        "--stage2-lr": ("0.0002", "0.00015"),
    }
    first, _, rest = options["A"].command.partition(" && \\\n")
    assert first == f"ckptdoctor restore --from {tmp_path}/checkpoints/epoch_88.pth --scale-lr 0.75"
    kept = [line for line in GUIDE.splitlines() if line.split()[0] not in changes(options["A"])]
    assert all(line in rest for line in kept)
    assert "epoch_80.pth" in options["B"].command
    assert options["B"].epoch == 80
    fresh = changes(options["C"])
    assert fresh["--resume-from"][1] is None
    assert fresh["--skip-stage1"] == (None, None)
    assert fresh["--lr"] == ("0.00025", "0.0001875")
    assert fresh["--stage2-lr"] == ("0.0002", "0.00015")
    assert fresh["--checkpoint-dir"][1] == "/kaggle/working/checkpoints_safe"


def test_no_sound_checkpoint_leaves_a_fresh_start() -> None:
    plan = planned(ranked(report("a.pth", 3, None, Verdict.CORRUPT)), Request(command=GUIDE))
    assert [(option.name, option.recommended) for option in plan.options] == [("C", True)]
    assert planned(Report(), Request()).options == ()


def test_without_a_command_the_restore_alone_is_given(sound: Report) -> None:
    plan = planned(sound, Request(added=ADDED))
    assert [option.name for option in plan.options] == ["A", "B"]
    assert by_name(plan)["A"].command.startswith("ckptdoctor restore --from ")
    assert any("--command" in note for note in plan.notes)
    plain = planned(sound, Request())
    assert by_name(plain)["A"].command.endswith("epoch_88.pth")


def test_nothing_wrong_changes_no_rate(sound: Report) -> None:
    plan = planned(sound, Request(command=GUIDE))
    option = by_name(plan)["A"]
    assert "restore" not in option.command
    assert "--stage2-lr" not in changes(option)
    assert changes(option)["--resume-from"][1] == str(sound.last_good and sound.last_good.path)
    assert any("--added deep-supervision" in note for note in plan.notes)


def test_a_salvageable_file_is_restored_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where no log lies in the folder above
    rows = ranked(report("a.pth", 3, None, Verdict.SALVAGEABLE))
    option = by_name(planned(rows, Request(command=GUIDE)))["A"]
    assert option.command.startswith("ckptdoctor restore --from a.pth && \\\n")
    assert any("broken beside the weights" in reason for reason in option.reasons)


def test_an_earlier_run_is_option_b(sound: Report) -> None:
    earlier = ranked(report("old run/best.pth", 86, score(0.62)))
    option = by_name(planned(sound, Request(command=GUIDE), earlier=earlier))["B"]
    assert "'old run/best.pth'" in option.command
    alone = ranked(report("a.pth", 3, score(0.5)))
    assert any("--earlier" in note for note in planned(alone, Request()).notes)


@pytest.mark.parametrize(
    ("command", "request_", "expected"),
    [
        ("python t.py --lr=1e-4 --ckpt x.pth", {}, {"--lr": ("1e-4", "7.5e-5")}),
        ("python t.py optim.lr=0.1 --min-lr 1", {}, {"optim.lr": ("0.1", "0.075")}),
        ("python t.py --learning_rate 0.1", {}, {"--learning_rate": ("0.1", "0.075")}),
        ("python t.py --eta 0.4 --lr 1", {"lr_flags": ("--eta",)}, {"--eta": ("0.4", "0.3")}),
        ("python t.py --lr 0.2 --stage2-lr 0.4", {}, {"--lr": ("0.2", "0.15")}),
    ],
)
def test_rates(
    command: str,
    request_: dict[str, tuple[str, ...]],
    expected: dict[str, tuple[str, str]],
    sound: Report,
) -> None:
    request = Request(command=command, added=ADDED, lr_flags=request_.get("lr_flags", ()))
    found = changes(by_name(planned(sound, request))["A"])
    assert expected.items() <= found.items()
    assert "--min-lr" not in found
    if request.lr_flags:
        assert "--lr" not in found


def test_what_cannot_be_vouched_for_is_said(sound: Report) -> None:
    request = Request(command="python t.py --lr $LR --resume", added=ADDED)
    option = by_name(planned(sound, request))["A"]
    text = "\n".join(option.warnings)
    for words in ("no flag that takes a checkpoint", "no folder", "$LR is no number"):
        assert words in text
    assert "--resume-from" in changes(option)
    named = replace(request, command="python t.py --start x.pth", resume_flag="--start")
    option = by_name(planned(sound, named))["A"]
    assert changes(option)["--start"][0] == "x.pth"
    assert "no flag of the command holds a learning rate" in "\n".join(option.warnings)


def test_a_warm_up_is_made_longer_or_left_out(sound: Report) -> None:
    collapsed = ranked(
        *(report(f"e{e}.pth", e, score(v)) for e, v in ((1, 0.5), (2, 0.6), (3, 0.61), (4, 0.01)))
    )
    short = planned(collapsed, Request(command="python t.py --lr 1 --warmup-epochs 2"))
    assert changes(by_name(short)["A"])["--warmup-epochs"] == ("2", "5")
    none = by_name(planned(collapsed, Request(command="python t.py --lr 1")))["A"]
    assert "warmup" not in none.command
    assert any("warm-up: the script has no such flag" in one for one in none.warnings)
    long = planned(collapsed, Request(command="python t.py --lr 1 --warmup-epochs 9"))
    assert "--warmup-epochs" not in changes(by_name(long)["A"])
    assert "--warmup-epochs" not in changes(by_name(planned(sound, Request(command=GUIDE)))["A"])


def test_the_trainer_counts_its_warm_up_in_steps_and_gets_no_flag_it_does_not_know() -> None:
    rows = []
    for epoch, value in ((1, 0.5), (2, 0.6), (3, 0.61), (4, 0.01)):
        row = report(f"out/checkpoint-{epoch}", epoch, score(value))
        state = row.path / "trainer_state.json"
        part = Part(path=state, name=state.name, role=PartRole.STATE, form=Form.TEXT)
        files = CheckpointFiles(path=row.path, layout="huggingface", parts=(part,))
        rows.append(replace(row, files=files))
    request = Request(command="python t.py --resume_from_checkpoint out/checkpoint-4")
    for option in planned(ranked(*rows), request).options:
        assert not any("warmup" in flag for flag in changes(option))
        assert any("--warmup_steps" in warning for warning in option.warnings)


def test_new_folders_do_not_exist_yet(sound: Report, tmp_path: Path) -> None:
    (tmp_path / "out_recovery").mkdir()
    command = f"python t.py --output_dir {tmp_path}/out_recovery/ --resume_from_checkpoint a.pth"
    option = by_name(planned(sound, Request(command=command)))["A"]
    assert changes(option)["--output_dir"][1] == f"{tmp_path}/out_recovery_2"
    here = by_name(planned(sound, Request(command="python t.py --output_dir . --resume a.pth")))
    assert changes(here["A"])["--output_dir"][1] == "recovery"


def deepspeed_run(folder: Path, steps: tuple[int, ...] = (10, 20, 30)) -> Path:
    """Folders of DeepSpeed without ZeRO, and the pointer to the last."""
    for step in steps:
        tag = folder / f"global_step{step}"
        tag.mkdir(parents=True)
        weights = {"w": torch.full((4, 4), 1.0 + step / 100)}
        state = {"module": weights, "optimizer": None, "global_steps": step, "dp_world_size": 1}
        save(tag / "mp_rank_00_model_states.pt", state | {"mp_world_size": 1})
    (folder / "latest").write_text(f"global_step{steps[-1]}")
    return folder


def test_deepspeed_takes_the_folder_above_and_a_name(tmp_path: Path) -> None:
    run = deepspeed_run(tmp_path / "run")
    command = f"deepspeed t.py --load_dir {run} --tag global_step10"

    def option(name: str) -> Option:
        return by_name(planned(survey(discover([run])), Request(command=command)))[name]

    good = option("A")
    assert "restore" not in good.command
    assert changes(good) == {"--tag": ("global_step10", "global_step30")}
    bad = run / "global_step30" / "mp_rank_00_model_states.pt"
    bad.write_bytes(bad.read_bytes()[:200])
    clean = run / "best_model_clean"
    instead = option("A")
    assert instead.command.startswith(f"ckptdoctor restore --from {run}/global_step20 && ")
    assert changes(instead)["--load_dir"] == (str(run), str(clean))
    assert changes(instead)["--tag"] == ("global_step10", "global_step20")
    assert "--load_dir" not in option("C").command


def test_a_run_that_counts_steps_has_an_earlier_one(tmp_path: Path) -> None:
    run = deepspeed_run(tmp_path / "run")
    options = by_name(planned(survey(discover([run])), Request(command="python t.py --load x")))
    assert options["A"].title.endswith("step 30")
    assert options["B"].title == "go on from an earlier checkpoint of the run, step 20"


def test_the_folder_that_the_trainer_resumes_from() -> None:
    rows = ranked(report("out/checkpoint-500/model.safetensors", None, None))
    command = "python t.py --resume_from_checkpoint out/checkpoint-900"
    option = by_name(planned(rows, Request(command=command)))["A"]
    assert changes(option)["--resume_from_checkpoint"][1] == "out/checkpoint-500"
    assert any("takes a folder" in warning for warning in option.warnings)


def test_the_command_is_found_in_the_log_and_in_the_checkpoint(tmp_path: Path) -> None:
    args = argparse.Namespace(lr=0.1, amp=True, debug=False, name=None, resume="x.pth", bad="a\nb")
    state = {"epoch": 3, "model": {"w": torch.ones(3)}, "args": args}
    (tmp_path / "run").mkdir()
    path = save(tmp_path / "run/a.pth", state)
    found = discover([path])
    scalars = open_checkpoint(path).scalars
    plan = planned(survey(found), Request(), stored=lambda _: scalars)
    assert plan.command_from == "the arguments stored in the checkpoint"
    assert "python train.py --lr 0.1 --amp --resume" in by_name(plan)["A"].command
    (tmp_path / "train.log").write_text("$ python real.py --lr 0.3 --resume y.pth\n")
    logged = planned(survey(found), Request(), stored=lambda _: scalars)
    assert logged.command_from == "the log"
    assert "python real.py --lr 0.3 --resume" in by_name(logged)["A"].command


def test_a_file_whose_rate_was_scaled_is_not_scaled_again(tmp_path: Path) -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    state = {
        "epoch": 3,
        "model": {"w": parameter.data},
        "optimizer": optimizer.state_dict(),
        "iou": 0.5,
    }
    source = save(tmp_path / "a.pth", state)
    clean = tmp_path / "best_model_clean.pth"
    restore(source, clean, Edits(scale_lr=0.5))
    source.unlink()
    request = Request(command="python t.py --lr 0.1 --resume a.pth", added=ADDED)
    option = by_name(planned(survey(discover([tmp_path])), request))["A"]
    assert "ckptdoctor restore" not in option.command
    assert any("changed when it was restored" in reason for reason in option.reasons)
    alone = by_name(planned(survey(discover([tmp_path])), replace(request, command="")))["A"]
    assert alone.command == f"ckptdoctor scan {clean}", "there is nothing left to make"


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    rows = ranked(report(str(tmp_path / "a.pth"), 3, score(0.5)))
    (tmp_path / "best_model_clean.pth").touch()
    option = by_name(planned(rows, Request(command=GUIDE, added=ADDED)))["A"]
    assert f"-o {tmp_path}/best_model_clean_2.pth" in option.command


def test_a_command_that_cannot_be_read_is_an_error(sound: Report) -> None:
    with pytest.raises(UsageError, match="never closed"):
        planned(sound, Request(command="python 'x"))


def test_the_timeline_starts_at_the_checkpoint(tmp_path: Path) -> None:
    rows = [report(str(tmp_path / f"{e}.pth"), e, score(0.5 + e / 100)) for e in range(1, 12)]
    plan = planned(ranked(*rows), Request(target=0.71))
    assert plan.timeline is not None
    assert (plan.timeline.start_epoch, plan.timeline.low, plan.timeline.high) == (11, 10, 10)


def test_what_stores_no_rate_is_resumed_as_it_is(sound: Report, tmp_path: Path) -> None:
    request = Request(command=GUIDE, added=ADDED)
    option = by_name(planned(sound, request, stored=lambda _: {"epoch": 88}))["A"]
    assert "ckptdoctor restore" not in option.command
    assert changes(option)["--stage2-lr"] == ("0.0002", "0.00015")
    assert any("stores no learning rate" in reason for reason in option.reasons)
    rate = {"state.optimizer.param_groups.0.lr": 0.1}
    assert "--scale-lr" in by_name(planned(sound, request, stored=lambda _: rate))["A"].command
    tensor = {"optimizer.param_groups.0.eps": 1e-8}  # lr is no scalar
    assert "--scale-lr" in by_name(planned(sound, request, stored=lambda _: tensor))["A"].command
    relative = {
        "optimizer.param_groups.0.lr": None,
        "optimizer.param_groups.0.relative_step": True,
    }
    option = by_name(planned(sound, request, stored=lambda _: relative))["A"]
    assert "--scale-lr" not in option.command
    assert any("Adafactor" in reason for reason in option.reasons)


def test_the_options_write_different_files(sound: Report, tmp_path: Path) -> None:
    options = by_name(planned(sound, Request(command=GUIDE, added=ADDED)))
    first, second = changes(options["A"]), changes(options["B"])
    assert second["--resume-from"][1] == f"{tmp_path}/checkpoints/best_model_clean_2.pth"
    assert f"-o {tmp_path}/checkpoints/best_model_clean_2.pth" in options["B"].command
    assert first["--checkpoint-dir"] != second["--checkpoint-dir"]


def test_a_folder_that_takes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ranked(report(str(tmp_path / "a.pth"), 3, score(0.5)))
    monkeypatch.setattr("os.access", lambda *_: False)
    option = by_name(planned(rows, Request(command=GUIDE, added=ADDED)))["A"]
    assert "-o best_model_clean.pth && " in option.command
    assert changes(option)["--resume-from"][1] == "best_model_clean.pth"


def test_nothing_is_started_where_the_restore_fails(sound: Report) -> None:
    command = "cd /x; python t.py --lr 1 --resume a --out b"
    option = by_name(planned(sound, Request(command=command, added=ADDED)))["A"]
    assert " && {\ncd /x; python t.py" in option.command
    assert option.command.endswith("\n}")


def test_the_trainers_folder_keeps_its_rate_and_says_so() -> None:
    rows = ranked(report("out/checkpoint-500/model.safetensors", None, None))
    command = "python t.py --resume_from_checkpoint out/checkpoint-900 --output_dir out"
    option = by_name(planned(rows, Request(command=command, added=ADDED)))["A"]
    assert option.command.startswith("python t.py --resume_from_checkpoint out/checkpoint-500 ")
    assert any("scheduler.pt" in warning for warning in option.warnings)


def test_a_command_in_the_log_that_cannot_be_read_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    path = save(tmp_path / "run/a.pth", {"epoch": 3, "model": {"w": torch.ones(3)}})
    (tmp_path / "train.log").write_text("$ python real.py --lr 0.3 --name 'x\n")
    plan = planned(survey(discover([path])), Request())
    assert plan.command_from == ""
    assert any("column 32 is never closed" in note for note in plan.notes), plan.notes


def test_a_restored_file_beside_its_source_is_the_one_to_resume(tmp_path: Path) -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    state = {"epoch": 3, "model": {"w": parameter.data}, "optimizer": optimizer.state_dict()}
    source = save(tmp_path / "epoch_3.pth", state)
    request = Request(command="python t.py --lr 0.1 --resume a.pth", added=ADDED)

    def option() -> Option:
        made = planned(
            survey(discover([tmp_path])), request, stored=lambda path: open_checkpoint(path).scalars
        )
        return by_name(made)["A"]

    clean = tmp_path / "best_model_clean.pth"
    first = option()
    assert changes(first)["--resume"][1] == str(clean)
    restore(source, clean, Edits(scale_lr=0.75))
    second = option()
    assert "ckptdoctor restore" not in second.command
    assert changes(second)["--resume"][1] == str(clean)
    assert changes(second)["--lr"] == changes(first)["--lr"]


def test_where_none_is_sound_what_can_be_rescued_is_planned(tmp_path: Path) -> None:
    weights = torch.nn.Linear(4, 4).state_dict()
    broken = {name: torch.full_like(value, float("nan")) for name, value in weights.items()}
    for epoch in (1, 2):
        save(tmp_path / f"e_{epoch}.pth", {"epoch": epoch, "model": broken, "ema": weights})
    report = survey(discover([tmp_path]))
    command = "python t.py --resume x.pth"
    option = by_name(planned(report, Request(command=command), stored=lambda _: {}))["A"]
    assert option.recommended
    restore_, _, train = option.command.partition(" && \\\n")
    assert restore_ == f"ckptdoctor restore --from {tmp_path}/e_2.pth --use-ema"
    assert train.endswith("best_model_clean.pth")
    assert report.next == restore_


def test_a_mean_is_offered_where_the_rate_is_high_and_the_score_wanders(tmp_path: Path) -> None:
    level = [0.3, 0.5, 0.6, 0.66, 0.69, 0.71, 0.70, 0.715, 0.69, 0.71, 0.695, 0.712, 0.69, 0.71]
    run = dead_run(tmp_path / "run", level, rates=[0.1])
    notes = of_folder(run).notes
    (offer,) = (note for note in notes if "--average 5" in note)
    assert "mean of the last 5 good checkpoints" in offer
    falling = [0.1 * 0.7**epoch for epoch in range(14)]
    other = dead_run(tmp_path / "other", level, rates=falling)
    assert not any("--average" in note for note in of_folder(other).notes)
