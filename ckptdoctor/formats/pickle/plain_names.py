"""Which globals are known to hold plain data, or to be layers, optimizers and arrays.

A list of what runs code is never complete. So the standard library, torch and numpy are judged the
other way round: what stands here is known, and what else there is in them is none of a checkpoint's
business. Of all other packages nothing is known unless it stands here.
"""

from __future__ import annotations

import _compat_pickle
import sys

__all__ = ["EXTENSIONS", "is_plain", "is_standard_library"]

# Modules that some Python has or had, and the one that reads may not have.
_COME_AND_GONE = frozenset(
    """
    _android_support _apple_support _bootlocale _bootsubprocess _colorize _dummy_thread
    _interpreters _ios_support _pyrepl _remote_debugging _sysconfig _xxsubinterpreters aifc
    annotationlib asynchat asyncore audioop binhex cgi cgitb chunk compression crypt distutils
    dummy_threading exceptions imghdr imp lib2to3 macpath mailcap msilib nis nntplib ossaudiodev
    pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib
    """.split()
)
_PYTHON2 = frozenset(name.partition(".")[0] for name in _compat_pickle.IMPORT_MAPPING) - {"test"}
_STANDARD_LIBRARY = frozenset(sys.stdlib_module_names) | _COME_AND_GONE | _PYTHON2
# pickle resolves this one by a registry that a program fills, never by a module.
EXTENSIONS = "copyreg.extension_"

_EXCEPTIONS = ("Error", "Exception", "Warning", "Exit", "Interrupt", "Iteration", "Group")
_BUILTINS = """
    object type bool int float complex str bytes bytearray list tuple dict set frozenset range slice
    enumerate zip map filter reversed iter next len abs min max sum sorted round pow divmod ord chr
    hex oct bin hash id repr ascii format isinstance issubclass callable any all print property
    staticmethod classmethod super getattr hasattr Ellipsis NotImplemented NotImplementedType
    ellipsis NoneType long unicode basestring xrange unichr intern reduce
"""
_PLAIN = frozenset(
    """
    collections.OrderedDict collections.Counter collections.defaultdict collections.deque
    collections.ChainMap collections.UserDict collections.UserList collections.UserString
    collections.namedtuple UserDict.UserDict UserList.UserList UserString.UserString
    argparse.Namespace types.SimpleNamespace types.MappingProxyType types.GenericAlias
    types.UnionType types.NoneType types.EllipsisType types.NotImplementedType
    functools.partial functools.partialmethod functools.lru_cache functools.cached_property
    functools.reduce _functools.partial _functools.reduce
    copyreg._reconstructor copyreg.__newobj__ copyreg.__newobj_ex__ copy.copy copy.deepcopy
    _codecs.encode codecs.encode array.array array._array_reconstructor struct.Struct
    _struct.Struct io.BytesIO io.StringIO _io.BytesIO _io.StringIO StringIO.StringIO
    cStringIO.StringIO re._compile re.compile re.Pattern re.RegexFlag time.struct_time time.time
    time.time_ns time.perf_counter time.monotonic time.process_time string.Template
    logging.Logger logging.RootLogger logging.getLogger logging.Formatter logging.StreamHandler
    logging.PercentStyle logging.StrFormatStyle logging.StringTemplateStyle logging.Filter
    contextlib.nullcontext weakref.ref weakref.WeakKeyDictionary weakref.WeakValueDictionary
    weakref.WeakSet _weakrefset.WeakSet inspect._empty inspect.Parameter inspect.Signature
    inspect._ParameterKind dataclasses.Field dataclasses._MISSING_TYPE dataclasses._FIELD_BASE
    dataclasses.field random.Random random.SystemRandom _random.Random abc.ABC abc.ABCMeta
    signal.Signals http.HTTPStatus socket.AddressFamily socket.SocketKind platform.uname_result
    os.stat_result posix.stat_result os.terminal_size distutils.version.LooseVersion
    distutils.version.StrictVersion zoneinfo.ZoneInfo zoneinfo.ZoneInfo._unpickle
    uuid.UUID uuid.SafeUUID
    """.split()
)
# Whatever these modules define is a value or computes one.
_PLAIN_MODULES = frozenset(
    """
    datetime _datetime _pydatetime decimal _decimal _pydecimal fractions numbers ipaddress
    math cmath itertools operator _operator json random exceptions
    """.split()
)
# Their classes are plain; their functions evaluate text, open files, or are not needed.
_PLAIN_CLASSES = frozenset(
    """
    enum typing collections.abc _abcoll argparse configparser ConfigParser pathlib pathlib._local
    """.split()
)

