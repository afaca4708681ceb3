"""Of several metrics the one that says most of a run."""

from __future__ import annotations

import pytest

from ckptdoctor.metadata import is_half, plain_of, weight_of
from tests.each import each


@each(
    "names",
    [
        ("NDS", "mAP", "car_AP50"),
        ("PQ", "mIoU", "SQ"),
        ("mAP50-95(B)", "mAP50(B)", "mAP75"),
        ("bbox/AP", "bbox/AP50", "bbox/APs"),
        ("coco/bbox_mAP", "coco/bbox_mAP_50", "coco/bbox_mAP_l"),
        ("AP", "AP (L)"),
        ("AP", "AR@100"),
        ("mIoU", "IoU", "aAcc", "IoU_0"),
        ("mIoU", "fwIoU", "mAcc"),
        ("dice", "tumor_dice"),
        ("mDice", "dice", "dice_1"),
        ("f1", "accuracy"),
        ("CIDEr", "Bleu_1"),
        ("top1", "top5"),
        ("reward", "explained_variance"),
        ("wer", "cer"),
        ("auc", "acc"),
    ],
)
def test_the_first_says_most(names: tuple[str, ...]) -> None:
    weights = [weight_of(plain_of(name)) for name in names]
    assert weights == sorted(weights)
    assert len(set(weights)) == len(weights)


@pytest.mark.parametrize(
    "name", ["precision", "val_recall", "Recall@20", "metrics/recall(B)", "top5"]
)
def test_half_of_the_truth(name: str) -> None:
    assert is_half(plain_of(name))
    assert not is_half(plain_of("f1"))
