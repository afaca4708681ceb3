"""Functions that scanners did not know, each called by a pickle that is sound otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bad_inputs.bypass import Bypass, Loader, python_of, shell
from tests.bad_inputs.opcodes import Opcodes, call, named, pickle_of, with_state

__all__ = ["CALLS", "nested"]

_Arguments = Callable[[Path], tuple[Any, ...]]


def nested(canary: Path) -> bytes:
    """A pickle that runs a command."""
    return pickle_of(call(named("posix", "system"), shell(canary)), 2)


def namespace(**state: Any) -> Opcodes:
    """An object with these attributes."""
    made = Opcodes(named("argparse", "Namespace") + b")\x81")
    return with_state(made, state) if state else made


def _sh(canary: Path) -> tuple[Any, ...]:
    return (shell(canary),)


def _py(canary: Path) -> tuple[Any, ...]:
    return (python_of(canary),)


def _self_py(canary: Path) -> tuple[Any, ...]:
    return (namespace(), python_of(canary))


def _self_nested(canary: Path) -> tuple[Any, ...]:
    return (namespace(), nested(canary))


def _argv(canary: Path) -> tuple[Any, ...]:
    return (["touch", str(canary)],)


def _nested(canary: Path) -> tuple[Any, ...]:
    return (nested(canary),)


def _written(*more: Any) -> _Arguments:
    return lambda canary: (str(canary), *more)


def _fixed(*args: Any) -> _Arguments:
    return lambda _: args


# Where it was published, module, name, and what it is called with.
_PROVEN: tuple[tuple[str, str, str, _Arguments], ...] = (
    ("the plainest", "os", "system", _sh),
    ("the same by its true name", "posix", "system", _sh),
    ("starts a program", "os", "popen", _sh),
    ("starts a program", "subprocess", "Popen", _argv),
    ("starts a program", "subprocess", "getoutput", _sh),
    ("Python 2's name of subprocess", "commands", "getoutput", _sh),
    ("starts a program", "pty", "spawn", _argv),
    ("evaluates text", "builtins", "eval", _py),
    ("evaluates text", "builtins", "exec", _py),
    ("Python 2's name of builtins", "__builtin__", "eval", _py),
    ("GHSA-v7x6-rv5q-mhwc", "timeit", "timeit", _py),
    ("GHSA: cProfile", "cProfile", "run", _py),
    ("GHSA: profile", "profile", "run", _py),
    ("GHSA-5qwp-399c-mjwf", "trace", "Trace.run",
     lambda c: (call(named("trace", "Trace")), *_py(c))),
    ("picklescan #29", "bdb", "Bdb.run", lambda c: (call(named("bdb", "Bdb")), *_py(c))),
    ("GHSA: pydoc", "pydoc", "pipepager", lambda c: ("x", shell(c))),
    ("runs a file", "runpy", "run_path", lambda c: (_script(c),)),
    ("runs lines of a .pth file", "site", "addsitedir", lambda c: (_site(c),)),
    ("starts a program", "uuid", "_get_command_stdout", lambda c: ("touch", str(c))),
    ("GHSA: _osx_support", "_osx_support", "_read_output", _sh),
    ("starts a program", "multiprocessing.util", "spawnv_passfds",
     lambda c: (b"/usr/bin/touch", ["touch", str(c)], [])),
    ("CVE-2025-10157", "asyncio.unix_events", "_UnixSubprocessTransport._start",
     lambda c: (namespace(), ["touch", str(c)], False, None, None, None, 0)),
    ("configures by name", "logging.config", "dictConfig",
     lambda c: ({"version": 1, "formatters": {"a": {"()": "os.system", "command": shell(c)}}},)),
    ("evaluates annotations", "typing", "get_type_hints",
     lambda c: (namespace(__annotations__={"a": python_of(c)}),)),
    ("a pickle in a pickle", "pickle", "loads", _nested),
    ("a pickle in a pickle", "_pickle", "loads", _nested),
    ("GHSA-f54q-57x4-jg88", "lib2to3.pgen2.grammar", "Grammar.loads", _self_nested),
    ("writes a file", "builtins", "open", _written("w")),
    ("writes a file", "io", "open", _written("w")),
    ("writes a file", "_io", "FileIO", _written("w")),
    ("writes a file", "codecs", "open", _written("w")),
    ("writes a file", "logging", "FileHandler", _written()),
    ("writes a file", "pathlib", "Path.touch",
     lambda c: (call(named("pathlib", "Path"), str(c)),)),
    ("writes a file", "shutil", "copyfile", lambda c: ("/etc/passwd", str(c))),
    ("writes a file", "zipfile", "ZipFile", _written("w")),
    ("writes a file", "gzip", "open", _written("w")),
    ("writes a file", "sqlite3", "connect", _written()),
    ("writes a file", "mailbox", "mbox", _written()),
    ("writes a file", "argparse", "FileType.__call__",
     lambda c: (call(named("argparse", "FileType"), "w"), str(c))),
    ("writes a file", "distutils.file_util", "write_file", _written(["x"])),
)  # fmt: skip

# As above, of torch and numpy.
_OF_LIBRARIES: tuple[tuple[str, str, str, _Arguments], ...] = (
    ("PickleBall; GHSA: numpy", "numpy.testing._private.utils", "runstring",
     lambda c: (python_of(c), {})),
    ("GHSA: numpy.f2py", "numpy.f2py.crackfortran", "myeval", _py),
    ("writes a file", "numpy", "savetxt", _written([1])),
    ("GHSA-vr7h-p6mm-wpmh", "torch.jit.unsupported_tensor_ops", "execWrapper",
     lambda c: (python_of(c), {}, {})),
    ("GHSA-f745-w6jp-hpxx", "torch.utils.collect_env", "run", _sh),
    ("GHSA-f4x7-rfwp-v3xw", "torch.fx.experimental.symbolic_shapes",
     "ShapeEnv.evaluate_guards_expression", lambda c: (namespace(), python_of(c), [])),
    ("GHSA-vv6j-3g6g-2pvj", "torch.utils._config_module", "ConfigModule.load_config",
     _self_nested),
    ("a pickle in a tensor", "torch.storage", "_load_from_bytes", _nested),
    ("executes source", "torch.fx.graph_module", "_exec_with_source",
     lambda c: (python_of(c), {})),
    ("writes a file", "torch", "from_file", _written(True, 4)),
    ("writes a file", "torch", "UntypedStorage.from_file", _written(True, 4)),
    ("writes a file", "torch", "save", lambda c: ([1], str(c))),
)  # fmt: skip

# Of another system, another version, or the network: judged by name, never loaded here.
_UNPROVEN: tuple[tuple[str, str, str, _Arguments], ...] = (
    ("Windows", "nt", "system", _sh),
    ("GHSA: _aix_support", "_aix_support", "_read_cmd_output", _sh),
    ("Python 2", "__builtin__", "apply", _fixed()),
    ("Python 2", "__builtin__", "execfile", _fixed("x.py")),
    ("Python 2", "urllib2", "urlopen", _fixed("http://127.0.0.1:9/")),
    ("CVE-2025-1716", "pip", "main", _fixed(["install", "x"])),
    ("CVE-2025-1716", "pip._internal", "main", _fixed(["install", "x"])),
    ("GHSA-xp4f-hrf8-rxw7", "ensurepip", "_run_pip", _fixed(["install", "x"])),
    ("GHSA: venv", "venv", "create", _fixed("/nowhere/x")),
    ("GHSA: doctest", "doctest", "debug_script", _py),
    ("GHSA-6w4w-5w54-rjvr", "idlelib.autocomplete", "AutoComplete.get_entity", _self_py),
    ("GHSA-3vg9-h568-4w9m", "idlelib.debugobj", "ObjectTreeItem.SetText", _self_py),
    ("GHSA: idlelib", "idlelib.pyshell", "ModifiedInterpreter.runcommand", _self_py),
    ("GHSA: lib2to3", "lib2to3.pgen2.pgen", "ParserGenerator.make_label", _self_py),
    ("GHSA: code", "code", "interact", _fixed()),
    ("picklescan #29", "pdb", "run", _py),
    ("3.13", "_pyrepl.pager", "pipe_pager", lambda c: ("x", shell(c))),
    ("opens a page", "webbrowser", "open", _fixed("http://127.0.0.1:9/")),
    ("opens a page by its import", "antigravity", "geohash", _fixed(1, b"", b"")),
    ("loads a library", "ctypes", "CDLL", _fixed("/nowhere/x.so")),
    ("loads a library", "torch", "ops.load_library", _fixed("/nowhere/x.so")),
    ("reads a file", "linecache", "getlines", _fixed("/etc/passwd")),
    ("reads a file", "fileinput", "input", _fixed("/etc/passwd")),
    ("deletes", "shutil", "rmtree", _fixed("/nowhere/x")),
    ("deletes", "os", "remove", _fixed("/nowhere/x")),
    ("network", "urllib.request", "urlopen", _fixed("http://127.0.0.1:9/")),
    ("network", "http.client", "HTTPSConnection", _fixed("127.0.0.1")),
    ("CVE: DNS by ssl", "ssl", "get_server_certificate", _fixed(("127.0.0.1", 9))),
    ("network", "requests", "get", _fixed("http://127.0.0.1:9/")),
    ("network", "requests.api", "get", _fixed("http://127.0.0.1:9/")),
    ("network", "socket", "create_connection", _fixed(("127.0.0.1", 9))),
    ("network", "smtplib", "SMTP", _fixed("127.0.0.1")),
    ("network", "ftplib", "FTP", _fixed("127.0.0.1")),
    ("network", "torch.hub", "load", _fixed("x/y", "z")),
    ("network", "torch.hub", "load_state_dict_from_url", _fixed("http://127.0.0.1:9/")),
    ("compiles", "torch.utils.cpp_extension", "load_inline", _fixed("x", "int f();")),
    ("compiles", "torch._inductor.codecache", "compile_file", _fixed("x", "y", [])),
    ("GHSA-86cj-95qr-2p4f", "torch._dynamo.guards", "GuardBuilder.get", _self_py),
    ("GHSA-4r9r-ch6f-vxmx", "torch.utils.bottleneck.__main__", "run_cprofile",
     lambda c: (python_of(c), {})),
    ("GHSA-h3qp-7fh3-f8h4", "torch.utils.data.datapipes.utils.decoder", "basichandlers",
     lambda c: ("pickle", nested(c))),
    ("another loader", "joblib", "load", _fixed("x")),
    ("another loader", "dill", "loads", _nested),
    ("another loader", "cloudpickle", "loads", _nested),
    ("another loader", "cloudpickle.cloudpickle", "_make_function", _fixed()),
    ("another loader", "dill._dill", "_create_function", _fixed()),
    ("another loader", "yaml", "unsafe_load", _fixed("x")),
    ("another loader", "pandas", "read_pickle", _fixed("x")),
    ("another loader", "numpy", "load", _fixed("x")),
    ("evaluates text", "pandas", "eval", _py),
    ("evaluates text", "numexpr", "evaluate", _py),
    ("imports by name", "numpy.core", "_ufunc_reconstruct", _fixed("os", "system")),
    ("makes objects by name", "hydra.utils", "instantiate", _fixed({"_target_": "os.system"})),
    ("a layer of code", "keras.src.layers.core.lambda_layer", "Lambda", _fixed()),
)  # fmt: skip


def _script(canary: Path) -> str:
    path = canary.with_name("script.py")
    path.write_text(python_of(canary))
    return str(path)


def _site(canary: Path) -> str:
    folder = canary.with_name("site")
    folder.mkdir(exist_ok=True)
    (folder / "x.pth").write_text(f"import os; {python_of(canary)}\n")
    return str(folder)


# -- from the tables ------------------------------------------------------------------------------


def _calls() -> list[Bypass]:
    found: list[Bypass] = []
    tables = ((_PROVEN, Loader.PICKLE), (_OF_LIBRARIES, Loader.TORCH), (_UNPROVEN, Loader.NONE))
    for table, loader in tables:
        for published, module, name, arguments in table:

            def make(
                canary: Path,
                module: str = module,
                name: str = name,
                arguments: _Arguments = arguments,
            ) -> bytes:
                protocol = 4 if "." in name else 2
                return pickle_of(call(named(module, name), *arguments(canary)), protocol)

            found.append(
                Bypass(name=f"{module}.{name}", published=published, make=make, loader=loader)
            )
    return found


CALLS: tuple[Bypass, ...] = tuple(_calls())
