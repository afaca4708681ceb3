"""The cases: what is trained, what kills it, and why those settings were chosen.

The settings were looked for until the run dies with the cause and ends well without it, for
seeds 0 and 1. Each docstring says in a line what was chosen, and why.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.benchmarks.comes_back.case import Case, Kind, Told

__all__ = ["CASES"]

SHAPES = "--task shapes --epochs 20"
NORMED = "--task shapes-bn --epochs 20"
SORTING = "--task sorting --optimizer adamw --batch-size 64 --epochs 20"
RINGS = "--task rings --epochs 20"
WAVES = "--task waves --batch-size 64 --epochs 20"
_MADE: list[Case] = []


def _rate(make: Callable[[], Told]) -> Callable[[], Told]:
    _MADE.append(Case.of(make, Kind.RATE, quick=make.__name__ in _QUICK))
    return make


def _event(make: Callable[[], Told]) -> Callable[[], Told]:
    _MADE.append(Case.of(make, Kind.EVENT, quick=make.__name__ in _QUICK))
    return make


_QUICK = {"gamma_rings", "one_cycle_waves", "nan_batch_rings", "unit_waves"}


# -- the rate ------------------------------------------------------------------------------------


@_rate
def deep_supervision_x2() -> Told:
    """A peak of 0.33 shakes and ends at 0.01 alone; two losses are past the edge."""
    return Told(
        healthy=f"{WAVES} --scheduler lambda --warmup-epochs 8 --lr 0.5",
        cause="--deep-supervision 2",
        stage=6,
    )


@_rate
def deep_supervision_x4() -> Told:
    """A peak of 0.25 is healthy, four times the gradient of it is NaN on the way up."""
    return Told(
        healthy=f"{SHAPES} --scheduler onecycle --lr 0.25",
        cause="--deep-supervision 4",
        stage=4,
    )


@_rate
def deep_supervision_x8() -> Told:
    """timm's warm-up to 0.15: eight losses kill it at 0.08; plan is told what was added."""
    return Told(
        healthy=f"{SHAPES} --scheduler timm --warmup-epochs 8 --lr 0.15",
        cause="--deep-supervision 8",
        stage=4,
        told="--added deep-supervision",
    )


@_rate
def deep_supervision_x8_rings() -> Told:
    """Eight heads on one layer: eight times the gradient of a peak of 0.6."""
    return Told(
        healthy=f"{RINGS} --batch-size 64 --scheduler lambda --warmup-epochs 8 --lr 0.8",
        cause="--deep-supervision 8",
        stage=6,
    )


@_rate
def gamma_rings() -> Told:
    """``--gamma 30`` in place of 0.3: 0.1, then 3 from epoch 11 on; it strikes once."""
    return Told(
        healthy=f"{RINGS} --batch-size 64 --scheduler step --step-size 10 --gamma 0.3 --lr 0.1",
        cause="--gamma 30",
    )


@_rate
def gamma_shapes() -> Told:
    """``--gamma 30`` in place of 0.3: 0.05, then 1.5."""
    return Told(
        healthy=f"{SHAPES} --scheduler step --step-size 10 --gamma 0.3 --lr 0.05",
        cause="--gamma 30",
    )


@_rate
def gamma_sorting() -> Told:
    """AdamW and ``--gamma 30``: 0.005, then 0.15, at which a transformer forgets all."""
    return Told(
        healthy=f"{SORTING} --scheduler step --step-size 10 --gamma 0.3 --lr 0.005",
        cause="--gamma 30",
    )


@_rate
def one_cycle_shapes() -> Told:
    """A peak of 1.5 in place of 0.15: NaN long before it."""
    return Told(healthy=f"{SHAPES} --scheduler onecycle --lr 0.15", cause="--lr 1.5")


@_rate
def one_cycle_waves() -> Told:
    """A peak of 3 in place of 0.3: the error multiplies by thousands."""
    return Told(healthy=f"{WAVES} --scheduler onecycle --lr 0.3", cause="--lr 3")


