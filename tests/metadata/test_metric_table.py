"""The table of metrics, held against what others say of theirs."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

from ckptdoctor.metadata import Mode, Source, named_metric
from ckptdoctor.metadata.metric_words import (
    AMBIGUOUS,
    FIELDS,
    HIGH,
    KNOWN,
    LOW,
    MAIN,
    ONLY_QUALIFIED,
    PARTS,
)
from tests.each import each

# What is lower there is higher by its own paper and the other way round, or is of no direction.
_TORCHMETRICS_ERRS = frozenset({"WordInfoPreserved", "DaviesBouldinScore", "PerceptualPathLength"})
_FEWEST_SHARED = 100


def _torchmetrics() -> dict[str, bool]:
    """The direction of each class of torchmetrics that tells one."""
    package = pytest.importorskip("torchmetrics")
    found: dict[str, bool] = {}
    for module in pkgutil.walk_packages(package.__path__, "torchmetrics."):
        if "functional" in module.name or "utilities" in module.name:
            continue
        try:
            loaded = importlib.import_module(module.name)
        except ImportError:  # of a package that is not there
            continue
        for name, one in inspect.getmembers(loaded, inspect.isclass):
            higher = getattr(one, "higher_is_better", None)
            if issubclass(one, package.Metric) and isinstance(higher, bool):
                found[name] = higher
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_directions_are_those_of_torchmetrics() -> None:
    shared = 0
    for name, higher in _torchmetrics().items():
        metric = named_metric(f"val_{name}", 0.5, Source.LOG)
        if metric is None or name in _TORCHMETRICS_ERRS:
            continue
        shared += 1
        assert (metric.mode is Mode.MAX) == higher, name
    assert shared >= _FEWEST_SHARED


@each(
    ("names", "mode"),
    [
        # lm_eval/api/metrics.py of EleutherAI/lm-evaluation-harness, `higher_is_better`
        ("acc acc_norm matthews_corrcoef f1_score bleu chrf exact_match", Mode.MAX),
        ("perplexity word_perplexity bits_per_byte ter val_ter brier_score", Mode.MIN),
        # metrics/*/README.md of huggingface/evaluate
        (
            """
            eval_accuracy eval_f1 eval_precision eval_recall eval_matthews_correlation eval_pearsonr
            eval_spearmanr eval_exact_match eval_rouge1 eval_rouge2 eval_rougeL eval_rougeLsum
            eval_bleu eval_google_bleu eval_sacrebleu eval_chrf eval_meteor eval_sari eval_mauve
            eval_roc_auc eval_r_squared eval_mean_iou eval_mean_accuracy eval_overall_accuracy
            eval_overall_f1 eval_overall_precision eval_overall_recall eval_bertscore_f1
            """,
            Mode.MAX,
        ),
        (
            """
            eval_mae eval_mse eval_mape eval_smape eval_mase eval_cer eval_wer eval_ter
            eval_perplexity eval_brier_score eval_loss
            """,
            Mode.MIN,
        ),
        # val/ of mmdet, mmseg, mmpose, mmpretrain, mmocr, mmdet3d and mmtrack of OpenMMLab
        (
            """
            coco/bbox_mAP coco/bbox_mAP_50 coco/bbox_mAP_s coco/segm_mAP pascal_voc/mAP
            pascal_voc/AP50 mIoU aAcc mAcc mDice mFscore mPrecision mRecall coco/AP coco/AR
            pck/PCK@0.05 PCKh AUC accuracy/top1 accuracy/top5 accuracy_top-1 acc/mean1
            recog/word_acc icdar/hmean mAP_0.25 mAR_0.50
            NuScenes&metric/pred_instances_3d_NuScenes/NDS
            NuScenes&metric/pred_instances_3d_NuScenes/mAP
            """,
            Mode.MAX,
        ),
        ("MPJPE P-MPJPE NME EPE mATE mASE mAOE mAVE mAAE", Mode.MIN),
        # metrics.json of Detectron2
        (
            "bbox/AP bbox/AP50 bbox/APs segm/APl panoptic_seg/PQ sem_seg/mIoU sem_seg/fwIoU",
            Mode.MAX,
        ),
        ("sem_seg/mACC sem_seg/pACC keypoints/AP proposals/AR@100", Mode.MAX),
        # results of RecBole, Stable-Baselines3, SpeechBrain, ESPnet, fairseq
        ("recall@10 mrr@10 ndcg@10 hit@10 precision@10 MAP@10 HR@10", Mode.MAX),
        ("rollout/ep_rew_mean eval/mean_reward rollout/success_rate", Mode.MAX),
        ("valid&PER valid&WER valid&CER valid&error_rate EER minDCF valid.cer valid.wer", Mode.MIN),
        ("valid_ppl valid_nll_loss valid.loss valid.cer_ctc", Mode.MIN),
        # Kaggle's and others' competitions
        ("lwlrap cmAP pfbeta qwk gini c-index map@3 mcc auc oof_auc", Mode.MAX),
        ("rmsle mcrmse wrmsse smape log_loss pinball crps", Mode.MIN),
        # of streets: tracking, forecasts, depth and flow
        ("MOTA HOTA IDF1 AMOTA NDS val_a1 val/delta1", Mode.MAX),
        ("minADE6 minFDE_1 ADE FDE abs_rel sq_rel rmse_log silog kitti-epe Fl-all AMOTP", Mode.MIN),
    ],
)
def test_names_that_frameworks_print_have_their_direction(names: str, mode: Mode) -> None:
    for name in names.split():
        found = named_metric(name.replace("&", " "), 0.5, Source.LOG)
        assert found is not None, name
        assert found.mode is mode, name


@each("form", ["val_{}", "eval/{}", "test-{}", "valid {}", "best_{}", "{}/val"])
def test_every_term_is_understood_in_each_form(form: str) -> None:
    for term in KNOWN - {"mate", "mase"}:
        found = named_metric(form.format(term.replace(" ", "_")), 0.5, Source.LOG)
        assert found is not None, term
        assert found.mode is (Mode.MAX if term in HIGH else Mode.MIN), term


def test_no_term_is_of_two_directions_or_stands_in_two_places() -> None:
    every = [term for field in FIELDS for term in (*field.high, *field.low)]
    assert len(every) == len(set(every))
    assert not HIGH & LOW
    assert (AMBIGUOUS | ONLY_QUALIFIED | MAIN | PARTS - {"explained"}) <= KNOWN


@each(
    "name",
    ["iou_loss", "ssim_loss", "1 - dice", "1-SSIM", "val_1-dice", "one_minus_iou", "loss_iou"],
)
def test_what_is_missing_to_a_score_is_a_loss(name: str) -> None:
    found = named_metric(name, 0.5, Source.LOG)
    assert found is not None
    assert found.mode is Mode.MIN


@pytest.mark.parametrize("name", ["1-NN accuracy", "5-shot acc", "neg_mean_squared_error"])
def test_a_number_before_a_score_leaves_it_one(name: str) -> None:
    found = named_metric(name, 0.5, Source.LOG)
    assert found is not None
    assert found.mode is Mode.MAX
