"""Which calls are those of picklers: a plain name is not enough."""

from __future__ import annotations

from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.source import MemorySource
from tests.each import each

_JOINER = b"ctorch_geometric.data.batch\nDynamicInheritanceGetter\n)\x81"
_PARTIAL = b"cfunctools\npartial\n"


def calls_of(data: bytes) -> list[str]:
    machine = PickleMachine(MemorySource(data))
    machine.run()
    assert not any(seen.ref.runs_code for seen in machine.globals.values())
    return [call.call for call in machine.calls]


AS_PICKLERS_WRITE = {
    "a set": b"cbuiltins\nset\n(]K\x01atR.",
    "an ordered dict": b"ccollections\nOrderedDict\n)R.",
    "pairs, as Python 2 wrote them": b"ccollections\nOrderedDict\n(]]K\x01aK\x02aatR.",
    "bytes in protocol 2": b"c_codecs\nencode\n(X\x01\0\0\0xX\x06\0\0\0latin1tR.",
    "a byte array of those": b"cbuiltins\nbytearray\n(c_codecs\nencode\n"
    b"(X\x01\0\0\0xX\x06\0\0\0latin1tRtR.",
    "a default dict": b"ccollections\ndefaultdict\n(cbuiltins\nlist\ntR.",
    "the type of None": b"cbuiltins\ntype\n(NtR.",
    "an exception": b"cbuiltins\nValueError\n(K\x01tR.",
    "a partial of the user's": _PARTIAL + b"(cmynet\nrelu\ntR(cmynet\nrelu\n)}Ntb.",
    "a partial of a partial": _PARTIAL + b"(" + _PARTIAL + b"(cmynet\nrelu\ntRtR.",
    "an object of protocol 0": b"ccopy_reg\n_reconstructor\n"
    b"(cmynet\nNet\nc__builtin__\nobject\nNtR.",
    "a dict of protocol 0": b"ccopy_reg\n_reconstructor\n(cmynet\nConf\nc__builtin__\ndict\n}tR.",
    "a namespace": b"cargparse\nNamespace\n)\x81}X\x01\0\0\0aK\x01sb.",
    "a namespace of protocol 1": b"cargparse\nNamespace\n)R}X\x01\0\0\0aK\x01sb.",
    "an iterator": b"cbuiltins\niter\n(]tR.",
    "a generic": b"c_operator\ngetitem\n(ctyping\nList\n(cbuiltins\nint\nttR.",
    "a union": b"cfunctools\nreduce\n(c_operator\nor_\n(cbuiltins\nint\ncbuiltins\nstr\nttR.",
    "a member by its name": b"cbuiltins\ngetattr\n(cmynet\nMode\nX\x01\0\0\0AtR.",
    "a union with None": b"cfunctools\nreduce\n(c_operator\nor_\n"
    b"(cbuiltins\nint\ncbuiltins\ntype\n(NtRttR.",
    "a sorted list": b"csortedcontainers.sortedlist\nSortedList\n(]K\x01atR.",
    "a dict sorted by the user's key": b"csortedcontainers.sorteddict\nSortedDict\n"
    b"(cmynet\nf\n}tR.",
    "the state of a function that was wrapped": _PARTIAL
    + b"(cmynet\nf\ntR(cmynet\nf\n)}}X\x0b\0\0\0__wrapped__cmynet\nf\nstb.",
    "a state in an ordered dict": b"cmynet\nA\n)\x81ccollections\nOrderedDict\n)R"
    b"X\x01\0\0\0aK\x01sb.",
    "what is appended to a queue": b"ccollections\ndeque\n)RK\x01a.",
    "a value called add": b"cargparse\nNamespace\n)\x81}X\x03\0\0\0addK\x01sb.",
    "a cycle over what an iterator has left": b"citertools\ncycle\n(cbuiltins\niter\n(]tRtR.",
    "a partial of a method": _PARTIAL + b"(cbuiltins\ngetattr\n(cmynet\nNet\n)RX\x01\0\0\0ftRtR.",
    "a partial of a class that torch pickled with its source": _PARTIAL
    + b"((X\x06\0\0\0modulecmynet\nNet\nNNtQtR.",
    "a configuration of mmengine": b"cmmengine.config.config\nConfigDict\n(}tR.",
    "a batch of graphs": _JOINER + b"(ctorch_geometric.data.batch\nBatch\n"
    b"ctorch_geometric.data.data\nData\ntR.",
    "an attribute called append, never used": b"cmynet\nA\n)\x81}X\x06\0\0\0appendcmynet\nf\nsb.",
}


