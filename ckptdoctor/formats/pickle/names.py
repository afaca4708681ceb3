"""Which globals of a pickle run code, and which ones torch itself lets through.

A pickle names classes and functions ("globals") and calls them. Whoever unpickles it runs those
calls. Nothing here is imported or looked up: a global is judged by its name alone.

In Python's own library, torch and numpy, what is not known to be plain counts as code. Of other
packages some names are known to run code and some to be plain; :func:`is_known` says of which
neither is known, and the report says so.

Sources: ``torch/_weights_only_unpickler.py`` (2.13) for the allowed ones; the pickle
documentation, and the published bypasses of pickle scanners, for those that run code.
"""

from __future__ import annotations

import functools

from ckptdoctor.dtypes import BY_NAME, STORAGE_CLASSES
from ckptdoctor.formats.pickle.plain_names import is_plain, is_standard_library

__all__ = ["is_allowed", "is_known", "method_runs_code", "misspelt", "normalise", "runs_code"]

# Python 2 names of what is now elsewhere; unpicklers map them (`pickle` module, fix_imports).
_PYTHON2_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg", "cPickle": "_pickle"}

_REBUILD = (
    "tensor tensor_v2 tensor_v3 parameter parameter_with_state qtensor sparse_tensor "
    "meta_tensor_no_storage nested_tensor device_tensor_from_numpy "
    "device_tensor_from_cpu_tensor wrapper_subclass"
)
_TENSOR_CLASSES = "BFloat16 Bool Byte Char Double Float Half Int Long Short"
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
        "torch.per_tensor_affine",
        "torch.per_tensor_symmetric",
        "torch.per_channel_affine",
        "torch.per_channel_symmetric",
        "torch.per_channel_affine_float_qparams",
        "torch.distributed._mesh_layout._FlatLayout",
        "torch.distributed._mesh_layout._MeshLayout",
        "torch.nested._internal.nested_tensor.NestedTensor",
        "torch.nested._internal.nested_tensor._rebuild_njt",
    }
    | {f"torch.{name}" for name in BY_NAME}
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

# Every function of these modules is reason enough: they start programs, open files or sockets,
# import by name, load further pickles, or evaluate text. Modules of Python itself need not stand
# here: what is not plain in them counts anyway.
_CODE_MODULES = frozenset(
    """
    os posix nt subprocess sys shutil socket runpy pty importlib ctypes pickle _pickle marshal
    test.support pip setuptools pkg_resources wheel virtualenv conda requests aiohttp httpx urllib3
    pycurl paramiko fabric.connection invoke.runners plumbum pexpect psutil twisted tornado
    gunicorn joblib ray.cloudpickle cffi Cython pyximport numba mako jsonpickle IPython ipykernel
    jupyter_client nose py.process py._process pytest _pytest commands popen2 fsspec smart_open
    boto3 botocore cloudpickle sh.Command
    torch.hub torch.package torch.utils.cpp_extension torch.utils.bottleneck
    torch.utils.collect_env torch._inductor torch._dynamo.guards torch.testing
    torch.jit.unsupported_tensor_ops torch.jit._serialization torch.ops torch.classes
    torch.distributed.rpc torch.distributed.run torch.distributed.elastic torch.multiprocessing
    numpy.testing numpy.f2py numpy.distutils numpy.lib.npyio numpy.ctypeslib
    tensorflow.python.ops.gen_io_ops tensorflow.python.ops.io_ops tensorflow.python.lib.io
    tensorflow.python.platform tensorflow.python.ops.script_ops tensorflow.io
    transformers.dynamic_module_utils huggingface_hub sympy.parsing sympy.core.sympify
    hydra.utils hydra._internal.utils detectron2.config.lazy yaml ruamel.yaml
    """.split()
)

