"""Names of Ultralytics: the layers of its nets, and what else its checkpoints hold.

Written by ``python -m tests.tables``: change what that collects.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BUILT"]

BUILT: Mapping[str, str] = {
    "ultralytics.models.sam.modules.blocks": """
        Block CXBlock DropPath Fuser MaskDownSampler MultiScaleAttention MultiScaleBlock
        PatchEmbed PositionEmbeddingRandom PositionEmbeddingSine REAttention RoPEAttention
        SAM2TwoWayAttentionBlock SAM2TwoWayTransformer
    """,
    "ultralytics.models.sam.modules.decoders": "MLP MaskDecoder SAM2MaskDecoder",
    "ultralytics.models.sam.modules.encoders": """
        Attention Block FpnNeck Hiera ImageEncoder ImageEncoderViT MemoryEncoder PatchEmbed
        PositionEmbeddingRandom PromptEncoder
    """,
    "ultralytics.models.sam.modules.memory_attention": "MemoryAttention MemoryAttentionLayer",
    "ultralytics.models.sam.modules.sam": "SAM2Model SAMModel Sam",
    "ultralytics.models.sam.modules.tiny_encoder": """
        Attention BasicLayer Conv2d_BN ConvLayer LayerNorm2d MBConv MLP Mlp PatchEmbed
        PatchMerging TinyViT TinyViTBlock
    """,
    "ultralytics.models.sam.modules.transformer": """
        Attention TwoWayAttentionBlock TwoWayTransformer
    """,
    "ultralytics.models.utils.loss": "DETRLoss RTDETRDetectionLoss",
    "ultralytics.nn.modules": """
        AutoShape Bottleneck BottleneckCSP C1 C2 C2f C3 C3Ghost C3TR C3x CBAM ChannelAttention
        Classify Concat Conv ConvTranspose DFL DWConv DWConvTranspose2d Detect Detections Ensemble
        Focus GhostBottleneck GhostConv Proto SPP SPPF Segment SpatialAttention TransformerBlock
        TransformerLayer
    """,
    "ultralytics.nn.modules.activation": "AGLU",
    "ultralytics.nn.modules.block": """
        A2C2f AAttn ABlock AConv ADown Attention BNContrastiveHead Bottleneck BottleneckCSP C1 C2
        C2PSA C2f C2fAttn C2fCIB C2fPSA C3 C3Ghost C3TR C3f C3k C3k2 C3x CBFuse CBLinear CIB
        ContrastiveHead DFL ELAN1 GhostBottleneck HGBlock HGStem ImagePoolingAttn
        MaxSigmoidAttnBlock PSA PSABlock Proto RepBottleneck RepC3 RepCSP RepNCSPELAN4 RepVGGDW
        ResNetBlock ResNetLayer Residual SAVPE SCDown SPP SPPELAN SPPF SwiGLUFFN TorchVision
    """,
    "ultralytics.nn.modules.conv": """
        CBAM ChannelAttention Concat Conv Conv2 ConvTranspose DWConv DWConvTranspose2d Focus
        GhostConv Index LightConv RepConv SpatialAttention
    """,
    "ultralytics.nn.modules.head": """
        Classify Detect LRPCHead OBB Pose RTDETRDecoder Segment WorldDetect YOLOEDetect
        YOLOESegment v10Detect
    """,
    "ultralytics.nn.modules.transformer": """
        AIFI DeformableTransformerDecoder DeformableTransformerDecoderLayer LayerNorm2d MLP
        MLPBlock MSDeformAttn TransformerBlock TransformerEncoderLayer TransformerLayer
    """,
    "ultralytics.nn.tasks": """
        BaseModel ClassificationModel DetectionModel Ensemble OBBModel PoseModel
        RTDETRDetectionModel SegmentationModel WorldModel YOLOEModel YOLOESegModel
    """,
    "ultralytics.nn.text_model": "CLIP MobileCLIP MobileCLIPTS TextModel",
    "ultralytics.utils": "IterableSimpleNamespace",
    "ultralytics.utils.loss": """
        BboxLoss DFLoss E2EDetectLoss FocalLoss KeypointLoss RotatedBboxLoss TVPDetectLoss
        TVPSegmentLoss VarifocalLoss v8ClassificationLoss v8DetectionLoss v8OBBLoss v8PoseLoss
        v8SegmentationLoss
    """,
    "ultralytics.utils.metrics": """
        ClassifyMetrics ConfusionMatrix DetMetrics Metric OBBMetrics PoseMetrics SegmentMetrics
    """,
    "ultralytics.utils.tal": "RotatedTaskAlignedAssigner TaskAlignedAssigner",
    "ultralytics.utils.torch_utils": "ModelEMA",
    "ultralytics.yolo.utils": "IterableSimpleNamespace",
    "ultralytics.yolo.utils.loss": "BboxLoss KeypointLoss VarifocalLoss",
    "ultralytics.yolo.utils.metrics": """
        ClassifyMetrics ConfusionMatrix DetMetrics FocalLoss Metric PoseMetrics SegmentMetrics
    """,
    "ultralytics.yolo.utils.tal": "TaskAlignedAssigner",
    "ultralytics.yolo.utils.torch_utils": "EarlyStopping ModelEMA",
    "ultralytics.yolo.v8.detect.train": "Loss",
    "ultralytics.yolo.v8.pose.train": "PoseLoss",
    "ultralytics.yolo.v8.segment.train": "SegLoss",
}