_TORCH = tuple(
    """
    torch._utils._rebuild_ torch._tensor._rebuild_ torch.torch_version.TorchVersion torch.nn.
    torch.optim. torch.distributions. torch.quantization. torch.ao. torch.amp. torch.cuda.amp.
    torch.autograd.grad_mode. torch.jit._pickle. torch.utils.data.dataset.
    torch.utils.data.sampler. torch.utils.data.dataloader. torch.utils.data._utils.collate.
    torch.utils.hooks.RemovableHandle torch.distributed.tensor. torch.distributed._tensor.
    torch.distributed._shard. torch.distributed.device_mesh. torch.distributed.fsdp.
    torch._C._VariableFunctionsClass torch._C._nn. torch._C._TensorBase torch._C.TensorBase
    torch.storage. torch.nested. torch.linalg. torch.special. torch.fft. torch.sparse.
    """.split()
)
_NUMPY = tuple(
    """
    numpy.random. numpy.ma. numpy.dtypes. numpy.rec. numpy.char. numpy.strings. numpy.polynomial.
    numpy.linalg. numpy.fft. numpy.matrixlib.defmatrix.matrix numpy.core.multiarray._reconstruct
    numpy.core.multiarray.scalar numpy.core.numeric._frombuffer numpy.core._DType_reconstruct
    numpy.core.records.recarray numpy.core.records.record
    """.split()
)
_OTHERS = tuple(
    """
    torchvision.models. torchvision.ops. torchvision.transforms. timm.models. timm.layers.
    ultralytics.nn. omegaconf.dictconfig.DictConfig omegaconf.listconfig.ListConfig
    omegaconf.base.ContainerMetadata omegaconf.base.Metadata omegaconf.base.SCMode
    omegaconf.nodes. omegaconf._utils. lightning.pytorch.utilities.parsing.AttributeDict
    pytorch_lightning.utilities.parsing.AttributeDict lightning_fabric.utilities.data.AttributeDict
    transformers.training_args. transformers.trainer_utils. transformers.configuration_utils.
    transformers.models. mmengine.logging.history_buffer.HistoryBuffer
    """.split()
)


def is_standard_library(name: str) -> bool:
    """Whether a global, by its dotted name, lies in a module of Python itself."""
    return name.partition(".")[0] in _STANDARD_LIBRARY


def is_plain(name: str) -> bool:
    """Whether a global is known to be plain data, a layer, an optimizer or an array.

    Args:
        name: module and qualified name joined by dots.
    """
    module, _, leaf = name.rpartition(".")
    top = name.partition(".")[0]
    if top in _STANDARD_LIBRARY:
        return _is_plain_of_python(name, module, leaf)
    if top == "torch":
        return name.startswith(_TORCH) or module == "torch"
    if top == "numpy":
        return name.replace("numpy._core.", "numpy.core.").startswith(_NUMPY) or module == "numpy"
    return name.startswith(_OTHERS)


def _is_plain_of_python(name: str, module: str, leaf: str) -> bool:
    if name.startswith(EXTENSIONS):
        return False
    if module == "builtins":
        return leaf in _BUILTIN_NAMES or leaf.endswith(_EXCEPTIONS)
    if name in _PLAIN or name.partition(".")[0] in _PLAIN_MODULES:
        return True
    return module in _PLAIN_CLASSES and leaf.lstrip("_")[:1].isupper()


_BUILTIN_NAMES = frozenset(_BUILTINS.split())
