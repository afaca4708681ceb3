"""An optimizer's moments forgotten where they lie: what ranks share out cannot be left out.

DeepSpeed and torch.distributed.checkpoint load by the tensors that they expect: one that is missing
ends the load. Zeros, and a step of 0, are what a fresh optimizer begins with.
"""

from __future__ import annotations

from ckptdoctor.checkpoint import Role
from ckptdoctor.layouts.files import Form
from ckptdoctor.recovery.draft import Draft, number_of
from ckptdoctor.recovery.edits import RESET_NOTICE
from ckptdoctor.recovery.folders.part_draft import PartView
from ckptdoctor.recovery.folders.slices import reset_slices, slices_of
from ckptdoctor.recovery.patches import fill_with_zeros
from ckptdoctor.recovery.tree import places

__all__ = ["forgets_in_place", "reset_moments"]


def forgets_in_place(view: PartView) -> bool:
    """Whether the optimizer of a part is shared out among ranks, so that its tensors must stay."""
    if view.report.part.form is Form.DCP:
        return True
    return any(name.rpartition(".")[2] == "zero_stage" for name in view.checkpoint.scalars)


def reset_moments(draft: Draft, view: PartView, why: str) -> None:
    """Put zeros where the moments are.

    Raises:
        RestoreError: a tensor does not lie in one piece.
    """
    part = view.report.part
    is_dcp = part.form is Form.DCP
    count = reset_slices(draft, slices_of(part.described)) if is_dcp else _reset(draft)
    if count:
        draft.did("reset-optimizer", f"{count} tensors of moments are 0: {why}", RESET_NOTICE)


def _reset(draft: Draft) -> int:
    """The same in a file that is written anew; how many tensors."""
    count = 0
    for tensor in draft.tensors(Role.OPTIMIZER):
        if 0 in tensor.shape or "param_groups" in tensor.fqn.split("."):
            continue
        fill_with_zeros(draft, tensor)
        draft.touched.add(tensor.fqn)
        count += 1
    for place in places(draft.saved.root):
        if place.path[-1] in _STEPS and number_of(place.node) is not None:
            place.put(0)
            draft.touched.add(place.fqn)
    return count


_STEPS = ("step", "base_optimizer_state_step")
