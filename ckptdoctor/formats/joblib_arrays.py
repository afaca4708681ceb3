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
from ckptdoctor.formats.pickle.element_types import Elements
from ckptdoctor.formats.pickle.kept import class_of
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.names import Use
from ckptdoctor.formats.pickle.nodes import (
    DictNode,
    GlobalRef,
    Instance,
    Node,
    PickleError,
    PickleTruncatedError,
    unwrap,
)
from ckptdoctor.formats.pickle.state import MachineState
from ckptdoctor.formats.raw import sizes_of
from ckptdoctor.formats.source import ByteSource

__all__ = ["JoblibMachine"]

_BUILD = b"b"


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
        self._leave_frame()
        wrapper.members = [None]
        dtype = state.get("dtype")
        kind, nbytes = self._element_types.elements_of(dtype)
        if kind is Elements.ODD:
            kind, nbytes = _as_if_sound(dtype)
        if kind is not Elements.NUMBERS and self._read_objects(wrapper, kind):
            return
        self._read_numbers(wrapper, state, nbytes)

    def _read_objects(self, wrapper: Instance, kind: Elements) -> bool:
        """Run the pickle that follows; whether there is one.

        Where numpy would not write such a type, it may be one, or numbers: nobody else can tell.
        """
        inner = self.within(self.source, self.left)
        if kind is Elements.OBJECTS:
            root, end = inner.run(self.at)
        else:
            self.complain(PickleError("an array of a type that numpy does not write", self.at))
            try:
                root, end = inner.run(self.at)
            except PickleError:
                return False  # it is refused anyway: what follows is read as if they were numbers
        wrapper.members = [root]
        self.seek(end)
        return True

    def _read_numbers(self, wrapper: Instance, state: DictNode, nbytes: int) -> None:
        try:
            shape = sizes_of(state.get("shape"))
        except TypeError as error:
            raise PickleError(f"an array of joblib that is none: {error}", self.at) from error
        if unwrap(state.get("numpy_array_alignment_bytes")) is not None:
            padding = self.take(1)[0]
            self.seek(self.at + padding)
        nbytes *= math.prod(shape)
        if nbytes > self.left:
            raise PickleTruncatedError("the file ends within an array", self.at)
        wrapper.members = [self.blob(nbytes, -1)]


def _is_wrapper(made: Instance) -> bool:
    cls = class_of(made)
    return cls is not None and cls.name == JOBLIB_ARRAY


def _as_if_sound(dtype: Node) -> tuple[Elements, int]:
    """What elements would be of a type that numpy does not write so, and the bytes of one."""
    try:
        code, _ = array_dtype(dtype)
        if code == "T":
            return Elements.OBJECTS if dtype.state is None else Elements.ODD, 0
        return Elements.ODD, max(0, int(code[1:])) * (4 if code[:1] == "U" else 1)
    except (TypeError, ValueError, IndexError):
        return Elements.ODD, 0
