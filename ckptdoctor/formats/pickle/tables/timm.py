"""Names of timm: its nets.

Written by ``python -m tests.tables``: change what that collects.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BUILT"]

BUILT: Mapping[str, str] = {
    "timm.loss.asymmetric_loss": "AsymmetricLossMultiLabel AsymmetricLossSingleLabel",
    "timm.loss.binary_cross_entropy": "BinaryCrossEntropy",
    "timm.loss.cross_entropy": "LabelSmoothingCrossEntropy SoftTargetCrossEntropy",
    "timm.loss.jsd": "JsdCrossEntropy",
    "timm.models._efficientnet_blocks": """
        CondConvResidual ConvBnAct DepthwiseSeparableConv EdgeResidual InvertedResidual
        LayerScale2d MobileAttention SqueezeExcite UniversalInvertedResidual
    """,
    "timm.models._efficientnet_builder": "EfficientNetBuilder",
    "timm.models._features": """
        FeatureDictNet FeatureGetterNet FeatureHookNet FeatureHooks FeatureInfo FeatureListNet
    """,
    "timm.models._pretrained": "DefaultCfg PretrainedCfg",
    "timm.models.beit": "Attention Beit Block RelativePositionBias",
    "timm.models.byobnet": """
        BasicBlock BottleneckBlock ByoBlockCfg ByoModelCfg ByobNet DarkBlock DownsampleAvg
        EdgeBlock LayerFn MobileOneBlock RepVggBlock SelfAttnBlock Stem
    """,
    "timm.models.cait": "Cait ClassAttn LayerScaleBlock LayerScaleBlockClassAttn TalkingHeadAttn",
    "timm.models.coat": """
        CoaT ConvPosEnc ConvRelPosEnc FactorAtt_ConvRelPosEnc FactorAttnConvRelPosEnc
        ParallelBlock SerialBlock
    """,
    "timm.models.convit": "Block ConViT ConVit GPSA MHSA",
    "timm.models.convmixer": "ConvMixer Residual",
    "timm.models.convnext": "ConvNeXt ConvNeXtBlock ConvNeXtStage Downsample",
    "timm.models.crossvit": """
        CrossAttention CrossAttentionBlock CrossViT CrossVit MultiScaleBlock PatchEmbed
    """,
    "timm.models.cspnet": """
        BottleneckBlock CrossStage CrossStage3 CspModelCfg CspNet CspStagesCfg CspStemCfg
        DarkBlock DarkStage EdgeBlock ResBottleneck
    """,
    "timm.models.davit": """
        ChannelAttention ChannelAttentionV2 ChannelBlock ConvPosEnc DaVit DaVitStage Downsample
        SpatialBlock Stem WindowAttention
    """,
    "timm.models.deit": "VisionTransformerDistilled",
    "timm.models.densenet": "DenseBlock DenseLayer DenseNet DenseTransition",
    "timm.models.dla": "DLA DlaBasic DlaBottle2neck DlaBottleneck DlaRoot DlaTree",
    "timm.models.dpn": "BnActConv2d CatBnAct DPN DualPathBlock",
    "timm.models.edgenext": """
        ConvBlock CrossCovarianceAttn EdgeNeXt EdgeNeXtStage PositionalEncodingFourier
        SplitTransposeBlock
    """,
    "timm.models.efficientformer": """
        Attention ConvMlpWithNorm Downsample EfficientFormer EfficientFormerStage Flat LayerScale
        LayerScale2d MetaBlock1d MetaBlock2d Pooling Stem4
    """,
    "timm.models.efficientformer_v2": """
        Attention2d Attention2dDownsample ConvMlpWithNorm ConvNorm Downsample EfficientFormerV2
        EfficientFormerV2Block EfficientFormerV2Stage LayerScale2d LocalGlobalQuery Stem4
    """,
    "timm.models.efficientnet": "EfficientNet EfficientNetFeatures",
    "timm.models.efficientnet_blocks": """
        CondConvResidual ConvBnAct DepthwiseSeparableConv EdgeResidual InvertedResidual
        SqueezeExcite
    """,
    "timm.models.efficientnet_builder": "EfficientNetBuilder",
    "timm.models.efficientvit_mit": """
        ClassifierHead ConvBlock ConvNormAct DSConv EfficientVit EfficientVitBlock
        EfficientVitLarge EfficientVitLargeStage EfficientVitStage FusedMBConv LiteMLA MBConv
        ResidualBlock Stem
    """,
    "timm.models.efficientvit_msra": """
        CascadedGroupAttention ConvMlp ConvNorm EfficientVitBlock EfficientVitMsra
        EfficientVitStage LocalWindowAttention NormLinear PatchEmbedding PatchMerging ResidualDrop
    """,
    "timm.models.eva": "Eva EvaAttention EvaBlock EvaBlockPostNorm",
    "timm.models.fastvit": """
        Attention AttentionBlock ConvMlp FastVit FastVitStage LayerScale2d MobileOneBlock
        PatchEmbed RepConditionalPosEnc RepMixer RepMixerBlock ReparamLargeKernelConv
    """,
    "timm.models.features": "FeatureDictNet FeatureHookNet FeatureHooks FeatureInfo FeatureListNet",
    "timm.models.focalnet": """
        Downsample FocalModulation FocalNet FocalNetBlock FocalNetStage LayerScale2d
    """,
    "timm.models.gcvit": """
        Downsample2d FeatureBlock GlobalContextVit GlobalContextVitBlock GlobalContextVitStage
        LayerScale MbConvBlock Stem WindowAttentionGlobal
    """,
    "timm.models.ghostnet": "GhostBottleneck GhostModule GhostModuleV2 GhostNet",
    "timm.models.gluon_xception": "Block SeparableConv2d Xception65",
    "timm.models.hgnet": """
        ClassifierHead ConvBNAct EseModule HighPerfGpuBlock HighPerfGpuNet HighPerfGpuStage
        LearnableAffineBlock LightConvBNAct StemV1 StemV2
    """,
    "timm.models.hiera": "Hiera HieraBlock MaskUnitAttention PatchEmbed Reroll Unroll",
    "timm.models.hieradet_sam2": "HieraDet HieraPatchEmbed MultiScaleAttention MultiScaleBlock",
    "timm.models.hrnet": """
        HighResolutionModule HighResolutionNet HighResolutionNetFeatures ModuleInterface
        SequentialList
    """,
    "timm.models.inception_next": """
        ConvMlp InceptionDWConv2d MetaNeXt MetaNeXtBlock MetaNeXtStage MlpClassifierHead
    """,
    "timm.models.inception_resnet_v2": """
        BasicConv2d Block17 Block35 Block8 InceptionResnetV2 Mixed_5b Mixed_6a Mixed_7a
    """,
    "timm.models.inception_v3": """
        BasicConv2d InceptionA InceptionAux InceptionB InceptionC InceptionD InceptionE
        InceptionV3 InceptionV3Aux
    """,
    "timm.models.inception_v4": """
        BasicConv2d InceptionA InceptionB InceptionC InceptionV4 Mixed3a Mixed4a Mixed5a
        ReductionA ReductionB
    """,
    "timm.models.levit": """
        Attention AttentionDownsample AttentionSubsample ConvNorm Downsample Levit LevitBlock
        LevitDistilled LevitDownsample LevitMlp LevitStage LinearNorm NormLinear Residual Stem16
        Stem8 Subsample
    """,
    "timm.models.mambaout": """
        Downsample DownsampleNormFirst GatedConvBlock MambaOut MambaOutStage MlpHead Stem
    """,
    "timm.models.maxxvit": """
        Attention2d AttentionCl ConvNeXtBlock Downsample2d LayerScale LayerScale2d MaxxVit
        MaxxVitBlock MaxxVitCfg MaxxVitConvCfg MaxxVitStage MaxxVitTransformerCfg MbConvBlock
        ParallelMaxxVitBlock ParallelPartitionAttention PartitionAttention2d PartitionAttentionCl
        Stem TransformerBlock2d
    """,
    "timm.models.metaformer": """
        Attention Downsampling GroupNorm1NoBias LayerNorm2dNoBias LayerNormNoBias MetaFormer
        MetaFormerBlock MetaFormerStage MlpHead Pooling Scale SepConv SquaredReLU StarReLU Stem
    """,
    "timm.models.mlp_mixer": """
        Affine MixerBlock MlpMixer ResBlock SpatialGatingBlock SpatialGatingUnit
    """,
    "timm.models.mobilenetv3": "MobileNetV3 MobileNetV3Features",
    "timm.models.mobilevit": """
        LinearSelfAttention LinearTransformerBlock MobileVitBlock MobileVitV2Block
    """,
    "timm.models.mvitv2": """
        MultiScaleAttention MultiScaleAttentionPoolFirst MultiScaleBlock MultiScaleVit
        MultiScaleVitCfg MultiScaleVitStage PatchEmbed
    """,
    "timm.models.nasnet": """
        ActConvBn BranchSeparables CellStem0 CellStem1 FirstCell NASNetALarge NormalCell
        ReductionCell0 ReductionCell1 SeparableConv2d
    """,
    "timm.models.nest": "Attention ConvPool Nest NestLevel TransformerLayer",
    "timm.models.nextvit": """
        ConvAttention ConvNormAct EfficientAttention NextConvBlock NextStage NextTransformerBlock
        NextViT PatchEmbed
    """,
    "timm.models.nfnet": "DownsampleAvg GammaAct NfCfg NormFreeBlock NormFreeNet",
    "timm.models.pit": """
        ConvEmbedding ConvHeadPooling Pooling PoolingVisionTransformer SequentialTuple Transformer
    """,
    "timm.models.pnasnet": """
        ActConvBn BranchSeparables Cell CellBase CellStem0 FactorizedReduction PNASNet5Large
        SeparableConv2d
    """,
    "timm.models.poolformer": "PatchEmbed PoolFormer PoolFormerBlock Pooling",
    "timm.models.pvt_v2": """
        Attention Block MlpWithDepthwiseConv OverlapPatchEmbed PyramidVisionTransformerStage
        PyramidVisionTransformerV2
    """,
    "timm.models.rdnet": "Block BlockESE DenseBlock DenseStage RDNet",
    "timm.models.regnet": "Bottleneck PreBottleneck RegNet RegNetCfg RegStage",
    "timm.models.repghost": "RepGhostBottleneck RepGhostModule RepGhostNet",
    "timm.models.repvit": """
        ConvNorm NormLinear RepVggDw RepViTBlock RepVit RepVitClassifier RepVitDownsample
        RepVitMlp RepVitStage RepVitStem
    """,
    "timm.models.res2net": "Bottle2neck",
    "timm.models.resnest": "ResNestBottleneck",
    "timm.models.resnet": "BasicBlock Bottleneck ResNet",
    "timm.models.resnetv2": """
        Bottleneck DownsampleAvg DownsampleConv PreActBasic PreActBottleneck ResNetStage ResNetV2
    """,
    "timm.models.rexnet": "LinearBottleneck ReXNetV1 RexNet",
    "timm.models.selecsls": """
        SelecSLS SelecSLSBlock SelecSls SelecSlsBlock SelectSeq SequentialList
    """,
    "timm.models.senet": """
        Bottleneck SEBottleneck SEModule SENet SEResNeXtBottleneck SEResNetBlock
        SEResNetBottleneck
    """,
    "timm.models.sequencer": """
        Downsample2D Downsample2d LSTM2D LSTM2d PatchEmbed RNN2DBase RNN2dBase RNNIdentity
        Sequencer2D Sequencer2DBlock Sequencer2d Sequencer2dBlock Sequencer2dStage Shuffle
    """,
    "timm.models.sknet": "SelectiveKernelBasic SelectiveKernelBottleneck",
    "timm.models.swin_transformer": """
        BasicLayer PatchMerging SwinTransformer SwinTransformerBlock SwinTransformerStage
        WindowAttention
    """,
    "timm.models.swin_transformer_v2": """
        BasicLayer PatchMerging SwinTransformerBlock SwinTransformerV2 SwinTransformerV2Block
        SwinTransformerV2Stage WindowAttention
    """,
    "timm.models.swin_transformer_v2_cr": """
        PatchEmbed PatchMerging SwinTransformerBlock SwinTransformerStage SwinTransformerV2Cr
        SwinTransformerV2CrBlock SwinTransformerV2CrStage WindowMultiHeadAttention
    """,
    "timm.models.tiny_vit": """
        Attention ConvLayer ConvNorm MBConv NormMlp PatchEmbed PatchMerging TinyVit TinyVitBlock
        TinyVitStage
    """,
    "timm.models.tnt": "Attention Block PixelEmbed TNT",
    "timm.models.tresnet": "BasicBlock Bottleneck TResNet",
    "timm.models.twins": "Block GlobalSubSampleAttn LocallyGroupedAttn PatchEmbed PosConv Twins",
    "timm.models.vgg": "ConvMlp VGG",
    "timm.models.visformer": "Attention Block SpatialMlp Visformer",
    "timm.models.vision_transformer": """
        Attention Block LayerScale ParallelBlock ParallelScalingBlock ParallelThingsBlock
        ResPostBlock VisionTransformer
    """,
    "timm.models.vision_transformer_hybrid": "ConvStem HybridEmbed HybridEmbedWithSize",
    "timm.models.vision_transformer_relpos": """
        LayerScale RelPosAttention RelPosBias RelPosBlock RelPosMlp ResPostRelPosBlock
        VisionTransformerRelPos
    """,
    "timm.models.vision_transformer_sam": "Attention Block LayerScale VisionTransformerSAM",
    "timm.models.vitamin": """
        Downsample2d GeGluMlp MbConvLNBlock MbConvStages Stem StridedConv VitCfg VitConvCfg
    """,
    "timm.models.volo": """
        Attention ClassAttention ClassBlock Downsample OutlookAttention Outlooker PatchEmbed
        Transformer VOLO
    """,
    "timm.models.vovnet": "OsaBlock OsaStage SequentialAppendList VovNet",
    "timm.models.xception": "Block SeparableConv2d Xception",
    "timm.models.xception_aligned": """
        PreSeparableConv2d PreXceptionModule SeparableConv2d XceptionAligned XceptionModule
    """,
    "timm.models.xcit": """
        ClassAttentionBlock ConvPatchEmbed LPI PositionalEncodingFourier XCA XCABlock XCiT Xcit
    """,
    "timm.utils.model_ema": "ModelEma ModelEmaV2 ModelEmaV3",
}
