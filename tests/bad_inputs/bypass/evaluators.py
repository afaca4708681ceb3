"""Functions that run text, import by name, or read a pickle, each called by its own name."""

from __future__ import annotations

import io
import marshal
import zipfile
from pathlib import Path
from typing import Any

from torch.package.package_exporter import PackageExporter

from tests.bad_inputs.bypass.carriers import beside_weights
from tests.bad_inputs.bypass.named import Row, bypasses_of
from tests.bad_inputs.bypass.one import Bypass, Loader, python_of, shell
from tests.bad_inputs.bypass.payloads import (
    argv,
    nested,
    nested_in,
    py,
    script,
)  # fmt: skip
from tests.bad_inputs.opcodes import call, named

__all__ = ["EVALUATORS"]


def _beside(canary: Path, name: str, content: bytes | str) -> str:
    """The path of a file that the code needs."""
    path = canary.with_name(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def _file_config(canary: Path) -> tuple[Any, ...]:
    text = f"""
[loggers]
keys=root
[handlers]
keys=a
[formatters]
keys=
[logger_root]
handlers=a
[handler_a]
class=StreamHandler
args=({python_of(canary)},)
"""
    return (_beside(canary, "log.ini", text),)


def _zip_module(canary: Path) -> tuple[Any, ...]:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("runs.py", python_of(canary))
    path = _beside(canary, "modules.zip", out.getvalue())
    return (call(named("zipimport", "zipimporter"), path), "runs")


def _class_of_torch(canary: Path) -> tuple[Any, ...]:
    return ({"_code": "\ndef forward(self): pass"}, python_of(canary))


def _yaml(canary: Path) -> tuple[Any, ...]:
    return (f"!!python/object/apply:os.system ['{shell(canary)}']",)


def _inner(canary: Path) -> bytes:
    """A torch file whose pickle runs a command."""
    return beside_weights(canary, call(named("posix", "system"), shell(canary)))


def _metadata(canary: Path) -> tuple[Any, ...]:
    path = _beside(canary, ".metadata", nested(canary))
    return (
        call(
            named("torch.distributed.checkpoint.filesystem", "FileSystemReader"),
            str(Path(path).parent),
        ),
    )


def _package(canary: Path) -> tuple[Any, ...]:
    path = canary.with_name("package.pt")
    with PackageExporter(path) as exporter:
        exporter.save_source_string("runs", python_of(canary))
    importer = call(named("torch.package.package_importer", "PackageImporter"), str(path))
    return (importer, "runs")


def _compiled(canary: Path) -> bytes:
    return marshal.dumps(compile(python_of(canary), "x", "exec"))


_NOTHING = call(named("builtins", "frozenset"))
_HANDLER = "torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler"

_RUN_TEXT: tuple[Row, ...] = (
    ("runs text", "dataclasses", "_create_fn",
     lambda c: ("f", [f"x={python_of(c)}"], ["pass"])),
    ("runs text", "timeit", "main", lambda c: (["-n1", "-r1", python_of(c)],)),
    ("runs text", "timeit", "Timer.timeit",
     lambda c: (call(named("timeit", "Timer"), *py(c)), 1)),
    ("runs text", "typing", "ForwardRef._evaluate",
     lambda c: (call(named("typing", "ForwardRef"), *py(c)), {}, {}, _NOTHING)),
    ("runs text", "code", "InteractiveConsole.push",
     lambda c: (call(named("code", "InteractiveConsole")), python_of(c))),
    ("runs text", "cProfile", "Profile.run",
     lambda c: (call(named("cProfile", "Profile")), python_of(c))),
    ("runs text", "trace", "Trace.runctx",
     lambda c: (call(named("trace", "Trace"), 0, 0), python_of(c), {}, {})),
    ("runs text", "bdb", "Bdb.runeval", lambda c: (call(named("bdb", "Bdb")), python_of(c))),
    ("runs text", "_xxsubinterpreters", "run_string",
     lambda c: (call(named("_xxsubinterpreters", "create")), python_of(c))),
    ("runs text", "doctest", "run_docstring_examples",
     lambda c: (f">>> x = {python_of(c)}\n", {})),
    ("runs a file", "pydoc", "importfile", lambda c: (script(c),)),
    ("runs a file", "imp", "load_source", lambda c: ("x", script(c))),
    ("runs a file", "optparse", "Values.read_file",
     lambda c: (call(named("optparse", "Values")), script(c))),
    ("runs a file", "importlib.machinery", "SourceFileLoader.load_module",
     lambda c: (call(named("importlib.machinery", "SourceFileLoader"), "x", script(c)),)),
    ("runs a file", "zipimport", "zipimporter.load_module", _zip_module),
    ("runs a file", "code", "InteractiveInterpreter.runcode",
     lambda c: (call(named("code", "InteractiveInterpreter")),
                call(named("marshal", "loads"), _compiled(c)))),
    ("evaluates what stands in a file", "logging.config", "fileConfig", _file_config),
    ("starts a program", "click", "edit",
     lambda c: (None, "touch", None, True, ".txt", str(c))),
    ("starts a program", "click._termui_impl", "Editor.edit_files",
     lambda c: (call(named("click._termui_impl", "Editor"), "touch"), [str(c)])),
    ("starts a program", "setuptools._distutils.spawn", "spawn", argv),
    ("starts a program", _HANDLER, "SubprocessHandler",
     lambda c: ("touch", (str(c),), {"PATH": "/usr/bin:/bin"}, None, None, 0, None)),
    ("starts a program", "torch.utils.cpp_extension", "subprocess.check_call", argv),
    ("sympy evaluates", "sympy", "sympify", py),
    ("sympy evaluates", "sympy", "S", py),
    ("sympy evaluates", "sympy", "sin", py),
    ("sympy evaluates", "sympy", "Max", py),
    ("sympy evaluates", "sympy.parsing.sympy_parser", "parse_expr", py),
    ("sympy evaluates", "sympy.parsing.sympy_parser", "eval_expr",
     lambda c: (python_of(c), {}, {})),
    ("sympy evaluates", "sympy.core.sympify", "sympify", py),
    ("sympy evaluates", "torch.utils._sympy.functions", "Identity", py),
    ("sympy evaluates", "torch.utils._sympy.functions", "FloorDiv",
     lambda c: (python_of(c), 1)),
    ("runs text", "numpy.testing", "measure", py),
    ("runs text", "numpy.testing._private.utils", "runstring",
     lambda c: (python_of(c), {"a": 1})),
    ("runs text", "numpy.f2py.crackfortran", "_eval_scalar", lambda c: (python_of(c), {})),
    ("runs text", "torch.fx.graph_module", "_forward_from_src",
     lambda c: (f"{python_of(c)}\ndef forward(self): pass", {})),
    ("runs text", "torch.fx.graph_module", "reduce_graph_module", _class_of_torch),
    ("runs text", "torch._inductor.codecache", "PyCodeCache.load", py),
    ("runs text", "torch.utils.benchmark", "Timer.timeit",
     lambda c: (call(named("torch.utils.benchmark", "Timer"), *py(c)), 1)),
    ("runs text", "torch._dynamo.guards", "builtins.eval", py),
    ("runs a file", "torch.distributed.run", "run_script_path", lambda c: (script(c),)),
    ("reads YAML that calls", "yaml", "unsafe_load", _yaml),
    ("reads YAML that calls", "omegaconf._utils", "yaml.unsafe_load", _yaml),
    ("imports by name", "lightning.pytorch.cli", "instantiate_class",
     lambda c: ((shell(c),), {"class_path": "os.system", "init_args": {}})),
)  # fmt: skip

_READ_PICKLES: tuple[Row, ...] = (
    ("a pickle in a torch file", "torch.storage", "_load_from_bytes", lambda c: (_inner(c),)),
    ("a pickle in a torch file", "torch._export.serde.serialize", "deserialize_torch_artifact",
     lambda c: (_inner(c),)),
    ("a pickle in a pickle", "multiprocessing.reduction", "ForkingPickler.loads", nested_in),
    ("a pickle in a pickle", "torch.multiprocessing.queue", "ForkingPickler.loads", nested_in),
    ("a pickle in a pickle", "_pickle", "Unpickler.load",
     lambda c: (call(named("_pickle", "Unpickler"), call(named("io", "BytesIO"), nested(c))),)),
    ("a pickle in a pickle", "shelve", "Shelf.__getitem__",
     lambda c: (call(named("shelve", "Shelf"), {b"a": nested(c)}), "a")),
    ("a pickle in a pickle", "shelve", "Shelf.get",
     lambda c: (call(named("shelve", "Shelf"), {b"a": nested(c)}), "a")),
    ("a pickle in a file", "tracemalloc", "Snapshot.load",
     lambda c: (_beside(c, "snapshot", nested(c)),)),
    ("a pickle in a file", "torch.distributed.checkpoint.filesystem",
     "FileSystemReader.read_metadata", _metadata),
    ("source in a package", "torch.package", "PackageImporter.import_module", _package),
    ("a pickle in a pickle", "torch.distributed.rpc.internal", "_internal_rpc_pickler.deserialize",
     lambda c: (nested(c), [])),
    ("a pickle in a pickle", "torch.utils.data.datapipes.utils.decoder", "basichandlers",
     lambda c: ("pickle", nested(c))),
    ("a pickle in a pickle", "torch.distributed.distributed_c10d", "pickle.loads", nested_in),
    ("a pickle in a pickle", "concurrent.futures.process", "mp.reduction.pickle.loads", nested_in),
    ("a pickle in a pickle", "torch.cuda.memory", "pickle.Unpickler.load",
     lambda c: (call(named("_pickle", "Unpickler"), call(named("io", "BytesIO"), nested(c))),)),
    ("a pickle in a pickle", "numpy.lib._format_impl", "pickle.loads", nested_in),
)  # fmt: skip

EVALUATORS: tuple[Bypass, ...] = (
    *bypasses_of(_RUN_TEXT, Loader.TORCH),
    *bypasses_of(_READ_PICKLES, Loader.TORCH),
)
