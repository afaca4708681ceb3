"""What the opcodes of a pickle work on: stack, memo, and the record of names and calls."""

from __future__ import annotations

import sys

from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.pickle import attributes, calls
from ckptdoctor.formats.pickle.handed_on import HandedOn
from ckptdoctor.formats.pickle.kept import GETATTR, ONLY_CALLED, is_plain_method
from ckptdoctor.formats.pickle.loading import LOADER, Loading
from ckptdoctor.formats.pickle.names import EXTENSIONS, Use, dotted, judge, member
from ckptdoctor.formats.pickle.nodes import (
    BytesRef,
    DictNode,
    GlobalRef,
    Instance,
    Node,
    PersistentId,
    PickleError,
    PickleLimitError,
    RecordedCall,
    RecordedGlobal,
    SetNode,
    shorten,
    spell,
)
from ckptdoctor.formats.pickle.stack import Stack
from ckptdoctor.formats.source import ByteSource

__all__ = ["MachineState", "OpcodesError"]

_MAX_CALLS = 100
_MAX_GLOBALS = 10_000  # a whole module names some tens, a large TorchScript archive some hundreds
_MOST_GLOBALS = 5 * _MAX_GLOBALS
_NAME_CHARS = 2_000  # the longest dotted name of a global
_SPARE_WORK, _WORK_PER_BYTE = 200_000, 4
_COMPUTED = (Instance, GlobalRef, PersistentId)
_SEVERITY = {use: rank for rank, use in enumerate(Use)}


class OpcodesError(PickleLimitError):
    """More opcodes than allowed, here or in a file within the pickle."""


