"""A pickle machine that builds an inert tree: it names, it never imports, calls or hashes.

Every object of the pickle becomes a node (see ``nodes``), a plain Python scalar, ``list``
or ``tuple``. A global is recorded when its opcode runs, so a call whose result is dropped is seen
as well. Large byte strings stay in the file and are represented by their position.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NoReturn

from ckptdoctor.errors import UnsupportedCheckpointError
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.pickle.names import method_runs_code, normalise, runs_code
from ckptdoctor.formats.pickle.nodes import (
    UNSET,
    BytesRef,
    DictNode,
    GlobalRef,
    Instance,
    Node,
    PersistentId,
    PickleError,
    PickleLimitError,
    PickleTruncatedError,
    RecordedCall,
    RecordedGlobal,
    SetNode,
    shorten,
    spell,
)
from ckptdoctor.formats.pickle.opcodes import DISPATCH, STOP, TRACKING_DISPATCH
from ckptdoctor.formats.source import ByteSource

__all__ = ["PickleMachine", "refuse_bytearrays"]

_TEXT_NBYTES = 1 << 20  # a text longer than this stays in the file
_HELD_NBYTES = 1 << 26  # so do all but short texts and byte strings, once there are so many
_SHORT_NBYTES = 255
_LINE_NBYTES = 1 << 20  # the longest line of a protocol 0 opcode
_WINDOW_NBYTES = 1 << 18
_LOOKAHEAD_NBYTES = 16  # no opcode with an argument of fixed size is longer
_MAX_CALLS = 100
_MAX_GLOBALS = 10_000  # a whole module names some tens, a large TorchScript archive some hundreds
_NAME_CHARS = 2_000  # the longest dotted name of a global
_GETATTR = "builtins.getattr"
_COMPUTED = (Instance, GlobalRef, PersistentId)


class PickleMachine:
    """Runs one pickle after another from a source.

    Args:
        source: where the pickle lies.
        limits: bounds on the work.
        track_scalars: push every number, bool and None as :class:`Located`.

    Attributes:
        globals: what was named so far, by dotted name, in order.
        calls: calls of globals that run code, at most 100.
        persistent_ids: every reference to something outside the pickle.
        holds_bytearrays: whether a byte array of protocol 5 was read, which the tree has as bytes.
        lying_frame: what is wrong with a frame, and where; the pickle is refused at its end only,
            so that what it names is seen.
    """

    __slots__ = (
        "_base",
        "_dispatch",
        "_edge",
        "_held_nbytes",
        "_keep_in_file",
        "_limits",
        "_opcodes",
        "_source",
        "calls",
        "data",
        "globals",
        "holds_bytearrays",
        "lying_frame",
        "marks",
        "memo",
        "memo_gaps",
        "persistent_ids",
        "pos",
        "stack",
    )

    def __init__(
        self, source: ByteSource, limits: Limits | None = None, *, track_scalars: bool = False
    ) -> None:
        self._source = source
        self._limits = limits or Limits.for_file(source.nbytes)
        self._dispatch = TRACKING_DISPATCH if track_scalars else DISPATCH
        self._keep_in_file = source.file_offset is not None
        self.data = b""
        self._base = 0
        self.pos = 0
        self._edge = 0
        self.stack: list[Node] = []
        self.marks: list[list[Node]] = []
        self.memo: list[Node] = []  # no dict: a file could choose indices that collide in it
        self.memo_gaps = 0
        self._opcodes = 0
        self._held_nbytes = 0
        self.globals: dict[str, RecordedGlobal] = {}
        self.calls: list[RecordedCall] = []
        self.persistent_ids: list[Node] = []
        self.holds_bytearrays = False
        self.lying_frame: tuple[str, int] | None = None

    @property
    def file_offset(self) -> int | None:
        """Where the source begins in the file; None where the file holds it encoded."""
        return self._source.file_offset

    def run(self, start: int = 0) -> tuple[Node, int]:
        """The object of the pickle at ``start``, and the offset behind its STOP.

        Raises:
            PickleTruncatedError: the source ends first.
            PickleLimitError: a bound of ``limits`` is reached.
            PickleError: an opcode is unknown or does not fit the stack.
        """
        self.stack, self.marks, self.memo, self.memo_gaps = [], [], [], 0
        self.lying_frame = None
        self._seek(start)
        dispatch = self._dispatch
        budget = self._limits.opcodes - self._opcodes
        count = 0
        try:
            while True:
                pos = self.pos
                if pos >= self._edge:
                    self._refill(_LOOKAHEAD_NBYTES)
                    pos = self.pos
                opcode = self.data[pos]
                self.pos = pos + 1
                count += 1
                if count > budget:
                    raise PickleLimitError(f"more than {budget} opcodes", self.at)
                if opcode == STOP:
                    break
                dispatch[opcode](self)
            if not self.stack:
                raise PickleError("a pickle of nothing", self.at)
            if self.lying_frame is not None:
                raise PickleError(*self.lying_frame)
            return self.stack.pop(), self.at
        except (IndexError, KeyError) as error:
            if self.pos > len(self.data) or (
                self.pos + _LOOKAHEAD_NBYTES > len(self.data) and self.at >= self._source.nbytes
            ):
                raise PickleTruncatedError("the pickle ends too early", self.at) from error
            raise PickleError("an opcode takes more than the stack holds", self.at) from error
        except struct.error as error:
            raise PickleTruncatedError("the pickle ends too early", self.at) from error
        except (ValueError, OverflowError) as error:  # UnicodeDecodeError is a ValueError
            raise PickleError(f"an argument makes no sense: {error}", self.at) from error
        finally:
            self._opcodes += count

    # -- reading ---------------------------------------------------------------------------------

    @property
    def left(self) -> int:
        """Bytes from the position to the end of the source."""
        return self._source.nbytes - self.at

    @property
    def at(self) -> int:
        """The position in the source."""
        return self._base + self.pos

    def _seek(self, offset: int) -> None:
        """Continue at ``offset`` of the source."""
        if self._base <= offset <= self._base + len(self.data):
            self.pos = offset - self._base
        else:
            self._base, self.pos, self.data, self._edge = offset, 0, b"", 0

    def _refill(self, nbytes: int) -> None:
        """Make at least ``nbytes`` readable at the position, or all that is left."""
        self._base += self.pos
        self.pos = 0
        self.data = self._source.read(self._base, max(nbytes, _WINDOW_NBYTES))
        if not self.data:
            raise PickleTruncatedError("the pickle ends too early", self._base)
        at_end = self._base + len(self.data) >= self._source.nbytes
        self._edge = len(self.data) - (0 if at_end else _LOOKAHEAD_NBYTES)

    def take(self, nbytes: int) -> bytes:
        """The next ``nbytes``."""
        if self.pos + nbytes > len(self.data):
            if nbytes > self._source.nbytes - self.at:
                raise PickleTruncatedError("the pickle ends too early", self.at)
            self._refill(nbytes)
        end = self.pos + nbytes
        taken = self.data[self.pos : end]
        if len(taken) < nbytes:
            raise PickleTruncatedError("the pickle ends too early", self.at)
        self.pos = end
        return taken

    def unpack(self, layout: struct.Struct) -> Any:
        """One value of a fixed size; the lookahead holds it unless the source ends."""
        value = layout.unpack_from(self.data, self.pos)[0]
        self.pos += layout.size
        return value

    def line(self) -> bytes:
        """The rest of the line, without its end."""
        end = self.data.find(b"\n", self.pos)
        if end < 0:
            self._refill(_LINE_NBYTES)
            end = self.data.find(b"\n")
            if end < 0:
                raise PickleTruncatedError("a line has no end", self.at)
        line = self.data[self.pos : end]
        self.pos = end + 1
        return line

    def blob(self, nbytes: int, limit: int) -> bytes | BytesRef:
        """The next ``nbytes``, or their position where they are many and lie in the file."""
        if nbytes > self._source.nbytes - self.at:
            raise PickleTruncatedError("the pickle ends too early", self.at)
        if self._held_nbytes > _HELD_NBYTES:
            limit = _SHORT_NBYTES
        if nbytes > limit and self._keep_in_file:
            ref = BytesRef(self.at, nbytes)
            self._seek(ref.offset + nbytes)
            return ref
        self._held_nbytes += nbytes
        return self.take(nbytes)

    def text(self, nbytes: int) -> str | BytesRef:
        """The next ``nbytes`` as text, or their position where they are very many."""
        raw = self.blob(nbytes, _TEXT_NBYTES)
        if isinstance(raw, BytesRef):
            raw.is_text = True
            return raw
        return raw.decode("utf-8", "surrogatepass")

    # -- the stack -------------------------------------------------------------------------------

    def push(self, node: Node) -> None:
        """Put a node on the stack."""
        self.stack.append(node)

    def pop_mark(self) -> list[Node]:
        """What was pushed since the last mark."""
        items = self.stack
        self.stack = self.marks.pop()
        return items

    # -- what the tree is made of ----------------------------------------------------------------

    def name_global(self, module: Node, name: Node, at: int) -> GlobalRef:
        """The global that the opcode at ``at`` names; recorded.

        A name that another call or global is to give can be anything, and counts as code.
        """
        if type(module) is not str or type(name) is not str:
            if type(module) in _COMPUTED or type(name) in _COMPUTED:
                return self._computed_global(module, name, at)
            raise PickleError("a global whose name is no text", at)
        if len(module) + len(name) > _NAME_CHARS:
            raise PickleLimitError(f"a global whose name is longer than {_NAME_CHARS}", at)
        return self.name_dotted(normalise(module, name), at, module, name)

    def name_dotted(self, dotted: str, at: int, module: str = "", name: str = "") -> GlobalRef:
        """The same, by its dotted name."""
        known = self.globals.get(dotted)
        if known is None:
            if len(self.globals) >= _MAX_GLOBALS:
                raise PickleLimitError(f"more than {_MAX_GLOBALS} classes and functions", at)
            ref = GlobalRef(dotted, runs_code(dotted), module, name)
            known = RecordedGlobal(ref, at)
            self.globals[dotted] = known
        known.count += 1
        return known.ref

    def _computed_global(self, module: Node, name: Node, at: int) -> GlobalRef:
        dotted = shorten(
            ".".join(part if type(part) is str else spell(part) for part in (module, name))
        )
        known = self.globals.setdefault(
            dotted, RecordedGlobal(GlobalRef(dotted, runs_code=True), at)
        )
        known.count += 1
        return known.ref

    def call(
        self, factory: Node, args: Node, opcode: bytes = b"R", *, spelled: Node = None
    ) -> Node:
        """The node for a call; records it where the callable runs code."""
        if type(factory) is GlobalRef:
            if factory.runs_code:
                self._record_call(factory.name, args if spelled is None else spelled)
            elif factory.name == _GETATTR:
                return self._getattr(args)
        if _GETATTR in self.globals:
            self._note_handed_on(factory, args)
        made = Instance(factory, args)
        made.opcode = opcode
        return made

    def _getattr(self, args: Node) -> Node:
        """``getattr(a_global, "name")`` is a global too, and judged as one."""
        match args:
            case (GlobalRef() as owner, str() as attribute, *_):
                return self.name_global(owner.name, attribute, self.at - 1)
            case (Instance(factory=GlobalRef() as made_by), str() as attribute, *_) if (
                method_runs_code(made_by.name, attribute)
            ):
                pass  # `getattr(Path("x"), "write_text")`
            case (_, str() as attribute, *_) if not attribute.startswith("__"):
                return Instance(GlobalRef(_GETATTR, runs_code=False), args)
        self._record_call(_GETATTR, args)
        return Instance(GlobalRef(_GETATTR, runs_code=True), args)

    def _note_handed_on(self, callee: Node, args: Node) -> None:
        """``map(getattr, ...)``: whoever is handed ``getattr`` may ask it for anything."""
        if type(args) is tuple and any(type(a) is GlobalRef and a.name == _GETATTR for a in args):
            self._record_call(callee.name if type(callee) is GlobalRef else _GETATTR, args)

    def change_global(self, target: GlobalRef, how: str, what: Node) -> None:
        """Record that a class, a function or a list of the running program would be changed."""
        self._record_call(f"{target.name}.{how}", (what,))

    def _record_call(self, name: str, args: Node) -> None:
        if len(self.calls) < _MAX_CALLS:
            shown = args[:8] if type(args) is tuple else (args,)
            inner = ", ".join(spell(arg) for arg in shown)
            self.calls.append(RecordedCall(name, shorten(f"{name}({inner})"), self.at - 1))

    def add_members(self, target: Node, items: list[Node]) -> None:
        """APPEND, APPENDS and ADDITEMS."""
        if type(target) is list:
            target.extend(items)
        elif type(target) is Instance:
            if target.members is None:
                target.members = []
            target.members.extend(items)
        elif type(target) is SetNode:
            target.members.extend(items)
        elif type(target) is GlobalRef:
            self.change_global(target, "extend", items)
        else:
            raise PickleError(f"items are appended to a {type(target).__name__}", self.at)

    def add_pairs(self, target: Node, items: list[Node]) -> None:
        """SETITEM, SETITEMS and DICT: key, value, key, value, ..."""
        if len(items) % 2:
            raise PickleError("a key has no value", self.at)
        pairs = zip(items[::2], items[1::2], strict=True)
        if type(target) is DictNode:
            target.pairs.extend(pairs)
        elif type(target) is Instance:
            if target.pairs is None:
                target.pairs = []
            target.pairs.extend(pairs)
        elif type(target) is GlobalRef:
            self.change_global(target, "update", items)
        else:
            raise PickleError(f"items are set on a {type(target).__name__}", self.at)

    def memoize(self, index: int) -> None:
        """Remember the top of the stack.

        Indices count up, but for those that ``pickletools.optimize`` dropped: none is larger than
        the number of opcodes.
        """
        memo, top = self.memo, self.stack[-1]
        if index == len(memo):
            memo.append(top)
            return
        if not 0 <= index <= self._limits.opcodes:
            raise PickleError("a memo index that no pickler writes", self.at)
        if index > len(memo):
            gap = index - len(memo)
            memo.extend([UNSET] * gap)
            memo.append(top)
            self.memo_gaps += gap
        else:
            self.memo_gaps -= memo[index] is UNSET
            memo[index] = top

    def remembered(self, index: int) -> Node:
        """What was memoized under an index."""
        node = self.memo[index] if index >= 0 else UNSET
        if node is UNSET:
            self.refuse_unset()
        return node

    def refuse_unset(self) -> NoReturn:
        """Refuse a memo entry that was never set."""
        raise PickleError("a memo entry that was never set", self.at)


def refuse_bytearrays(path: Path, machine: PickleMachine) -> None:
    """Refuse to write a tree again that does not tell bytes and byte arrays apart.

    Raises:
        UnsupportedCheckpointError: the machine read a byte array of protocol 5.
    """
    if machine.holds_bytearrays:
        raise UnsupportedCheckpointError(
            path, "it holds byte arrays of pickle protocol 5, and is copied but not edited"
        )
