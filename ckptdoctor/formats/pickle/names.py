"""What a global of a pickle is: data, a class, something that picklers call, or code.

A pickle names classes and functions ("globals") and calls them. Whoever unpickles it runs those
calls. Nothing here is imported or looked up: a global is judged by the pair of module and qualified
name alone, as the pickle holds it.

The default is to deny. Of Python, torch, numpy and the packages in ``tables/packages.py`` a name is
plain if, and only if, exactly that pair stands in ``tables/``; a name that leads through another
module (``fractions``, ``re.enum.bltns.exec``) stands nowhere. Of all other packages nothing is
known, and the report says so.

Sources: ``torch/_weights_only_unpickler.py`` (2.13) for what torch allows; ``_compat_pickle`` for
the names of Python 2.
"""

from __future__ import annotations

import _compat_pickle
import enum
import functools
import sys

from ckptdoctor.dtypes import BY_NAME, STORAGE_CLASSES
from ckptdoctor.formats.pickle import tables
from ckptdoctor.formats.pickle.tables import code
from ckptdoctor.formats.pickle.tables.packages import COMPANIONS, KNOWN_PACKAGES

__all__ = [
    "EXTENSIONS",
    "Use",
    "comes_with_torch",
    "dotted",
    "is_allowed",
    "is_infamous",
    "is_risky_member",
    "judge",
    "member",
    "misspelt",
    "of_today",
]

EXTENSIONS = "copyreg.extension_"
"""pickle resolves these by a registry that a program fills, never by a module."""


class Use(enum.Enum):
    """What picklers do with a global.

    Attributes:
        CALLED: they call it, with whatever arguments; it does nothing outside of what it returns.
        BUILT: a class of which they make objects without its constructor. Called with arguments,
            which no pickler writes, it counts as code.
        NAMED: they store a reference to it; a call counts as code.
        STRANGER: a class of a known package that stands in no table; made without arguments only.
        UNKNOWN: of a package of which nothing is known, such as the user's own.
        CODE: naming it is reason enough: it can run what the file chooses, or nobody knows that it
            cannot.
    """

    CALLED = "called"
    BUILT = "built"
    NAMED = "named"
    STRANGER = "stranger"
    UNKNOWN = "unknown"
    CODE = "code"

    @property
    def is_known(self) -> bool:
        """Whether it is known what the global does."""
        return self not in (Use.STRANGER, Use.UNKNOWN)


# -- what torch itself lets through ---------------------------------------------------------------

_REBUILD = (
    "tensor tensor_v2 tensor_v3 parameter parameter_with_state qtensor sparse_tensor "
    "meta_tensor_no_storage nested_tensor device_tensor_from_numpy "
    "device_tensor_from_cpu_tensor wrapper_subclass"
)
_TENSOR_CLASSES = "BFloat16 Bool Byte Char Double Float Half Int Long Short"
_QSCHEMES = (
    "per_tensor_affine per_tensor_symmetric per_channel_affine per_channel_symmetric "
    "per_channel_affine_float_qparams"
)
_ALLOWED = frozenset(
    {
        "collections.OrderedDict",
        "collections.Counter",
        "torch.nn.parameter.Parameter",
        "torch.serialization._get_layout",
        "torch.Size",
        "torch.Tensor",
        "torch.device",
        "_codecs.encode",
        "builtins.bytearray",
        "builtins.set",
        "builtins.complex",
        "torch.storage.TypedStorage",
        "torch.storage.UntypedStorage",
        "torch._tensor._rebuild_from_type_v2",
        "torch._dynamo.decorators._DimRange",
        "torch.distributed._mesh_layout._FlatLayout",
        "torch.distributed._mesh_layout._MeshLayout",
        "torch.nested._internal.nested_tensor.NestedTensor",
        "torch.nested._internal.nested_tensor._rebuild_njt",
    }
    | {f"torch.{name}" for name in BY_NAME}
    | {f"torch.{name}" for name in _QSCHEMES.split()}
    | {f"torch._utils._rebuild_{name}" for name in _REBUILD.split()}
    | {f"torch.{cls}" for cls in STORAGE_CLASSES if cls != "UntypedStorage"}
    | {
        f"torch.cuda.{cls}"
        for cls in STORAGE_CLASSES
        if not cls.startswith("Q") and cls != "UntypedStorage"
    }
    | {f"torch{where}.{cls}Tensor" for cls in _TENSOR_CLASSES.split() for where in ("", ".cuda")}
    | {
        f"torch{where}.sparse.{cls}Tensor"
        for cls in _TENSOR_CLASSES.split()
        if cls != "Bool"
        for where in ("", ".cuda")
    }
)

_ALLOWED_BY_LENGTH: dict[int, list[str]] = {}
for _name in sorted(_ALLOWED):
    _ALLOWED_BY_LENGTH.setdefault(len(_name), []).append(_name)

# A memory format says no module: pickle names it through the first one that has imported torch.
_MEMORY_FORMATS = frozenset(
    f"torch.{value}"
    for value in "contiguous_format channels_last channels_last_3d preserve_format".split()
)

_DENIED = frozenset(
    {*sys.stdlib_module_names, *code.COME_AND_GONE.split(), "torch", "numpy"}
    | {module.partition(".")[0] for module in _compat_pickle.IMPORT_MAPPING}
) - {"test"}


def dotted(module: str, qualname: str) -> str:
    """The dotted name of a global, with today's names for those of Python 2."""
    return ".".join(of_today(module, qualname))


def comes_with_torch(module: str) -> bool:
    """Whether a module is there wherever torch is: Python's, numpy's, or what torch needs."""
    top = module.partition(".")[0]
    return top in _DENIED or top in COMPANIONS


