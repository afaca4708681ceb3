"""What is changed in which part of a checkpoint, and what is said of it.

An edit goes to every part that it concerns: a learning rate stands in the optimizer's file and in
the scheduler's, with ZeRO in the file of every rank.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from ckptdoctor.checkpoint import Role
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Verdict
from ckptdoctor.formats.open_file import opened
from ckptdoctor.layouts.files import Form, PartRole
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import MeanOf, RestoredFrom
from ckptdoctor.recovery.draft import Action, Draft
from ckptdoctor.recovery.edits import Edits, apply_edits, salvage
from ckptdoctor.recovery.folders.donors import Donor
from ckptdoctor.recovery.folders.means import Means
from ckptdoctor.recovery.folders.moments import forgets_in_place, reset_moments
from ckptdoctor.recovery.folders.part_draft import PartView
from ckptdoctor.recovery.folders.slices import change_slice_rates, put_slice_numbers, slices_of
from ckptdoctor.recovery.patches import graft
from ckptdoctor.recovery.rates import (
    Rate,
    Standard,
    put_rates,
    rescaled,
    scale,
    scaled_action,
    scaled_before,
    set_action,
    standard_of,
    with_what_stays,
)
from ckptdoctor.recovery.stored_growth import decay_action, growth_of, growths_of, stop_growth
from ckptdoctor.recovery.stored_rates import is_rate
from ckptdoctor.report import CheckpointReport

__all__ = ["Changes", "refuse_what_needs_one_file"]

_MENDED = frozenset({Role.OPTIMIZER, Role.SCALER, Role.EMA})
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def refuse_what_needs_one_file(report: CheckpointReport, edits: Edits) -> None:
    """Refuse what cannot be done part by part.

    Raises:
        RestoreError: it was asked for.
    """
    if edits.strip_prefix and not edits.to_safetensors:
        raise RestoreError(
            f"{report.path}: names of weights stand in its index too, and are not changed in a "
            "folder: add --to safetensors"
        )
    if edits.warm_up is not None:
        raise RestoreError(
            f"{report.path}: --warm-up writes into the schedule of a single file: give the "
            "training script a warm-up"
        )
    if edits.use_ema:
        raise RestoreError(
            f"{report.path}: --use-ema needs weights and average in one file: here each part is a "
            "file of its own"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What an edit did to one part."""

    part: str
    action: Action