@_rate
def one_cycle_rings() -> Told:
    """A peak of 6 in place of 0.3: all units die, chance is what is left."""
    return Told(healthy=f"{RINGS} --batch-size 64 --scheduler onecycle --lr 0.3", cause="--lr 6")


@_rate
def warm_restart_sorting() -> Told:
    """timm's second cycle starts at 20 times the peak of the first (``--cycle-decay``): 0.2."""
    return Told(
        healthy=f"{SORTING} --scheduler timm --cycle-epochs 10 --cycle-decay 0.5 --lr 0.01",
        cause="--cycle-decay 20",
    )


@_rate
def warm_restart_shapes() -> Told:
    """The same with SGD: 12 times 0.1."""
    return Told(
        healthy=f"{SHAPES} --scheduler timm --cycle-epochs 10 --cycle-decay 0.5 --lr 0.1",
        cause="--cycle-decay 12",
    )


@_rate
def fresh_optimizer_sorting() -> Told:
    """Resumed without moments and without the warm-up that it had had."""
    return Told(
        healthy=f"{SORTING} --scheduler timm --warmup-epochs 6 --lr 0.06",
        cause="--warmup-epochs 0 --fresh-optimizer",
        stage=8,
    )


@_rate
def fresh_optimizer_shapes() -> Told:
    """Resumed with the rate that another script starts with."""
    return Told(
        healthy=f"{SHAPES} --scheduler timm --warmup-epochs 6 --lr 0.1",
        cause="--warmup-epochs 0 --fresh-optimizer --lr 1.0",
        stage=8,
    )


@_rate
def missing_warmup_sorting() -> Told:
    """A warm-up of one epoch in place of six: what the first one learns, the second forgets."""
    return Told(
        healthy=f"{SORTING} --scheduler sequential --warmup-epochs 6 --lr 0.08",
        cause="--warmup-epochs 1",
    )


@_rate
def batch_size_rings() -> Told:
    """Batches of 4 in place of 128 at the same rate: thirty-two times the steps, as loud."""
    return Told(
        healthy=f"{RINGS} --batch-size 128 --scheduler sequential --warmup-epochs 4 --lr 0.5",
        cause="--batch-size 4",
        stage=8,
    )


@_rate
def half_precision_waves() -> Told:
    """What comes out of the net passes 65504; the scale is halved until nothing is left of it."""
    return Told(healthy=f"{WAVES} --amp --scheduler onecycle --lr 0.3", cause="--lr 3")


@_rate
def timm_peak_shapes() -> Told:
    """timm's schedule with a peak of 1.2 in place of 0.1, reached over ten epochs."""
    return Told(healthy=f"{SHAPES} --scheduler timm --warmup-epochs 10 --lr 0.1", cause="--lr 1.2")


@_rate
def long_warmup_shapes() -> Told:
    """A LambdaLR that climbs for fourteen epochs to 1.5 and is past the edge in its second."""
    return Told(
        healthy=f"{SHAPES} --scheduler lambda --warmup-epochs 14 --lr 0.2", cause="--lr 1.5"
    )


@_rate
def sequential_sorting() -> Told:
    """LinearLR, then a cosine, with 0.3 in place of 0.01."""
    return Told(
        healthy=f"{SORTING} --scheduler sequential --warmup-epochs 8 --lr 0.01", cause="--lr 0.3"
    )


# -- events --------------------------------------------------------------------------------------


@_event
def big_batch_shapes() -> Told:
    """One batch times 10,000 under SGD: its gradient is."""
    return Told(healthy=f"{SHAPES} --scheduler onecycle --lr 0.1", fault="big-batch:11")


@_event
def big_batch_rings() -> Told:
    """One batch times 10,000, near the end of a step."""
    return Told(healthy=f"{RINGS} --batch-size 64 --scheduler step --lr 0.1", fault="big-batch:13")