def is_allowed(name: str) -> bool:
    """Whether ``torch.load(weights_only=True)`` lets the global through without being asked.

    Args:
        name: dotted, as from :func:`dotted`.
    """
    return name in _ALLOWED


def misspelt(name: str) -> str:
    """The allowed global of which this is one bit off, as damage has it; "" where there is none.

    Digits are let be: another version of a function is another function.
    """
    if is_allowed(name) or name == "torch.tensor":  # the function is one bit off the class
        return ""
    for allowed in _ALLOWED_BY_LENGTH.get(len(name), ()):
        differing = [(a, b) for a, b in zip(name, allowed, strict=True) if a != b]
        if len(differing) == 1:
            ((a, b),) = differing
            if (ord(a) ^ ord(b)).bit_count() == 1 and not (a.isdigit() and b.isdigit()):
                return allowed
    return ""


@functools.lru_cache(maxsize=4096)
def judge(module: str, qualname: str) -> Use:
    """What a global is.

    Args:
        module: as the pickle names it.
        qualname: the rest of its name; with dots, for what lies within a class.
    """
    module, qualname = of_today(module, qualname)
    if "." not in qualname and is_allowed(f"{module}.{qualname}"):
        return Use.CALLED
    found = tables.find(module, qualname)
    if found:
        return Use(found)
    if qualname in _MEMORY_FORMATS:
        return Use.NAMED
    top = module.partition(".")[0]
    if top in _DENIED or _is_listed(module, qualname) or _leaves_its_module(qualname):
        return Use.CODE
    if top not in KNOWN_PACKAGES:
        return Use.UNKNOWN
    is_stranger = top not in COMPANIONS and all(map(_is_class, qualname.split(".")))
    return Use.STRANGER if is_stranger else Use.CODE


def member(owner: Use, module: str, qualname: str, attribute: str) -> Use:
    """What ``getattr`` of a class gives: the member of an enumeration, a nested class, a method.

    Args:
        owner: what the class is.
        module: of the class.
        qualname: of the class.
        attribute: one name, without a dot.
    """
    if is_risky_member(attribute) or owner is Use.CODE:
        return Use.CODE
    module, qualname = of_today(module, qualname)
    listed = judge(module, f"{qualname}.{attribute}")
    if listed is not Use.CODE or owner is Use.UNKNOWN:
        return listed
    # A class within a class, or the member of an enumeration; a method has to be in a table.
    if _is_class(attribute) or tables.is_enumeration(module, qualname):
        return Use.NAMED
    return Use.NAMED if _is_plain_method(module, qualname, attribute) else Use.CODE


def _is_plain_method(module: str, qualname: str, attribute: str) -> bool:
    """Whether it is one of those that objects keep, bound to another or to themselves."""
    if (module, qualname) in _TENSORS or qualname.startswith("_rebuild_tensor"):
        return judge("torch", attribute.rstrip("_")) is not Use.CODE  # add, as torch.add is
    if module == "builtins" and qualname in _PLAIN_TYPES:
        return True
    return attribute in _KEPT_METHODS or module.startswith(_DISTRIBUTIONS)


_TENSORS = frozenset(
    {("torch._C", name) for name in ("TensorBase", "_TensorBase", "_VariableFunctionsClass")}
    | {("torch", "Tensor"), ("torch.nn.parameter", "Parameter")}
)
_PLAIN_TYPES = frozenset("bytearray bytes dict float frozenset int list set str tuple".split())
_KEPT_METHODS = frozenset(
    "_infer_parameters _lazy_load_hook _load_hook forward load_hook reset_parameters".split()
)  # of modules, in hooks
_DISTRIBUTIONS = ("numpy.random.", "scipy.stats._continuous_distns", "scipy.stats._discrete_distns")


def is_risky_member(attribute: str) -> bool:
    """Whether an attribute of any object leads to the interpreter, or writes, loads or starts."""
    return (
        attribute.startswith("__") or attribute in code.METHODS or attribute in code.MODULES_REACHED
    )


def is_infamous(name: str) -> bool:
    """Whether it is known what the code does: it starts programs, opens files, imports, evaluates.

    Other names count as code because nothing is known of them.

    Args:
        name: dotted, as from :func:`dotted`.
    """
    top, _, rest = name.partition(".")
    return top in code.MODULES_REACHED or _is_listed(top, rest)


def of_today(module: str, qualname: str) -> tuple[str, str]:
    """The pair as unpicklers map what Python 2 wrote, and Python 3 in protocols 0 to 2."""
    renamed = _compat_pickle.NAME_MAPPING.get((module, qualname))
    if renamed is not None:
        return renamed
    return _compat_pickle.IMPORT_MAPPING.get(module, module), qualname


def _is_class(part: str) -> bool:
    return part.lstrip("_")[:1].isupper()


def _leaves_its_module(qualname: str) -> bool:
    """Whether a name leads through a module or a function, to a method that runs code, or inside.

    What lies within a class is reached through classes: ``Outer.Inner``, ``Outer.method``.
    """
    *through, leaf = qualname.split(".")
    if any(part.startswith("__") and part.endswith("__") for part in (*through, leaf)):
        return True
    if leaf in code.MODULES_REACHED or (through and leaf in code.METHODS):
        return True
    return not all(map(_is_class, through))


def _is_listed(module: str, qualname: str) -> bool:
    """Whether a name, or its end, is known to run code: ``a.b.types.CodeType``."""
    parts = f"{module}.{qualname}".split(".")
    if any(".".join(parts[:depth]) in code.MODULES for depth in range(1, min(len(parts), 5))):
        return True
    if any(part in code.MODULES_REACHED for part in parts[1:]):
        return True
    return any(".".join(parts[start:]) in code.GLOBALS for start in range(min(len(parts), 20)))
