"""Globals judged by their names alone."""

from __future__ import annotations

import _compat_pickle
import builtins
import sys
from collections.abc import Iterable

import pytest
from torch import _weights_only_unpickler as unpickler

from ckptdoctor.formats.pickle import names
from ckptdoctor.formats.pickle.names import (
    Use,
    comes_with_torch,
    dotted,
    is_allowed,
    is_infamous,
    is_risky_member,
    judge,
    member,
    misspelt,
)
from ckptdoctor.formats.pickle.tables import code
from ckptdoctor.formats.pickle.tables.packages import COMPANIONS
from tests.each import each

_LATER = ("torch.distributed.tensor.", "torch.distributed.device_mesh.")
"""Allowed once ``torch.distributed.tensor`` is imported, as another test may have done."""


def torchs_names() -> set[str]:
    """What torch allows when nothing but itself was imported."""
    users: dict[str, object] = unpickler._get_user_allowed_globals()  # type: ignore[no-untyped-call]
    names = set(unpickler._get_allowed_globals()) | set(users)
    return {name for name in names if not name.startswith(_LATER)}


def split(name: str) -> tuple[str, str]:
    """``module:qualname``, or all but the last part as the module."""
    module, _, qualname = name.partition(":") if ":" in name else name.rpartition(".")
    return module, qualname


def uses(names: Iterable[str]) -> dict[str, Use]:
    """What each name is judged to be."""
    return {name: judge(*split(name)) for name in names}


def test_what_torch_allows_is_allowed_and_harmless() -> None:
    names = torchs_names()
    assert {name for name in names if not is_allowed(name)} == set()
    assert uses(names) == dict.fromkeys(names, Use.CALLED)


def test_nothing_else_is_allowed() -> None:
    beyond = names._ALLOWED - torchs_names()
    # types that torch allows once these are imported
    later = ("torch.distributed", "torch.nested", "torch._dynamo")
    assert {name for name in beyond if not name.startswith(later)} == set()


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


def test_what_runs_code_is_code() -> None:
    assert uses(DANGEROUS) == dict.fromkeys(DANGEROUS, Use.CODE)
    assert [name for name in DANGEROUS if is_allowed(name)] == []


BENIGN = """
collections.defaultdict collections.deque collections.OrderedDict builtins.dict builtins.list
builtins.getattr builtins.set builtins.slice builtins.complex numpy.core.multiarray._reconstruct
numpy._core.multiarray.scalar numpy.dtype numpy.ndarray argparse.Namespace
omegaconf.dictconfig.DictConfig omegaconf.base.ContainerMetadata omegaconf.nodes.AnyNode
typing.Any functools.partial torch.nn.modules.linear.Linear torch.nn.modules.conv.Conv2d
torch.optim.adamw.AdamW torch.optim.lr_scheduler.CosineAnnealingLR pathlib.PosixPath pathlib.Path
datetime.datetime datetime.timedelta datetime:timezone.utc copyreg._reconstructor
ultralytics.nn.tasks.DetectionModel types.SimpleNamespace random.Random decimal.Decimal uuid.UUID
fractions.Fraction models.os_net.OSNet torch.Size torch.device torch.float32
pytorch_lightning.utilities.parsing.AttributeDict sklearn.preprocessing._data.StandardScaler
torchvision.models.resnet.ResNet torch.nn.modules.activation.ReLU enum.Enum
numpy.random._pickle.__randomstate_ctor numpy.random.mtrand.RandomState
numpy.ma.core._mareconstruct torch._utils:torch.contiguous_format functools.reduce
_functools.reduce builtins.SystemExit builtins.KeyboardInterrupt exceptions.KeyError
logging.PercentStyle numpy.sin numpy.float64 numpy.rec.recarray numpy.dtypes.Float32DType
torch.nn.functional.relu torch.relu torch._C._VariableFunctionsClass
torch.autograd.grad_mode.no_grad re._compile torch.torch_version.TorchVersion
torch._dynamo.eval_frame.OptimizedModule builtins.ValueError torch.distributed.tensor.DTensor
torch.cuda.amp.grad_scaler._refresh_per_optimizer_state logging.Logger logging.getLogger
array._array_reconstructor zoneinfo:ZoneInfo._unpickle signal.Signals http.HTTPStatus
os.stat_result distutils.version.LooseVersion copyreg.__newobj__ collections.abc.Mapping
operator.itemgetter itertools.count math.sqrt time.struct_time __main__.Net test.Net
models.unet.build nets.code.Net utils.signal.Filter dataset.types.Sample
pandas._libs.internals._unpickle_block xgboost.core.Booster
""".split()


