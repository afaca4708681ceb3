"""The byte strings of a pickle, however its protocol spells them."""

from __future__ import annotations

from ckptdoctor.formats.pickle.inner import latin1_text
from ckptdoctor.formats.pickle.nodes import BytesRef, Instance, Node
from ckptdoctor.formats.source import ByteSource

__all__ = ["ByteStrings", "MalformedTensorError"]

_EMPTY = ("builtins.bytearray", "builtins.bytes")  # called without arguments
_SWAPPED_NBYTES = 32 << 20  # of all arrays together: swapping takes three times as much memory


class MalformedTensorError(Exception):
    """The arguments of a rebuild call do not describe a tensor."""


class ByteStrings:
    """Decodes byte strings, each once however often the pickle refers to it.

    Args:
        source: the pickle.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._swapped_nbytes = 0
        self._known: dict[tuple[int, int], tuple[Node, bytes]] = {}

    @property
    def file_offset(self) -> int | None:
        """Where the pickle begins in the file; None where the file holds it encoded."""
        return self._source.file_offset

    def find(self, node: Node) -> bytes | BytesRef:
        """The bytes, or their position where they are many; that of the text which spells them.

        Raises:
            TypeError: the node is no byte string.
        """
        if isinstance(node, bytes | BytesRef):
            return node
        text = latin1_text(node)
        return text if isinstance(text, BytesRef) else self._once(node, 0, node)

    def swapped(self, node: Node, size: int) -> bytes:
        """The bytes in the other byte order.

        Args:
            node: the byte string.
            size: bytes a number.

        Raises:
            MalformedTensorError: there are too many to swap them in memory.
        """
        return self._once(node, size, node)

    def read(self, ref: BytesRef) -> bytes:
        """The bytes at a position."""
        return self._source.read(ref.offset, ref.nbytes)

    def _once(self, key: Node, size: int, node: Node) -> bytes:
        known = self._known.get((id(key), size))
        if known is None:
            data = self._swap(node, size) if size else self._decode(node)
            known = key, data  # the node is kept, so that its id stays its own
            self._known[id(key), size] = known
        return known[1]

    def _swap(self, node: Node, size: int) -> bytes:
        found = self.find(node)
        nbytes = found.nbytes if isinstance(found, BytesRef) else len(found)
        self._swapped_nbytes += nbytes
        if self._swapped_nbytes > _SWAPPED_NBYTES:
            raise MalformedTensorError(f"{nbytes} bytes in the other byte order, which is too much")
        raw = self.read(found) if isinstance(found, BytesRef) else found
        if isinstance(found, BytesRef) and found.is_text:
            raw = raw.decode("utf-8", "surrogatepass").encode("latin-1")
        swapped = bytearray(raw)
        for byte in range(size):
            swapped[byte::size] = raw[size - 1 - byte :: size]
        return bytes(swapped)

    def _decode(self, node: Node) -> bytes:
        if type(node) is str:  # Python 2
            return node.encode("latin-1")
        text = latin1_text(node)
        if isinstance(text, str):
            return text.encode("latin-1")
        if type(node) is Instance and node.args == () and node.name in _EMPTY:
            return b""
        raise TypeError("no byte string")
