"""What names of metrics say."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.metadata import (
    MetricKind,
    Mode,
    Source,
    Split,
    best_of,
    is_loss,
    named_metric,
    plain_name,
    split_of,
    unknown_metrics,
)
from tests.each import each

HIGHER = """
    dsc val_dsc mean_dsc best_dice pseudo_dice fwIoU fw_iou biou mIoU mDice aAcc map50_95 mAP50-95
    map@0.5 AP50 bbox_mAP_75 mAP@0.5:0.95 kappa cohen_kappa quadratic_weighted_kappa qwk mcc CIDEr
    METEOR ndcg@10 NDCG hit@5 hits@10 hit_rate mrr si_snr sisnr SI-SDR sdr f2 fbeta f_beta
    f1_macro macro_f1 weighted_f1 auprc aupr pr_auc roc_auc top-1 top_5 Top1 best_top1 em
    exact_match val/exact_match r_squared r2 pearson spearmanr plcc rougeL rouge1 rougeLsum bleu4
    reward mean_reward episode_reward eval/episode_return ep_rew_mean rollout/ep_rew_mean
    success_rate win_rate val_specificity balanced_accuracy dev_acc best_test_auroc
    metrics/mAP50(B) metrics/mAP50-95(M) metrics/precision(P)
""".split()
LOWER = """
    ade fde best_ade minADE min_ade minFDE_5 eer val_eer cer wer bpc hd95 HD95 hausdorff
    hausdorff_distance asd assd chamfer chamfer_distance nrmse rmsle log_loss logloss fvd kid lpips
    fid si_snr_loss reward_loss val_dice_loss loss_iou word_error_rate abs_rel silog top1_err ece
    brier crps mape
""".split()
NEITHER = """
    is inception_score_std hit cache_hit return_code early_return kappa_init huber_kappa em_steps
    top_k top_p top snr_gamma min_snr_gamma sdr_path reward_scale normalize_reward score_threshold
    macro weighted episode ep ep_len_mean success match rate distance elbow
    dscale fader ambient
""".split()


def modes(names: Iterable[str]) -> dict[str, Mode | None]:
    """The direction of each name that is understood."""
    found = {name: named_metric(name, 0.5, Source.LOG) for name in names}
    return {name: metric.mode for name, metric in found.items() if metric is not None}


def test_higher_is_better() -> None:
    assert modes(HIGHER) == dict.fromkeys(HIGHER, Mode.MAX)


def test_lower_is_better() -> None:
    assert modes(LOWER) == dict.fromkeys(LOWER, Mode.MIN)


def test_what_only_sounds_like_a_metric_is_none() -> None:
    assert modes({*NEITHER} - {"hit"}) == {}


def test_of_some_the_direction_is_not_known() -> None:
    for name in ("elbo", "val_elbo", "metric", "best_metric", "monitor_value"):
        found = named_metric(name, 0.5, Source.LOG)
        assert found is not None
        assert found.mode is None


def test_the_min_of_a_forecast_is_no_best_so_far() -> None:
    for name, kind in (
        ("minADE", MetricKind.SCORE),
        ("min_fde", MetricKind.SCORE),
        ("best_minADE", MetricKind.RUNNING_BEST),
        ("min_loss", MetricKind.RUNNING_BEST),
        ("max_iou", MetricKind.RUNNING_BEST),
    ):
        found = named_metric(name, 0.5, Source.LOG)
        assert found is not None
        assert found.kind is kind


@pytest.mark.parametrize(
    ("names", "plain"),
    [
        (("best_dsc", "val_dsc", "DSC", "dev/dsc", "val.dsc"), "dsc"),
        (("ep_rew_mean", "eval_ep_rew"), "rew"),
        (("top-1", "val_top1", "best_top_1"), "top1"),
        (("minADE", "min_ade", "best_minADE"), "minade"),
    ],
)
def test_one_metric_has_one_plain_name(names: tuple[str, ...], plain: str) -> None:
    found = [named_metric(name, 0.5, Source.LOG) for name in names]
    assert {plain_name(metric) for metric in found if metric is not None} == {plain}
    assert None not in found


def test_a_score_that_is_not_understood_is_told_by_its_name() -> None:
    row: dict[str, Scalar] = {
        "val_foo": 0.81,
        "best_quality": 0.7,
        "test/zzz": 1.5,
        "dev bar": 0.1,
        "best": 0.6,
        "val_dsc": 0.8,
        "best_iou": 0.7,
        "val_loss": 0.3,
        "_best_ema": 0.5,
        "best_metric": 0.5,
        "val_split": 0.2,
        "test_size": 0.1,
        "best_threshold": 0.5,
        "eval_runtime": 12.5,
        "eval_samples_per_second": 99.0,
        "best_epoch": 3.0,
        "foo": 0.5,
        "train_foo": 0.5,
        "best_step": 3,
        "val_ok": True,
        "val_name": "x",
        "val_none": None,
        "test_lr": 1e-4,
        "validator": 0.5,
        "bestow": 0.5,
        "values": 0.5,
    }
    assert unknown_metrics(row) == ["val_foo", "best_quality", "test/zzz", "dev bar", "best"]


@each(
    ("name", "split"),
    [
        *((name, Split.VALIDATION) for name in ("val_loss", "valid/acc", "validation.iou")),
        *((name, Split.VALIDATION) for name in ("eval_loss", "test acc", "dev_f1", "valLoss")),
        *(
            (name, Split.TRAINING)
            for name in ("train_loss", "Training/acc", "tr_iou", "loss_train")
        ),
        *((name, Split.UNSAID) for name in ("loss", "best_iou", "evaluate_me", "trainer", "")),
        *(("train/val_loss", Split.VALIDATION), ("eval/train_loss", Split.TRAINING)),
    ],
)
def test_the_data_that_a_name_speaks_of(name: str, split: Split) -> None:
    assert split_of(name) is split


def test_which_names_are_those_of_losses() -> None:
    losses = (
        *("loss", "val_loss", "train_loss_epoch", "cls_loss", "nll", "best_val_nll", "log_loss"),
        *("loss_iou", "val_bce", "cross_entropy", "1 - dice"),
    )
    others = ("iou", "lossless", "loss_scale", "ppl", "")
    assert [is_loss(name) for name in (*losses, *others)] == [True] * 11 + [False] * 5


@each(
    ("name", "of"),
    [
        *(("best_val_loss", "val_loss"), ("bestIoU", "IoU"), ("val_iou_best", "val_iou")),
        *(("best/val", "val"), ("val.best.iou", "val.iou"), ("_best_ema", "ema"), ("best", "")),
        *(("max_f1", "f1"), ("Best Acc", "Acc"), ("iou", "iou"), ("minADE", "minADE")),
        *(("bestow_iou", "bestow_iou"), ("climax_iou", "climax_iou")),
    ],
)
def test_what_a_best_is_the_best_of(name: str, of: str) -> None:
    assert best_of(name) == of
