"""Functions that scanners did not know, each called by a pickle that is sound otherwise."""

from __future__ import annotations

from pathlib import Path

from tests.bad_inputs.bypass.one import Bypass, Loader, python_of, shell
from tests.bad_inputs.bypass.payloads import (
    Arguments,
    argv,
    fixed,
    namespace,
    nested,
    nested_in,
    py,
    script,
    self_nested,
    self_py,
    sh,
    site_folder,
    written,
)  # fmt: skip
from tests.bad_inputs.opcodes import call, named, pickle_of

__all__ = ["CALLS"]


# Where it was published, module, name, and what it is called with.
_PROVEN: tuple[tuple[str, str, str, Arguments], ...] = (
    ("the plainest", "os", "system", sh),
    ("the same by its true name", "posix", "system", sh),
    ("starts a program", "os", "popen", sh),
    ("starts a program", "subprocess", "Popen", argv),
    ("starts a program", "subprocess", "getoutput", sh),
    ("Python 2's name of subprocess", "commands", "getoutput", sh),
    ("starts a program", "pty", "spawn", argv),
    ("evaluates text", "builtins", "eval", py),
    ("evaluates text", "builtins", "exec", py),
    ("Python 2's name of builtins", "__builtin__", "eval", py),
    ("GHSA-v7x6-rv5q-mhwc", "timeit", "timeit", py),
    ("GHSA: cProfile", "cProfile", "run", py),
    ("GHSA: profile", "profile", "run", py),
    ("GHSA-5qwp-399c-mjwf", "trace", "Trace.run",
     lambda c: (call(named("trace", "Trace")), *py(c))),
    ("picklescan #29", "bdb", "Bdb.run", lambda c: (call(named("bdb", "Bdb")), *py(c))),
    ("GHSA: pydoc", "pydoc", "pipepager", lambda c: ("x", shell(c))),
    ("runs a file", "runpy", "run_path", lambda c: (script(c),)),
    ("runs lines of a .pth file", "site", "addsitedir", lambda c: (site_folder(c),)),
    ("starts a program", "uuid", "_get_command_stdout", lambda c: ("touch", str(c))),
    ("GHSA: _osx_support", "_osx_support", "_read_output", sh),
    ("starts a program", "multiprocessing.util", "spawnv_passfds",
     lambda c: (b"/usr/bin/touch", ["touch", str(c)], [])),
    ("CVE-2025-10157", "asyncio.unix_events", "_UnixSubprocessTransport._start",
     lambda c: (namespace(), ["touch", str(c)], False, None, None, None, 0)),
    ("configures by name", "logging.config", "dictConfig",
     lambda c: ({"version": 1, "formatters": {"a": {"()": "os.system", "command": shell(c)}}},)),
    ("evaluates annotations", "typing", "get_type_hints",
     lambda c: (namespace(__annotations__={"a": python_of(c)}),)),
    ("a pickle in a pickle", "pickle", "loads", nested_in),
    ("a pickle in a pickle", "_pickle", "loads", nested_in),
    ("GHSA-f54q-57x4-jg88", "lib2to3.pgen2.grammar", "Grammar.loads", self_nested),
    ("writes a file", "builtins", "open", written("w")),
    ("writes a file", "io", "open", written("w")),
    ("writes a file", "_io", "FileIO", written("w")),
    ("writes a file", "codecs", "open", written("w")),
    ("writes a file", "logging", "FileHandler", written()),
    ("writes a file", "pathlib", "Path.touch",
     lambda c: (call(named("pathlib", "Path"), str(c)),)),
    ("writes a file", "shutil", "copyfile", lambda c: ("/etc/passwd", str(c))),
    ("writes a file", "zipfile", "ZipFile", written("w")),
    ("writes a file", "gzip", "open", written("w")),
    ("writes a file", "sqlite3", "connect", written()),
    ("writes a file", "mailbox", "mbox", written()),
    ("writes a file", "argparse", "FileType.__call__",
     lambda c: (call(named("argparse", "FileType"), "w"), str(c))),
    ("writes a file", "distutils.file_util", "write_file", written(["x"])),
)  # fmt: skip

# As above, of torch and numpy.
_OF_LIBRARIES: tuple[tuple[str, str, str, Arguments], ...] = (
    ("PickleBall; GHSA: numpy", "numpy.testing._private.utils", "runstring",
     lambda c: (python_of(c), {})),
    ("GHSA: numpy.f2py", "numpy.f2py.crackfortran", "myeval", py),
    ("writes a file", "numpy", "savetxt", written([1])),
    ("GHSA-vr7h-p6mm-wpmh", "torch.jit.unsupported_tensor_ops", "execWrapper",
     lambda c: (python_of(c), {}, {})),
    ("GHSA-f745-w6jp-hpxx", "torch.utils.collect_env", "run", sh),
    ("GHSA-f4x7-rfwp-v3xw", "torch.fx.experimental.symbolic_shapes",
     "ShapeEnv.evaluate_guards_expression", lambda c: (namespace(), python_of(c), [])),
    ("GHSA-vv6j-3g6g-2pvj", "torch.utils._config_module", "ConfigModule.load_config",
     self_nested),
    ("a pickle in a tensor", "torch.storage", "_load_from_bytes", nested_in),
    ("executes source", "torch.fx.graph_module", "_exec_with_source",
     lambda c: (python_of(c), {})),
    ("writes a file", "torch", "from_file", written(True, 4)),
    ("writes a file", "torch", "UntypedStorage.from_file", written(True, 4)),
    ("writes a file", "torch", "save", lambda c: ([1], str(c))),
)  # fmt: skip

