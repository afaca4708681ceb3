"""Pickles of ``joblib.dump``: the bytes of an array stand in the stream, behind what describes it.

Where ``joblib.load`` has built a ``NumpyArrayWrapper``, it reads the array from the file and goes
on behind it. Other readers take the same bytes for opcodes; so whoever reads a file in this way
looks at what those would do as well.

Source: ``NumpyArrayWrapper.read_array`` and ``NumpyUnpickler.load_build`` in
``joblib/numpy_pickle.py`` of joblib 0.10 to 1.6.
"""

from __future__ import annotations

import math

from ckptdoctor.formats.arrays import JOBLIB_ARRAY, array_dtype
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.names import Use
from ckptdoctor.formats.pickle.nodes import (
    DictNode,
    GlobalRef,
    Instance,
    PickleError,
    PickleTruncatedError,
    unwrap,
)
from ckptdoctor.formats.pickle.state import MachineState
from ckptdoctor.formats.raw import sizes_of
from ckptdoctor.formats.source import ByteSource

__all__ = ["JoblibMachine"]

_BUILD = b"b"
_MAKERS = ("copyreg._reconstructor", "copyreg.__newobj__", "copyreg.__newobj_ex__")
_HAS_OBJECTS = 1  # the flag of numpy's dtypes, NPY_ITEM_REFCOUNT
_MAX_ITEM_NBYTES = 1 << 31


class JoblibMachine(PickleMachine):
    """Reads a pickle as ``joblib.load`` does; the arguments are those of the plain machine.

    The payload of an array is the one member of its wrapper: its bytes, the array itself where it
    holds objects, or None where the file ends within it.
    """

    __slots__ = ()

    def __init__(
        self, source: ByteSource, limits: Limits | None = None, *, track_scalars: bool = False
    ) -> None:
        super().__init__(source, limits, track_scalars=track_scalars)
        self.watch(_BUILD, self._read_array)

    def _read_array(self, _: MachineState) -> None:
        wrapper = self.stack[-1]
        if type(wrapper) is not Instance or not _is_wrapper(wrapper):
            return
        wrapper.factory = GlobalRef(JOBLIB_ARRAY, Use.BUILT)  # however it was made
        state = wrapper.state
        if type(state) is not DictNode:
            raise PickleError("an array of joblib that is not described", self.at)
        try:
            shape = sizes_of(state.get("shape"))
            nbytes, has_objects = _item(state)
        except (TypeError, ValueError, IndexError) as error:
            raise PickleError(f"an array of joblib that is none: {error}", self.at) from error
        self._leave_frame()
        wrapper.members = [None]
        if has_objects:
            inner = self.within(self.source, self.left)
            root, end = inner.run(self.at)
            wrapper.members = [root]
            self.seek(end)
            return
        if unwrap(state.get("numpy_array_alignment_bytes")) is not None:
            padding = self.take(1)[0]
            self.seek(self.at + padding)
        nbytes *= math.prod(shape)
        if nbytes > self.left:
            raise PickleTruncatedError("the file ends within an array", self.at)
        wrapper.members = [self.blob(nbytes, -1)]


def _is_wrapper(made: Instance) -> bool:
    args = made.args if type(made.args) is tuple else ()
    first = args[0] if args and made.name in _MAKERS else made.factory
    return type(first) is GlobalRef and first.name == JOBLIB_ARRAY


def _item(state: DictNode) -> tuple[int, bool]:
    """Bytes an element, and whether elements are objects."""
    dtype = state.get("dtype")
    code, _ = array_dtype(dtype)
    described = dtype.state if type(dtype.state) is tuple else ()
    flags = unwrap(described[-1]) if described else 0
    if code[:1] in "OT" or (type(flags) is int and flags & _HAS_OBJECTS):
        return 0, True
    if code == "b1":
        return 1, False
    nbytes = int(code[1:]) * (4 if code[:1] == "U" else 1)
    if not 0 <= nbytes < _MAX_ITEM_NBYTES:
        raise ValueError("an element of no size")
    return nbytes, False
