"""One metric in all its spellings, and two that differ in a number."""

from __future__ import annotations

from ckptdoctor.metadata import Source, Split, named_metric, plain_of, split_of
from tests.each import each


@each(
    ("names", "plain"),
    [
        ("mAP50-95(B)|mAP50-95(M)|mAP_0.5:0.95|mAP@[.5:.95]|mAP@0.5:0.95|map50_95|map5095", "map"),
        ("mAP50(B)|mAP_0.5|mAP@0.5|mAP@.5|map_50|bbox_mAP_50|mAP_0.50", "map50"),
        ("AP50|AP_50|AP .5|AP@0.5|bbox/AP50", "ap50"),
        ("APs|AP_s|bbox_mAP_s|map_small|AP-small", "apsmall"),
        ("AP (M)|APm|coco/AP (M)", "apmedium"),
        (
            "Acc@1|Prec@1|acc1|prec1|top-1|top1_acc|accuracy/top1|accuracy_top-1|top_1_accuracy",
            "top1",
        ),
        ("dice|dice_coef|dice_coeff|DiceScore|dice_score|Dice coefficient|mean_dice", "dice"),
        ("iou|jaccard_index|JaccardIndex|mean_io_u|IoU|intersection over union", "iou"),
        ("accuracy|acc|Accuracy|categorical_accuracy", "acc"),
        ("f1|F1Score|f1-score|F1_macro|macro avg f1-score|MulticlassF1Score", "f1"),
        ("roc_auc|AUROC|auc_roc", "auroc"),
        ("r2|R2Score|r_squared|R^2", "r2"),
        ("mae|mean_absolute_error|MeanAbsoluteError", "mae"),
        ("si_sdr|SI-SDR|sisdr", "sisdr"),
        ("hd95|HD95|hausdorff95|hausdorff_distance_95", "hd95"),
        ("pearsonr|pearson|pearson_correlation|eval_pearson_cosine", "pearson"),
        ("IS|inception_score|InceptionScore|is50k_mean", "inceptionscore"),
        ("FID|fid50k_full|fid_score", "fid"),
        ("val_loss|train_loss_step|loss_epoch|val_loss/dataloader_idx_0|loss_rank0", "loss"),
        ("bleu|validbleu|testbleu", "bleu"),
        ("acc|valacc|trainacc|testaccuracy", "acc"),
        ("ndcg@10|ndcg_at_10|ndcg_cut_10|NDCG_10", "ndcg 10"),
    ],
)
def test_a_metric_has_one_plain_name_however_it_is_spelled(names: str, plain: str) -> None:
    for name in names.split("|"):
        assert named_metric(name, 0.5, Source.LOG) is not None, name
        told = plain_of(name)
        assert told.removesuffix(" score") == plain, name


@each(
    ("one", "other"),
    [
        *(("mAP50-95(B)", "mAP50(B)"), ("recall@10", "recall@20"), ("bbox_mAP", "bbox_mAP_s")),
        *(("IoU_0", "IoU_1"), ("mIoU", "IoU_0"), ("top1", "top5"), ("aAcc", "mAcc")),
        *(("bbox_loss", "loss"), ("seg_loss", "loss"), ("AR@1", "AR@100"), ("auc", "auc_1")),
    ],
)
def test_two_metrics_are_two(one: str, other: str) -> None:
    assert plain_of(one) != plain_of(other)


def test_a_part_of_the_data_may_be_glued_to_what_is_measured() -> None:
    assert [split_of(name) for name in ("validloss", "trainloss", "valmiou")] == [
        Split.VALIDATION,
        Split.TRAINING,
        Split.VALIDATION,
    ]
    for name in ("trainable", "tester", "value", "validity", "evaluation", "device"):
        assert split_of(name) is (Split.VALIDATION if name == "evaluation" else Split.UNSAID), name


def test_letters_in_upper_case_tell_a_metric_from_a_word() -> None:
    for name in ("PER", "DER", "HD", "KS", "IS", "OA", "CE"):
        assert named_metric(name, 0.5, Source.LOG) is not None, name
        assert named_metric(name.lower(), 0.5, Source.LOG) is None, name
        assert split_of(name) is Split.UNSAID
