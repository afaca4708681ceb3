"""Globals judged by their names alone."""

from __future__ import annotations

import pytest
from torch import _weights_only_unpickler as unpickler

from ckptdoctor.formats.pickle_globals import is_allowed, normalise, runs_code


def torchs_names() -> set[str]:
    users: dict[str, object] = unpickler._get_user_allowed_globals()  # type: ignore[no-untyped-call]
    return set(unpickler._get_allowed_globals()) | set(users)


@pytest.mark.parametrize("name", sorted(torchs_names()))
def test_what_torch_allows_is_allowed_and_harmless(name: str) -> None:
    assert is_allowed(name)
    assert not runs_code(name)


def test_nothing_else_is_allowed() -> None:
    from ckptdoctor.formats import pickle_globals

    beyond = pickle_globals._ALLOWED - torchs_names()
    # types that torch allows once torch.distributed or torch.nested is imported
    assert {
        name for name in beyond if not name.startswith(("torch.distributed", "torch.nested"))
    } == (set())


DANGEROUS = """
os.system posix.system nt.system os.popen os.execv os.remove subprocess.Popen subprocess.run
subprocess.check_output builtins.eval builtins.exec builtins.__import__ builtins.compile
builtins.open builtins.setattr runpy.run_path runpy._run_code torch.serialization.os.system
torch.serialization.os posixpath.os importlib.import_module importlib._bootstrap._gcd_import
pickle.loads _pickle.loads pickle.Unpickler shutil.rmtree socket.create_connection
ctypes.CDLL ctypes.util.find_library webbrowser.open pty.spawn code.InteractiveInterpreter
operator.attrgetter operator.methodcaller _operator.methodcaller timeit.timeit
types.FunctionType types.CodeType torch.load torch.hub.load torch.utils.cpp_extension.load
torch.jit.unsupported_tensor_ops.execWrapper torch._inductor.codecache.compile_file
numpy.load numpy.testing._private.utils.runstring numpy.f2py.compile yaml.unsafe_load
pathlib.Path.write_text pathlib.Path.unlink multiprocessing.util.spawnv_passfds
asyncio.unix_events._UnixSubprocessTransport._start cProfile.run pdb.run bdb.Bdb
pip._internal.main dill.loads joblib.load marshal.loads sys.modules sys.exit
collections.OrderedDict.__class__ collections.abc.sys.modules torch.nn.Module.__init__.__globals__
builtins.object.__subclasses__ a.b.subprocess.call urllib.request.urlopen requests.get
""".split()


@pytest.mark.parametrize("name", DANGEROUS)
def test_what_runs_code_is_known(name: str) -> None:
    assert runs_code(name)
    assert not is_allowed(name)


BENIGN = """
collections.defaultdict collections.deque collections.OrderedDict builtins.dict builtins.list
builtins.getattr builtins.set builtins.slice builtins.complex numpy.core.multiarray._reconstruct
numpy._core.multiarray.scalar numpy.dtype numpy.ndarray argparse.Namespace
omegaconf.dictconfig.DictConfig omegaconf.base.ContainerMetadata omegaconf.nodes.AnyNode
typing.Any functools.partial torch.nn.modules.linear.Linear torch.nn.modules.conv.Conv2d
torch.optim.adamw.AdamW torch.optim.lr_scheduler.CosineAnnealingLR pathlib.PosixPath
pathlib.Path datetime.datetime datetime.timedelta datetime.timezone.utc copyreg._reconstructor
ultralytics.nn.tasks.DetectionModel types.SimpleNamespace random.Random decimal.Decimal uuid.UUID
fractions.Fraction models.os_net.OSNet torch.Size torch.device torch.float32
pytorch_lightning.utilities.parsing.AttributeDict sklearn.preprocessing._data.StandardScaler
torchvision.models.resnet.ResNet torch.nn.modules.activation.ReLU enum.Enum
""".split()


@pytest.mark.parametrize("name", BENIGN)
def test_ordinary_classes_run_nothing(name: str) -> None:
    assert not runs_code(name)


@pytest.mark.parametrize("name", ["numpy.dtype", "argparse.Namespace", "os.system", "torch.nope"])
def test_what_torch_refuses_is_not_allowed(name: str) -> None:
    assert not is_allowed(name)


@pytest.mark.parametrize(
    ("module", "dotted"),
    [
        ("__builtin__", "builtins.x"),
        ("copy_reg", "copyreg.x"),
        ("cPickle", "_pickle.x"),
        ("numpy", "numpy.x"),
    ],
)
def test_python_2_modules_have_todays_names(module: str, dotted: str) -> None:
    assert normalise(module, "x") == dotted