class MachineState(Stack):
    """The state of a pickle machine between two opcodes.

    Where a pickle goes against its own rules, but a reader may go on, so does this one, and
    complains at the end: what is named behind the fault is seen as well.

    Args:
        source: where the pickle lies.
        limits: bounds on the work.

    Attributes:
        globals: what was named so far, by dotted name, in order.
        handed_on: the functions that have to be called where they are named.
        calls: calls that run code, at most 100.
        persistent_ids: every reference to something outside the pickle.
        loading: what the pickles do with ``torch.storage._load_from_bytes``.
        holds_bytearrays: whether a byte array of protocol 5 was read, which the tree has as bytes.
        spent: opcodes that were done at once with the one before them.
    """

    __slots__ = (
        "_loaders",
        "_refs",
        "_work_left",
        "calls",
        "globals",
        "handed_on",
        "holds_bytearrays",
        "loading",
        "persistent_ids",
        "spent",
    )

    handed_on: HandedOn
    loading: Loading

    def __init__(self, source: ByteSource, limits: Limits) -> None:
        super().__init__(source, limits)
        self.globals: dict[str, RecordedGlobal] = {}
        self._refs: dict[tuple[str, str], RecordedGlobal] = {}
        self.calls: list[RecordedCall] = []
        self.persistent_ids: list[Node] = []
        self.holds_bytearrays = False
        self.spent = 0
        self._loaders: list[str] = []  # that are named
        self._work_left = _SPARE_WORK + _WORK_PER_BYTE * source.nbytes

    @property
    def source(self) -> ByteSource:
        """Where the pickles lie."""
        return self._source

    @property
    def limits(self) -> Limits:
        """The bounds on the work."""
        return self._limits

    def spend(self, opcodes: int) -> None:
        """Count opcodes that are done at once with another one.

        Raises:
            OpcodesError: these alone are more than allowed.
        """
        self.spent += opcodes
        if self.spent > self._limits.opcodes:
            raise OpcodesError(f"more than {self._limits.opcodes} opcodes", self.at)

    def record_with(self, other: MachineState) -> None:
        """Record names and calls where another machine does."""
        self.globals, self._refs, self.calls = other.globals, other._refs, other.calls
        self._loaders = other._loaders

    def let_go(self) -> None:
        """Drop what the pickle built and the bytes in the window; what was named is kept."""
        self.start(0)
        self._base, self.pos, self.data, self._edge = 0, 0, b"", 0
        self.persistent_ids = []

    # -- names -----------------------------------------------------------------------------------

    def name_global(self, module: Node, name: Node, at: int) -> GlobalRef:
        """The global that the opcode at ``at`` names; recorded.

        A name that another call or global is to give can be anything, and counts as code.
        """
        module, name = _as_text(module), _as_text(name)
        if type(module) is not str or type(name) is not str:
            if type(module) in _COMPUTED or type(name) in _COMPUTED:
                return self._computed_global(module, name, at)
            raise PickleError("a global whose name is no text", at)
        known = self._refs.get((module, name))
        if known is None:
            known = self._new_global(module, name, at)
        known.count += 1
        if (module, name) == LOADER:
            self.loading.named(known.ref)
        elif known.ref.name in ONLY_CALLED:
            self.handed_on.named(known.ref)
        return known.ref

    def _new_global(self, module: str, name: str, at: int) -> RecordedGlobal:
        if len(module) + len(name) > _NAME_CHARS:
            return self._long_global(module, name, at)
        ref = GlobalRef(dotted(module, name), judge(module, name), module, name)
        known = RecordedGlobal(ref, at)
        self._refs[module, name] = known
        if ref.name.startswith(calls.LOADERS):
            self._loaders.append(ref.name)
        self._record(known)
        return known

    def _long_global(self, module: str, name: str, at: int) -> RecordedGlobal:
        """A name that is too long to be looked at can lead anywhere."""
        self.complain(PickleLimitError(f"a global whose name is longer than {_NAME_CHARS}", at))
        ref = GlobalRef(shorten(f"{module}.{name}"[:_NAME_CHARS]), Use.CODE)
        known = RecordedGlobal(ref, at)
        self._record(known)
        return known

    @property
    def pairs(self) -> set[tuple[str, str]]:
        """Module and name of every global, as the pickle spells them."""
        return set(self._refs)

    def extension(self, name: str, at: int) -> GlobalRef:
        """A global that stands in a program's registry under a number."""
        return self._named(name, Use.CODE, at)

    def _computed_global(self, module: Node, name: Node, at: int) -> GlobalRef:
        for part in (module, name):  # what an extension stands for is recorded as code already
            if type(part) is GlobalRef and part.name.startswith(EXTENSIONS):
                return part
        spelled = ".".join(part if type(part) is str else spell(part) for part in (module, name))
        return self._named(shorten(spelled), Use.CODE, at)

    def _named(self, name: str, use: Use, at: int) -> GlobalRef:
        known = self.globals.get(name)
        if known is None or known.ref.use is not use:
            known = RecordedGlobal(GlobalRef(name, use), at)
            self._record(known)
        known.count += 1
        return known.ref

    def _record(self, new: RecordedGlobal) -> None:
        """Keep the worst reading of a dotted name: two pairs may be spelled alike."""
        name = new.ref.name
        before = self.globals.get(name)
        if before is None:
            if len(self.globals) >= _MAX_GLOBALS:
                self._complain_of_globals(new)
            self.globals[name] = new
        elif _SEVERITY[new.ref.use] > _SEVERITY[before.ref.use]:
            new.count += before.count
            self.globals[name] = new

    def _complain_of_globals(self, new: RecordedGlobal) -> None:
        """So many are no checkpoint's. They are read on, to see whether the last one is code."""
        error = PickleLimitError(f"more than {_MAX_GLOBALS} classes and functions", new.offset)
        self.complain(error)
        if len(self.globals) >= _MOST_GLOBALS:
            self._record_call(GlobalRef("a name that is not read"), ())
            raise error

    def adopt(self, other: MachineState, at: int, *, until: int = sys.maxsize) -> None:
        """Record what another reading of the pickle at ``at`` names and calls before ``until``."""
        for pair, seen in other._refs.items():
            if seen.offset < until:
                self._refs.setdefault(pair, seen)
        for seen in other.globals.values():
            if seen.offset >= until:
                continue
            if seen.ref.name not in self.globals or seen.ref.runs_code:
                self._record(RecordedGlobal(seen.ref, at, seen.count))
        known = {call.call for call in self.calls}
        for call in other.calls:
            if call.offset < until and call.call not in known and len(self.calls) < _MAX_CALLS:
                self.calls.append(RecordedCall(call.name, call.call, at))

    # -- calls -----------------------------------------------------------------------------------

    def call(
        self, factory: Node, args: Node, opcode: bytes = b"R", *, spelled: Node = None
    ) -> Node:
        """The node for a call; records it where it may run code."""
        self.handed_on.called(factory)
        if type(factory) is GlobalRef and factory.name == GETATTR:
            return self._getattr(args)
        if factory is self.loading.loader and factory is not None:
            self.loading.called(args, opcode)
        if type(args) is tuple and len(args) > 3 and self._sets_state(factory):
            self._bill(args[3])
        if calls.runs(factory, args, opcode) or (self._loaders and calls.hands_loader(args)):
            self._record_call(factory, args if spelled is None else spelled)
        made = Instance(factory, args)
        made.opcode = opcode
        return made

    def _getattr(self, args: Node) -> Node:
        """``getattr(a_global, "name")`` is a global too, and judged as one."""
        match args:
            case (GlobalRef() as owner, str() as attribute) if "." not in attribute:
                return self._member(owner, attribute)
            case (owner, str() as attribute, *_) if is_plain_method(owner, attribute):
                return Instance(GlobalRef(GETATTR, Use.NAMED), args)
        self._record_call(GlobalRef(GETATTR), args)
        return Instance(GlobalRef(GETATTR, Use.CODE), args)

    def _member(self, owner: GlobalRef, attribute: str) -> GlobalRef:
        module, qualname = owner.module, f"{owner.qualname}.{attribute}"
        known = self._refs.get((module, qualname))
        if known is None:
            if len(module) + len(qualname) > _NAME_CHARS:
                return self._long_global(module, qualname, self.at - 1).ref
            use = member(owner.use, module, owner.qualname, attribute)
            ref = GlobalRef(f"{owner.name}.{attribute}", use, module, qualname)
            known = RecordedGlobal(ref, self.at - 1)
            self._refs[module, qualname] = known
            self._record(known)
        known.count += 1
        return known.ref

    def settle_handed_on(self) -> None:
        """A run has ended: record what may be called with anything by whom it was handed to."""
        for function in self.handed_on.settle():
            if not any(function.name in call.call for call in self.calls):
                self._record_call(function, (GlobalRef("…"),))

    def change_global(self, target: GlobalRef, how: str, what: Node) -> None:
        """Record that a class, a function or a list of the running program would be changed."""
        self._record_call(GlobalRef(f"{target.name}.{how}"), (what,))

    def _record_call(self, callee: Node, args: Node) -> None:
        if len(self.calls) >= _MAX_CALLS:
            return
        name = shorten(callee.name if type(callee) is GlobalRef else spell(callee))
        shown = args[:8] if type(args) is tuple else (args,)
        inner = ", ".join(spell(arg) for arg in shown)
        self.calls.append(RecordedCall(name, shorten(f"{name}({inner})"), self.at - 1))

    @staticmethod
    def _sets_state(factory: Node) -> bool:
        return type(factory) is GlobalRef and factory.name in calls.SETS_STATE

    def _bill(self, state: Node) -> None:
        """A state is looked at when it is set, and may be set again and again."""
        self._work_left -= attributes.work_of(state)
        if self._work_left < 0:
            raise PickleLimitError("more to look at than its size explains", self.at)

    # -- what objects are made of ----------------------------------------------------------------

    def build(self, target: Node, state: Node) -> None:
        """BUILD."""
        if type(target) is Instance:
            self._bill(state)
            if attributes.state_runs(target, state):
                self._record_call(GlobalRef(f"{spell(target.factory)}.__setstate__"), (state,))
            target.state = state
        elif type(target) is GlobalRef:
            self.change_global(target, "__setstate__", state)

    def add_members(self, target: Node, items: list[Node]) -> None:
        """APPEND, APPENDS and ADDITEMS."""
        if type(target) is list:
            target.extend(items)
        elif type(target) is Instance:
            if attributes.takes_no_members(target):
                self._record_call(GlobalRef(f"{spell(target.factory)}.append"), tuple(items[:8]))
            if target.members is None:
                target.members = []
            target.members.extend(items)
        elif type(target) is SetNode:
            target.members.extend(items)
        elif type(target) is GlobalRef:
            self.change_global(target, "extend", items)
        else:
            self.complain(PickleError(f"items are appended to a {type(target).__name__}", self.at))

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
            if attributes.is_anothers(target):
                self._record_call(GlobalRef(f"{spell(target.factory)}.update"), tuple(items[:8]))
        elif type(target) is GlobalRef:
            self.change_global(target, "update", items)
        else:
            self.complain(PickleError(f"items are set on a {type(target).__name__}", self.at))


def _as_text(node: Node) -> Node:
    """The text that a reader may take a name for: Python 2's strings have no encoding."""
    if type(node) is bytes:
        return node.decode("utf-8", "surrogateescape")
    if type(node) is BytesRef and node.is_text:
        return f"<a text of {node.nbytes} bytes>"
    return node