_CODE_GLOBALS = frozenset(
    """
    builtins.eval builtins.exec builtins.execfile builtins.compile builtins.open builtins.file
    builtins.input builtins.raw_input builtins.__import__ builtins.apply builtins.breakpoint
    builtins.setattr builtins.delattr builtins.globals builtins.locals builtins.vars builtins.help
    builtins.exit builtins.quit builtins.reload builtins.__build_class__ builtins.memoryview
    argparse.FileType typing.ForwardRef operator.attrgetter operator.methodcaller operator.call
    operator.setitem operator.delitem _operator.attrgetter _operator.methodcaller _operator.call
    _operator.setitem _operator.delitem io.open io.open_code io.FileIO _io.open _io.open_code
    _io.FileIO codecs.open types.FunctionType types.CodeType types.LambdaType types.MethodType
    types.ModuleType code.interact code.InteractiveInterpreter code.InteractiveConsole
    pathlib.Path.write_text pathlib.Path.write_bytes pathlib.Path.unlink pathlib.Path.open
    pathlib.Path.rename pathlib.Path.rmdir pathlib.Path.chmod pathlib.Path.symlink_to
    dill._dill._create_code dill._dill._create_function dill._dill._create_type
    dill._dill._import_module dill.loads dill.load dill._dill._eval_repr dill._dill._get_attr
    dill._dill.load_session dill._dill.loads dill._dill.load dill.session.load_module
    torch.load torch.save torch.from_file torch.import_ir_module torch.compile
    torch.import_ir_module_from_buffer torch.serialization.load torch.storage._load_from_bytes
    torch.nn.modules.module.Module.compile torch.storage.UntypedStorage.from_file
    torch.UntypedStorage.from_file numpy.load numpy.loads numpy.save numpy.savez numpy.savetxt
    numpy.savez_compressed numpy.fromfile numpy.memmap numpy.loadtxt numpy.genfromtxt
    numpy.fromregex numpy.DataSource numpy.lookfor numpy.source numpy.info numpy.test numpy.who
    numpy.frompyfunc pandas.read_pickle pandas.io.pickle.read_pickle pandas.io.common.get_handle
    pandas.eval pandas.core.computation.eval.eval numexpr.evaluate numexpr.necompiler.evaluate
    sympy.sympify scipy.io.loadmat fickling.pickle.loads
    keras.src.layers.core.lambda_layer.Lambda keras.layers.Lambda jinja2.environment.Template
    jinja2.Template omegaconf.OmegaConf.load omegaconf.OmegaConf.save h5py.File h5py._hl.files.File
    mmengine.config.config.Config.fromfile mmcv.utils.config.Config.fromfile
    """.split()
)
# torch.storage._load_from_bytes unpickles what it is given, and nobody looks into its bytes:
# tensors pickled with plain `pickle` use it, and may hide anything there.

# A module reached through another one ("torch.serialization" "os.system", "random" "_os.system")
# runs the same code.
_REACHED = frozenset(
    """
    os sys subprocess builtins posix importlib ctypes shutil pickle marshal runpy pty socket
    tempfile _os _sys _subprocess _builtins _ctypes _socket _posixsubprocess
    """.split()
)

_LIBRARIES = ("torch", "numpy")  # the ones whose functions are known one by one

# What `copyreg` rebuilds objects with.
_RECONSTRUCTORS = frozenset({"copyreg.__newobj__", "copyreg.__newobj_ex__"})
# Enumerations and results, in modules whose every function counts as code.
_PLAIN_AMONG_CODE = frozenset(
    {"os.stat_result", "posix.stat_result", "os.terminal_size", "socket.AddressFamily"}
    | {"socket.SocketKind"}
)


# `getattr(array, "tofile")`, and what other objects write, load or start with.
_WRITING_METHODS = frozenset(
    """
    tofile dump dump_session save write write_text write_bytes touch unlink rmdir rename replace
    symlink_to hardlink_to mkdir open system popen spawn exec eval runcode runsource load_library
    from_file fromfile to_pickle to_csv extractall
    """.split()
)


def normalise(module: str, name: str) -> str:
    """The dotted name, with Python 2's module names replaced by today's."""
    return f"{_PYTHON2_MODULES.get(module, module)}.{name}"


def is_allowed(name: str) -> bool:
    """Whether ``torch.load(weights_only=True)`` lets the global through without being asked."""
    return name in _ALLOWED


def is_known(name: str) -> bool:
    """Whether it is known what a global does: plain data, or code."""
    return is_allowed(name) or is_plain(name) or runs_code(name)


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


def method_runs_code(owner: str, name: str) -> bool:
    """Whether a method that ``getattr`` finds on an object runs code, or writes a file.

    Args:
        owner: what made the object, by its dotted name.
        name: of the method.
    """
    return owner.startswith("pathlib.") or name in _WRITING_METHODS or name in _REACHED


@functools.lru_cache(maxsize=4096)
def runs_code(name: str) -> bool:
    """Whether naming this global lets whoever wrote the file run code when it is unpickled.

    Args:
        name: module and qualified name joined by dots, as from :func:`normalise`.
    """
    if name in _ALLOWED or name in _PLAIN_AMONG_CODE:
        return False
    parts = name.split(".")
    for start in range(len(parts) - 1, 0, -1):
        if parts[0] in _LIBRARIES and parts[start] in _LIBRARIES:
            return runs_code(".".join(parts[start:]))  # `torch._utils` `torch.contiguous_format`
    if _is_listed(parts) or _reaches_out(parts):
        return True
    if is_standard_library(name):
        return not is_plain(name)
    # In torch and numpy a class is a class, but a function that is not known may do anything.
    leaf = parts[-1].lstrip("_")
    return parts[0] in _LIBRARIES and leaf[:1].islower() and not is_plain(name)


def _is_listed(parts: list[str]) -> bool:
    """Whether a name is on the lists, or its end is: ``a.b.types.CodeType``."""
    if any(".".join(parts[:depth]) in _CODE_MODULES for depth in range(1, min(len(parts), 5))):
        return True
    return any(".".join(parts[start:]) in _CODE_GLOBALS for start in range(min(len(parts), 20)))


def _reaches_out(parts: list[str]) -> bool:
    """Whether a name walks through attributes: of the interpreter, or to another module."""
    inner = parts[1:]
    if any(part.startswith("__") and part.endswith("__") for part in inner):
        return ".".join(parts) not in _RECONSTRUCTORS
    return any(part in _REACHED for part in inner)
