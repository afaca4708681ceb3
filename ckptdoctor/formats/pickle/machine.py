"""A pickle machine that builds an inert tree: it names, it never imports, calls or hashes.

Every object of the pickle becomes a node (see ``nodes``), a plain Python scalar, ``list`` or
``tuple``. A global is recorded when its opcode runs, so a call whose result is dropped is seen as
well. Large byte strings stay in the file and are represented by their position.
"""

from __future__ import annotations

import contextlib
import struct
from dataclasses import replace
from pathlib import Path

from ckptdoctor.errors import UnsupportedCheckpointError
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.pickle import frames
from ckptdoctor.formats.pickle.element_types import DTYPE, ElementTypes
from ckptdoctor.formats.pickle.handed_on import HandedOn
from ckptdoctor.formats.pickle.loading import Loading
from ckptdoctor.formats.pickle.nodes import (
    Instance,
    Node,
    PickleError,
    PickleLimitError,
    PickleTruncatedError,
)
from ckptdoctor.formats.pickle.opcodes import DISPATCH, STOP, TRACKING_DISPATCH
from ckptdoctor.formats.pickle.scalars import Handler
from ckptdoctor.formats.pickle.state import MachineState, OpcodesError
from ckptdoctor.formats.pickle.window import LOOKAHEAD_NBYTES
from ckptdoctor.formats.source import ByteSource, MemorySource

__all__ = ["PickleMachine", "refuse_bytearrays"]

_BUILD = ord("b")


class PickleMachine(MachineState):
    """Runs one pickle after another from a source.

    Args:
        source: where the pickle lies.
        limits: bounds on the work; by default what the size of the source explains.
        track_scalars: push every number, bool and None as :class:`Located`.

    Attributes:
        gave_up: whether a pickle took more opcodes than allowed, and was not read to its end.
    """

    __slots__ = ("_dispatch", "_element_types", "_opcodes", "gave_up")

    def __init__(
        self, source: ByteSource, limits: Limits | None = None, *, track_scalars: bool = False
    ) -> None:
        super().__init__(source, limits or Limits.for_file(source.nbytes))
        self._dispatch = list(TRACKING_DISPATCH if track_scalars else DISPATCH)
        self._opcodes = 0
        self.gave_up = False
        self.loading = Loading(self, self._limits.opcodes)
        self._element_types = ElementTypes()
        self._dispatch[_BUILD] = self._checked(self._dispatch[_BUILD])
        self.handed_on = HandedOn(self)

    def within(self, source: ByteSource, nbytes: int) -> PickleMachine:
        """Another machine, for a file of ``nbytes`` in this one's pickle: it records with this."""
        limits = self._limits.within(nbytes)
        left = min(limits.opcodes, self.loading.opcodes_left)
        inner = PickleMachine(source, replace(limits, opcodes=left))
        inner.record_with(self)
        inner.loading = Loading(inner, left, self.loading)
        return inner

    def watch(self, opcodes: bytes, then: Handler) -> None:
        """Have ``then`` run behind each of these opcodes from now on."""

        def watched(handler: Handler) -> Handler:
            def run(vm: MachineState) -> None:
                handler(vm)
                then(vm)

            return run

        for code in opcodes:
            self._dispatch[code] = watched(self._dispatch[code])

    def _checked(self, build: Handler) -> Handler:
        """BUILD that looks at what describes the elements of arrays before it does."""

        def run(vm: MachineState) -> None:
            target = vm.stack[-2] if len(vm.stack) > 1 else None
            if type(target) is Instance and target.name == DTYPE:
                fault = self._element_types.fault(target, vm.stack[-1])
                if fault:
                    vm.complain(PickleError(fault, vm.at - 1))
            build(vm)

        return run

    def run(self, start: int = 0) -> tuple[Node, int]:
        """The object of the pickle at ``start``, and the offset behind its STOP.

        Where its frames may be read in several ways, what each of them names is recorded.

        Raises:
            PickleTruncatedError: the source ends first.
            PickleLimitError: a bound of ``limits`` is reached.
            PickleError: an opcode is unknown or does not fit the stack, or the pickle contradicts
                itself.
        """
        try:
            return self._run(start)
        except PickleError as error:
            self.gave_up |= isinstance(error, OpcodesError)  # or one in a file within the pickle
            if self.may_be_read_otherwise(error):
                self._read_as_others_do(start)
            if isinstance(error, PickleLimitError):
                self.let_go()
            raise

    def _run(self, start: int) -> tuple[Node, int]:
        self.start(start)
        dispatch = self._dispatch
        budget = self._limits.opcodes - self._opcodes
        count = 0
        try:
            while True:
                if self.pos >= self._edge:
                    self.turn()
                pos = self.pos
                opcode = self.data[pos]
                self.pos = pos + 1
                count += 1
                if count > budget:
                    raise OpcodesError(f"more than {budget} opcodes", self.at)
                if opcode == STOP:
                    break
                dispatch[opcode](self)
            if not self.stack:
                raise PickleError("a pickle of nothing", self.at)
            self.end_frames()
            fault = self._element_types.fault_at_end()
            if fault:
                self.complain(PickleError(fault, self.at))
            if self.complaint is not None:
                raise self.complaint
            return self.stack.pop(), self.at
        except (IndexError, KeyError) as error:
            if self.pos > len(self.data) or (
                self.pos + LOOKAHEAD_NBYTES > len(self.data) and self.at >= self._source.nbytes
            ):
                raise PickleTruncatedError("the pickle ends too early", self.at) from error
            raise PickleError("an opcode takes more than the stack holds", self.at) from error
        except struct.error as error:
            raise PickleTruncatedError("the pickle ends too early", self.at) from error
        except (ValueError, OverflowError) as error:  # UnicodeDecodeError is a ValueError
            raise PickleError(f"an argument makes no sense: {error}", self.at) from error
        finally:
            count += self.spent
            self.spent = 0
            self._opcodes += count
            self.loading.settle(count)
            self.settle_handed_on()

    def _read_as_others_do(self, start: int) -> None:
        """Record what readers name that drop bytes where a frame ends."""
        for other in frames.other_readings(self._source, start):
            machine = PickleMachine(MemorySource(other), self._limits)
            with contextlib.suppress(PickleError):  # it is refused anyway
                machine._run(0)
            self.adopt(machine, start)
            machine.let_go()


def refuse_bytearrays(path: Path, machine: PickleMachine) -> None:
    """Refuse to write a tree again that does not tell bytes and byte arrays apart.

    Raises:
        UnsupportedCheckpointError: the machine read a byte array of protocol 5.
    """
    if machine.holds_bytearrays:
        raise UnsupportedCheckpointError(
            path, "it holds byte arrays of pickle protocol 5, and is copied but not edited"
        )
