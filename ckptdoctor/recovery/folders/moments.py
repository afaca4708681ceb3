"""An optimizer's moments forgotten where they lie: what ranks share out cannot be left out.

DeepSpeed and torch.distributed.checkpoint load by the tensors that they expect: one that is missing
ends the load. Zeros, and a step of 0, are what a fresh optimizer begins with.
"""

from __future__ import annotations

from ckptdoctor.checkpoint import Role, TensorRecord
from ckptdoctor.layouts.files import Form
from ckptdoctor.recovery.draft import Draft, number_of, storage_key
from ckptdoctor.recovery.edits import RESET_NOTICE
from ckptdoctor.recovery.folders.part_draft import PartView
from ckptdoctor.recovery.folders.slices import reset_slices, slices_of
from ckptdoctor.recovery.patches import fill_storage_with_zeros, fill_with_zeros
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
    """The same in a file that is written anew; how many tensors.

    A storage that holds nothing but moments is filled as a whole: between those of two parameters
    may lie padding, which nothing names.
    """
    moments = [tensor for tensor in draft.checkpoint.tensors if _is_moment(tensor)]
    shared = {storage_key(tensor) for tensor in draft.checkpoint.tensors if not _is_moment(tensor)}
    filled: set[str] = set()
    for tensor in moments:
        key = storage_key(tensor)
        if key in shared:
            fill_with_zeros(draft, tensor)
        elif key not in filled:
            fill_storage_with_zeros(draft, tensor)
            filled.add(key)
        draft.touched.add(tensor.fqn)
    for place in places(draft.saved.root):
        if place.path[-1] in _STEPS and number_of(place.node) is not None:
            place.put(0)
            draft.touched.add(place.fqn)
    return len(moments)


def _is_moment(tensor: TensorRecord) -> bool:
    ours = tensor.role is Role.OPTIMIZER and 0 not in tensor.shape
    return ours and "param_groups" not in tensor.fqn.split(".")


_STEPS = ("step", "base_optimizer_state_step")