def test_ordinary_classes_run_nothing() -> None:
    assert [name for name, use in uses(BENIGN).items() if use is Use.CODE] == []


ALIASES = """
fractions:re.enum.bltns.exec json:decoder.scanner.re.enum.bltns.eval torch:_import_dotted_name
torch.distributed._tensor:import_module torch.distributed._shard.checkpoint.utils:cProfile.run
numpy.ma.core:np.f2py.crackfortran.getlincoef numpy.ma.core:np.load numpy.random:test
json.tool:Path.write_text json.tool:Path.touch torch.nn.parallel.distributed:logging.FileHandler
torch.nn.attention.flex_attention:inspect.tokenize._builtin_open torch._C:PyTorchFileWriter
torch.serialization:tarfile.TarFile torch.cuda.memory:CUDAPluggableAllocator
torch.nn:Linear torch:nn.Linear torch.nn.modules:linear.Linear collections:abc.Mapping
numpy:core.multiarray._reconstruct argparse:_os.system pathlib:os.system enum:sys.modules
torch:nn.parameter.Parameter torch:storage.TypedStorage collections:_sys.OrderedDict
datetime:sys random:_os.system decimal:_sys torch.optim.adamw:Adam typing:sys.exit
jinja2.utils:import_string filelock._api:inspect.importlib.import_module
sympy.core.sympify:sympify omegaconf._utils:yaml.unsafe_load timm.models._helpers:load_state_dict
ultralytics.nn.tasks:torch_safe_load ultralytics.nn.tasks:parse_model
transformers.dynamic_module_utils:get_class_from_dynamic_module
transformers.models.auto.modeling_auto:AutoModel.from_pretrained
torchvision.models._api:load_state_dict_from_url mynet:np.load mynet:Path.write_text
mynet:a.b.c mynet:f.__globals__ mynet:Net.__init__.__globals__ typing_extensions:sys.exit
""".split()


def test_no_alias_and_no_walk_through_a_module_is_plain() -> None:
    assert uses(ALIASES) == dict.fromkeys(ALIASES, Use.CODE)


def test_only_the_pair_counts_and_not_how_it_is_spelled_together() -> None:
    assert judge("torch.nn.modules.linear", "Linear") is Use.BUILT
    assert judge("torch.nn.modules", "linear.Linear") is Use.CODE


@pytest.mark.parametrize("name", ["__main__.Net", "project.nets.UNet", "xgboost.core.Booster"])
def test_of_other_packages_nothing_is_known(name: str) -> None:
    assert judge(*split(name)) is Use.UNKNOWN
    assert not judge(*split(name)).is_known


def test_what_stands_in_no_table_is_not_called_known() -> None:
    assert {use for use in Use if not use.is_known} == {Use.STRANGER, Use.UNKNOWN}


@pytest.mark.parametrize("name", ["mynet.save", "mynet.load", "mynet.A.B", "mynet.A.load_b"])
def test_the_users_own_are_not_suspected_for_what_they_are_called(name: str) -> None:
    assert judge("mynet", name.removeprefix("mynet.")) is Use.UNKNOWN


def test_a_class_of_a_known_package_may_be_built_and_a_function_is_code() -> None:
    assert judge("transformers.models.bert.modeling_bert", "BertModel") is Use.STRANGER
    assert judge("transformers.models.bert", "_Private") is Use.STRANGER
    assert judge("transformers.models.bert", "Outer.Inner") is Use.STRANGER
    assert judge("transformers.utils.hub", "cached_file") is Use.CODE
    assert judge("transformers.models.bert", "Outer.a_method") is Use.CODE


def test_of_what_lies_beside_torch_classes_are_code_too() -> None:
    for top in COMPANIONS:
        assert judge(f"{top}.some_module", "SomeClass") is Use.CODE, top
        assert comes_with_torch(f"{top}.some_module"), top
    for module in ("torch.nn", "torch", "numpy.core", "os", "os.path"):
        assert comes_with_torch(module), module
    for module in ("transformers.models", "torchvision", "mynet", "numpys"):
        assert not comes_with_torch(module), module


def test_all_that_python_has_is_code_unless_it_is_known_to_be_plain() -> None:
    for module in sys.stdlib_module_names:
        assert judge(module, "some_function") is Use.CODE, module
        assert judge(module, "SomeClass") is Use.CODE, module