class Changes:
    """The edits of one checkpoint, a part at a time.

    Args:
        report: of the checkpoint.
        views: its parts that are copied and could be read, by name.
        edits: what the user wants.
        copied: what the manifest beside it says, where it is a copy itself.
    """

    def __init__(
        self,
        report: CheckpointReport,
        views: Mapping[str, PartView],
        edits: Edits,
        copied: RestoredFrom | None,
    ) -> None:
        refuse_what_needs_one_file(report, edits)
        self._report = report
        self._views = views
        self._edits = edits
        self._copied = copied
        self._poisoned = report.verdict in (Verdict.SALVAGEABLE, Verdict.CORRUPT)
        self._forgets = self._bad_moments_of_ranks()
        self._donor: Donor | None = None
        self._means = Means(report, edits.average)
        self._done: list[_Done] = []
        self._scaled: list[Rate] = []
        self._decayed: list[tuple[str, float]] = []
        self._before = 1.0
        self._standard: Standard | None = None
        if edits.scale_lr is not None:
            self._before = scaled_before(copied, edits.scale_lr, report.path)
        if edits.set_lr is not None:
            self._standard = standard_of(self._stored_rates(), report.path)

    def _bad_moments_of_ranks(self) -> int:
        """How many moments of an optimizer that ranks share are not sound: all of it is reset."""
        return sum(
            tensor.role is Role.OPTIMIZER
            for view in self._views.values()
            if self._poisoned and forgets_in_place(view)
            for tensor in view.bad()
        )

    def _stored_rates(self) -> dict[str, float]:
        stored: dict[str, float] = {}
        for name, view in self._views.items():
            for path, value in view.checkpoint.scalars.items():
                if is_rate(path) and type(value) in (int, float):
                    stored[f"{name}.{path}"] = float(value or 0)
            for path, stats in view.stats.items():  # a rate may be a tensor of one element
                if is_rate(path) and stats.max is not None:
                    stored[f"{name}.{path}"] = stats.max
        return stored

    @property
    def averaged(self) -> tuple[MeanOf, ...]:
        """What the weights are the mean of, the newest last; () for a copy."""
        return self._means.of

    def concerns(self, view: PartView) -> bool:
        """Whether anything is to be changed in a part."""
        edits, roles = self._edits, view.roles()
        if self._means.concern(view):
            return True
        if (edits.scale_lr, edits.set_lr) != (None, None) and _stores_rates(view):
            return True
        if edits.lr_decay is not None and growth_of(view.checkpoint.scalars) is not None:
            return True
        if edits.reset_optimizer and Role.OPTIMIZER in roles:
            return True
        if edits.reset_bn and any(t.fqn.endswith(_STATISTICS) for t in view.tensors):
            return True
        mends = edits.graft is not None or edits.zero_nonfinite
        if mends and any(tensor.role is Role.MODEL for tensor in view.bad()):
            return True
        return self._is_poisoned(view)

    def _is_poisoned(self, view: PartView) -> bool:
        """Whether what is beside the weights is not sound in a part."""
        if not self._poisoned or view.report.part.role in _TAKEN_AS_THEY_ARE:
            return False
        if forgets_in_place(view):
            return self._forgets > 0 and Role.OPTIMIZER in view.roles()
        if view.report.verdict in (Verdict.SALVAGEABLE, Verdict.CORRUPT):
            return True
        return any(tensor.role in _MENDED for tensor in view.bad())

    def apply(self, draft: Draft, view: PartView, held: contextlib.ExitStack) -> None:
        """Change one part.

        Args:
            draft: the part.
            view: the same.
            held: keeps open what the draft reads from until it is written.

        Raises:
            RestoreError: it cannot be done.
        """
        name, edits = view.report.part.name, self._edits
        self._means.put(draft, view, held, statistics=not edits.reset_bn)
        mended = self._mend_weights(draft, view, held)
        own = replace(
            edits,
            scale_lr=None,
            set_lr=None,
            lr_decay=None,
            weights_only=False,
            reset_optimizer=edits.reset_optimizer and Role.OPTIMIZER in view.roles(),
            reset_bn=mended.reset_bn,
            zero_nonfinite=mended.zero_nonfinite,
            average=(),
        )
        in_place = forgets_in_place(view)
        if in_place:
            self._forget_in_place(draft, view)
            own = replace(own, reset_optimizer=False)
        apply_edits(draft, own)
        if not in_place and self._is_poisoned(view):
            salvage(draft)
        self._rates(draft, view)
        self._stop_growth(draft, view)
        self._refuse_what_is_left(draft)
        self._done += [_Done(part=name, action=action) for action in draft.actions]

    def _mend_weights(self, draft: Draft, view: PartView, held: contextlib.ExitStack) -> Edits:
        """Graft what is bad; which of the other ways of mending concern this part."""
        bad = any(tensor.role is Role.MODEL for tensor in view.bad())
        if self._edits.graft is not None and bad:
            self._donor = self._donor or Donor(self._edits.graft)
            wanted = (tensor.fqn for tensor in draft.tensors(Role.MODEL) if draft.is_bad(tensor))
            theirs = self._donor.with_all(wanted, view.report.part.path.name)
            graft(draft, held.enter_context(opened(theirs.path)), theirs)
        return replace(
            self._edits,
            reset_bn=self._edits.reset_bn
            and any(tensor.fqn.endswith(_STATISTICS) for tensor in view.tensors),
            zero_nonfinite=self._edits.zero_nonfinite and bad,
        )

    def _forget_in_place(self, draft: Draft, view: PartView) -> None:
        if not self._edits.reset_optimizer and not self._is_poisoned(view):
            return
        lost = [one.fqn for one in view.bad() if one.role is Role.OPTIMIZER and one.lost]
        if lost:
            raise RestoreError(
                f"{view.report.part.path}: {lost[0]} is lost, and an optimizer that is shared out "
                "among ranks does not load without: take another checkpoint"
            )
        why = f"{self._forgets} of all ranks hold NaN or Inf or are damaged"
        reset_moments(draft, view, why if self._forgets else "as asked")

    def _rates(self, draft: Draft, view: PartView) -> None:
        if view.report.part.form is Form.DCP:
            self._scaled += change_slice_rates(
                draft, slices_of(view.report.part.described), self._new_rate
            )
            return
        edits = self._edits
        if edits.scale_lr is not None:
            self._scaled += scale(draft, edits.scale_lr, self._before)
        if edits.set_lr is not None and self._standard is not None:
            put_rates(draft, edits.set_lr, self._standard)

    def _stop_growth(self, draft: Draft, view: PartView) -> None:
        decay, part = self._edits.lr_decay, view.report.part
        if decay is None:
            return
        if part.form is Form.DCP:
            names = {one.path for one in growths_of(view.checkpoint.scalars)}
            changed = put_slice_numbers(draft, slices_of(part.described), names, decay)
        else:
            changed = stop_growth(draft, decay)
        self._decayed += [(f"{part.name}: {name}", old) for name, old in changed]

    def _new_rate(self, name: str, old: float) -> float | None:
        """A stored rate as it is to be; None for one that stays."""
        edits = self._edits
        if edits.scale_lr is not None:
            return rescaled(old, edits.scale_lr, self._before)
        if edits.set_lr is not None and self._standard is not None:
            return self._standard.of(name, old, edits.set_lr)
        return None

    def _refuse_what_is_left(self, draft: Draft) -> None:
        left = [
            tensor.fqn
            for tensor in draft.tensors(Role.MODEL)
            if draft.is_bad(tensor) and tensor.fqn not in draft.touched
        ]
        if left:
            raise RestoreError(
                f"{draft.checkpoint.path}: {left[0]} is not sound, and nothing asked for mends it"
            )

    def finish(self) -> tuple[Action, ...]:
        """What was done to all parts, once all of them were changed.

        Raises:
            RestoreError: there was nothing to do what was asked for with.
        """
        edits, done = self._edits, [*self._means.actions(), *_summed(self._done)]
        if edits.scale_lr is not None:
            scaled = scaled_action(
                self._scaled, edits.scale_lr, self._before, self._copied, self._report.path
            )
            stored = (view.checkpoint.scalars.items() for view in self._views.values())
            done.append(with_what_stays(scaled, dict(chain.from_iterable(stored))))
        if edits.set_lr is not None and self._standard is not None:
            done.append(set_action(edits.set_lr, self._standard))
        if done and done[-1].name in _OF_RATES and any(map(_counts_alone, self._views.values())):
            done[-1] = replace(done[-1], notice=_IN_CONFIG)
        if edits.lr_decay is not None:
            done.append(decay_action(self._decayed, edits.lr_decay, self._report.path))
        names = {action.name for action in done}
        for wanted, name, lacking in (
            (edits.reset_optimizer, "reset-optimizer", "an optimizer to reset"),
            (edits.reset_bn, "reset-bn", "a running_var to reset"),
            (edits.zero_nonfinite, "zero-nonfinite", "NaN or Inf among its weights"),
            (edits.graft is not None, "graft", "a bad tensor to graft"),
        ):
            if wanted and name not in names:
                raise RestoreError(f"{self._report.path}: it has no file with {lacking}")
        return tuple(done)


