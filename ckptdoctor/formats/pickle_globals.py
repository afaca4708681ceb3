"""Which globals of a pickle run code, and which ones torch itself lets through.

A pickle names classes and functions ("globals") and calls them. Whoever unpickles it runs those
calls. Nothing here is imported or looked up: a global is judged by its name alone.

Sources: ``torch/_weights_only_unpickler.py`` (2.13) for the allowed ones; the pickle
documentation, and the published bypasses of pickle scanners, for those that run code.
"""

from __future__ import annotations

import functools

from ckptdoctor.dtypes import BY_NAME, STORAGE_CLASSES

__all__ = ["is_allowed", "normalise", "runs_code"]

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

# Every function of these modules is reason enough: they start programs, open files or sockets,
# import by name, load further pickles, or evaluate text.
_CODE_MODULES = frozenset(
    """
    os posix nt subprocess _posixsubprocess _winapi sys shutil socket _socket socketserver runpy
    pty popen2 webbrowser ctypes _ctypes importlib _frozen_importlib _frozen_importlib_external
    imp pkgutil zipimport codeop bdb pdb cProfile timeit doctest pydoc asyncio multiprocessing
    _thread threading signal pip setuptools distutils ensurepip venv idlelib lib2to3 unittest
    test.support http httplib urllib urllib2 requests aiohttp httpx ftplib smtplib telnetlib
    imaplib poplib nntplib xmlrpc ssl paramiko fileinput tempfile linecache pickle _pickle shelve
    marshal dbm sqlite3 readline rlcompleter sysconfig _osx_support _aix_support _pyrepl gc
    faulthandler atexit wsgiref joblib logging.config torch.hub torch.package
    torch.utils.cpp_extension torch.utils.bottleneck torch.utils.collect_env torch._inductor
    torch._dynamo.guards torch.testing torch.jit.unsupported_tensor_ops torch.jit._serialization
    numpy.testing numpy.f2py numpy.distutils numpy.lib.npyio numpy.ctypeslib
    """.split()
)

_CODE_GLOBALS = frozenset(
    """
    builtins.eval builtins.exec builtins.execfile builtins.compile builtins.open builtins.file
    builtins.input builtins.raw_input builtins.__import__ builtins.apply builtins.breakpoint
    builtins.setattr builtins.delattr builtins.globals builtins.locals builtins.vars builtins.help
    builtins.exit builtins.quit builtins.reload builtins.__build_class__ builtins.memoryview
    code.interact code.InteractiveInterpreter code.InteractiveConsole code.compile_command
    commands.getoutput commands.getstatusoutput commands.getstatus profile.run profile.runctx
    profile.Profile trace.Trace trace.Trace.run platform.popen site.main site.addsitedir
    nose.runmodule py.process.cmdexec antigravity.geohash operator.attrgetter
    operator.methodcaller _operator.attrgetter _operator.methodcaller io.open io.open_code
    io.FileIO _io.open _io.open_code _io.FileIO codecs.open types.FunctionType types.CodeType
    types.LambdaType types.MethodType uuid._get_command_stdout uuid._popen mimetypes.init
    copyreg.add_extension dill._dill._create_code dill._dill._create_function
    dill._dill._import_module dill.loads dill.load dill._dill._eval_repr dill._dill._get_attr
    dill._dill.load_session cloudpickle.cloudpickle._make_function
    cloudpickle.cloudpickle._make_skel_func cloudpickle.cloudpickle._builtin_type
    cloudpickle.cloudpickle.subimport cloudpickle.cloudpickle._fill_function
    cloudpickle.cloudpickle.loads cloudpickle.loads cloudpickle.cloudpickle_fast._make_function
    torch.load torch.serialization.load torch.storage._load_from_bytes
    torch.fx.graph_module.reduce_graph_module torch.fx.graph_module.reduce_package_graph_module
    torch.fx.graph_module.reduce_deploy_graph_module torch.fx.graph_module._forward_from_src
    torch.fx.graph_module._exec_with_source torch.utils._config_module.load_config
    torch.distributed.rpc.internal._run_function torch.multiprocessing.reductions.rebuild_event
    numpy.load numpy.loads numpy.fromfile numpy.memmap numpy.core.memmap.memmap numpy.loadtxt
    numpy.genfromtxt numpy.DataSource pandas.read_pickle pandas.io.pickle.read_pickle pandas.eval
    pandas.core.computation.eval.eval yaml.load yaml.unsafe_load yaml.full_load
    pathlib.Path.write_text pathlib.Path.write_bytes pathlib.Path.unlink pathlib.Path.open
    pathlib.Path.rename pathlib.Path.rmdir pathlib.Path.chmod pathlib.Path.symlink_to
    fickling.pickle.loads keras.src.layers.core.lambda_layer.Lambda
    """.split()
)
# torch.storage._load_from_bytes unpickles what it is given, and nobody looks into its bytes:
# tensors pickled with plain `pickle` use it, and may hide anything there.

# A module reached through another one ("torch.serialization" "os.system") runs the same code.
_REACHED = frozenset(
    {"os", "sys", "subprocess", "builtins", "posix", "importlib", "ctypes", "shutil"}
)


def normalise(module: str, name: str) -> str:
    """The dotted name, with Python 2's module names replaced by today's."""
    return f"{_PYTHON2_MODULES.get(module, module)}.{name}"


def is_allowed(name: str) -> bool:
    """Whether ``torch.load(weights_only=True)`` lets the global through without being asked."""
    return name in _ALLOWED


@functools.lru_cache(maxsize=4096)
def runs_code(name: str) -> bool:
    """Whether naming this global lets whoever wrote the file run code when it is unpickled.

    Args:
        name: module and qualified name joined by dots, as from :func:`normalise`.
    """
    if name in _ALLOWED:
        return False
    if name in _CODE_GLOBALS:
        return True
    parts = name.split(".")
    if any(".".join(parts[:depth]) in _CODE_MODULES for depth in range(1, min(len(parts), 5))):
        return True
    # `x.y.__globals__`, `x.__class__.__base__`: a walk through the interpreter's own attributes.
    if any(part.startswith("__") and part.endswith("__") for part in parts[1:]):
        return True
    return any(part in _REACHED for part in parts[1:])
