"""What is code whatever a checkpoint calls it: judged by the object that a name reaches."""

from __future__ import annotations

import functools
import importlib
import sys
import types
import warnings
from typing import Any

__all__ = ["hard_primitives", "own_name"]


# -- hard primitives -----------------------------------------------------------------------------

# Not `getattr`, `functools.partial` and `functools.reduce`: picklers write them for methods, for
# what a layer is made by and for unions of types. What they may be handed is held back.
_HARD = {
    "builtins": "eval exec compile open __import__ setattr delattr globals locals vars "
    "input breakpoint memoryview",
    "posix": "system popen execv execve fork posix_spawn posix_spawnp open remove unlink rmdir "
    "mkdir rename replace link symlink mkfifo mknod truncate chmod chown kill killpg putenv "
    "unsetenv chdir chroot _exit abort",
    "os": "popen fdopen makedirs removedirs renames execl execlp execle spawnv spawnl spawnlp "
    "startfile environ",
    "sys": "modules path meta_path path_hooks exit settrace setprofile addaudithook "
    "_getframe breakpointhook excepthook displayhook",
    "subprocess": "Popen run call check_call check_output getoutput getstatusoutput",
    "_posixsubprocess": "fork_exec",
    "pty": "spawn fork openpty",
    "shutil": "copyfile copy copy2 copytree move rmtree make_archive unpack_archive chown",
    "tempfile": "mkstemp mkdtemp NamedTemporaryFile TemporaryFile TemporaryDirectory",
    "io": "FileIO open_code BufferedWriter",
    "_io": "open",
    "codecs": "open",
    "tokenize": "open",
    "pathlib": "Path.open Path.touch Path.write_text Path.write_bytes Path.unlink Path.mkdir "
    "Path.rename Path.replace Path.rmdir Path.symlink_to Path.hardlink_to Path.chmod",
    "gzip": "GzipFile open",
    "bz2": "BZ2File open",
    "lzma": "LZMAFile open",
    "zipfile": "ZipFile PyZipFile",
    "tarfile": "TarFile",
    "logging": "FileHandler basicConfig",
    "logging.config": "dictConfig fileConfig listen",
    "logging.handlers": "RotatingFileHandler TimedRotatingFileHandler WatchedFileHandler "
    "SocketHandler HTTPHandler SMTPHandler",
    "mmap": "mmap",
    "sqlite3": "connect Connection",
    "dbm.dumb": "open",
    "shelve": "open Shelf DbfilenameShelf",
    "pickle": "load loads Unpickler _Unpickler _load _loads dump Pickler _Pickler",
    "marshal": "load loads",
    "copyreg": "add_extension pickle",
    "ctypes": "CDLL PyDLL cdll pydll pythonapi CFUNCTYPE PYFUNCTYPE cast string_at memmove",
    "_ctypes": "dlopen",
    "importlib": "import_module reload __import__",
    "importlib.machinery": "SourceFileLoader SourcelessFileLoader ExtensionFileLoader",
    "imp": "load_source load_module load_dynamic",
    "pkgutil": "resolve_name get_loader",
    "pydoc": "locate importfile safeimport pipepager",
    "runpy": "run_module run_path _run_code",
    "zipimport": "zipimporter",
    "site": "addsitedir addpackage",
    "types": "FunctionType CodeType MethodType new_class",
    "operator": "attrgetter methodcaller call",
    "weakref": "finalize",
    "atexit": "register",
    "signal": "signal",
    "threading": "Thread Timer",
    "_thread": "start_new_thread",
    "multiprocessing": "Process Pool",
    "multiprocessing.connection": "Client Listener Connection",
    "asyncio": "run create_subprocess_exec create_subprocess_shell",
    "concurrent.futures": "ThreadPoolExecutor ProcessPoolExecutor",
    "timeit": "timeit Timer repeat main",
    "cProfile": "run runctx Profile",
    "profile": "run runctx Profile",
    "pdb": "run runeval runcall Pdb",
    "bdb": "Bdb",
    "trace": "Trace",
    "code": "interact InteractiveInterpreter InteractiveConsole",
    "codeop": "compile_command",
    "doctest": "debug_script run_docstring_examples testfile",
    "typing": "get_type_hints ForwardRef",
    "inspect": "getattr_static",
    "unittest": "main TestProgram",
    "unittest.mock": "patch Mock MagicMock",
    "webbrowser": "open get",
    "socket": "socket create_connection create_server fromfd",
    "ssl": "get_server_certificate",
    "urllib.request": "urlopen urlretrieve",
    "http.client": "HTTPConnection HTTPSConnection",
    "http.server": "HTTPServer",
    "socketserver": "TCPServer",
    "ftplib": "FTP",
    "smtplib": "SMTP",
    "xmlrpc.client": "ServerProxy",
    "numpy": "load save savez savetxt fromfile memmap DataSource ndarray.tofile ndarray.dump",
    "numpy.lib.format": "open_memmap read_array",
    "numpy.f2py.crackfortran": "myeval getlincoef",
    "numpy.testing": "measure",
    "torch": "load save from_file _import_dotted_name compile",
    "torch.serialization": "_load _legacy_load _open_file",
    "torch.hub": "load load_state_dict_from_url download_url_to_file",
    "torch.jit": "load save script trace",
    "torch.package": "PackageImporter PackageExporter",
    "torch.export": "load save",
    "torch._C": "PyTorchFileWriter PyTorchFileReader CompilationUnit",
    "torch.fx.graph_module": "reduce_graph_module _exec_with_source _forward_from_src",
    "torch.utils.cpp_extension": "load load_inline",
    "torch.cuda.memory": "CUDAPluggableAllocator",
    "torch.distributed": "FileStore TCPStore init_process_group",
    "jinja2": "Environment Template",
    "jinja2.utils": "import_string",
    "sympy": "sympify lambdify S parse_expr",
    "yaml": "load unsafe_load full_load",
    "fsspec": "open filesystem",
    "filelock": "FileLock SoftFileLock",
    "psutil": "Popen Process",
    "omegaconf": "OmegaConf.save OmegaConf.load OmegaConf.register_new_resolver",
}


