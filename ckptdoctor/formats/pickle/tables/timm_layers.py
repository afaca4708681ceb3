"""Names of timm: the layers of its nets, and functions of them.

Written by ``python -m tests.tables``: change what that collects.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BUILT", "CALLED", "NAMED"]

BUILT: Mapping[str, str] = {
    "timm.layers.activations": """
        GELU GELUTanh HardMish HardSigmoid HardSwish Mish PReLU QuickGELU Sigmoid Swish Tanh
    """,
    "timm.layers.activations_jit": "HardMishJit HardSigmoidJit HardSwishJit MishJit SwishJit",
    "timm.layers.activations_me": "HardMishMe HardSigmoidMe HardSwishMe MishMe SwishMe",
    "timm.layers.adaptive_avgmax_pool": """
        AdaptiveAvgMaxPool2d AdaptiveCatAvgMaxPool2d FastAdaptiveAvgMaxPool FastAdaptiveAvgPool
        FastAdaptiveCatAvgMaxPool FastAdaptiveMaxPool SelectAdaptivePool2d
    """,
    "timm.layers.attention2d": "Attention2d MultiQueryAttention2d MultiQueryAttentionV2",
    "timm.layers.attention_pool": "AttentionPoolLatent",
    "timm.layers.attention_pool2d": "AttentionPool2d RotAttentionPool2d",
    "timm.layers.blur_pool": "BlurPool2d",
    "timm.layers.bottleneck_attn": "BottleneckAttn PosEmbedRel",
    "timm.layers.cbam": """
        CbamModule ChannelAttn LightCbamModule LightChannelAttn LightSpatialAttn SpatialAttn
    """,
    "timm.layers.classifier": "ClNormMlpClassifierHead ClassifierHead NormMlpClassifierHead",
    "timm.layers.cond_conv2d": "CondConv2d",
    "timm.layers.config": "set_exportable set_layer_config set_no_jit set_scriptable",
    "timm.layers.conv2d_same": "Conv2dSame Conv2dSameExport",
    "timm.layers.conv_bn_act": "ConvNormAct ConvNormActAa",
    "timm.layers.drop": "DropBlock2d DropPath",
    "timm.layers.eca": "CecaModule EcaModule",
    "timm.layers.evo_norm": """
        EvoNorm2dB0 EvoNorm2dB1 EvoNorm2dB2 EvoNorm2dS0 EvoNorm2dS0a EvoNorm2dS1 EvoNorm2dS1a
        EvoNorm2dS2 EvoNorm2dS2a
    """,
    "timm.layers.filter_response_norm": "FilterResponseNormAct2d FilterResponseNormTlu2d",
    "timm.layers.gather_excite": "GatherExcite",
    "timm.layers.global_context": "GlobalContext",
    "timm.layers.grn": "GlobalResponseNorm",
    "timm.layers.halo_attn": "HaloAttn PosEmbedRel",
    "timm.layers.hybrid_embed": "HybridEmbed HybridEmbedWithSize",
    "timm.layers.inplace_abn": "InplaceAbn",
    "timm.layers.interpolate": "RegularGridInterpolator",
    "timm.layers.lambda_layer": "LambdaLayer",
    "timm.layers.layer_scale": "LayerScale LayerScale2d",
    "timm.layers.linear": "Linear",
    "timm.layers.median_pool": "MedianPool2d",
    "timm.layers.mixed_conv2d": "MixedConv2d",
    "timm.layers.ml_decoder": "GroupFC MLDecoder TransformerDecoderLayerOptimal",
    "timm.layers.mlp": "ConvMlp GatedMlp GlobalResponseNormMlp GluMlp Mlp SwiGLU",
    "timm.layers.non_local_attn": "BatNonLocalAttn BilinearAttnTransform NonLocalAttn",
    "timm.layers.norm": """
        GroupNorm GroupNorm1 LayerNorm LayerNorm2d LayerNormExp2d RmsNorm RmsNorm2d SimpleNorm
        SimpleNorm2d
    """,
    "timm.layers.norm_act": """
        BatchNormAct2d FrozenBatchNormAct2d GroupNorm1Act GroupNormAct LayerNormAct LayerNormAct2d
        SyncBatchNormAct
    """,
    "timm.layers.patch_dropout": "PatchDropout",
    "timm.layers.patch_embed": "PatchEmbed PatchEmbedWithSize",
    "timm.layers.pool2d_same": "AvgPool2dSame MaxPool2dSame",
    "timm.layers.pos_embed_rel": "RelPosBias RelPosBiasTf RelPosMlp",
    "timm.layers.pos_embed_sincos": "FourierEmbed RotaryEmbedding RotaryEmbeddingCat",
    "timm.layers.selective_kernel": "SelectiveKernel SelectiveKernelAttn",
    "timm.layers.separable_conv": "SeparableConv2d SeparableConvNormAct",
    "timm.layers.space_to_depth": "DepthToSpace SpaceToDepth SpaceToDepthJit SpaceToDepthModule",
    "timm.layers.split_attn": "RadixSoftmax SplitAttn",
    "timm.layers.split_batchnorm": "SplitBatchNorm2d",
    "timm.layers.squeeze_excite": "EffectiveSEModule SEModule SqueezeExciteCl",
    "timm.layers.std_conv": "ScaledStdConv2d ScaledStdConv2dSame StdConv2d StdConv2dSame",
    "timm.layers.test_time_pool": "TestTimePoolHead",
    "timm.models.layers.activations": """
        GELU HardMish HardSigmoid HardSwish Mish PReLU Sigmoid Swish Tanh
    """,
    "timm.models.layers.activations_jit": """
        HardMishJit HardSigmoidJit HardSwishJit MishJit SwishJit
    """,
    "timm.models.layers.activations_me": "HardMishMe HardSigmoidMe HardSwishMe MishMe SwishMe",
    "timm.models.layers.adaptive_avgmax_pool": """
        AdaptiveAvgMaxPool2d AdaptiveCatAvgMaxPool2d FastAdaptiveAvgPool2d SelectAdaptivePool2d
    """,
    "timm.models.layers.attention_pool2d": "AttentionPool2d RotAttentionPool2d",
    "timm.models.layers.blur_pool": "BlurPool2d",
    "timm.models.layers.bottleneck_attn": "BottleneckAttn PosEmbedRel",
    "timm.models.layers.cbam": """
        CbamModule ChannelAttn LightCbamModule LightChannelAttn LightSpatialAttn SpatialAttn
    """,
    "timm.models.layers.classifier": "ClassifierHead",
    "timm.models.layers.cond_conv2d": "CondConv2d",
    "timm.models.layers.config": "set_exportable set_layer_config set_no_jit set_scriptable",
    "timm.models.layers.conv2d_same": "Conv2dSame",
    "timm.models.layers.conv_bn_act": "ConvBnAct ConvNormAct ConvNormActAa",
    "timm.models.layers.drop": "DropBlock2d DropPath",
    "timm.models.layers.eca": "CecaModule EcaModule",
    "timm.models.layers.evo_norm": """
        EvoNorm2dB0 EvoNorm2dB1 EvoNorm2dB2 EvoNorm2dS0 EvoNorm2dS0a EvoNorm2dS1 EvoNorm2dS1a
        EvoNorm2dS2 EvoNorm2dS2a EvoNormBatch2d EvoNormSample2d
    """,
    "timm.models.layers.filter_response_norm": "FilterResponseNormAct2d FilterResponseNormTlu2d",
    "timm.models.layers.gather_excite": "GatherExcite",
    "timm.models.layers.global_context": "GlobalContext",
    "timm.models.layers.halo_attn": "HaloAttn PosEmbedRel",
    "timm.models.layers.inplace_abn": "InplaceAbn",
    "timm.models.layers.involution": "Involution",
    "timm.models.layers.lambda_layer": "LambdaLayer",
    "timm.models.layers.linear": "Linear",
    "timm.models.layers.median_pool": "MedianPool2d",
    "timm.models.layers.mixed_conv2d": "MixedConv2d",
    "timm.models.layers.ml_decoder": "GroupFC MLDecoder TransformerDecoderLayerOptimal",
    "timm.models.layers.mlp": "ConvMlp GatedMlp GluMlp Mlp",
    "timm.models.layers.non_local_attn": "BatNonLocalAttn BilinearAttnTransform NonLocalAttn",
    "timm.models.layers.norm": "GroupNorm GroupNorm1 LayerNorm LayerNorm2d LayerNormExp2d",
    "timm.models.layers.norm_act": """
        BatchNormAct2d GroupNormAct LayerNormAct LayerNormAct2d SyncBatchNormAct
    """,
    "timm.models.layers.patch_embed": "PatchEmbed",
    "timm.models.layers.pool2d_same": "AvgPool2dSame MaxPool2dSame",
    "timm.models.layers.pos_embed": "FourierEmbed RotaryEmbedding",
    "timm.models.layers.selective_kernel": "SelectiveKernel SelectiveKernelAttn",
    "timm.models.layers.separable_conv": "SeparableConv2d SeparableConvBnAct SeparableConvNormAct",
    "timm.models.layers.space_to_depth": """
        DepthToSpace SpaceToDepth SpaceToDepthJit SpaceToDepthModule
    """,
    "timm.models.layers.split_attn": "RadixSoftmax SplitAttn",
    "timm.models.layers.split_batchnorm": "SplitBatchNorm2d",
    "timm.models.layers.squeeze_excite": "EffectiveSEModule SEModule",
    "timm.models.layers.std_conv": "ScaledStdConv2d ScaledStdConv2dSame StdConv2d StdConv2dSame",
    "timm.models.layers.swin_attn": "WindowAttention",
    "timm.models.layers.test_time_pool": "TestTimePoolHead",
}

CALLED: Mapping[str, str] = {
    "timm.layers.format": "Format",
}

NAMED: Mapping[str, str] = {
    "timm.layers.activations": """
        gelu gelu_tanh hard_mish hard_sigmoid hard_swish mish quick_gelu sigmoid swish tanh
    """,
    "timm.layers.activations_jit": """
        hard_mish_jit hard_sigmoid_jit hard_swish_jit mish_jit swish_jit
    """,
    "timm.layers.activations_me": """
        hard_mish_bwd hard_mish_fwd hard_mish_jit_bwd hard_mish_jit_fwd hard_mish_me
        hard_sigmoid_bwd hard_sigmoid_fwd hard_sigmoid_jit_bwd hard_sigmoid_jit_fwd
        hard_sigmoid_me hard_swish_bwd hard_swish_fwd hard_swish_jit_bwd hard_swish_jit_fwd
        hard_swish_me mish_bwd mish_fwd mish_jit_bwd mish_jit_fwd mish_me swish_bwd swish_fwd
        swish_jit_bwd swish_jit_fwd swish_me
    """,
    "timm.layers.adaptive_avgmax_pool": """
        adaptive_avgmax_pool2d adaptive_catavgmax_pool2d adaptive_pool_feat_mult
        select_adaptive_pool2d
    """,
    "timm.layers.blur_pool": "create_aa",
    "timm.layers.bottleneck_attn": "rel_logits_1d",
    "timm.layers.classifier": "create_classifier",
    "timm.layers.cond_conv2d": "get_condconv_initializer",
    "timm.layers.config": """
        is_exportable is_no_jit set_fused_attn set_reentrant_ckpt use_fused_attn
        use_reentrant_ckpt
    """,
    "timm.layers.conv2d_same": "conv2d_same create_conv2d_pad",
    "timm.layers.conv_bn_act": "create_aa",
    "timm.layers.create_act": "create_act_layer get_act_fn get_act_layer",
    "timm.layers.create_attn": "create_attn get_attn",
    "timm.layers.create_conv2d": "create_conv2d",
    "timm.layers.create_norm": "create_norm_layer get_norm_layer",
    "timm.layers.create_norm_act": "create_norm_act_layer get_norm_act_layer",
    "timm.layers.drop": "drop_block_2d drop_block_fast_2d drop_path",
    "timm.layers.evo_norm": """
        group_rms group_std group_std_tpu instance_rms instance_std instance_std_tpu manual_var
    """,
    "timm.layers.fast_norm": """
        fast_group_norm fast_layer_norm fast_rms_norm fast_simple_norm get_autocast_dtype
        is_autocast_enabled is_fast_norm rms_norm set_fast_norm simple_norm
    """,
    "timm.layers.filter_response_norm": "inv_instance_rms",
    "timm.layers.format": "get_channel_dim get_spatial_dim nchw_to nhwc_to",
    "timm.layers.grid": "meshgrid ndgrid",
    "timm.layers.halo_attn": "rel_logits_1d",
    "timm.layers.helpers": "extend_tuple make_divisible",
    "timm.layers.inplace_abn": "inplace_abn inplace_abn_sync",
    "timm.layers.lambda_layer": "rel_pos_indices",
    "timm.layers.ml_decoder": "add_ml_decoder_head",
    "timm.layers.norm_act": "convert_sync_batchnorm freeze_batch_norm_2d unfreeze_batch_norm_2d",
    "timm.layers.padding": """
        get_padding get_padding_value get_same_padding is_static_pad pad_same pad_same_arg
    """,
    "timm.layers.patch_embed": "resample_patch_embed",
    "timm.layers.pool2d_same": "avg_pool2d_same create_pool2d max_pool2d_same",
    "timm.layers.pos_embed": "resample_abs_pos_embed resample_abs_pos_embed_nhwc",
    "timm.layers.pos_embed_rel": """
        gen_relative_log_coords gen_relative_position_index generate_lookup_tensor
        reindex_2d_einsum_lookup resize_rel_pos_bias_table resize_rel_pos_bias_table_levit
        resize_rel_pos_bias_table_simple
    """,
    "timm.layers.pos_embed_sincos": """
        apply_keep_indices_nlc apply_rot_embed apply_rot_embed_cat apply_rot_embed_list
        build_fourier_pos_embed build_rotary_pos_embed build_sincos2d_pos_embed freq_bands
        pixel_freq_bands rot
    """,
    "timm.layers.split_batchnorm": "convert_splitbn_model",
    "timm.layers.test_time_pool": "apply_test_time_pool",
    "timm.layers.weight_init": "init_weight_jax init_weight_vit lecun_normal_ variance_scaling_",
    "timm.models.layers.activations": """
        gelu hard_mish hard_sigmoid hard_swish mish sigmoid swish tanh
    """,
    "timm.models.layers.activations_jit": """
        hard_mish_jit hard_sigmoid_jit hard_swish_jit mish_jit swish_jit
    """,
    "timm.models.layers.activations_me": """
        hard_mish_jit_bwd hard_mish_jit_fwd hard_mish_me hard_sigmoid_jit_bwd hard_sigmoid_jit_fwd
        hard_sigmoid_me hard_swish_jit_bwd hard_swish_jit_fwd hard_swish_me mish_jit_bwd
        mish_jit_fwd mish_me swish_jit_bwd swish_jit_fwd swish_me
    """,
    "timm.models.layers.adaptive_avgmax_pool": """
        adaptive_avgmax_pool2d adaptive_catavgmax_pool2d adaptive_pool_feat_mult
        select_adaptive_pool2d
    """,
    "timm.models.layers.bottleneck_attn": "rel_logits_1d",
    "timm.models.layers.classifier": "create_classifier",
    "timm.models.layers.cond_conv2d": "get_condconv_initializer",
    "timm.models.layers.config": "is_exportable is_no_jit",
    "timm.models.layers.conv2d_same": "conv2d_same create_conv2d_pad",
    "timm.models.layers.conv_bn_act": "create_aa",
    "timm.models.layers.create_act": "create_act_layer get_act_fn get_act_layer",
    "timm.models.layers.create_attn": "create_attn get_attn",
    "timm.models.layers.create_conv2d": "create_conv2d",
    "timm.models.layers.create_norm": "create_norm_layer get_norm_layer",
    "timm.models.layers.create_norm_act": """
        convert_norm_act create_norm_act create_norm_act_layer get_norm_act_layer
    """,
    "timm.models.layers.drop": "drop_block_2d drop_block_fast_2d drop_path",
    "timm.models.layers.evo_norm": """
        group_rms group_std group_std_tpu instance_rms instance_std instance_std_tpu manual_var
    """,
    "timm.models.layers.fast_norm": "fast_group_norm fast_layer_norm is_fast_norm set_fast_norm",
    "timm.models.layers.filter_response_norm": "inv_instance_rms",
    "timm.models.layers.halo_attn": "rel_logits_1d",
    "timm.models.layers.helpers": "extend_tuple make_divisible",
    "timm.models.layers.inplace_abn": "inplace_abn inplace_abn_sync",
    "timm.models.layers.lambda_layer": "rel_pos_indices",
    "timm.models.layers.ml_decoder": "add_ml_decoder_head",
    "timm.models.layers.norm_act": "convert_sync_batchnorm",
    "timm.models.layers.padding": """
        get_padding get_padding_value get_same_padding is_static_pad pad_same
    """,
    "timm.models.layers.pool2d_same": "avg_pool2d_same create_pool2d max_pool2d_same",
    "timm.models.layers.pos_embed": """
        apply_rot_embed apply_rot_embed_list apply_rot_embed_split build_fourier_pos_embed
        build_rotary_pos_embed build_sincos2d_pos_embed inv_freq_bands pixel_freq_bands rot
    """,
    "timm.models.layers.split_batchnorm": "convert_splitbn_model",
    "timm.models.layers.swin_attn": "window_partition window_reverse",
    "timm.models.layers.test_time_pool": "apply_test_time_pool",
    "timm.models.layers.weight_init": "lecun_normal_ variance_scaling_",
}
