"""Names of ``torch.distributed``: sharded tensors, wrappers, metadata of checkpoints.

Written by ``python -m tests.tables``: change what that collects.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BUILT", "CALLED", "NAMED"]

BUILT: Mapping[str, str] = {
    "torch.distributed._mesh_layout": "_FlatLayout _MeshLayout",
    "torch.distributed._pycute.layout": "Layout LayoutBase",
    "torch.distributed._shard.checkpoint.default_planner": "DefaultLoadPlanner DefaultSavePlanner",
    "torch.distributed._shard.checkpoint.filesystem": "_StorageInfo _StoragePrefix",
    "torch.distributed._shard.checkpoint.metadata": """
        BytesReadRequest BytesStorageMetadata BytesWriteRequest ChunkStorageMetadata Metadata
        MetadataIndex ShardStorageMetadata ShardedTensorStorageMetadata TensorReadRequest
        TensorStorageMetadata TensorWriteRequest
    """,
    "torch.distributed._shard.checkpoint.planner": """
        LoadPlan LoadPlanner ReadItem SavePlan SavePlanner TensorWriteData WriteItem
    """,
    "torch.distributed._shard.checkpoint.storage": "WriteResult",
    "torch.distributed._shard.metadata": "ShardMetadata",
    "torch.distributed._shard.sharded_optim.api": "ShardedOptimizer",
    "torch.distributed._shard.sharded_tensor.api": """
        ShardedTensor ShardedTensor.ProcessGroupState _PartialTensor
    """,
    "torch.distributed._shard.sharded_tensor.metadata": "ShardedTensorMetadata TensorProperties",
    "torch.distributed._shard.sharded_tensor.shard": "Shard",
    "torch.distributed._shard.sharder": "Sharder",
    "torch.distributed._shard.sharding_plan.api": "ShardingPlan ShardingPlanner",
    "torch.distributed._shard.sharding_spec._internals": "ShardMetadata",
    "torch.distributed._shard.sharding_spec.api": """
        ChunkShardingSpec DevicePlacementSpec EnumerableShardingSpec PlacementSpec ShardingSpec
    """,
    "torch.distributed._shard.sharding_spec.chunk_sharding_spec": "ChunkShardingSpec",
    "torch.distributed._sharded_tensor.api": """
        Shard ShardedTensor ShardedTensor.ProcessGroupState ShardedTensorMetadata TensorInitParams
        TensorProperties
    """,
    "torch.distributed._sharded_tensor.metadata": "ShardedTensorMetadata TensorProperties",
    "torch.distributed._sharded_tensor.shard": "Shard",
    "torch.distributed._sharding_spec._internals": "ShardMetadata",
    "torch.distributed._sharding_spec.api": """
        ChunkShardingSpec DevicePlacementSpec EnumerableShardingSpec PlacementSpec ShardingSpec
    """,
    "torch.distributed._tensor._collective_utils": "MeshTopoInfo",
    "torch.distributed._tensor.device_mesh": "DeviceMesh",
    "torch.distributed._tensor.ops.embedding_ops": "MaskBuffer _MaskPartial",
    "torch.distributed._tensor.ops.math_ops": "NormReduction _NormPartial",
    "torch.distributed._tensor.placement_types": """
        DTensorSpec Partial Placement Replicate Shard TensorMeta _Partial
    """,
    "torch.distributed.algorithms._checkpoint._checkpoint_wrapper": "_CheckpointWrapper",
    "torch.distributed.algorithms._checkpoint.checkpoint_wrapper": """
        ActivationWrapper CheckpointWrapper OffloadWrapper
    """,
    "torch.distributed.algorithms._comm_hooks.default_hooks": "DefaultState LowPrecisionState",
    "torch.distributed.algorithms.ddp_comm_hooks.default_hooks": "_OptimizerHookState",
    "torch.distributed.algorithms.ddp_comm_hooks.mixed_precision_hooks": """
        _AllreduceUpcastHookState
    """,
    "torch.distributed.algorithms.ddp_comm_hooks.optimizer_overlap_hooks": """
        _OptimInBackwardHookState _OptimizerHookState
    """,
    "torch.distributed.algorithms.ddp_comm_hooks.post_localSGD_hook": "PostLocalSGDState",
    "torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook": "PowerSGDState",
    "torch.distributed.algorithms.join": "Join JoinHook Joinable _JoinConfig",
    "torch.distributed.algorithms.model_averaging.averagers": "ModelAverager PeriodicModelAverager",
    "torch.distributed.algorithms.model_averaging.hierarchical_model_averager": """
        HierarchicalModelAverager
    """,
    "torch.distributed.checkpoint._hf_utils": "_HFStorageInfo",
    "torch.distributed.checkpoint.filesystem": """
        _StorageInfo _StoragePrefix _StorageReaderTransforms _StorageWriterTransforms
    """,
    "torch.distributed.checkpoint.metadata": """
        BytesStorageMetadata ChunkStorageMetadata Metadata MetadataIndex StorageMeta
        TensorProperties TensorStorageMetadata
    """,
    "torch.distributed.checkpoint.planner": """
        BytesIOWriteData LoadPlan LoadPlanner ReadItem SavePlan SavePlanner TensorWriteData
        WriteItem _Checkpointable
    """,
    "torch.distributed.checkpoint.state_dict": "StateDictOptions _EXTRA_STATE _StateDictInfo",
    "torch.distributed.checkpoint.storage": "WriteResult",
    "torch.distributed.device_mesh": "DeviceMesh",
    "torch.distributed.fsdp._common_utils": "_FSDPState",
    "torch.distributed.fsdp._exec_order_utils": "_ExecOrderData",
    "torch.distributed.fsdp._flat_param": """
        FlatParamHandle FlatParamShardMetadata ParamInfo SharedParamInfo _ShardParamInfo
    """,
    "torch.distributed.fsdp._fsdp_extensions": "FSDPExtensions",
    "torch.distributed.fsdp._optim_utils": """
        AllGatherInfo FSDPParamInfo StateInfo _ConsolidatedOptimState _OptimStateKey
        _PosDimTensorInfo
    """,
    "torch.distributed.fsdp._wrap_utils": "FullyShardedModuleState",
    "torch.distributed.fsdp.api": """
        CPUOffload FullOptimStateDictConfig FullStateDictConfig LocalOptimStateDictConfig
        LocalStateDictConfig MixedPrecision OptimStateDictConfig ShardedOptimStateDictConfig
        ShardedStateDictConfig StateDictConfig StateDictSettings
    """,
    "torch.distributed.fsdp.flat_param": """
        FlatParamHandle FlatParamShardMetadata HandleConfig ParamInfo SharedParamInfo
        _ShardParamInfo
    """,
    "torch.distributed.fsdp.flatten_params_wrapper": "FlattenParamsWrapper ParamInfo ShardMetadata",
    "torch.distributed.fsdp.fully_sharded_data_parallel": """
        CPUOffload FullStateDictConfig FullyShardedDataParallel LocalStateDictConfig
        MixedPrecision ShardedStateDictConfig StateDictConfig _ExecOrderData _FreeEventQueue
    """,
    "torch.distributed.fsdp.sharded_grad_scaler": "ShardedGradScaler _GeneralMultiDeviceReplicator",
    "torch.distributed.fsdp.wrap": """
        ConfigAutoWrap CustomPolicy ModuleWrapPolicy ParamExecOrderWrapPolicy _ConfigAutoWrap
        _FSDPPolicy _Policy
    """,
    "torch.distributed.optim.functional_adadelta": "_FunctionalAdadelta",
    "torch.distributed.optim.functional_adagrad": "_FunctionalAdagrad",
    "torch.distributed.optim.functional_adam": "_FunctionalAdam",
    "torch.distributed.optim.functional_adamax": "_FunctionalAdamax",
    "torch.distributed.optim.functional_adamw": "_FunctionalAdamW",
    "torch.distributed.optim.functional_rmsprop": "_FunctionalRMSprop",
    "torch.distributed.optim.functional_rprop": "_FunctionalRprop",
    "torch.distributed.optim.functional_sgd": "_FunctionalSGD",
    "torch.distributed.optim.named_optimizer": "_NamedOptimizer",
    "torch.distributed.optim.post_localSGD_optimizer": "PostLocalSGDOptimizer",
    "torch.distributed.optim.zero_redundancy_optimizer": """
        ZeroRedundancyOptimizer _DDPBucketAssignment _OverlapInfo _ZeROJoinHook
    """,
    "torch.distributed.pipeline.sync.batchnorm": "DeferredBatchNorm",
    "torch.distributed.remote_device": "_remote_device",
    "torch.distributed.tensor._collective_utils": "MeshTopoInfo",
    "torch.distributed.tensor._dtensor_spec": "DTensorSpec ShardOrderEntry TensorMeta",
    "torch.distributed.tensor._ops._embedding_ops": "MaskBuffer _MaskPartial",
    "torch.distributed.tensor._ops._math_ops": "NormReduction _NormPartial",
    "torch.distributed.tensor.parallel.fsdp": "DTensorExtensions _STShardingInfo",
    "torch.distributed.tensor.parallel.multihead_attention_tp": "TensorParallelMultiheadAttention",
    "torch.distributed.tensor.parallel.style": """
        ColwiseParallel PairwiseParallel ParallelStyle PrepareModuleInput PrepareModuleInputOutput
        PrepareModuleOutput RowwiseParallel SequenceParallel
    """,
    "torch.distributed.tensor.placement_types": """
        Partial Placement Replicate Shard _MaskPartial _StridedShard
    """,
}

CALLED: Mapping[str, str] = {
    "torch.distributed._shard.checkpoint.planner": "LoadItemType WriteItemType",
    "torch.distributed._shard.sharded_tensor.metadata": "MEM_FORMAT_ENCODING",
    "torch.distributed._sharded_tensor.api": "CreateOp MEM_FORMAT_ENCODING",
    "torch.distributed._tensor.ops.math_ops": "Reduction",
    "torch.distributed.algorithms._checkpoint._checkpoint_wrapper": "CheckpointImpl",
    "torch.distributed.algorithms._checkpoint.checkpoint_wrapper": "CheckpointImpl",
    "torch.distributed.algorithms.ddp_comm_hooks": "DDPCommHookType",
    "torch.distributed.checkpoint.filesystem": "SerializationFormat",
    "torch.distributed.checkpoint.metadata": "_MEM_FORMAT_ENCODING",
    "torch.distributed.checkpoint.planner": "LoadItemType WriteItemType",
    "torch.distributed.fsdp._common_utils": "HandleTrainingState TrainingState",
    "torch.distributed.fsdp._exec_order_utils": "_ExecOrderWarnStatus",
    "torch.distributed.fsdp._flat_param": "HandleShardingStrategy",
    "torch.distributed.fsdp._runtime_utils": "_PrefetchMode",
    "torch.distributed.fsdp.api": "BackwardPrefetch ShardingStrategy StateDictType",
    "torch.distributed.fsdp.flat_param": "HandleShardingStrategy HandleTrainingState",
    "torch.distributed.fsdp.fully_sharded_data_parallel": """
        BackwardPrefetch OptimStateKeyType ShardingStrategy StateDictType TrainingState_
        _ExecOrderWarnStatus
    """,
    "torch.distributed.optim.zero_redundancy_optimizer": "_OverlapStatus",
    "torch.distributed.tensor._ops._math_ops": "Reduction",
    "torch.distributed.tensor.placement_types": "_StridedShardOffsetMode",
}

NAMED: Mapping[str, str] = {
    "torch.distributed._shard.partial_tensor": "_PartialTensor",
    "torch.distributed._shard.replicated_tensor": "ReplicatedTensor",
    "torch.distributed._shard.sharded_tensor.api": "ShardedTensorBase",
    "torch.distributed._tensor.api": "DTensor",
    "torch.distributed.algorithms._checkpoint.checkpoint_wrapper": """
        apply_activation_checkpointing checkpoint_wrapper
    """,
    "torch.distributed.algorithms.ddp_comm_hooks.default_hooks": """
        bf16_compress_wrapper fp16_compress_wrapper
    """,
    "torch.distributed.fsdp._flat_param": "FlatParameter",
    "torch.distributed.fsdp.flat_param": "FlatParameter",
    "torch.distributed.fsdp.flatten_params_wrapper": "FlatParameter",
    "torch.distributed.fsdp.wrap": """
        always_wrap_policy default_auto_wrap_policy enable_wrap lambda_auto_wrap_policy
        size_based_auto_wrap_policy transformer_auto_wrap_policy wrap
    """,
    "torch.distributed.tensor": "DTensor",
    "torch.distributed.tensor._api": "DTensor",
    "torch.distributed.tensor._shards_wrapper": "LocalShardsWrapper",
}
