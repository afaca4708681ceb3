"""Which modules of frameworks hold what a checkpoint may hold."""

from __future__ import annotations

from tests.tables.areas import Area
from tests.tables.kinds import Use

__all__ = ["FRAMEWORKS"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


VISION = Area(
    table="vision",
    title="Names of torchvision: nets, operators, transforms, data sets.",
    classes=_words(
        """
        torchvision.models torchvision.ops torchvision.transforms torchvision.datasets.folder
        torchvision.datasets.vision torchvision.datasets.mnist torchvision.datasets.cifar
        torchvision.tv_tensors torchvision.datapoints
        """
    ),
    functions=_words(
        """
        torchvision.ops torchvision.transforms.functional torchvision.transforms.v2.functional
        torchvision.datasets.folder
        """
    ),
    without=_words(
        """
        torchvision.models.feature_extraction torchvision.ops._register_onnx_ops
        torchvision.tv_tensors._dataset_wrapper torchvision.ops._utils
        """
    ),
    more={
        Use.NAMED: """
            torchvision.models.optical_flow.raft: _pass_through_h
            torchvision.transforms.v2._utils: _find_labels_default_heuristic
        """
    },
)
ULTRALYTICS = Area(
    table="ultralytics",
    title="Names of Ultralytics: the layers of its nets, and what else its checkpoints hold.",
    classes=_words(
        """
        ultralytics.nn.modules ultralytics.nn.tasks ultralytics.utils.loss ultralytics.utils.tal
        ultralytics.utils.IterableSimpleNamespace ultralytics.yolo.utils.IterableSimpleNamespace
        ultralytics.yolo.utils.loss ultralytics.yolo.utils.tal ultralytics.yolo.utils.torch_utils
        ultralytics.utils.metrics ultralytics.yolo.utils.metrics ultralytics.nn.text_model
        ultralytics.yolo.v8.detect.train.Loss ultralytics.yolo.v8.segment.train.SegLoss
        ultralytics.yolo.v8.pose.train ultralytics.utils.torch_utils.ModelEMA
        ultralytics.models.sam.modules ultralytics.models.utils.loss ultralytics.nn.extra_modules
        """
    ),
    without=_words(
        """
        ultralytics.nn.tasks.SafeClass ultralytics.nn.tasks.SafeUnpickler
        ultralytics.yolo.v8.pose.train.PoseTrainer
        """
    ),
)
TIMM = Area(
    table="timm",
    title="Names of timm: its nets.",
    classes=_words("timm.models timm.utils.model_ema timm.loss"),
    without=_words("timm.models._features_fx timm.models.fx_features timm.models.layers"),
)
TIMM_LAYERS = Area(
    table="timm_layers",
    title="Names of timm: the layers of its nets, and functions of them.",
    classes=_words("timm.layers timm.models.layers"),
    functions=_words("timm.layers timm.models.layers"),
)
TRAINERS = Area(
    table="trainers",
    title="Names of Lightning, Transformers, Accelerate and of configurations.",
    classes=_words(
        """
        omegaconf.dictconfig omegaconf.listconfig omegaconf.base omegaconf.nodes
        pytorch_lightning.utilities.parsing pytorch_lightning.utilities.data
        pytorch_lightning.utilities.enums pytorch_lightning.callbacks
        pytorch_lightning.trainer.states lightning.pytorch.trainer.states
        lightning.pytorch.utilities.parsing lightning.pytorch.utilities.enums
        lightning.pytorch.callbacks lightning.fabric.utilities.data lightning.fabric.utilities.enums
        lightning_fabric.utilities.data lightning_fabric.utilities.enums
        lightning_fabric.wrappers lightning.fabric.wrappers
        pytorch_lightning.core.lightning.LightningModule
        transformers.trainer_utils transformers.training_args transformers.training_args_seq2seq
        transformers.trainer_callback transformers.trainer_pt_utils.AcceleratorConfig
        transformers.trainer_pt_utils.LabelSmoother transformers.debug_utils.DebugOption
        transformers.configuration_utils transformers.generation.configuration_utils
        transformers.generation_configuration_utils transformers.activations
        transformers.modeling_outputs transformers.utils.generic transformers.pytorch_utils
        transformers.file_utils.ExplicitEnum
        transformers.file_utils.PaddingStrategy transformers.file_utils.TensorType
        transformers.utils.quantization_config transformers.modeling_utils.Conv1D
        transformers.modeling_rope_utils transformers.integrations.deepspeed.HfDeepSpeedConfig
        transformers.integrations.deepspeed.HfTrainerDeepSpeedConfig
        transformers.deepspeed.HfDeepSpeedConfig transformers.deepspeed.HfTrainerDeepSpeedConfig
        accelerate.utils.dataclasses accelerate.state accelerate.optimizer accelerate.scheduler
        pytorch_lightning.core.mixins lightning.pytorch.core.mixins
        mmengine.logging.history_buffer.HistoryBuffer ema_pytorch.ema_pytorch
        """
    ),
    calls=_words("transformers.modeling_outputs transformers.utils.generic.ModelOutput"),
    functions=_words("transformers.activations transformers.data.data_collator"),
    without=_words(
        """
        transformers.activations.ClassInstantier transformers.utils.generic.GeneralInterface
        transformers.utils.generic.ContextManagers transformers.configuration_utils.recursive_diff
        transformers.utils.generic.OutputRecorder
        omegaconf.base.Container omegaconf.base.Node omegaconf.base.Box
        """
    ),
    more={
        Use.NAMED: """
            transformers.modeling_rope_utils: _compute_default_rope_parameters
                _compute_dynamic_ntk_parameters _compute_linear_scaling_rope_parameters
                _compute_llama3_parameters _compute_longrope_parameters
                _compute_proportional_rope_parameters _compute_yarn_parameters
        """
    },
)
METRICS = Area(
    table="metrics",
    title="Names of torchmetrics.",
    classes=_words("torchmetrics"),
    without=_words("torchmetrics.utilities torchmetrics.functional"),
    more={
        Use.NAMED: """
            torchmetrics.metric: jit_distributed_available
            torchmetrics.utilities.data: dim_zero_cat dim_zero_max dim_zero_mean dim_zero_min
                dim_zero_sum
            torchmetrics.utilities.distributed: gather_all_tensors
        """
    },
)
FRAMEWORKS = (VISION, ULTRALYTICS, TIMM, TIMM_LAYERS, TRAINERS, METRICS)
