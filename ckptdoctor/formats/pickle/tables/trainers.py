"""Names of Lightning, Transformers, Accelerate and of configurations.

Written by ``python -m tests.tables``: change what that collects.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BUILT", "CALLED", "NAMED"]

BUILT: Mapping[str, str] = {
    "accelerate.optimizer": "AcceleratedOptimizer",
    "accelerate.scheduler": "AcceleratedScheduler",
    "accelerate.state": "AcceleratorState GradientState PartialState",
    "accelerate.utils.dataclasses": """
        AORecipeKwargs AutocastKwargs BnbQuantizationConfig DataLoaderConfiguration
        DeepSpeedPlugin DeepSpeedSequenceParallelConfig DistributedDataParallelKwargs
        FP8RecipeKwargs FullyShardedDataParallelPlugin GradScalerKwargs GradientAccumulationPlugin
        InitProcessGroupKwargs KwargsHandler MSAMPRecipeKwargs MegatronLMPlugin ProfileKwargs
        ProjectConfiguration TERecipeKwargs TensorInformation TorchContextParallelConfig
        TorchDynamoPlugin TorchTensorParallelConfig TorchTensorParallelPlugin
    """,
    "ema_pytorch.ema_pytorch": "EMA",
    "lightning.fabric.utilities.data": "AttributeDict",
    "lightning.fabric.wrappers": "_FabricDataLoader _FabricModule _FabricOptimizer",
    "lightning.pytorch.callbacks.batch_size_finder": "BatchSizeFinder",
    "lightning.pytorch.callbacks.callback": "Callback",
    "lightning.pytorch.callbacks.checkpoint": "Checkpoint",
    "lightning.pytorch.callbacks.device_stats_monitor": "DeviceStatsMonitor",
    "lightning.pytorch.callbacks.early_stopping": "EarlyStopping",
    "lightning.pytorch.callbacks.finetuning": "BackboneFinetuning BaseFinetuning",
    "lightning.pytorch.callbacks.gradient_accumulation_scheduler": "GradientAccumulationScheduler",
    "lightning.pytorch.callbacks.lambda_function": "LambdaCallback",
    "lightning.pytorch.callbacks.lr_finder": "LearningRateFinder",
    "lightning.pytorch.callbacks.lr_monitor": "LearningRateMonitor",
    "lightning.pytorch.callbacks.model_checkpoint": "ModelCheckpoint",
    "lightning.pytorch.callbacks.model_summary": "ModelSummary",
    "lightning.pytorch.callbacks.on_exception_checkpoint": "OnExceptionCheckpoint",
    "lightning.pytorch.callbacks.prediction_writer": "BasePredictionWriter",
    "lightning.pytorch.callbacks.progress.progress_bar": "ProgressBar",
    "lightning.pytorch.callbacks.progress.rich_progress": "RichProgressBar RichProgressBarTheme",
    "lightning.pytorch.callbacks.progress.tqdm_progress": "TQDMProgressBar",
    "lightning.pytorch.callbacks.pruning": "ModelPruning",
    "lightning.pytorch.callbacks.rich_model_summary": "RichModelSummary",
    "lightning.pytorch.callbacks.spike": "SpikeDetection",
    "lightning.pytorch.callbacks.stochastic_weight_avg": "StochasticWeightAveraging",
    "lightning.pytorch.callbacks.throughput_monitor": "ThroughputMonitor",
    "lightning.pytorch.callbacks.timer": "Timer",
    "lightning.pytorch.callbacks.weight_averaging": "EMAWeightAveraging WeightAveraging",
    "lightning.pytorch.core.mixins.hparams_mixin": "HyperparametersMixin",
    "lightning.pytorch.trainer.states": "TrainerState",
    "lightning.pytorch.utilities.parsing": "AttributeDict",
    "lightning_fabric.utilities.data": "AttributeDict",
    "lightning_fabric.wrappers": "_FabricDataLoader _FabricModule _FabricOptimizer",
    "mmengine.logging.history_buffer": "HistoryBuffer",
    "omegaconf.base": "ContainerMetadata Metadata UnionNode",
    "omegaconf.dictconfig": "DictConfig",
    "omegaconf.listconfig": "ListConfig ListConfig.ListIterator",
    "omegaconf.nodes": """
        AnyNode BooleanNode BytesNode EnumNode FloatNode IntegerNode InterpolationResultNode
        LiteralNode NoneNode PathNode StringNode ValueNode
    """,
    "pytorch_lightning.callbacks.base": "Callback",
    "pytorch_lightning.callbacks.batch_size_finder": "BatchSizeFinder",
    "pytorch_lightning.callbacks.callback": "Callback",
    "pytorch_lightning.callbacks.checkpoint": "Checkpoint",
    "pytorch_lightning.callbacks.device_stats_monitor": "DeviceStatsMonitor",
    "pytorch_lightning.callbacks.early_stopping": "EarlyStopping",
    "pytorch_lightning.callbacks.fault_tolerance": "_FaultToleranceCheckpoint",
    "pytorch_lightning.callbacks.finetuning": "BackboneFinetuning BaseFinetuning",
    "pytorch_lightning.callbacks.gpu_stats_monitor": "GPUStatsMonitor",
    "pytorch_lightning.callbacks.gradient_accumulation_scheduler": "GradientAccumulationScheduler",
    "pytorch_lightning.callbacks.lambda_function": "LambdaCallback",
    "pytorch_lightning.callbacks.lr_finder": "LearningRateFinder",
    "pytorch_lightning.callbacks.lr_monitor": "LearningRateMonitor",
    "pytorch_lightning.callbacks.model_checkpoint": "ModelCheckpoint",
    "pytorch_lightning.callbacks.model_summary": "ModelSummary",
    "pytorch_lightning.callbacks.on_exception_checkpoint": "OnExceptionCheckpoint",
    "pytorch_lightning.callbacks.prediction_writer": "BasePredictionWriter",
    "pytorch_lightning.callbacks.progress": "ProgressBar ProgressBarBase",
    "pytorch_lightning.callbacks.progress.base": "ProgressBarBase",
    "pytorch_lightning.callbacks.progress.progress": "ProgressBar",
    "pytorch_lightning.callbacks.progress.progress_bar": "ProgressBar",
    "pytorch_lightning.callbacks.progress.rich_progress": "RichProgressBar RichProgressBarTheme",
    "pytorch_lightning.callbacks.progress.tqdm_progress": "TQDMProgressBar",
    "pytorch_lightning.callbacks.pruning": "ModelPruning",
    "pytorch_lightning.callbacks.quantization": "QuantizationAwareTraining",
    "pytorch_lightning.callbacks.rich_model_summary": "RichModelSummary",
    "pytorch_lightning.callbacks.stochastic_weight_avg": "StochasticWeightAveraging",
    "pytorch_lightning.callbacks.throughput_monitor": "ThroughputMonitor",
    "pytorch_lightning.callbacks.timer": "Timer",
    "pytorch_lightning.callbacks.weight_averaging": "EMAWeightAveraging WeightAveraging",
    "pytorch_lightning.callbacks.xla_stats_monitor": "XLAStatsMonitor",
    "pytorch_lightning.core.lightning": "LightningModule",
    "pytorch_lightning.core.mixins.device_dtype_mixin": "DeviceDtypeModuleMixin",
    "pytorch_lightning.core.mixins.hparams_mixin": "HyperparametersMixin",
    "pytorch_lightning.trainer.states": "TrainerState",
    "pytorch_lightning.utilities.parsing": "AttributeDict",
    "transformers.activations": """
        AccurateGELUActivation ClippedGELUActivation FastGELUActivation GELUActivation GELUTanh
        LaplaceActivation LinearActivation MishActivation NewGELUActivation PytorchGELUTanh
        QuickGELUActivation ReLUSquaredActivation SiLUActivation SqrtSoftplusActivation
        XIELUActivation
    """,
    "transformers.configuration_utils": "PreTrainedConfig PretrainedConfig SubConfigSpec",
    "transformers.deepspeed": "HfDeepSpeedConfig HfTrainerDeepSpeedConfig",
    "transformers.generation.configuration_utils": """
        BaseWatermarkingConfig CompileConfig ContinuousBatchingConfig GenerationConfig
        SynthIDTextWatermarkingConfig WatermarkingConfig
    """,
    "transformers.modeling_rope_utils": "RotaryEmbeddingConfigMixin",
    "transformers.modeling_utils": "Conv1D",
    "transformers.pytorch_utils": "Conv1D",
    "transformers.trainer_callback": """
        CallbackHandler DefaultFlowCallback EarlyStoppingCallback ExportableState PrinterCallback
        ProgressCallback TrainerCallback TrainerControl TrainerState
    """,
    "transformers.trainer_pt_utils": "AcceleratorConfig LabelSmoother",
    "transformers.trainer_utils": """
        BestRun EvalLoopOutput EvalPrediction PredictionOutput RemoveColumnsCollator TrainOutput
        TrainerMemoryTracker
    """,
    "transformers.training_args": "TrainingArguments",
    "transformers.training_args_seq2seq": "Seq2SeqTrainingArguments",
    "transformers.utils.quantization_config": """
        AqlmConfig AutoRoundConfig AwqConfig BitNetConfig BitNetQuantConfig BitsAndBytesConfig
        CompressedTensorsConfig EetqConfig FPQuantConfig FbgemmFp8Config FineGrainedFP8Config
        FourOverSixConfig GPTQConfig GemmaQuantizationConfig GgufConfig HiggsConfig HqqConfig
        MetalConfig Mxfp4Config NVFP4Config QuantizationConfigMixin QuantoConfig QuarkConfig
        SinqConfig SpQRConfig TorchAoConfig VptqConfig VptqLayerConfig
    """,
}

CALLED: Mapping[str, str] = {
    "accelerate.utils.dataclasses": """
        BaseEnum ComputeEnvironment CustomDtype DDPCommunicationHookType DistributedType
        DynamoBackend FP8BackendType LoggerType PrecisionType RNGType SageMakerDistributedType
    """,
    "lightning.fabric.utilities.data": "_WrapAttrTag",
    "lightning.pytorch.callbacks.early_stopping": "EarlyStoppingReason",
    "lightning.pytorch.callbacks.prediction_writer": "WriteInterval",
    "lightning.pytorch.callbacks.timer": "Interval",
    "lightning.pytorch.trainer.states": "RunningStage TrainerFn TrainerStatus",
    "lightning.pytorch.utilities.enums": "GradClipAlgorithmType",
    "lightning_fabric.utilities.data": "_WrapAttrTag",
    "lightning_fabric.utilities.enums": "LightningEnum _AcceleratorType",
    "omegaconf.base": "SCMode",
    "pytorch_lightning.callbacks.early_stopping": "EarlyStoppingReason",
    "pytorch_lightning.callbacks.prediction_writer": "WriteInterval",
    "pytorch_lightning.callbacks.timer": "Interval",
    "pytorch_lightning.trainer.states": "RunningStage TrainerFn TrainerState TrainerStatus",
    "pytorch_lightning.utilities.enums": """
        AMPType AutoRestartBatchKeys DeviceType DistributedType GradClipAlgorithmType
        LightningEnum ModelSummaryMode PrecisionType _AcceleratorType _DeprecatedEnum
        _FaultTolerantMode _StrategyType
    """,
    "transformers.debug_utils": "DebugOption",
    "transformers.file_utils": "ExplicitEnum PaddingStrategy TensorType",
    "transformers.generation.configuration_utils": "GenerationMode",
    "transformers.modeling_outputs": """
        BackboneOutput BaseModelOutput BaseModelOutputWithCrossAttentions
        BaseModelOutputWithNoAttention BaseModelOutputWithPast
        BaseModelOutputWithPastAndCrossAttentions BaseModelOutputWithPooling
        BaseModelOutputWithPoolingAndCrossAttentions BaseModelOutputWithPoolingAndNoAttention
        BaseModelOutputWithPoolingAndProjection CausalLMOutput CausalLMOutputWithCrossAttentions
        CausalLMOutputWithPast CausalLMOutputWithPastAndCrossAttentions DepthEstimatorOutput
        ImageClassifierOutput ImageClassifierOutputWithNoAttention ImageSuperResolutionOutput
        MaskedImageModelingOutput MaskedLMOutput MoECausalLMOutputWithPast MoEModelOutput
        MoEModelOutputWithPastAndCrossAttentions MoeCausalLMOutputWithPast MoeModelOutputWithPast
        MultipleChoiceModelOutput NextSentencePredictorOutput QuestionAnsweringModelOutput
        SampleTSPredictionOutput SemanticSegmenterOutput Seq2SeqLMOutput Seq2SeqMoEModelOutput
        Seq2SeqMoEOutput Seq2SeqModelOutput Seq2SeqQuestionAnsweringModelOutput
        Seq2SeqSequenceClassifierOutput Seq2SeqSpectrogramOutput Seq2SeqTSModelOutput
        Seq2SeqTSPredictionOutput SequenceClassifierOutput SequenceClassifierOutputWithPast
        TokenClassifierOutput Wav2Vec2BaseModelOutput XVectorOutput
    """,
    "transformers.trainer_utils": """
        EvaluationStrategy FSDPOption HPSearchBackend HubStrategy IntervalStrategy SaveStrategy
        SchedulerType ShardedDDPOption
    """,
    "transformers.training_args": "OptimizerNames ParallelMode",
    "transformers.utils.generic": "ExplicitEnum ModelOutput PaddingStrategy TensorType",
    "transformers.utils.quantization_config": """
        AWQLinearVersion AwqBackend AwqBackendPackingMethod AwqFormat ExllamaVersion
        QuantizationMethod
    """,
}

NAMED: Mapping[str, str] = {
    "transformers.activations": "gelu_fast gelu_new get_activation linear_act mish quick_gelu",
    "transformers.data.data_collator": """
        default_data_collator numpy_default_data_collator pad_without_fast_tokenizer_warning
        tf_default_data_collator to_numpy tolist torch_default_data_collator
    """,
    "transformers.modeling_rope_utils": """
        _compute_default_rope_parameters _compute_dynamic_ntk_parameters
        _compute_linear_scaling_rope_parameters _compute_llama3_parameters
        _compute_longrope_parameters _compute_proportional_rope_parameters
        _compute_yarn_parameters
    """,
}