@each(
    "module",
    ["torch", "torch.nn", "numpy", "numpy.core", "imp", "xdrlib", "asyncore", "_pyrepl.pager"],
)
def test_so_is_what_torch_and_numpy_have_and_what_other_pythons_had(module: str) -> None:
    assert uses([f"{module}:some_function", f"{module}:SomeClass"]) == {
        f"{module}:some_function": Use.CODE,
        f"{module}:SomeClass": Use.CODE,
    }


def test_so_is_what_python_2_called_otherwise() -> None:
    for module in _compat_pickle.IMPORT_MAPPING:
        assert judge(module, "SomeClass") is Use.CODE, module
        within = judge(f"{module}.within", "SomeClass")
        assert within is Use.CODE or module.startswith("test."), module  # many have a `test`


def test_every_exception_of_this_python_is_known() -> None:
    errors = [name for name, one in vars(builtins).items() if is_exception(one)]
    assert len(errors) > 60
    assert [name for name in errors if judge("builtins", name) is not Use.CALLED] == []


def is_exception(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, BaseException)


@pytest.mark.parametrize("name", ["numpy.dtype", "argparse.Namespace", "os.system", "torch.nope"])
def test_what_torch_refuses_is_not_allowed(name: str) -> None:
    assert not is_allowed(name)


def test_names_of_python_2_have_todays() -> None:
    assert dotted("__builtin__", "xrange") == "builtins.range"
    assert dotted("copy_reg", "_reconstructor") == "copyreg._reconstructor"
    assert dotted("exceptions", "KeyError") == "builtins.KeyError"
    assert dotted("numpy", "x") == "numpy.x"
    for module, name in _compat_pickle.NAME_MAPPING:
        assert dotted(module, name) == ".".join(_compat_pickle.NAME_MAPPING[module, name])


@each(
    ("owner", "module", "qualname", "attribute", "use"),
    [
        (Use.CALLED, "torch.nn.attention.bias", "CausalVariant", "UPPER_LEFT", Use.NAMED),
        (Use.BUILT, "torch.nn.modules.linear", "Linear", "forward", Use.NAMED),
        (Use.CALLED, "pathlib", "Path", "write_text", Use.CODE),
        (Use.BUILT, "torch.nn.modules.linear", "Linear", "__init__", Use.CODE),
        (Use.CALLED, "zoneinfo", "ZoneInfo", "_unpickle", Use.CALLED),
        (Use.UNKNOWN, "mynet", "Outer", "Inner", Use.UNKNOWN),
        (Use.UNKNOWN, "mynet", "Outer", "os", Use.CODE),
        (Use.CODE, "os", "stat", "x", Use.CODE),
        (Use.CODE, "mynet", "Net", "Inner", Use.CODE),
        (Use.UNKNOWN, "mynet", "build", "Inner", Use.CODE),  # out of a function, nobody knows what
        (Use.STRANGER, "transformers.models.bert", "Bert", "Inner", Use.STRANGER),
        (Use.CALLED, "PIL.Image", "Resampling", "lower", Use.NAMED),
        (Use.BUILT, "torch.nn.modules.linear", "Linear", "add", Use.CODE),
        (Use.BUILT, "torch.nn.modules.linear", "Linear", "Inner", Use.NAMED),
        (Use.CALLED, "builtins", "str", "upper", Use.NAMED),
        (Use.CALLED, "builtins", "dict", "get", Use.NAMED),
        (Use.CALLED, "builtins", "str", "__class__", Use.CODE),
        (Use.CALLED, "__builtin__", "str", "upper", Use.NAMED),
        (Use.CALLED, "builtins", "slice", "indices", Use.CODE),
        (Use.CALLED, "numpy", "str", "upper", Use.CODE),
        (Use.CALLED, "numpy.random.mtrand", "RandomState", "normal", Use.NAMED),
        (Use.CALLED, "numpy.random._generator", "Generator", "normal", Use.NAMED),
        (Use.BUILT, "scipy.stats._continuous_distns", "norm_gen", "rvs", Use.NAMED),
        (Use.BUILT, "scipy.stats._discrete_distns", "poisson_gen", "rvs", Use.NAMED),
        (Use.BUILT, "scipy.stats._continuous_distns", "norm_gen", "save", Use.CODE),
        (Use.CALLED, "numpy", "ndarray", "mean", Use.CODE),
    ],
)
def test_what_getattr_gives(
    owner: Use, module: str, qualname: str, attribute: str, use: Use
) -> None:
    assert member(owner, module, qualname, attribute) is use