@_event
def big_batch_shapes_timm() -> Told:
    """One batch times 10,000, with a schedule that stores its own rates."""
    return Told(
        healthy=f"{SHAPES} --scheduler timm --warmup-epochs 4 --lr 0.1", fault="big-batch:10"
    )


@_event
def big_batch_waves() -> Told:
    """One batch times 10,000 in a regression."""
    return Told(
        healthy=f"{WAVES} --scheduler sequential --warmup-epochs 3 --lr 0.1", fault="big-batch:9"
    )


@_event
def nan_batch_shapes() -> Told:
    """One NaN batch."""
    return Told(healthy=f"{SHAPES} --scheduler cosine --lr 0.1", fault="nan-batch:12")


@_event
def nan_batch_sorting() -> Told:
    """Moments that turn to NaN take the weights along at the next step."""
    return Told(
        healthy=f"{SORTING} --scheduler lambda --warmup-epochs 3 --lr 0.005", fault="moments:10"
    )


@_event
def nan_batch_rings() -> Told:
    """One NaN batch under a plateau."""
    return Told(
        healthy=f"{RINGS} --batch-size 64 --scheduler plateau --lr 0.1", fault="nan-batch:11"
    )


@_event
def labels_rings() -> Told:
    """Labels are one place off from epoch 12 on, as after a change of the loader."""
    return Told(healthy=f"{RINGS} --batch-size 64 --scheduler cosine --lr 0.1", fault="labels:12")


@_event
def labels_sorting() -> Told:
    """Targets are one place off from epoch 10 on."""
    return Told(
        healthy=f"{SORTING} --scheduler sequential --warmup-epochs 3 --lr 0.005", fault="labels:10"
    )


@_event
def unit_shapes() -> Told:
    """Masks of 0 and 255 in place of 0 and 1, from epoch 10 on."""
    return Told(healthy=f"{SHAPES} --scheduler onecycle --lr 0.1", fault="unit:10")


@_event
def unit_waves() -> Told:
    """Metres in place of kilometres, from epoch 11 on."""
    return Told(
        healthy=f"{WAVES} --optimizer adamw --scheduler onecycle --lr 0.01", fault="unit:11"
    )


@_event
def batch_norm_shapes() -> Told:
    """A running variance turns to NaN; the weights stay as they were."""
    return Told(healthy=f"{NORMED} --scheduler cosine --lr 0.1", fault="bn:11")


@_event
def batch_norm_scale() -> Told:
    """Images are no longer normalised from epoch 12 on; running statistics follow them."""
    return Told(healthy=f"{NORMED} --scheduler onecycle --lr 0.2", fault="normalise:12")


@_event
def average_shapes() -> Told:
    """The EMA, by which the run is judged, turns to NaN; the weights are sound."""
    return Told(healthy=f"{SHAPES} --ema --scheduler cosine --lr 0.1", fault="ema:12")


@_event
def average_rings() -> Told:
    """The same under StepLR."""
    return Told(healthy=f"{RINGS} --batch-size 64 --ema --scheduler step --lr 0.1", fault="ema:9")


@_event
def zeroed_shapes() -> Told:
    """Seven of ten weights are set to zero after each epoch from 14 on, by a pruning gone wrong."""
    return Told(healthy=f"{SHAPES} --scheduler step --lr 0.05", fault="zeroed:14")


@_event
def damaged_file_sorting() -> Told:
    """Bits of the newest files are turned over and the machine goes down."""
    return Told(
        healthy=f"{SORTING} --scheduler lambda --warmup-epochs 3 --lr 0.005", fault="flip:12"
    )


@_event
def full_disk_rings() -> Told:
    """The newest files are cut by a full disk, which ends the run."""
    return Told(
        healthy=f"{RINGS} --batch-size 64 --optimizer adamw --scheduler onecycle --lr 0.01",
        fault="cut:14",
    )


CASES = tuple(_MADE)