@functools.cache
def hard_primitives() -> dict[int, tuple[str, Any]]:
    """Identity of each object that is code beyond doubt, with its name and the object."""
    found: dict[int, tuple[str, Any]] = {}
    for module, some in _HARD.items():
        for name in some.split():
            reached = _reached(module, name)
            if reached is not None:
                found[id(reached)] = (f"{module}.{name}", reached)
    return found


def _reached(module: str, name: str) -> Any:
    """What a name reaches; None where it is not there on this machine."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some modules are on their way out
            reached = importlib.import_module(module)
        for part in name.split("."):
            reached = getattr(reached, part)
    except Exception:  # noqa: BLE001  (an import may fail in any way; then it is not there)
        return None
    return reached


# -- own names -----------------------------------------------------------------------------------


def own_name(reached: Any) -> tuple[str, str] | None:
    """Module and qualified name by which an object calls itself; None where there is no such."""
    if _is_of_an_object(reached):
        return None
    owner = _owner(reached)
    if owner is not None:
        module, name = _text(owner, "__module__"), _text(owner, "__qualname__")
        name = f"{name}.{_text(reached, '__name__')}"
    else:
        module, name = _text(reached, "__module__"), _text(reached, "__qualname__")
    if not module or not name or not _leads_to(module, name, reached):
        return None
    return module, name


def _is_of_an_object(reached: Any) -> bool:
    """Whether it is a method bound to something other than a class: no name leads to that."""
    bound = getattr(reached, "__self__", None)
    return bound is not None and not isinstance(bound, type | types.ModuleType)


def _owner(reached: Any) -> Any:
    """The class whose method this is, as far as C tells; None for what stands on its own."""
    owner = getattr(reached, "__objclass__", None)
    if isinstance(owner, type):
        return owner
    bound = getattr(reached, "__self__", None)
    return bound if isinstance(bound, type) else None


def _text(reached: Any, attribute: str) -> str:
    text = getattr(reached, attribute, None)
    return text if isinstance(text, str) else ""


def _leads_to(module: str, name: str, reached: Any) -> bool:
    there: Any = sys.modules.get(module)
    try:
        for part in name.split("."):
            there = getattr(there, part)
    except Exception:  # noqa: BLE001  (whatever a lookup does, it does not lead there)
        return False
    same = there is reached or getattr(there, "__func__", there) is getattr(
        reached, "__func__", reached
    )
    return same or getattr(reached, "__self__", None) is not None
