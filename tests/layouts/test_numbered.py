"""Names that differ in numbers alone: what one checkpoint of a run has says what another lacks."""

from __future__ import annotations

from ckptdoctor.layouts.numbered import holes, renumbered
from tests.each import each


@each(
    ("text", "old", "new", "expected"),
    [
        ("optimizer_3.pth", "model_3.pth", "model_12.pth", "optimizer_12.pth"),
        ("G_3_rank_0.pth", "D_3_rank_0.pth", "D_4_rank_0.pth", "G_4_rank_0.pth"),
        ("G_3_rank_3.pth", "D_3_rank_3.pth", "D_4_rank_3.pth", "G_4_rank_3.pth"),  # by place
        ("ema_2.pth", "epoch_3.pth", "epoch_4.pth", "ema_2.pth"),  # a number of its own
        ("unet2_ema_3.pth", "unet_3.pth", "unet_4.pth", "unet2_ema_4.pth"),  # by value
        ("rng.pth", "model_3.pth", "model_4.pth", "rng.pth"),
        ("model_3.pth", "model_3.pth", "model.pth", "model_3.pth"),  # nothing to exchange
    ],
)
def test_the_numbers_that_tell_two_checkpoints_apart_are_exchanged(
    text: str, old: str, new: str, expected: str
) -> None:
    assert renumbered(text, old, new) == expected


def test_the_numbers_that_a_series_leaves_out() -> None:
    assert holes([1, 2, 4, 7], 1) == [3, 5, 6]
    assert holes([2], 0, 3) == [0, 1, 3]
    assert holes([], 1) == []
    assert len(holes([10**9], 0)) == 4096  # a name may claim any number
