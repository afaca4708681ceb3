"""Globals judged by their names alone."""

from __future__ import annotations

import builtins
import sys

import pytest
from torch import _weights_only_unpickler as unpickler

from ckptdoctor.formats.pickle import plain_names
from ckptdoctor.formats.pickle.names import is_allowed, is_known, normalise, runs_code
from ckptdoctor.formats.pickle.plain_names import is_plain


def torchs_names() -> set[str]:
    users: dict[str, object] = unpickler._get_user_allowed_globals()  # type: ignore[no-untyped-call]
    return set(unpickler._get_allowed_globals()) | set(users)


@pytest.mark.parametrize("name", sorted(torchs_names()))
def test_what_torch_allows_is_allowed_and_harmless(name: str) -> None:
    assert is_allowed(name)
    assert not runs_code(name)


def test_nothing_else_is_allowed() -> None:
    from ckptdoctor.formats.pickle import names

    beyond = names._ALLOWED - torchs_names()
    # types that torch allows once torch.distributed or torch.nested is imported
    assert {
        name for name in beyond if not name.startswith(("torch.distributed", "torch.nested"))
    } == (set())


DANGEROUS = """
os.system posix.system nt.system os.popen os.execv os.remove subprocess.Popen subprocess.run
subprocess.check_output builtins.eval builtins.exec builtins.__import__ builtins.compile
builtins.open builtins.setattr runpy.run_path runpy._run_code torch.serialization.os.system
torch.serialization.os posixpath.os importlib.import_module importlib._bootstrap._gcd_import
pickle.loads _pickle.loads pickle.Unpickler shutil.rmtree socket.create_connection ctypes.CDLL
ctypes.util.find_library webbrowser.open pty.spawn code.InteractiveInterpreter operator.attrgetter
operator.methodcaller _operator.methodcaller timeit.timeit types.FunctionType types.CodeType
torch.load torch.hub.load torch.utils.cpp_extension.load
torch.jit.unsupported_tensor_ops.execWrapper torch._inductor.codecache.compile_file numpy.load
numpy.testing._private.utils.runstring numpy.f2py.compile yaml.unsafe_load pathlib.Path.write_text
pathlib.Path.unlink multiprocessing.util.spawnv_passfds
asyncio.unix_events._UnixSubprocessTransport._start cProfile.run pdb.run bdb.Bdb
pip._internal.main uuid._get_command_stdout site.addsitedir logging.FileHandler
pkgutil.resolve_name logging.config.dictConfig typing.get_type_hints typing.ForwardRef
argparse.FileType  codecs.decode sqlite3.connect pathlib.Path.touch
random._os.system encodings.codecs.builtins.eval commands.getoutput urllib2.urlopen
_pyrepl.pager.pipe_pager copyreg.extension_7 copyreg.add_extension torch.from_file torch.save
torch.fx.graph_module._exec_with_source numpy.core._ufunc_reconstruct
numpy._core._ufunc_reconstruct numpy.f2py.crackfortran.myeval numpy.savetxt
torch.nn.modules.module.torch.storage._load_from_bytes
torch.utils.data.datapipes.utils.decoder.basichandlers
torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression project.x.types.CodeType
statistics.mean sched.scheduler.run pip._internal.main dill.loads joblib.load marshal.loads
sys.modules sys.exit collections.OrderedDict.__class__ collections.abc.sys.modules
torch.nn.Module.__init__.__globals__ builtins.object.__subclasses__ a.b.subprocess.call
urllib.request.urlopen requests.get
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
torch.optim.adamw.AdamW torch.optim.lr_scheduler.CosineAnnealingLR pathlib.PosixPath pathlib.Path
datetime.datetime datetime.timedelta datetime.timezone.utc copyreg._reconstructor
ultralytics.nn.tasks.DetectionModel types.SimpleNamespace random.Random decimal.Decimal uuid.UUID
fractions.Fraction models.os_net.OSNet torch.Size torch.device torch.float32
pytorch_lightning.utilities.parsing.AttributeDict sklearn.preprocessing._data.StandardScaler
torchvision.models.resnet.ResNet torch.nn.modules.activation.ReLU enum.Enum
numpy.random._pickle.__randomstate_ctor numpy.random.mtrand.RandomState
numpy.ma.core._mareconstruct torch._utils.torch.contiguous_format functools.reduce
_functools.reduce builtins.SystemExit builtins.KeyboardInterrupt exceptions.KeyError
logging.PercentStyle numpy.sin numpy.float64 numpy.rec.recarray numpy.dtypes.Float32DType
torch.nn.functional.relu torch.relu torch._C._VariableFunctionsClass.relu
torch.autograd.grad_mode.no_grad re._compile torch.torch_version.TorchVersion
torch._dynamo.eval_frame.OptimizedModule builtins.ValueError torch.distributed.tensor.DTensor
torch.cuda.amp.grad_scaler._refresh_per_optimizer_state logging.Logger logging.getLogger
array._array_reconstructor zoneinfo.ZoneInfo._unpickle signal.Signals http.HTTPStatus
os.stat_result distutils.version.LooseVersion copyreg.__newobj__ collections.abc.Mapping
operator.itemgetter itertools.count math.sqrt time.struct_time __main__.Net test.Net
models.unet.build nets.code.Net utils.signal.Filter dataset.types.Sample
pandas._libs.internals._unpickle_block xgboost.core.Booster
""".split()


@pytest.mark.parametrize("name", BENIGN)
def test_ordinary_classes_run_nothing(name: str) -> None:
    assert not runs_code(name)


KNOWN = """
collections.OrderedDict torch._utils._rebuild_tensor_v2 os.system argparse.Namespace numpy.dtype
torch.nn.modules.conv.Conv2d omegaconf.dictconfig.DictConfig ultralytics.nn.tasks.DetectionModel
""".split()


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_known_is_data_or_code(name: str) -> None:
    assert is_known(name)


@pytest.mark.parametrize(
    "name", ["__main__.Net", "project.nets.UNet", "xgboost.core.Booster", "ｏs.system"]
)
def test_of_other_packages_nothing_is_known(name: str) -> None:
    assert not is_known(name)
    assert not runs_code(name)


def test_all_that_python_has_is_code_unless_it_is_known_to_be_plain() -> None:
    plain = {name.partition(".")[0] for name in plain_names._PLAIN_MODULES}
    assert len(plain) < 20
    for module in sys.stdlib_module_names - plain:
        assert runs_code(f"{module}.some_function"), module
    assert sum(is_plain(f"builtins.{name}") for name in dir(builtins)) > 100
    assert [
        name for name in dir(builtins) if name.islower() and not is_known(f"builtins.{name}")
    ] == []


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
