"""Code under a name that is not its own: reached through modules that a checkpoint may name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.bad_inputs.bypass.named import Row, bypasses_of
from tests.bad_inputs.bypass.one import Bypass, Loader, python_of
from tests.bad_inputs.bypass.payloads import (
    argv,
    fixed,
    hostile_array,
    nested_in,
    py,
    sh,
    written,
)  # fmt: skip
from tests.bad_inputs.opcodes import call, named

__all__ = ["ALIASES"]


def _array_file(canary: Path) -> str:
    path = canary.with_name("array.npy")
    np.save(path, hostile_array(canary), allow_pickle=True)
    return str(path)


def _test_file(canary: Path) -> tuple[Any, ...]:
    """What ``numpy.random.test`` wants: it hands the file to pytest."""
    path = canary.with_name("test_it.py")
    path.write_text(f"{python_of(canary)}\n")
    options = ["-p", "no:cacheprovider", "-c", "/dev/null", "--noconftest", "--collect-only"]
    return ("full", 0, options, False, False, -1, [str(path)])


def _unpickled(canary: Path) -> tuple[Any, ...]:
    return (call(named("io", "BytesIO"), *nested_in(canary)),)


def _path_and(*more: Any) -> Any:
    return lambda canary: (call(named("pathlib", "PosixPath"), str(canary)), *more)


def _in_store(canary: Path) -> tuple[Any, ...]:
    return (call(named("torch.distributed", "FileStore"), str(canary), 2), "key", "value")


_ATTENTION = "torch.distributed.tensor.experimental._context_parallel._attention"

# Where it was found, module, name, and what it is called with.
_FOUND: tuple[Row, ...] = (
    ("an audit: through re", "fractions", "re.enum.bltns.exec", py),
    ("an audit: through re", "json", "decoder.scanner.re.enum.bltns.eval", py),
    ("an audit: through a helper of DCP", "torch.distributed._shard.checkpoint.utils",
     "cProfile.run", py),
    ("an audit: a nested unpickler", _ATTENTION, "c10d.pickle.loads", nested_in),
    ("an audit: numpy through numpy.ma", "numpy.ma.core", "np.f2py.crackfortran.getlincoef",
     lambda c: (python_of(c), {})),
    ("an audit: numpy through numpy.ma", "numpy.ma.core", "np.load",
     lambda c: (_array_file(c), None, True)),
    ("an audit: runs pytest", "numpy.random", "test", _test_file),
    ("an audit: methods of Path", "json.tool", "Path.write_text", _path_and("x")),
    ("an audit: methods of Path", "json.tool", "Path.touch", _path_and()),
    ("an audit: through inspect", "torch.nn.attention.flex_attention",
     "inspect.tokenize._builtin_open", written("w")),
    ("an audit: through logging", "torch.nn.parallel.distributed", "logging.FileHandler",
     written()),
    ("an audit: a class that writes", "torch._C", "PyTorchFileWriter", written()),
    ("an audit: through tarfile", "torch.serialization", "tarfile.TarFile", written("w")),
    ("an audit: through inspect", "filelock._api", "inspect.tokenize._builtin_open",
     written("w")),
)  # fmt: skip

# Of the same kind, found by a walk over what comes with torch and with ckptdoctor.
_WALKED: tuple[Row, ...] = (
    ("typing_extensions", "typing_extensions", "builtins.exec", py),
    ("typing_extensions", "typing_extensions", "io.open", written("w")),
    ("jinja2", "jinja2.utils", "enum.bltns.eval", py),
    ("jinja2", "jinja2.bccache", "pickle.loads", nested_in),
    ("filelock", "filelock._util", "os.system", sh),
    ("filelock", "filelock._lease", "os.mkdir", written()),
    ("fsspec", "fsspec.asyn", "io.FileIO", written("w")),
    ("fsspec", "fsspec.compression", "GzipFile", written("w")),
    ("fsspec", "fsspec", "compression.BZ2File", written("w")),
    ("sympy", "sympy.core.backend", "os.popen", sh),
    ("sympy", "sympy.external.gmpy", "os.system", sh),
    ("sympy", "sympy.utilities.lambdify", "builtins.eval", py),
    ("mpmath", "mpmath.libmp.libhyper", "exec_", py),
    ("mpmath", "mpmath", "ctx_mp_python.exec_", py),
    ("networkx", "networkx.lazy_imports", "os.system", sh),
    ("networkx", "networkx.utils.decorators", "bz2._builtin_open", written("w")),
    ("rich", "rich.style", "loads", nested_in),
    ("rich", "rich", "os.system", sh),
    ("rich", "rich.logging", "logging.FileHandler", written()),
    ("click", "click.types", "enum.bltns.exec", py),
    ("typer", "typer._completion_shared", "subprocess.Popen", argv),
    ("psutil", "psutil", "subprocess.getoutput", sh),
    ("psutil", "psutil", "Popen", argv),
    ("safetensors", "safetensors.torch", "torch.os.system", sh),
    ("safetensors", "safetensors.numpy", "os.system", sh),
    ("setuptools", "setuptools.depends", "dis.io.open", written("w")),
    ("setuptools", "setuptools._distutils.spawn", "subprocess.check_output", argv),
    ("omegaconf", "omegaconf._utils", "os.system", sh),
    ("pip", "pip._internal.utils.misc", "os.system", sh),
    ("numpy", "numpy.lib._datasource", "_open", written("w")),
    ("numpy", "numpy.ma.core", "builtins.exec", py),
    ("numpy", "numpy.ma", "core.builtins.open", written("w")),
    ("numpy", "numpy._core.numeric", "builtins.eval", py),
    ("numpy", "numpy._core._methods", "pickle.loads", nested_in),
    ("numpy", "numpy._core.records", "os.system", sh),
    ("torch", "torch.nn.functional", "np.savetxt", written([1])),
    ("torch", "torch", "os.system", sh),
    ("torch", "torch._utils", "pickle._loads", nested_in),
    ("torch", "torch.utils._zip", "ZipFile", written("w")),
    ("torch", "torch.utils.viz._cycles", "NamedTemporaryFile",
     lambda c: ("w", -1, None, None, None, "canary", str(c.parent), False)),
    ("torch", "torch.hub", "Path.mkdir", _path_and()),
    ("torch", "torch.fx.graph_module", "Path.symlink_to", _path_and("/dev/null")),
    ("torch", "torch._VF", "from_file", written(True, 4)),
    ("torch", "torch.functional", "_VF.from_file", written(True, 4)),
    ("torch", "torch.ops", "aten.from_file", written(True, 4)),
    ("torch", "torch._C", "_VariableFunctions.from_file", written(True, 4)),
    ("torch", "torch", "FloatStorage.from_file", written(True, 4)),
    ("torch", "torch.tensor", "enum.bltns.exec", py),
    ("torch", "torch.distributed", "FileStore.set", _in_store),
    ("torch", "torch._C._distributed_c10d", "FileStore.set", _in_store),
    ("python", "argparse", "_os.system", sh),
    ("python", "enum", "bltns.exec", py),
    ("python", "pathlib", "os.mkdir", written()),
    ("python", "uuid", "os.popen", sh),
    ("python", "os.path", "os.system", sh),
    ("python", "random", "_os.mkdir", written()),
    ("python", "string", "_re.enum.bltns.eval", py),
    ("the program that loads it", "__main__", "os.system", sh),
    ("the program that loads it", "__main__", "pickle.loads", nested_in),
)  # fmt: skip

# What they do cannot be seen, or needs what is not there: judged by name.
_UNSEEN: tuple[Row, ...] = (
    ("an audit: deletes", "json.tool", "Path.unlink", _path_and()),
    ("an audit: loads a library", "torch.cuda.memory", "CUDAPluggableAllocator",
     fixed("/nowhere/x.so", "a", "b")),
    ("deletes", "torch.hub", "shutil.rmtree", fixed("/nowhere/x")),
    ("loads a library", "torch._inductor.codecache", "cdll.LoadLibrary", fixed("/nowhere/x.so")),
    ("loads a library", "torch.classes", "load_library", fixed("/nowhere/x.so")),
    ("loads a library", "torch.ops", "load_library", fixed("/nowhere/x.so")),
    ("ends processes", "psutil", "os.kill", fixed(999_999_999, 9)),
    ("network", "torch.distributed.elastic.utils.distributed", "socket.create_connection",
     fixed(("127.0.0.1", 9))),
)  # fmt: skip

ALIASES: tuple[Bypass, ...] = (
    *bypasses_of(_FOUND, Loader.TORCH),
    *bypasses_of(_WALKED, Loader.TORCH),
    *bypasses_of(_UNSEEN, Loader.NONE),
)
