"""The inert tree back to a pickle: what the machine read, written again without having been run.

Protocol 2, which every torch reads; a bare pickle in protocol 4, which has byte strings. Objects
that the tree holds once are written once and referred to by the memo, so that what was shared stays
shared. Calls are written as the calls they were; an unknown class survives, because nobody needs to
know it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import IO, Any

from ckptdoctor.formats.pickle.kept import names_module
from ckptdoctor.formats.pickle.names import of_today
from ckptdoctor.formats.pickle.nodes import (
    BytesRef,
    DictNode,
    GlobalRef,
    Instance,
    Located,
    Node,
    PersistentId,
    SetNode,
)
from ckptdoctor.formats.source import ByteSource

__all__ = ["UnwritableError", "write_bare_pickle", "write_pickle"]

_MARK, _TUPLE, _POP_TO_MARK = b"(", b"t", b"1"
_TUPLES = {0: b")", 1: b"\x85", 2: b"\x86", 3: b"\x87"}
_BATCH = 1000
_CHUNK_NBYTES = 1 << 22


class UnwritableError(Exception):
    """The tree holds something that protocol 2 cannot say exactly; the message names it."""


def write_pickle(root: Node, source: ByteSource) -> bytes:
    """The pickle of a tree.

    Args:
        root: what a pickle machine returned, changed or not.
        source: where the byte strings of the tree lie.

    Raises:
        UnwritableError: it cannot be written so that it would be read as the same.
    """
    out = io.BytesIO()
    _Writer(source, out).run(root)
    return out.getvalue()


def write_bare_pickle(root: Node, source: ByteSource, out: IO[bytes]) -> None:
    """Write the pickle of a tree that holds its tensors itself; long byte strings are copied.

    Args:
        root: what a pickle machine returned, changed or not.
        source: where the byte strings of the tree lie.
        out: the new file.

    Raises:
        UnwritableError: it cannot be written so that it would be read as the same.
    """
    _BareWriter(source, out).run(root)


class _Writer:
    """Writes by a stack of its own: trees are deeper than Python's."""

    protocol = b"\x80\x02"
    builtins = b"c__builtin__\n"

    def __init__(self, source: ByteSource, out: IO[bytes]) -> None:
        self._source = source
        self.out = out
        self._memo: dict[int, int] = {}
        self._texts: dict[str, int] = {}
        self._kept: list[Node] = []  # so that no id is given to another node meanwhile
        self._open: set[int] = set()
        self._next = 0
        self._todo: list[Callable[[], None] | tuple[Node]] = []
        self._writers: dict[type[Any], Callable[[Any], None]] = {
            type(None): self._none,
            bool: self._bool,
            int: self._int,
            float: self._float,
            str: self._text,
            bytes: self._bytes,
            BytesRef: self._bytes_ref,
            tuple: self._tuple,
            list: self._list,
            DictNode: self._dict,
            SetNode: self._set,
            GlobalRef: self._global,
            PersistentId: self._persistent_id,
            Instance: self._instance,
        }

    def run(self, root: Node) -> None:
        """Write everything."""
        self.out.write(self.protocol)
        self._todo.append((root,))
        while self._todo:
            task = self._todo.pop()
            if isinstance(task, tuple):
                self._node(task[0])
            else:
                task()
        self.out.write(b".")

    def _then(self, *tasks: Callable[[], None] | tuple[Node]) -> None:
        """What to do next, in this order."""
        self._todo.extend(reversed(tasks))

    def _emit(self, raw: bytes) -> Callable[[], None]:
        def emit() -> None:
            self.out.write(raw)

        return emit

    def _remember(self, node: Node) -> None:
        """Put the top of the stack into the memo."""
        self._memo[id(node)] = self._next
        self._kept.append(node)
        self._put()

    def _put(self) -> None:
        index = self._next
        self._next += 1
        self.out.write(b"q" + bytes([index]) if index < 256 else b"r" + struct.pack("<I", index))

    def _get(self, index: int) -> None:
        self.out.write(b"h" + bytes([index]) if index < 256 else b"j" + struct.pack("<I", index))

    # -- nodes -----------------------------------------------------------------------------------

    def _node(self, node: Node) -> None:
        if type(node) is Located:
            node = node.value
        if (index := self._memo.get(id(node))) is not None and type(node) not in _BY_VALUE:
            self._get(index)
            return
        write = self._writers.get(type(node))
        if write is None:
            raise UnwritableError(f"a {type(node).__name__}")
        write(node)

    def _none(self, _: None) -> None:
        self.out.write(b"N")

    def _bool(self, value: bool) -> None:  # noqa: FBT001
        self.out.write(b"\x88" if value else b"\x89")

    def _float(self, value: float) -> None:
        self.out.write(b"G" + struct.pack(">d", value))

    def _bytes_ref(self, node: BytesRef) -> None:
        raw = self._source.read(node.offset, node.nbytes)
        if node.is_text:
            self._long_text(raw)
        else:
            self._bytes(raw)

    def _list(self, node: list[Node]) -> None:
        self.out.write(b"]")
        self._remember(node)
        self._members(node)

    def _dict(self, node: DictNode) -> None:
        self.out.write(b"}")
        self._remember(node)
        self._pairs(node.pairs)

    def _persistent_id(self, node: PersistentId) -> None:
        pid = node.pid
        if names_module(pid) and len(pid) > 1:  # torch's zip files hold the class itself
            self._then((pid[1],))
            return
        if type(pid) is tuple and len(pid) == 6:  # torch's old format: the last names a view
            if pid[5] is not None:
                raise UnwritableError("a storage that is a view of another one")
            pid = pid[:5]
            self._kept.append(pid)
        self._then((pid,), self._emit(b"Q"))

    def _int(self, value: int) -> None:
        if 0 <= value < 1 << 8:
            raw = b"K" + bytes([value])
        elif 0 <= value < 1 << 16:
            raw = b"M" + struct.pack("<H", value)
        elif -(1 << 31) <= value < 1 << 31:
            raw = b"J" + struct.pack("<i", value)
        else:
            nbytes = value.bit_length() // 8 + 1
            if nbytes > 255:
                raise UnwritableError("an integer of more than 2,000 bits")
            raw = b"\x8a" + bytes([nbytes]) + value.to_bytes(nbytes, "little", signed=True)
        self.out.write(raw)

    def _text(self, text: str) -> None:
        known = self._texts.get(text)
        if known is not None:
            self._get(known)
            return
        self._texts[text] = self._next
        self._long_text(text.encode("utf-8", "surrogatepass"))
        self._put()

    def _long_text(self, raw: bytes) -> None:
        self.out.write(b"X" + struct.pack("<I", len(raw)) + raw)

    def _bytes(self, raw: bytes) -> None:
        """As Python 3 writes them in protocol 2, which has no bytes: latin-1 text, encoded."""
        self._call("_codecs", "encode", (raw.decode("latin-1"), "latin1"))

    def _call(self, module: str, name: str, args: tuple[Node, ...]) -> None:
        self.out.write(f"c{module}\n{name}\n".encode())
        self._then((args,), self._emit(b"R"))

    def _tuple(self, node: tuple[Node, ...]) -> None:
        if not node:
            self.out.write(b")")
            return
        if id(node) in self._open:
            raise UnwritableError("a tuple that holds itself")
        self._open.add(id(node))

        def close() -> None:
            self._open.discard(id(node))
            if len(node) in _TUPLES:
                self.out.write(_TUPLES[len(node)])
            else:
                self.out.write(_TUPLE)
            self._remember(node)

        if len(node) not in _TUPLES:
            self.out.write(_MARK)
        self._then(*((item,) for item in node), close)

    def _members(self, members: list[Node]) -> None:
        for start in reversed(range(0, len(members), _BATCH)):
            batch = members[start : start + _BATCH]
            self._then(self._emit(_MARK), *((item,) for item in batch), self._emit(b"e"))

    def _pairs(self, pairs: list[tuple[Node, Node]]) -> None:
        for start in reversed(range(0, len(pairs), _BATCH)):
            flat = [(item,) for pair in pairs[start : start + _BATCH] for item in pair]
            self._then(self._emit(_MARK), *flat, self._emit(b"u"))

    def _set(self, node: SetNode) -> None:
        self._then(
            self._emit(self.builtins + (b"frozenset\n" if node.frozen else b"set\n")),
            ((list(node.members),),),
            self._emit(b"R"),
            lambda: self._remember(node),
        )

    def pair(self, node: GlobalRef) -> tuple[str, str]:
        """Module and name, as the pickle has them."""
        return node.module, node.qualname

    def _global(self, node: GlobalRef) -> None:
        if not node.module or "\n" in node.module or "\n" in node.qualname:
            raise UnwritableError(f"the global {node.name!r}, which has no plain name")
        if "." in node.qualname:
            raise UnwritableError(f"the nested global {node.name!r}, which needs protocol 4")
        text = "\n".join(self.pair(node))
        self.out.write(b"c" + text.encode("utf-8", "surrogatepass") + b"\n")
        self._remember(node)

    def _instance(self, node: Instance) -> None:
        if id(node) in self._open:
            raise UnwritableError("an object that is among its own arguments")
        self._open.add(id(node))

        def made() -> None:
            self._open.discard(id(node))
            self._remember(node)
            if node.state is not None:
                self._then((node.state,), self._emit(b"b"))
            if node.pairs is not None:
                self._pairs(node.pairs)
            if node.members is not None:
                self._members(node.members)

        match node.opcode:
            case b"i" | b"o":
                args = [(arg,) for arg in node.args]
                self._then(self._emit(_MARK), (node.factory,), *args, self._emit(b"o"), made)
            case b"\x92":
                raise UnwritableError(f"{node.name} with keyword arguments, which needs protocol 4")
            case opcode:
                self._then((node.factory,), (node.args,), self._emit(opcode), made)


