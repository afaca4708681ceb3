"""Names of ``torch.ao``: quantized layers, observers, their configuration, pruning.

Written by ``python -m tests.tables``: change what that collects.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BUILT", "CALLED", "NAMED"]

BUILT: Mapping[str, str] = {
    "torch.ao.nn.intrinsic.modules.fused": """
        BNReLU2d BNReLU3d ConvAdd2d ConvAddReLU2d ConvBn1d ConvBn2d ConvBn3d ConvBnReLU1d
        ConvBnReLU2d ConvBnReLU3d ConvReLU1d ConvReLU2d ConvReLU3d LinearBn1d LinearLeakyReLU
        LinearReLU LinearTanh _FusedModule
    """,
    "torch.ao.nn.intrinsic.qat.modules.conv_fused": """
        ConvBn1d ConvBn2d ConvBn3d ConvBnReLU1d ConvBnReLU2d ConvBnReLU3d ConvReLU1d ConvReLU2d
        ConvReLU3d _ConvBnNd
    """,
    "torch.ao.nn.intrinsic.qat.modules.linear_fused": "LinearBn1d",
    "torch.ao.nn.intrinsic.qat.modules.linear_relu": "LinearReLU",
    "torch.ao.nn.intrinsic.quantized.dynamic.modules.linear_relu": "LinearReLU",
    "torch.ao.nn.intrinsic.quantized.modules.bn_relu": "BNReLU2d BNReLU3d",
    "torch.ao.nn.intrinsic.quantized.modules.conv_add": "ConvAdd2d ConvAddReLU2d",
    "torch.ao.nn.intrinsic.quantized.modules.conv_relu": "ConvReLU1d ConvReLU2d ConvReLU3d",
    "torch.ao.nn.intrinsic.quantized.modules.linear_relu": "LinearLeakyReLU LinearReLU LinearTanh",
    "torch.ao.nn.qat.dynamic.modules.linear": "Linear",
    "torch.ao.nn.qat.modules.conv": "Conv1d Conv2d Conv3d _ConvNd",
    "torch.ao.nn.qat.modules.embedding_ops": "Embedding EmbeddingBag",
    "torch.ao.nn.qat.modules.linear": "Linear",
    "torch.ao.nn.quantizable.modules.activation": "MultiheadAttention",
    "torch.ao.nn.quantizable.modules.rnn": "LSTM LSTMCell _LSTMLayer _LSTMSingleLayer",
    "torch.ao.nn.quantized.dynamic.modules.conv": """
        Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d
    """,
    "torch.ao.nn.quantized.dynamic.modules.linear": "Linear",
    "torch.ao.nn.quantized.dynamic.modules.rnn": """
        GRU GRUCell LSTM LSTMCell PackedParameter RNNBase RNNCell RNNCellBase
    """,
    "torch.ao.nn.quantized.modules": "DeQuantize Quantize",
    "torch.ao.nn.quantized.modules.activation": """
        ELU Hardswish LeakyReLU MultiheadAttention PReLU ReLU6 Sigmoid Softmax
    """,
    "torch.ao.nn.quantized.modules.batchnorm": "BatchNorm2d BatchNorm3d _BatchNorm",
    "torch.ao.nn.quantized.modules.conv": """
        Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d _ConvNd
        _ConvTransposeNd
    """,
    "torch.ao.nn.quantized.modules.dropout": "Dropout",
    "torch.ao.nn.quantized.modules.embedding_ops": "Embedding EmbeddingBag EmbeddingPackedParams",
    "torch.ao.nn.quantized.modules.functional_modules": """
        FXFloatFunctional FloatFunctional QFunctional
    """,
    "torch.ao.nn.quantized.modules.linear": "Linear LinearPackedParams",
    "torch.ao.nn.quantized.modules.normalization": """
        GroupNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d LayerNorm
    """,
    "torch.ao.nn.quantized.modules.rnn": "LSTM",
    "torch.ao.nn.quantized.modules.utils": "WeightedQuantizedModule",
    "torch.ao.nn.quantized.reference.modules.conv": """
        Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d _ConvNd
        _ConvTransposeNd
    """,
    "torch.ao.nn.quantized.reference.modules.linear": "Linear",
    "torch.ao.nn.quantized.reference.modules.rnn": """
        GRU GRUCell LSTM LSTMCell RNNBase RNNCell RNNCellBase
    """,
    "torch.ao.nn.quantized.reference.modules.sparse": "Embedding EmbeddingBag",
    "torch.ao.nn.quantized.reference.modules.utils": "ReferenceQuantizedModule",
    "torch.ao.nn.sparse.quantized.dynamic.linear": "Linear",
    "torch.ao.nn.sparse.quantized.linear": "Linear LinearPackedParams",
    "torch.ao.nn.sparse.quantized.utils": "LinearBlockSparsePattern",
    "torch.ao.ns._numeric_suite": "Logger OutputLogger Shadow ShadowLogger",
    "torch.ao.pruning._experimental.activation_sparsifier.activation_sparsifier": """
        ActivationSparsifier
    """,
    "torch.ao.pruning._experimental.data_scheduler.base_data_scheduler": "BaseDataScheduler",
    "torch.ao.pruning._experimental.data_sparsifier.base_data_sparsifier": """
        BaseDataSparsifier _Container
    """,
    "torch.ao.pruning._experimental.data_sparsifier.data_norm_sparsifier": "DataNormSparsifier",
    "torch.ao.pruning._experimental.pruner.FPGM_pruner": "FPGMPruner",
    "torch.ao.pruning._experimental.pruner.base_structured_sparsifier": "BaseStructuredSparsifier",
    "torch.ao.pruning._experimental.pruner.lstm_saliency_pruner": "LSTMSaliencyPruner",
    "torch.ao.pruning._experimental.pruner.parametrization": "BiasHook FakeStructuredSparsity",
    "torch.ao.pruning._experimental.pruner.saliency_pruner": "SaliencyPruner",
    "torch.ao.pruning.scheduler.base_scheduler": "BaseScheduler",
    "torch.ao.pruning.scheduler.cubic_scheduler": "CubicSL",
    "torch.ao.pruning.scheduler.lambda_scheduler": "LambdaSL",
    "torch.ao.pruning.sparsifier.base_sparsifier": "BaseSparsifier",
    "torch.ao.pruning.sparsifier.nearly_diagonal_sparsifier": "NearlyDiagonalSparsifier",
    "torch.ao.pruning.sparsifier.utils": "FakeSparsity",
    "torch.ao.pruning.sparsifier.weight_norm_sparsifier": "WeightNormSparsifier",
    "torch.ao.quantization": "_DerivedObserverOrFakeQuantize",
    "torch.ao.quantization._correct_bias": "MeanShadowLogger",
    "torch.ao.quantization._learnable_fake_quantize": "_LearnableFakeQuantize",
    "torch.ao.quantization.backend_config._common_operator_config_utils": "_ConvMetadata",
    "torch.ao.quantization.backend_config.backend_config": """
        BackendConfig BackendPatternConfig DTypeConfig DTypeWithConstraints
    """,
    "torch.ao.quantization.backend_config.native": "_ConvMetadata",
    "torch.ao.quantization.fake_quantize": """
        FakeQuantize FakeQuantizeBase FixedQParamsFakeQuantize FusedMovingAvgObsFakeQuantize
    """,
    "torch.ao.quantization.observer": """
        AffineQuantizedObserverBase FixedQParamsObserver Granularity HistogramObserver
        MinMaxObserver MovingAverageMinMaxObserver MovingAveragePerChannelMinMaxObserver
        NoopObserver ObserverBase PerAxis PerBlock PerChannelMinMaxObserver PerGroup PerRow
        PerTensor PerToken PlaceholderObserver RecordingObserver ReuseInputObserver
        UniformQuantizationObserverBase _ObserverBase _PartialWrapper
    """,
    "torch.ao.quantization.qconfig": "QConfig QConfigDynamic",
    "torch.ao.quantization.qconfig_mapping": "QConfigMapping",
    "torch.ao.quantization.quantizer.composable_quantizer": "ComposableQuantizer",
    "torch.ao.quantization.quantizer.embedding_quantizer": "EmbeddingQuantizer",
    "torch.ao.quantization.quantizer.quantizer": """
        DerivedQuantizationSpec FixedQParamsQuantizationSpec QuantizationAnnotation
        QuantizationSpec QuantizationSpecBase Quantizer SharedQuantizationSpec
    """,
    "torch.ao.quantization.quantizer.x86_inductor_quantizer": """
        X86InductorQuantizer _CurrentQuantizationMode _X86InductorQuantizationAnnotation
    """,
    "torch.ao.quantization.quantizer.xnnpack_quantizer": "XNNPACKQuantizer",
    "torch.ao.quantization.quantizer.xnnpack_quantizer_utils": "OperatorConfig QuantizationConfig",
    "torch.ao.quantization.quantizer.xpu_inductor_quantizer": "XPUInductorQuantizer",
    "torch.ao.quantization.stubs": "DeQuantStub QuantStub QuantWrapper",
    "torch.ao.quantization.utils": "MatchAllNode",
    "torch.ao.sparsity._experimental.activation_sparsifier.activation_sparsifier": """
        ActivationSparsifier
    """,
    "torch.ao.sparsity._experimental.data_scheduler.base_data_scheduler": "BaseDataScheduler",
    "torch.ao.sparsity._experimental.data_sparsifier.base_data_sparsifier": """
        BaseDataSparsifier _Container
    """,
    "torch.ao.sparsity._experimental.data_sparsifier.data_norm_sparsifier": "DataNormSparsifier",
    "torch.ao.sparsity._experimental.pruner.base_pruner": "BasePruner",
    "torch.ao.sparsity._experimental.pruner.parametrization": """
        ActivationReconstruction BiasHook PruningParametrization ZeroesParametrization
    """,
    "torch.ao.sparsity.experimental.pruner.base_pruner": "BasePruner",
    "torch.ao.sparsity.experimental.pruner.parametrization": """
        ActivationReconstruction BiasHook PruningParametrization ZeroesParametrization
    """,
    "torch.ao.sparsity.scheduler.base_scheduler": "BaseScheduler",
    "torch.ao.sparsity.scheduler.cubic_scheduler": "CubicSL",
    "torch.ao.sparsity.scheduler.lambda_scheduler": "LambdaSL",
    "torch.ao.sparsity.sparsifier.base_sparsifier": "BaseSparsifier",
    "torch.ao.sparsity.sparsifier.nearly_diagonal_sparsifier": "NearlyDiagonalSparsifier",
    "torch.ao.sparsity.sparsifier.utils": "FakeSparsity",
    "torch.ao.sparsity.sparsifier.weight_norm_sparsifier": "WeightNormSparsifier",
    "torch.nn.intrinsic.modules.fused": """
        BNReLU2d BNReLU3d ConvBn1d ConvBn2d ConvBn3d ConvBnReLU1d ConvBnReLU2d ConvBnReLU3d
        ConvReLU1d ConvReLU2d ConvReLU3d LinearBn1d LinearReLU _FusedModule
    """,
    "torch.nn.intrinsic.qat.modules.conv_fused": """
        ConvBn1d ConvBn2d ConvBn3d ConvBnReLU1d ConvBnReLU2d ConvBnReLU3d ConvReLU1d ConvReLU2d
        ConvReLU3d _ConvBnNd
    """,
    "torch.nn.intrinsic.qat.modules.linear_fused": "LinearBn1d",
    "torch.nn.intrinsic.qat.modules.linear_relu": "LinearReLU",
    "torch.nn.intrinsic.quantized._reference.modules.linear_relu": "LinearReLU",
    "torch.nn.intrinsic.quantized.dynamic.modules.linear_relu": "LinearReLU",
    "torch.nn.intrinsic.quantized.modules.bn_relu": "BNReLU2d BNReLU3d",
    "torch.nn.intrinsic.quantized.modules.conv_relu": "ConvReLU1d ConvReLU2d ConvReLU3d",
    "torch.nn.intrinsic.quantized.modules.linear_relu": "LinearReLU",
    "torch.nn.qat.dynamic.modules.linear": "Linear",
    "torch.nn.qat.modules.conv": "Conv1d Conv2d Conv3d _ConvNd",
    "torch.nn.qat.modules.embedding_ops": "Embedding EmbeddingBag",
    "torch.nn.qat.modules.linear": "Linear",
    "torch.nn.quantizable.modules.activation": "MultiheadAttention",
    "torch.nn.quantizable.modules.rnn": "LSTM LSTMCell _LSTMLayer _LSTMSingleLayer",
    "torch.nn.quantized._reference.modules.conv": """
        Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d _ConvNd
        _ConvTransposeNd
    """,
    "torch.nn.quantized._reference.modules.linear": "Linear",
    "torch.nn.quantized._reference.modules.rnn": """
        GRUCell LSTM LSTMCell RNNBase RNNCell RNNCellBase
    """,
    "torch.nn.quantized._reference.modules.sparse": "Embedding EmbeddingBag",
    "torch.nn.quantized._reference.modules.utils": "ReferenceQuantizedModule",
    "torch.nn.quantized.dynamic.modules.conv": """
        Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d
    """,
    "torch.nn.quantized.dynamic.modules.linear": "Linear",
    "torch.nn.quantized.dynamic.modules.rnn": """
        GRU GRUCell LSTM LSTMCell PackedParameter RNNBase RNNCell RNNCellBase
    """,
    "torch.nn.quantized.modules": "DeQuantize Quantize",
    "torch.nn.quantized.modules.activation": "ELU Hardswish LeakyReLU ReLU ReLU6 Sigmoid Softmax",
    "torch.nn.quantized.modules.batchnorm": "BatchNorm2d BatchNorm3d _BatchNorm",
    "torch.nn.quantized.modules.conv": """
        Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d _ConvNd
        _ConvTransposeNd
    """,
    "torch.nn.quantized.modules.dropout": "Dropout",
    "torch.nn.quantized.modules.embedding_ops": "Embedding EmbeddingBag EmbeddingPackedParams",
    "torch.nn.quantized.modules.functional_modules": """
        FXFloatFunctional FloatFunctional QFunctional
    """,
    "torch.nn.quantized.modules.linear": "Linear LinearPackedParams",
    "torch.nn.quantized.modules.normalization": """
        GroupNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d LayerNorm
    """,
    "torch.nn.quantized.modules.utils": "ReferenceableQuantizedModule WeightedQuantizedModule",
    "torch.quantization._correct_bias": "MeanShadowLogger",
    "torch.quantization._learnable_fake_quantize": "_LearnableFakeQuantize",
    "torch.quantization._numeric_suite": "Logger OutputLogger Shadow ShadowLogger",
    "torch.quantization.fake_quantize": "FakeQuantize FakeQuantizeBase FixedQParamsFakeQuantize",
    "torch.quantization.observer": """
        HistogramObserver MinMaxDynamicQuantObserver MinMaxObserver MovingAverageMinMaxObserver
        MovingAveragePerChannelMinMaxObserver NoopObserver ObserverBase PerChannelMinMaxObserver
        PlaceholderObserver RecordingObserver _ObserverBase
    """,
    "torch.quantization.qconfig": "QConfig QConfigDynamic",
    "torch.quantization.stubs": "DeQuantStub QuantStub QuantWrapper",
}

CALLED: Mapping[str, str] = {
    "torch.ao.quantization.backend_config.backend_config": "ObservationType",
    "torch.ao.quantization.backend_config.observation_type": "ObservationType",
    "torch.ao.quantization.observer": "MappingType TorchAODType ZeroPointDomain",
    "torch.ao.quantization.quant_type": "QuantType",
    "torch.quantization.quant_type": "QuantType",
}

NAMED: Mapping[str, str] = {
    "torch.ao.nn.quantized.dynamic.modules.rnn": "apply_permutation pack_weight_bias",
    "torch.ao.nn.quantized.functional": """
        adaptive_avg_pool2d adaptive_avg_pool3d avg_pool2d avg_pool3d celu clamp conv1d conv2d
        conv3d elu hardsigmoid hardswish hardtanh interpolate leaky_relu linear max_pool1d
        max_pool2d threshold upsample upsample_bilinear upsample_nearest
    """,
    "torch.ao.quantization.fake_quantize": """
        disable_fake_quant disable_observer enable_fake_quant enable_observer
    """,
    "torch.ao.quantization.observer": "get_block_size get_observer_state_dict",
    "torch.ao.quantization.qconfig": """
        activation_is_memoryless add_module_to_qconfig_obs_ctr assert_valid_qconfig
        get_default_qat_qconfig get_default_qat_qconfig_dict get_default_qconfig
        get_default_qconfig_dict is_reuse_input_qconfig obs_or_fq_ctr_equals qconfig_equals
    """,
    "torch.ao.quantization.quantize": "_observer_forward_hook _observer_forward_pre_hook",
    "torch.nn.quantized.dynamic.modules.rnn": "apply_permutation pack_weight_bias",
    "torch.nn.quantized.functional": """
        adaptive_avg_pool2d adaptive_avg_pool3d avg_pool2d avg_pool3d celu clamp conv1d conv2d
        conv3d elu hardsigmoid hardswish hardtanh interpolate leaky_relu linear max_pool1d
        max_pool2d relu threshold upsample upsample_bilinear upsample_nearest
    """,
    "torch.quantization.fake_quantize": """
        disable_fake_quant disable_observer enable_fake_quant enable_observer
    """,
    "torch.quantization.observer": "get_observer_state_dict",
    "torch.quantization.qconfig": """
        assert_valid_qconfig get_default_qat_qconfig get_default_qconfig
    """,
    "torch.quantization.quantize": "_observer_forward_hook _observer_forward_pre_hook",
}