@each("data", AS_PICKLERS_WRITE.values(), ids=AS_PICKLERS_WRITE)
def test_what_picklers_write_runs_nothing(data: bytes) -> None:
    assert calls_of(data) == []


AS_NO_PICKLER_WRITES = {
    "the result of a call, called": b"cmynet\nmake\n)R(K\x01tR.",
    "the result of a call, made an object of": b"cmynet\nmake\n)R)\x81.",
    "a class with arguments": b"cargparse\nNamespace\n(K\x01tR.",
    "a class of three parts": b"cbuiltins\ntype\n(X\x01\0\0\0A)}tR.",
    "a function of which only the name is stored": b"cbuiltins\nmax\n(]K\x01atR.",
    "what iterates over an object": b"cbuiltins\nlist\n(cmynet\nLoader\n)RtR.",
    "what calls until a sentinel": b"cbuiltins\niter\n(cmynet\nf\nNtR.",
    "a default factory that was returned": b"ccollections\ndefaultdict\n(cmynet\nf\n)RtR.",
    "a partial of what was returned": _PARTIAL + b"(cmynet\nf\n)RtR.",
    "a partial that becomes one": _PARTIAL + b"(cmynet\nf\ntR(cmynet\nf\n)R)}Ntb.",
    "a partial of getattr": _PARTIAL + b"(cbuiltins\ngetattr\ntR.",
    "getattr for a class": b"ccopyreg\n__newobj__\n(cmynet\nf\n)RtR.",
    "a base that does the work": b"ccopyreg\n_reconstructor\n"
    b"(cmynet\nA\ncargparse\nNamespace\n]tR.",
    "a reduction of something else": b"cfunctools\nreduce\n(cmynet\nf\n(K\x01K\x02ttR.",
    "an item of something else": b"c_operator\ngetitem\n(cmynet\nD\n)RK\x00tR.",
    "a method of its own that BUILD calls": b"cmynet\nA\n)\x81"
    b"}X\x0c\0\0\0__setstate__cmynet\nf\nsb.",
    "a class set among slots": b"cmynet\nA\n)\x81(N}X\x09\0\0\0__class__cmynet\nB\nstb.",
    "a method of its own that APPEND calls": b"cmynet\nA\n)\x81"
    b"}X\x06\0\0\0appendcmynet\nf\nsbK\x01a.",
    "a method of its own that ADDITEMS calls": b"cmynet\nA\n)\x81"
    b"}X\x03\0\0\0addcmynet\nf\nsb(K\x01\x90.",
    "a function that rebuilds another type": b"ctorch._tensor\n_rebuild_from_type_v2\n"
    b"(cbuiltins\nmax\ncmynet\nT\n(K\x01K\x02tNtR.",
    "getattr as what rebuilds": b"ctorch._tensor\n_rebuild_from_type_v2\n"
    b"(cbuiltins\ngetattr\ncmynet\nT\n(K\x01X\x01\0\0\0xtNtR.",
    "a list of all that a cycle gives": b"cbuiltins\nlist\n(citertools\ncycle\n(]tRtR.",
    "a configuration of what has items": b"cmmengine.config.config\nConfigDict\n(cmynet\nA\n)RtR.",
    "a function as a class with its source": b"(X\x06\0\0\0modulecbuiltins\nmax\nNNtQ(]tR.",
    "a batch of something else": _JOINER + b"(ctorch_geometric.data.batch\nBatch\ncmynet\nA\ntR.",
    "a persistent id, called": b"X\x01\0\0\0xQ(K\x01tR.",
    "a union of an object": b"cfunctools\nreduce\n(c_operator\nor_\n(cmynet\nA\n)R}ttR.",
    "a key to sort by that calls": b"csortedcontainers.sortedlist\nSortedKeyList\n"
    b"(]ccopy\ndeepcopy\ntR.",
    "a dict's key to sort by that is bound": b"csortedcontainers.sorteddict\nSortedDict\n("
    + _PARTIAL
    + b"(cmynet\nf\ntR}tR.",
    "getattr in a list": b"](cbuiltins\ngetattr\nK\x01e.",
    "getattr in the state of an object": b"cmynet\nA\n)\x81}X\x01\0\0\0acbuiltins\ngetattr\nsb.",
    "getattr from the memo": b"](cbuiltins\ngetattr\nq\x00(cmynet\nA\nX\x01\0\0\0atRh\x00e.",
    "a reduction that is kept": b"](cfunctools\nreduce\ne.",
    "a partial of a copy": _PARTIAL + b"(ccopy\ndeepcopy\ntR.",
    "a partial with a method of its own": _PARTIAL
    + b"(cmynet\nf\ntR(cmynet\nf\n)}}X\x06\0\0\0appendccopy\ncopy\nstb.",
    "what a copy calls": b"cmynet\nA\n)\x81}X\x0c\0\0\0__deepcopy__cmynet\nf\nsb.",
    "a key that is computed": b"cmynet\nA\n)\x81}cbuiltins\nstr\n(X\x01\0\0\0atRNsb.",
    "a method of its own in an ordered dict": b"cmynet\nA\n)\x81ccollections\nOrderedDict\n)R"
    b"X\x0c\0\0\0__setstate__cmynet\nf\nsb.",
    "a method of its own in pairs": b"cmynet\nA\n)\x81ccollections\nOrderedDict\n"
    b"(](X\x0c\0\0\0__setstate__cmynet\nf\ntatRb.",
    "a method that seems to be a container's": b"cargparse\nNamespace\n)\x81"
    b"}X\x0a\0\0\0setdefaultccopy\ncopy\nsb.",
    "a class among what is to be set, computed": b"cmynet\nA\n)\x81cbuiltins\ntuple\n"
    b"(](N}X\x09\0\0\0__class__cmynet\nB\nsetRb.",
    "the state of an attribute": b"cbuiltins\ngetattr\n(cmynet\nA\n)RX\x01\0\0\0atR}b.",
    "the state of a class": b"cbuiltins\ntype\n(cmynet\nA\n)RtRN}\x86b.",
    "an item of an attribute": b"cbuiltins\ngetattr\n(cmynet\nA\n)RX\x01\0\0\0atRK\x01K\x02s.",
    "what is appended to an argument": b"ctorch.jit._pickle\nrestore_type_tag\n"
    b"(cmynet\nA\n)RX\x00\0\0\0tRK\x01a.",
    "what is appended to a tensor": b"ctorch._utils\n_rebuild_parameter\n(K\x01\x89NtRK\x01a.",
    "a parameter of an object": b"ctorch._utils\n_rebuild_parameter\n"
    b"(cargparse\nNamespace\n)\x81}b\x89NtR.",
    "a method in the state of a parameter": b"ctorch._utils\n_rebuild_parameter_with_state\n"
    b"(K\x01\x89N}X\x06\0\0\0detachccopy\ncopy\nstR.",
    "a loader of data among pairs": b"ccollections\nOrderedDict\n"
    b"(](ctorch.utils.data.dataloader\nDataLoader\n)\x81etR.",
    "a method that writes": b"cbuiltins\ngetattr\n(cmynet\nA\n)RX\x0c\0\0\0save_to_jsontR.",
    "a frame": b"cbuiltins\ngetattr\n(cmynet\nA\n)RX\x08\0\0\0gi_frametR.",
    "a type rebuilt by what rebuilds nothing": b"ctorch._tensor\n_rebuild_from_type_v2\n"
    b"(ctorch.jit._pickle\nrestore_type_tag\ncmynet\nT\n(K\x01X\x00\0\0\0tNtR.",
}


@each("data", AS_NO_PICKLER_WRITES.values(), ids=AS_NO_PICKLER_WRITES)
def test_what_no_pickler_writes_is_told(data: bytes) -> None:
    assert len(calls_of(data)) == 1


def test_a_class_that_torch_pickled_with_its_source_may_be_made_an_object_of() -> None:
    pid = b"(X\x06\0\0\0modulecmynet\nNet\nNNtQ"
    data = b"ccopyreg\n_reconstructor\n(" + pid + b"cbuiltins\nobject\nNtR."
    assert calls_of(data) == []


def test_a_call_of_a_result_is_spelled_out() -> None:
    assert calls_of(b"cmynet\nmake\n)R(K\x01tR.") == ["mynet.make()(1)"]