class _BareWriter(_Writer):
    """Protocol 4: byte strings are written as they are, and those of many bytes piece by piece.

    Readers take names in protocols 0 to 2 for Python 2's, and those from protocol 3 as they stand.
    """

    protocol = b"\x80\x04"
    builtins = b"cbuiltins\n"

    def __init__(self, source: ByteSource, out: IO[bytes]) -> None:
        super().__init__(source, out)
        head = source.read(0, 2)
        self._is_old = head[:1] != b"\x80" or head[1:] < b"\x03"

    def pair(self, node: GlobalRef) -> tuple[str, str]:
        """Module and name, as protocol 4 spells them."""
        return of_today(node.module, node.qualname) if self._is_old else super().pair(node)

    def _bytes(self, raw: bytes) -> None:
        self.out.write(b"B" + struct.pack("<I", len(raw)) + raw)

    def _bytes_ref(self, node: BytesRef) -> None:
        self.out.write((b"\x8d" if node.is_text else b"\x8e") + struct.pack("<Q", node.nbytes))
        for start in range(0, node.nbytes, _CHUNK_NBYTES):
            nbytes = min(_CHUNK_NBYTES, node.nbytes - start)
            piece = self._source.read(node.offset + start, nbytes)
            if len(piece) < nbytes:
                raise UnwritableError("a byte string that was cut while it was read")
            self.out.write(piece)
        self._remember(node)


_BY_VALUE: frozenset[type[Any]] = frozenset({str, int, float, bool, type(None), bytes})