_TAKEN_AS_THEY_ARE = frozenset(
    {PartRole.RNG, PartRole.STATE, PartRole.ARGS, PartRole.CUSTOM, PartRole.SCHEDULER}
)


_OF_RATES = ("scale-lr", "set-lr")
_IN_CONFIG = (
    "the schedule in the DeepSpeed configuration sets the rate after each step: change it there too"
)


def _counts_alone(view: PartView) -> bool:
    """Whether a scheduler stores how far it is, and takes its rates from a configuration.

    Source: ``deepspeed/runtime/lr_schedules.py``.
    """
    scalars = view.checkpoint.scalars
    own = [name for name in scalars if name.startswith("lr_scheduler.")]
    return "lr_scheduler.last_batch_iteration" in own and not any(map(is_rate, own))


def _stores_rates(view: PartView) -> bool:
    return any(map(is_rate, view.checkpoint.scalars)) or any(
        is_rate(tensor.fqn) for tensor in view.tensors
    )


def _summed(done: Sequence[_Done]) -> Iterator[Action]:
    """Each thing once, with the parts that it was done to."""
    parts: dict[Action, list[str]] = {}
    for one in done:
        parts.setdefault(one.action, []).append(one.part)
    for action, names in parts.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield replace(action, message=f"{names[0]}{more}: {action.message}")
