"""Which metric a run is judged by, in whatever order keys and words stand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptdoctor.errors import UsageError
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.form import form_runs
from ckptdoctor.runs.member import Member
from ckptdoctor.runs.metric import Choice, choose_metric, refuse_what_is_not_there
from ckptdoctor.runs.notes import notes_of
from ckptdoctor.runs.run import Formed, Run
from ckptdoctor.runs.wish import Wish
from tests.each import each
from tests.runs.members import holding, log, member

EPOCHS = range(1, 6)
Row = Mapping[str, float]


def up(epoch: int) -> float:
    return 0.3 + epoch / 17


def down(epoch: int) -> float:
    return 2.0 / epoch


def usual(name: str) -> Callable[[int], float]:
    """What is usual of a value; no two names have the same."""
    of_its_own = sum(map(ord, name)) / 1e5
    curve = down if "loss" in name or "mae" in name else up
    return lambda epoch: curve(epoch) + of_its_own


def files(*names: str) -> list[Member]:
    """Files that hold these keys in this order."""
    return [
        holding(f"m_{e}.pth", {"epoch": e} | {name: usual(name)(e) for name in names})
        for e in EPOCHS
    ]


def rows(*names: str) -> dict[int, dict[str, float]]:
    """A log with these words in this order."""
    return {e: {name: usual(name)(e) for name in names} for e in EPOCHS}


def chosen(
    members: Sequence[Member], told: dict[int, dict[str, float]] | None = None, **wish: object
) -> Choice:
    return choose_metric(members, log(told or {}), Wish(**wish))  # type: ignore[arg-type]


# -- in which order ------------------------------------------------------------------------------


@each(
    ("names", "wanted", "mode"),
    [
        (("train_loss", "val_loss"), "val_loss", Mode.MIN),
        (("loss", "val_loss"), "val_loss", Mode.MIN),
        (("loss", "best_val_loss"), "best_val_loss", Mode.MIN),
        (("metrics__train_loss", "metrics__val_loss"), "val_loss", Mode.MIN),
        (("iou", "val_iou"), "val_iou", Mode.MAX),
        (("accuracy", "val_accuracy"), "val_accuracy", Mode.MAX),
        (("val_loss", "val_dice"), "val_dice", Mode.MAX),
        (("train_acc", "val_loss"), "val_loss", Mode.MIN),
        (("train_f1", "test_f1"), "test_f1", Mode.MAX),
        (("loss", "eval_loss"), "eval_loss", Mode.MIN),
        (("eval_loss", "eval_f1", "loss"), "eval_f1", Mode.MAX),
        (("val_precision", "val_recall", "val_f1"), "val_f1", Mode.MAX),
        (("best_val_loss", "val_loss", "val_acc"), "val_loss", Mode.MIN),
        (("best_epoch", "best_val_miou"), "best_val_miou", Mode.MAX),
        (("val_mae", "val_iou"), "val_iou", Mode.MAX),
        (("val_loss", "val_mae"), "val_mae", Mode.MIN),
        (("val_loss", "test_f1"), "test_f1", Mode.MAX),
        (("val_loss", "dice"), "dice", Mode.MAX),
        (("train_loss", "lr"), "train_loss", Mode.MIN),
        (("train_mae", "val_mae", "train_loss"), "val_mae", Mode.MIN),
        (("lr", "weight_decay", "momentum"), "", None),
    ],
)
def test_what_the_files_hold(names: tuple[str, ...], wanted: str, mode: Mode | None) -> None:
    for order in (names, names[::-1]):
        found = chosen(files(*order))
        assert (found.name, found.mode) == (wanted, mode)


@each(
    ("held", "told", "wanted"),
    [
        (("best_val_loss",), ("Loss", "val_loss"), "val_loss"),
        (("best_iou",), ("Loss", "IoU"), "IoU"),
        (("best_iou",), ("iou", "val_iou"), "val_iou"),
        (("best_metric",), ("Loss", "Dice"), "Dice"),
        (("best_acc",), ("Loss", "top1"), "top1"),
        (("best_score",), ("val_loss", "val_f1"), "val_f1"),
        ((), ("train_loss", "val_loss", "train_acc", "val_acc"), "val_acc"),
        ((), ("loss", "val_loss"), "val_loss"),
        ((), ("Train Loss", "Val Loss"), "Val Loss"),
        ((), ("train/psnr", "val/psnr"), "val/psnr"),
        ((), ("score/mean", "score/max", "val/acc"), "val/acc"),
        ((), ("best_recall", "val_recall", "val_f1"), "val_f1"),
    ],
)
def test_what_files_call_best_and_what_the_log_says_of_it(
    held: tuple[str, ...], told: tuple[str, ...], wanted: str
) -> None:
    for order in (told, told[::-1]):
        found = chosen(files(*held), rows(*order))
        assert found.name == found.in_logs == wanted


@each(
    ("told", "wanted"),
    [
        (
            "metrics/recall(B) metrics/mAP50(B) metrics/mAP50-95(B) val/dfl_loss",
            "metrics/mAP50-95(B)",
        ),
        ("bbox/AP bbox/AP50 bbox/AP75 bbox/APs bbox/APl bbox/AP-person total_loss", "bbox/AP"),
        ("coco/bbox_mAP coco/bbox_mAP_50 coco/bbox_mAP_s loss loss_bbox", "coco/bbox_mAP"),
        ("NDS mAP mATE mAOE", "NDS"),
        ("aAcc mIoU mAcc IoU_0 decode.loss_ce loss", "mIoU"),
        ("mean_dice hd95 dice_class_1 loss", "mean_dice"),
        ("eval_loss eval_top1 eval_top5 train_loss", "eval_top1"),
        ("accuracy/top1 accuracy/top5 loss", "accuracy/top1"),
        ("eval_loss eval_accuracy eval_f1 eval_precision eval_recall", "eval_f1"),
        ("recall@10 mrr@10 ndcg@10 hit@10 precision@10", "mrr@10"),
        ("eval_wer eval_cer eval_loss train_loss", "eval_wer"),
        ("abs_rel sq_rel rmse rmse_log a1 a2 a3", "abs_rel"),
        ("rollout/ep_rew_mean rollout/ep_len_mean train/explained_variance", "rollout/ep_rew_mean"),
        ("val_loss val_mean_squared_error loss mean_squared_error", "val_mean_squared_error"),
        ("train_loss_step train_loss_epoch val_loss val_f1_epoch", "val_f1_epoch"),
        ("bce val_loss", "val_loss"),
        ("loss losses val_loss", "val_loss"),
    ],
)
def test_the_main_number_of_a_framework_wins(told: str, wanted: str) -> None:
    for order in (told.split(), told.split()[::-1]):
        assert chosen([], rows(*order)).name == wanted


@pytest.mark.parametrize(
    ("told", "wish", "wanted"),
    [
        ("val_mAP50 val_mAP50-95", "map", "val_mAP50-95"),
        ("val_mAP50 val_mAP50-95", "map50", "val_mAP50"),
        ("val_dice_coef val_loss", "dice", "val_dice_coef"),
        ("val_categorical_accuracy val_loss", "accuracy", "val_categorical_accuracy"),
        ("Recall@10 Recall@20", "recall@20", "Recall@20"),
    ],
)
def test_a_metric_is_named_in_any_of_its_spellings(told: str, wish: str, wanted: str) -> None:
    assert chosen([], rows(*told.split()), metric=wish).name == wanted


def test_what_the_file_calls_best_is_found_in_the_log_by_another_spelling() -> None:
    found = chosen(files("best_dice"), rows("val_f1", "val_dice_coef"))
    assert found.name == found.in_logs == "val_dice_coef"
    assert found.bests == {"best_dice"}


def test_a_score_an_epoch_beats_a_running_best() -> None:
    found = chosen(files("best_dice", "dice"))
    (one, *_) = files("best_dice", "dice")
    assert found.name == "dice"
    own = found.of_file(one)
    assert own is not None
    assert own.name == "dice"


def test_a_monitor_of_lightning_names_the_metric() -> None:
    held: dict[str, str | float] = {
        "callbacks__ModelCheckpoint__monitor": "val_psnr",
        "callbacks__ModelCheckpoint__current_score": 21.5,
        "callbacks__ModelCheckpoint__best_model_score": 22.0,
        "train_loss": 0.3,
    }
    found = chosen([holding(f"m_{e}.ckpt", {"epoch": e, **held}) for e in EPOCHS])
    assert found.name == "val_psnr"


@pytest.mark.parametrize(
    ("best", "wanted"),
    [
        # what the best is equal to, each time, is what it is the best of
        ({1: 0.40, 2: 0.44, 3: 0.44, 4: 0.52}, "val_dice"),
        ({1: 0.71, 2: 0.71, 3: 0.78, 4: 0.80}, "val_recall"),
    ],
)
def test_a_best_without_a_name_is_of_the_series_that_reached_it(
    best: dict[int, float], wanted: str
) -> None:
    told = {
        1: {"val_dice": 0.40, "val_recall": 0.71},
        2: {"val_dice": 0.44, "val_recall": 0.70},
        3: {"val_dice": 0.41, "val_recall": 0.78},
        4: {"val_dice": 0.52, "val_recall": 0.80},
    }
    held = [member(f"m_{e}.pth", epoch=e, best_metric=v) for e, v in best.items()]
    assert chosen(held, told).name == wanted


_NAMES = (
    *("train_loss", "val_loss", "loss", "iou", "val_iou", "val_dice", "accuracy", "val_acc"),
    *(
        "best_val_loss",
        "best_iou",
        "best_metric",
        "test_f1",
        "precision",
        "val_mae",
        "metrics__mse",
    ),
)
pools = st.lists(st.sampled_from(_NAMES), unique=True, max_size=7)


@each(
    ("one", "other"),
    [
        *(("iou", "accuracy"), ("val_iou", "val_dice"), ("train_loss", "train_mae")),
        *(("best_iou", "best_acc"), ("f1", "psnr"), ("loss", "train_loss")),
    ],
)
def test_of_two_scores_of_equal_rank_the_order_chooses_nothing(one: str, other: str) -> None:
    assert chosen(files(one, other)).name == chosen(files(other, one)).name
    there, back = (chosen([], rows(*pair)).name for pair in ((one, other), (other, one)))
    assert there == back


_NO_RIVALS = ("train_loss", "val_loss", "iou", "val_iou", "best_val_loss", "train_iou")
few = st.lists(st.sampled_from(_NO_RIVALS), unique=True, max_size=6)


@settings(max_examples=60)
@given(st.data(), few, few)
def test_the_order_of_keys_and_words_chooses_nothing(
    data: st.DataObject, held: list[str], told: list[str]
) -> None:
    one = chosen(files(*held), rows(*told))
    other = chosen(
        files(*data.draw(st.permutations(held))), rows(*data.draw(st.permutations(told)))
    )
    assert (one.name, one.mode, one.in_files, one.in_logs, one.bests) == (
        other.name,
        other.mode,
        other.in_files,
        other.in_logs,
        other.bests,
    )


@settings(max_examples=60)
@given(pools, st.lists(st.sampled_from(_NAMES[:8]), unique=True, max_size=5))
def test_a_training_value_comes_last(held: list[str], told: list[str]) -> None:
    every = {*held, *told}
    if any(name.startswith(("val_", "test_")) for name in every):
        assert not chosen(files(*held), rows(*told)).name.startswith("train_")
    for found, there in ((chosen(files(*held)), held), (chosen([], rows(*told)), told)):
        assert found.name not in {name for name in there if f"val_{name}" in there}


def test_a_name_in_the_log_that_has_its_twin_in_the_files_is_the_training_value() -> None:
    found = chosen(files("val_iou"), rows("iou"))
    assert found.name == "val_iou"
    assert found.in_logs == ""


# -- what the user names -------------------------------------------------------------------------


@each(
    ("names", "wish", "wanted"),
    [
        (("val_iou", "val_loss"), "val_loss", "val_loss"),
        (("val_iou", "val_loss"), "VAL_LOSS", "val_loss"),
        (("val_iou", "val_loss"), "loss", "val_loss"),
        (("val_iou", "val_loss"), "iou", "val_iou"),
        (("loss", "val_loss"), "loss", "loss"),
        (("train_loss", "val_loss"), "train_loss", "train_loss"),
        (("train_loss", "val_loss"), "loss", "val_loss"),
        (("best_iou", "val_loss"), "best_iou", "best_iou"),
        (("val_iou",), "dice", ""),
        (("val_iou",), "iouu", ""),
        ((), "iou", ""),
    ],
)
def test_a_metric_that_the_user_names(names: tuple[str, ...], wish: str, wanted: str) -> None:
    assert chosen(files(*names), metric=wish).name == wanted
    if not any(name.startswith("best") for name in names):
        assert chosen([], rows(*names), metric=wish).name == wanted


def test_the_users_mode_stands() -> None:
    assert chosen(files("val_iou"), mode=Mode.MIN).mode is Mode.MIN
    assert chosen(files("val_loss"), metric="loss", mode=Mode.MAX).mode is Mode.MAX


def test_a_metric_that_is_not_there_is_refused_with_those_that_are() -> None:
    wish = Wish(metric="dice")
    found = [choose_metric(files("val_iou", "train_loss"), log({}), wish)]
    with pytest.raises(UsageError, match=r"dice.*train_loss.*val_iou"):
        refuse_what_is_not_there(found, wish)
    with pytest.raises(UsageError, match="no metric"):
        refuse_what_is_not_there([choose_metric(files(), log({}), wish)], wish)


def test_a_metric_that_one_run_of_several_has_is_not_refused() -> None:
    wish = Wish(metric="iou")
    choices = [choose_metric(files(name), log({}), wish) for name in ("val_iou", "val_acc")]
    refuse_what_is_not_there(choices, wish)
    assert [choice.name for choice in choices] == ["val_iou", ""]


# -- what is not understood ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["val_wibble", "test_wobble"])
@pytest.mark.parametrize("in_log", [True, False])
def test_a_name_that_is_not_understood_is_told_and_can_be_named(name: str, in_log: bool) -> None:
    members = files(*(() if in_log else (name,)))
    told = rows(name, "train_loss") if in_log else rows("train_loss")
    found = chosen(members, told)
    assert name in found.unknown
    named = chosen(members, told, metric=name, mode=Mode.MAX)
    assert (named.name, named.mode) == (name, Mode.MAX)
    wish = Wish(metric=name)
    with pytest.raises(UsageError, match="--mode"):
        refuse_what_is_not_there([choose_metric(members, log(told), wish)], wish)


def test_the_note_says_how_to_name_it() -> None:
    formed = form_runs(files("val_wibble", "train_loss"))
    (note,) = notes_of(formed)
    assert "not understood: val_wibble; try --metric val_wibble --mode max" in note
    assert notes_of(form_runs(files("val_wibble", "val_iou"))) == ()


@each("in_log", [True, False])
@each(
    ("values", "mode"),
    [
        ([0.9, 0.7, 0.5, 0.4, 0.35, 0.33], "min"),
        ([0.9, 0.5, 0.6, 0.3, math.nan, 0.4], "min"),  # by its third parts, not by every step
        ([-1.0, -2.0, -4.0, -5.0], "min"),
        ([0.1, 0.3, 0.5, 0.6], "max"),
        ([0.5, 0.5, 0.5, 0.5], "max"),
        ([0.1, 0.5, 0.6, 0.7, 0.65, 0.64], "max"),  # a decline at its end is none of the run
        ([0.1, 0.3, 0.5, 0.6, 0.6, 0.0, 0.0, 0.0], "max"),  # nor is a collapse
        ([0.5], "max"),
        ([math.nan, math.nan], "max"),
    ],
)
def test_the_note_names_the_direction_that_the_values_take(
    values: list[float], mode: str, *, in_log: bool
) -> None:
    """Whoever types what is printed shall not be shown the worst epoch as the best."""
    told = {e: {"val_wibble": value} for e, value in enumerate(values)}
    held = [holding(f"m_{e}.pth", {"epoch": e, **row}) for e, row in told.items()]
    found = choose_metric([] if in_log else held, log(told if in_log else {}), Wish())
    (note,) = notes_of(Formed(runs=(Run(choice=found),)))
    assert note.endswith(f"try --metric val_wibble --mode {mode}")


@pytest.mark.parametrize(
    ("name", "option"),
    [
        *(("val_foo", "val_foo"), ("eval/foo", "eval/foo"), ("test-foo", "test-foo")),
        *(("best foo", "'best foo'"), ("valid foo (x)", "'valid foo (x)'")),
    ],
)
def test_the_note_is_an_option_that_a_shell_takes(name: str, option: str) -> None:
    told = chosen([], rows(name, "train_loss"))
    assert told.unknown == (name,)
    assert chosen([], rows(name, "train_loss"), metric=name, mode=Mode.MAX).name == name
    (note,) = notes_of(form_runs(files(name, "train_loss")))
    assert f"try --metric {option} --mode max" in note


# -- of what logs tell ---------------------------------------------------------------------------


def told(**series: Sequence[float]) -> dict[int, dict[str, float]]:
    """A log with these series, each from the first epoch on; ``__`` is a space."""
    length = max(map(len, series.values()))
    return {
        at + 1: {n.replace("__", " "): v[at] for n, v in series.items() if at < len(v)}
        for at in range(length)
    }


RISING = [0.3, 0.4, 0.5, 0.6, 0.65]


def test_beside_a_mean_iou_an_iou_is_that_of_a_class() -> None:
    both = told(val_iou=[0.9] * 5, val_miou=RISING)
    assert chosen([], both).name == "val_miou"
    assert chosen([], told(iou=[0.9] * 5, mIoU=RISING)).name == "mIoU"
    often = told(val_iou=[0.9] * 5, val_miou=RISING[:4])
    assert chosen([], often).name == "val_miou", "however often that is told"
    assert chosen([], told(iou=RISING, loss=RISING)).name == "iou", "without it it is the metric"


def test_what_is_told_once_is_a_summary_and_no_series() -> None:
    assert chosen([], told(val_miou=[0.9], accuracy=RISING)).name == "accuracy"
    assert chosen([], told(val_miou=[0.9, 0.8], accuracy=RISING)).name == "val_miou"
    few = told(val_miou=[0.9], accuracy=RISING[:3])
    assert chosen([], few).name == "val_miou", "of three values nobody knows"


def test_the_score_of_a_single_file_is_no_summary() -> None:
    best = holding("best.pth", {"epoch": 9, "val_iou": 0.7})
    found = chosen([best], told(val_iou=RISING))
    assert (found.name, found.in_logs, found.in_files) == (
        "val_iou",
        "val_iou",
        frozenset({"val_iou"}),
    )


def test_a_score_that_is_nan_in_every_epoch_is_not_chosen() -> None:
    nothing = [float("nan")] * 5
    assert chosen([], told(val_miou=nothing, val_acc=RISING)).name == "val_acc"
    assert chosen([], told(val_miou=[*nothing, 0.5], val_acc=[*RISING, 0.7])).name == "val_miou"
    assert chosen([], told(val_miou=nothing)).name == "val_miou", "where there is no other"


def test_a_smoothed_score_tells_a_fall_too_late_and_comes_behind_the_score_itself() -> None:
    both = told(ema_fg_dice=RISING, mean_fg_dice=[value - 0.01 for value in RISING])
    assert chosen([], both).name == "mean_fg_dice"
    assert chosen([], told(ema_fg_dice=RISING)).name == "ema_fg_dice"


def test_a_best_that_a_smoothed_score_reached_is_followed_by_the_score_itself() -> None:
    smooth = [0.30, 0.31, 0.33, 0.36, 0.38]
    files = [holding(f"m_{e}.pth", {"epoch": e, "_best_ema": smooth[e - 1]}) for e in EPOCHS]
    found = chosen(files, told(ema_fg_dice=smooth, mean_fg_dice=RISING))
    assert found.in_logs == "mean_fg_dice"


def test_of_two_scores_the_one_that_is_told_more_often_wins() -> None:
    assert chosen([], told(val_precision=RISING, val_recall=RISING[:2])).name == "val_precision"
    assert chosen([], told(val_precision=RISING[:2], val_recall=RISING)).name == "val_recall"


# -- a list and its mean -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "mean"),
    [
        ("dice", "mean_dice"),
        ("val_dice", "val_mean_dice"),
        ("val/iou", "val/iou/mean"),
        ("acc", "avg_acc"),
        ("f1", "average f1"),
    ],
)
def test_what_is_named_a_mean_stands_before_what_is_of_a_class_or_a_batch(
    one: str, mean: str
) -> None:
    """`dice=[0.8, 0.7] mean_dice=0.71`: who prints both has weighted the second himself."""
    assert chosen([], rows(one, mean)).name == mean
    assert chosen([], rows(mean, one)).name == mean


def test_a_mean_now_and_then_does_not_stand_before_what_every_epoch_has() -> None:
    told = rows("val_dice", "val_mean_dice")
    for epoch in (1, 2, 4):
        del told[epoch]["val_mean_dice"]
    assert chosen([], told).name == "val_dice"


def test_a_mean_of_a_loss_is_no_better_than_the_loss() -> None:
    assert chosen([], rows("val_loss", "val_mean_loss")).name == "val_loss"