@each(
    ("module", "qualname", "use"),
    [
        ("torch.optim.lr_scheduler", "CyclicLR._triangular_scale_fn", Use.NAMED),
        ("torch.nn.modules.linear", "Linear.__init__", Use.CODE),
        ("torch.nn.modules.linear", "init.os", Use.CODE),
        ("pathlib", "Path.write_text", Use.CODE),
        ("joblib.numpy_pickle", "NumpyArrayWrapper.read", Use.CODE),
        ("torch.nn.functional", "relu.f", Use.CODE),
        ("mynet", "Net.save", Use.CODE),
        ("mynet", "Net.run", Use.CODE),
        ("mynet", "Net.forward", Use.UNKNOWN),
        ("zoneinfo", "ZoneInfo._unpickle", Use.CALLED),
    ],
)
def test_methods_as_protocol_4_spells_them(module: str, qualname: str, use: Use) -> None:
    assert judge(module, qualname) is use


def test_memory_formats_are_known_through_whatever_imports_it() -> None:
    assert judge("mynet.layers", "torch.channels_last") is Use.NAMED
    assert judge("mynet.layers", "torch.float32") is Use.CODE
    assert judge("mynet.layers", "torch.load") is Use.CODE


def test_a_method_of_what_torch_rebuilds_is_as_plain_as_the_same_of_torch() -> None:
    for attribute, use in (("add", Use.NAMED), ("add_", Use.NAMED), ("load_it", Use.CODE)):
        assert member(Use.CALLED, "torch._utils", "_rebuild_tensor_v2", attribute) is use
    assert member(Use.CALLED, "torch._utils", "_rebuild_parameter", "add") is Use.CODE


@pytest.mark.parametrize(
    "cls",
    ["torch:Tensor", "torch.nn.parameter:Parameter"]
    + [f"torch._C:{name}" for name in ("TensorBase", "_TensorBase", "_VariableFunctionsClass")],
)
def test_so_is_one_of_a_tensor(cls: str) -> None:
    for attribute, use in (("add", Use.NAMED), ("relu_", Use.NAMED), ("load_it", Use.CODE)):
        assert member(Use.CALLED, *split(cls), attribute) is use


def test_what_modules_keep_in_their_hooks_is_plain() -> None:
    kept = "_infer_parameters _lazy_load_hook _load_hook forward load_hook reset_parameters"
    for attribute in kept.split():
        assert member(Use.BUILT, "torch.nn.modules.linear", "Linear", attribute) is Use.NAMED


def test_an_attribute_that_leads_to_the_interpreter_writes_or_starts_is_risky() -> None:
    for attribute in ("__class__", "__reduce__", "tofile", "system", "f_globals", "os", "sys"):
        assert is_risky_member(attribute), attribute
    for attribute in ("mean", "shape", "_private", "Inner"):
        assert not is_risky_member(attribute), attribute


def test_a_name_one_bit_off_is_told_for_what_it_was() -> None:
    for name, meant in {
        "torch._utils._rebuild_tensor_vr": "torch._utils._rebuild_tensor_v2",
        "torch.DloatStorage": "torch.FloatStorage",
        "collections.OrderedDicw": "",  # two bits
        "sollections.OrderedDict": "collections.OrderedDict",
        "sollections.OrderedDicu": "",  # a bit each of two letters
        "torch._utils._rebuild_tensor_v0": "",  # another version
        "torch._utils._rebuild_4ensor_v2": "torch._utils._rebuild_tensor_v2",
        "torch.FloatStorag": "",
        "torch.FloatStorage": "",
        "torch._utils._rebuild_tensor_v2": "",
        "torch.tensor": "",
        "mynet.Net": "",
    }.items():
        assert misspelt(name) == meant, name
    assert [name for name in torchs_names() if misspelt(name)] == []  # uint8 is a bit off qint8


def test_only_what_is_known_to_run_code_is_infamous() -> None:
    for name in ("os.system", "subprocess.Popen", "a.b.types.CodeType", "builtins.eval"):
        assert is_infamous(name), name
    for name in ("my_model.Net", "torch.nn.Linear", "lib.train.evaluate"):
        assert not is_infamous(name), name


def test_all_that_is_listed_as_code_is_infamous_wherever_it_is_reached() -> None:
    for module in code.MODULES:
        assert is_infamous(f"{module}.some_function"), module
    for name in code.GLOBALS:
        assert is_infamous(name), name
        assert is_infamous(f"a.b.{name}"), name
    for module in code.MODULES_REACHED:
        assert is_infamous(f"{module}.f"), module
        assert is_infamous(f"mynet.{module}"), module
        assert judge("mynet", f"{module}.F") is Use.CODE, module
        assert judge(f"mynet.{module}", "F") is Use.CODE, module
    deep = ".".join("abcdefghijklmnop")
    assert is_infamous(f"{deep}.types.CodeType")
