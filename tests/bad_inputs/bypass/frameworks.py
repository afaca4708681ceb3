"""Functions of frameworks whose classes stand in checkpoints; proven where they are installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bad_inputs.bypass.named import Row, bypasses_of
from tests.bad_inputs.bypass.one import Bypass, Loader, python_of
from tests.bad_inputs.bypass.payloads import fixed, nested, nested_in, py, sh, written
from tests.bad_inputs.opcodes import named

__all__ = ["FRAMEWORKS"]


def _dynamic_module(canary: Path) -> tuple[Any, ...]:
    folder = canary.with_name("repository")
    folder.mkdir(exist_ok=True)
    (folder / "modeling.py").write_text(f"x = {python_of(canary)}\nclass Net: pass\n")
    return ("modeling.Net", str(folder))


def _pickled(canary: Path) -> str:
    path = canary.with_name("other.pkl")
    path.write_bytes(nested(canary))
    return str(path)


_INSTALLED: tuple[Row, ...] = (
    ("an audit: transformers", "transformers.dynamic_module_utils",
     "get_class_from_dynamic_module", _dynamic_module),
    ("transformers", "transformers.training_args", "os.system", sh),
    ("transformers", "transformers.configuration_utils", "os.mkdir", written()),
    ("transformers", "transformers.utils.generic", "json.codecs.open", written("w")),
    ("lightning", "lightning.pytorch.utilities.parsing", "inspect.builtins.exec", py),
    ("lightning", "lightning.fabric.utilities.cloud_io", "_load",
     lambda c: (_pickled(c), None, False)),
    ("lightning", "lightning.fabric.utilities.cloud_io", "io.open", written("w")),
    ("lightning", "pytorch_lightning.utilities.parsing", "pickle.loads", nested_in),
    ("lightning", "lightning.pytorch.core.saving", "os.system", sh),
    ("lightning", "lightning.pytorch.loggers", "csv_logs.os.mkdir", written()),
    ("scipy", "scipy.io", "savemat", written({}, False)),
    ("scipy", "scipy.io.matlab._mio", "savemat", written({}, False)),
    ("scipy", "scipy.io", "FortranFile", written("w")),
    ("scipy", "scipy.io", "netcdf_file", written("w")),
    ("accelerate", "accelerate.utils.environment", "os.system", sh),
    ("accelerate", "accelerate.utils", "write_basic_config",
     lambda c: ("no", str(c))),
    ("ignite", "ignite.handlers.checkpoint", "DiskSaver", written()),
    ("ignite", "ignite.handlers", "checkpoint.tempfile._os.system", sh),
    ("omegaconf", "omegaconf", "omegaconf.os.system", sh),
    ("tensorboard", "tensorboard.summary.writer.event_file_writer", "EventFileWriter", written()),
    ("huggingface_hub", "huggingface_hub.utils._subprocess", "run_subprocess", sh),
)  # fmt: skip

_JUDGED: tuple[Row, ...] = (
    ("an audit: ultralytics", "ultralytics.nn.tasks", "torch_safe_load", fixed("x.pt")),
    ("an audit: ultralytics", "ultralytics.nn.tasks", "parse_model", fixed({}, 3)),
    ("an audit: ultralytics", "ultralytics.nn.tasks", "attempt_load_weights", fixed("x.pt")),
    ("an audit: ultralytics", "ultralytics.nn.tasks", "torch.os.system", sh),
    ("ultralytics", "ultralytics.nn.autobackend", "AutoBackend", fixed("x.pt")),
    ("ultralytics", "ultralytics.nn.modules.utils", "copy.weakref.sys.modules.get", fixed("os")),
    ("ultralytics", "ultralytics.utils.torch_utils", "strip_optimizer", fixed("x.pt")),
    ("ultralytics", "ultralytics.utils.checks", "check_requirements", fixed("x")),
    ("ultralytics", "ultralytics.utils.downloads", "safe_download", fixed("http://127.0.0.1:9/")),
    ("an audit: timm", "timm.models._helpers", "load_state_dict", fixed("x.pt")),
    ("an audit: timm", "timm.models._builder", "build_model_with_cfg", fixed()),
    ("timm", "timm.models", "create_model", fixed("x")),
    ("timm", "timm.models.layers", "torch.hub.load", fixed("x/y", "z")),
    ("timm", "timm.layers", "create_act.sys.modules.get", fixed("os")),
    ("an audit: torchvision", "torchvision.models.resnet", "load_state_dict_from_url",
     fixed("http://127.0.0.1:9/")),
    ("an audit: torchvision", "torchvision._internally_replaced_utils", "load_state_dict_from_url",
     fixed("http://127.0.0.1:9/")),
    ("torchvision", "torchvision.models", "get_model", fixed("resnet18")),
    ("torchvision", "torchvision.ops", "misc.warnings.sys.modules.get", fixed("os")),
    ("torchvision", "torchvision.transforms", "functional.np.load", fixed("x.npy")),
    ("torchvision", "torchvision.transforms", "Lambda", fixed(named("posix", "system"))),
    ("an audit: transformers", "transformers", "AutoModel.from_pretrained", fixed("x/y")),
    ("transformers", "transformers.models.auto.modeling_auto", "AutoModel.from_pretrained",
     fixed("x/y")),
    ("transformers", "transformers.models.bert.modeling_bert", "load_tf_weights_in_bert", fixed()),
    ("transformers", "transformers.models.bert.modeling_bert", "os.system", sh),
    ("mmengine", "mmengine.config", "Config.fromfile", fixed("x.py")),
    ("mmengine", "mmengine.runner.checkpoint", "load_checkpoint", fixed()),
    ("mmengine", "mmengine.logging.history_buffer", "HistoryBuffer.__globals__.get", fixed("np")),
    ("hydra", "hydra._internal.utils", "_locate", fixed("os.system")),
    ("pandas", "pandas.io.pickle", "read_pickle", fixed("x")),
    ("dill", "dill._dill", "_import_module", fixed("os.system")),
    ("deepspeed", "deepspeed.runtime.utils", "subprocess.Popen", fixed(["x"])),
)  # fmt: skip

FRAMEWORKS: tuple[Bypass, ...] = (
    *bypasses_of(_INSTALLED, Loader.TORCH),
    *bypasses_of(_JUDGED, Loader.NONE),
)
