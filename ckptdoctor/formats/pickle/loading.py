"""What a pickle does with torch's own loader, ``torch.storage._load_from_bytes``.

Whoever unpickles a call of it loads the file that its bytes are. So the file is read when the call
is made, whether or not the result is kept, and its names are judged like all others. The loader
itself is plain as long as its bytes are what torch writes there, and as long as it is called from
the stack each time that it comes there: handed to another function, that one may call it with
anything.
"""

from __future__ import annotations

import codecs
from dataclasses import field, replace

from ckptdoctor.formats.pickle.handed_on import HandedOn
from ckptdoctor.formats.pickle.inner import EarlierEnd, InnerFile, latin1_text, read_inner
from ckptdoctor.formats.pickle.names import Use
from ckptdoctor.formats.pickle.nodes import BytesRef, GlobalRef, Node, PickleLimitError
from ckptdoctor.formats.pickle.runner import Runner
from ckptdoctor.formats.pickle.stack import Stack
from ckptdoctor.formats.source import ByteSource, MemorySource
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["LOADER", "LOAD_FROM_BYTES", "Loading"]

LOADER = ("torch.storage", "_load_from_bytes")
LOAD_FROM_BYTES = ".".join(LOADER)

_MAX_DEPTH = 8  # torch writes one level
_BYTES = b"BC\x8e"
_TEXT_HEAD_NBYTES = 1 << 16


@dataclass(slots=True)
class _Shared:
    """What the machines of all levels share."""

    opcodes_left: int
    files: dict[int, InnerFile] = field(default_factory=dict)
    preamble: bytes = b""
    is_code: bool = False


class Loading:
    """The uses of the loader by one machine, and the files that it was called with.

    Args:
        vm: the machine.
        opcodes: how many the files within its pickles may have together.
        around: that of the machine whose pickle holds this one's.

    Attributes:
        depth: how many files this one's pickle lies within.
        loader: the function, once it was named.
        shared: what the machines of all levels share.
    """

    __slots__ = ("_handed_on", "_vm", "depth", "loader", "shared")

    def __init__(self, vm: Runner, opcodes: int, around: Loading | None = None) -> None:
        self._vm = vm
        self.shared: _Shared = _Shared(opcodes) if around is None else around.shared
        self.depth: int = 0 if around is None else around.depth + 1
        self.loader: GlobalRef | None = None
        self._handed_on = HandedOn(vm)

    @property
    def files(self) -> dict[int, InnerFile]:
        """The files by the id of their byte string."""
        return self.shared.files

    @property
    def opcodes_left(self) -> int:
        """How many opcodes a further file may have."""
        return self.shared.opcodes_left

    def unfinished(self) -> Node:
        """The persistent id of the storage whose bytes begin here and are cut; None elsewhere."""
        vm = self._vm
        if self.loader is None or not vm.stack or vm.stack[-1] is not self.loader:
            return None
        try:
            return read_inner(vm, None, vm.source, vm.at)[0].pid
        except PickleLimitError:
            return None

    # -- told by the machine ---------------------------------------------------------------------

    def named(self, loader: GlobalRef) -> None:
        """The loader is put onto the stack."""
        self._handed_on.named(loader)
        loader.use = Use.CODE if self.shared.is_code else Use.CALLED
        if self.loader is None:
            self.loader = loader
            self._vm.watch(_BYTES, self._keep_in_file)

    def called(self, args: Node, opcode: bytes) -> None:
        """The loader is called.

        Raises:
            PickleLimitError: the file asks for more work than its size explains.
        """
        self._handed_on.called(self.loader)
        if opcode != b"R" or type(args) is not tuple or len(args) != 1:
            self._condemn()
            return
        file = self.files.get(id(args[0]))
        if file is None:
            file = self._read(args[0])
            self.files[id(args[0])] = file
        if file.foreign:
            self._condemn()

    def settle(self, opcodes: int) -> None:
        """A run has ended: was the loader handed on to where nobody sees it called?"""
        if self.depth:
            self.shared.opcodes_left -= opcodes
        if any(True for _ in self._handed_on.settle()):
            self._condemn()

    # -- within ----------------------------------------------------------------------------------

    def _keep_in_file(self, vm: Stack) -> None:
        """The bytes of a file are known by their place, however few they are."""
        node = vm.stack[-1]
        if type(node) is bytes and vm.stack[-2:-1] == [self.loader] and vm.file_offset is not None:
            vm.stack[-1] = BytesRef(vm.at - len(node), len(node))

    def _condemn(self) -> None:
        self.shared.is_code = True
        if self.loader is not None:
            self.loader.use = Use.CODE

    def _read(self, data: Node) -> InnerFile:
        if self.depth >= _MAX_DEPTH:
            message = f"files within files, more than {_MAX_DEPTH} deep"
            self._vm.complain(PickleLimitError(message, self._vm.at))
            return InnerFile(data=data, source=MemorySource(b""), fault=message, foreign=True)
        found = self._place(data)
        if found is None:
            fault = "something else than bytes is loaded as a file of torch"
            return InnerFile(data=data, source=MemorySource(b""), fault=fault, foreign=True)
        file, self.shared.preamble = read_inner(self._vm, data, *found, self.shared.preamble)
        text = latin1_text(data)
        if not isinstance(text, BytesRef):
            return file
        # Pickles that go on behind the beginning name what nobody has seen.
        return replace(file, text=text, foreign=bool(file.fault) or file.directory is not None)

    def _place(self, data: Node) -> tuple[ByteSource, int] | None:
        """Where a byte string lies; None for what is none."""
        source = self._vm.source
        if type(data) is BytesRef and not data.is_text:
            return EarlierEnd(source, data.offset + data.nbytes), data.offset
        if type(data) is bytes:
            return MemorySource(data), 0
        text = latin1_text(data)
        if isinstance(text, BytesRef):
            head = source.read(text.offset, min(text.nbytes, _TEXT_HEAD_NBYTES))
            text = codecs.getincrementaldecoder("utf-8")("surrogatepass").decode(head)
        if text is None:
            return None
        try:
            return MemorySource(text.encode("latin-1")), 0
        except UnicodeEncodeError:
            return None