# Of another system, another version, or the network: judged by name, never loaded here.
_UNPROVEN: tuple[tuple[str, str, str, Arguments], ...] = (
    ("Windows", "nt", "system", sh),
    ("GHSA: _aix_support", "_aix_support", "_read_cmd_output", sh),
    ("Python 2", "__builtin__", "apply", fixed()),
    ("Python 2", "__builtin__", "execfile", fixed("x.py")),
    ("Python 2", "urllib2", "urlopen", fixed("http://127.0.0.1:9/")),
    ("CVE-2025-1716", "pip", "main", fixed(["install", "x"])),
    ("CVE-2025-1716", "pip._internal", "main", fixed(["install", "x"])),
    ("GHSA-xp4f-hrf8-rxw7", "ensurepip", "_run_pip", fixed(["install", "x"])),
    ("GHSA: venv", "venv", "create", fixed("/nowhere/x")),
    ("GHSA: doctest", "doctest", "debug_script", py),
    ("GHSA-6w4w-5w54-rjvr", "idlelib.autocomplete", "AutoComplete.get_entity", self_py),
    ("GHSA-3vg9-h568-4w9m", "idlelib.debugobj", "ObjectTreeItem.SetText", self_py),
    ("GHSA: idlelib", "idlelib.pyshell", "ModifiedInterpreter.runcommand", self_py),
    ("GHSA: lib2to3", "lib2to3.pgen2.pgen", "ParserGenerator.make_label", self_py),
    ("GHSA: code", "code", "interact", fixed()),
    ("picklescan #29", "pdb", "run", py),
    ("3.13", "_pyrepl.pager", "pipe_pager", lambda c: ("x", shell(c))),
    ("opens a page", "webbrowser", "open", fixed("http://127.0.0.1:9/")),
    ("opens a page by its import", "antigravity", "geohash", fixed(1, b"", b"")),
    ("loads a library", "ctypes", "CDLL", fixed("/nowhere/x.so")),
    ("loads a library", "torch", "ops.load_library", fixed("/nowhere/x.so")),
    ("reads a file", "linecache", "getlines", fixed("/etc/passwd")),
    ("reads a file", "fileinput", "input", fixed("/etc/passwd")),
    ("deletes", "shutil", "rmtree", fixed("/nowhere/x")),
    ("deletes", "os", "remove", fixed("/nowhere/x")),
    ("network", "urllib.request", "urlopen", fixed("http://127.0.0.1:9/")),
    ("network", "http.client", "HTTPSConnection", fixed("127.0.0.1")),
    ("CVE: DNS by ssl", "ssl", "get_server_certificate", fixed(("127.0.0.1", 9))),
    ("network", "requests", "get", fixed("http://127.0.0.1:9/")),
    ("network", "requests.api", "get", fixed("http://127.0.0.1:9/")),
    ("network", "socket", "create_connection", fixed(("127.0.0.1", 9))),
    ("network", "smtplib", "SMTP", fixed("127.0.0.1")),
    ("network", "ftplib", "FTP", fixed("127.0.0.1")),
    ("network", "torch.hub", "load", fixed("x/y", "z")),
    ("network", "torch.hub", "load_state_dict_from_url", fixed("http://127.0.0.1:9/")),
    ("compiles", "torch.utils.cpp_extension", "load_inline", fixed("x", "int f();")),
    ("compiles", "torch._inductor.codecache", "compile_file", fixed("x", "y", [])),
    ("GHSA-86cj-95qr-2p4f", "torch._dynamo.guards", "GuardBuilder.get", self_py),
    ("GHSA-4r9r-ch6f-vxmx", "torch.utils.bottleneck.__main__", "run_cprofile",
     lambda c: (python_of(c), {})),
    ("GHSA-h3qp-7fh3-f8h4", "torch.utils.data.datapipes.utils.decoder", "basichandlers",
     lambda c: ("pickle", nested(c))),
    ("another loader", "joblib", "load", fixed("x")),
    ("another loader", "dill", "loads", nested_in),
    ("another loader", "cloudpickle", "loads", nested_in),
    ("another loader", "cloudpickle.cloudpickle", "_make_function", fixed()),
    ("another loader", "dill._dill", "_create_function", fixed()),
    ("another loader", "yaml", "unsafe_load", fixed("x")),
    ("another loader", "pandas", "read_pickle", fixed("x")),
    ("another loader", "numpy", "load", fixed("x")),
    ("evaluates text", "pandas", "eval", py),
    ("evaluates text", "numexpr", "evaluate", py),
    ("imports by name", "numpy.core", "_ufunc_reconstruct", fixed("os", "system")),
    ("makes objects by name", "hydra.utils", "instantiate", fixed({"_target_": "os.system"})),
    ("a layer of code", "keras.src.layers.core.lambda_layer", "Lambda", fixed()),
)  # fmt: skip


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
                arguments: Arguments = arguments,
            ) -> bytes:
                protocol = 4 if "." in name else 2
                return pickle_of(call(named(module, name), *arguments(canary)), protocol)

            found.append(
                Bypass(name=f"{module}.{name}", published=published, make=make, loader=loader)
            )
    return found


CALLS: tuple[Bypass, ...] = tuple(_calls())
