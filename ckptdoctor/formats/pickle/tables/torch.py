"""Names of torch itself: what rebuilds tensors, and the objects that are stored by reference."""

from __future__ import annotations

from collections.abc import Mapping

from ckptdoctor.formats.pickle.tables import torch_functions

__all__ = ["BUILT", "CALLED", "CALLERS", "NAMED"]

BUILT: Mapping[str, str] = {
    # ScriptObject: the packed weight of a quantized layer, of a class that is registered in C++.
    # The rest, and that of torch._dynamo: a compiled module, saved whole.
    "torch": "ScriptObject _TorchCompileInductorWrapper _TorchCompileWrapper",
    "torch._dynamo.convert_frame": """
        CatchErrorsWrapper ConvertFrame ConvertFrameAssert ConvertFrameBox
    """,
    "torch._dynamo.decorators": "_DimRange",
    "torch._dynamo.eval_frame": """
        DisableContext OptimizeContext OptimizedModule RunOnlyContext _TorchDynamoContext
    """,
    "torch._dynamo.hooks": "Hooks",
    "torch._dynamo.repro.after_dynamo": "WrapBackendDebug",
    # torch 0.4 and 1.0: the dropout state of recurrent layers; what it held is dropped.
    "torch.backends.cudnn.rnn": "Unserializable",
    "torch.distributed.fsdp": "CPUOffloadPolicy MixedPrecisionPolicy OffloadPolicy",
    "torch.utils._pytree": "LeafSpec TreeSpec",
}

CALLED: Mapping[str, str] = {
    "torch": "AcceleratorError OutOfMemoryError Size device",
    "torch._C": "AcceleratorError Generator OutOfMemoryError _LinAlgError",
    # The contexts keep what they are given, and call it once the module runs.
    "torch._dynamo.eval_frame": "DisableContext OptimizeContext OptimizedModule RunOnlyContext",
    "torch._C._distributed_c10d": "ReduceOp.RedOpType",
    "torch._C._profiler": "ProfilerActivity",
    "torch.distributed.distributed_c10d": "ReduceOp.RedOpType",
    "torch._tensor": "_rebuild_from_type _rebuild_from_type_v2",
    "torch._utils": """
        _rebuild_device_tensor_from_cpu_tensor _rebuild_device_tensor_from_numpy
        _rebuild_meta_tensor_no_storage _rebuild_nested_tensor _rebuild_parameter
        _rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_csr_tensor
        _rebuild_sparse_tensor _rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3
        _rebuild_wrapper_subclass _rebuild_xla_tensor
    """,
    # They copy what they are given: their `__setitem__` refuses, so picklers call the class.
    "torch.fx.immutable_collections": "immutable_dict immutable_list",
    # Lists in TorchScript archives; each gives back what it is given, or None.
    "torch.jit._pickle": """
        build_boollist build_doublelist build_intlist build_tensor_from_id build_tensorlist
        restore_type_tag
    """,
    "torch.nested._internal.nested_tensor": "_rebuild_njt",
    # torch 0.4 to 1.4: the `_backend` of a module, a table of functions; takes no argument.
    "torch.nn.backends.thnn": "_get_thnn_function_backend",
    "torch.nn.parameter": "UninitializedBuffer UninitializedParameter",
    "torch.return_types": """
        _det_lu_based_helper _fake_quantize_per_tensor_affine_cachemask_tensor_qparams
        _fused_moving_avg_obs_fq_helper _linalg_det _linalg_eigh _linalg_slogdet _linalg_solve_ex
        _linalg_svd _lu_with_info _scaled_dot_product_cudnn_attention
        _scaled_dot_product_efficient_attention _scaled_dot_product_flash_attention
        _scaled_dot_product_flash_attention_for_cpu _unpack_dual aminmax cummax cummin eig
        frexp geqrf histogram histogramdd kthvalue linalg_cholesky_ex linalg_eig linalg_eigh
        linalg_inv_ex linalg_ldl_factor linalg_ldl_factor_ex linalg_lstsq linalg_lu
        linalg_lu_factor linalg_lu_factor_ex linalg_qr linalg_slogdet linalg_solve_ex linalg_svd
        log_slogdet lstsq lu_unpack max median min mode nanmedian qr slogdet solve sort svd symeig
        topk triangular_solve
    """,
    # Compares the name with that of each layout in torch.
    "torch.serialization": "_get_layout",
    "torch.tensor": "_rebuild_from_type",
    "torch.utils._ordered_set": "OrderedSet",
}

# Of those called, the ones that call what they are given: a function handed to them is called.
CALLERS: Mapping[str, str] = {
    "torch._dynamo.eval_frame": "OptimizedModule",
    "torch._tensor": "_rebuild_from_type _rebuild_from_type_v2",
    "torch.tensor": "_rebuild_from_type",
}

_OBJECTS = """
    Tensor bfloat16 bit bits16 bits1x8 bits2x4 bits4x2 bits8 bool cdouble cfloat chalf channels_last
    channels_last_3d complex128 complex32 complex64 contiguous_format double float float16 float32
    float4_e2m1fn_x2 float64 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz
    float8_e8m0fnu half int int1 int16 int2 int3 int32 int4 int5 int6 int64 int7 int8 jagged long
    per_channel_affine per_channel_affine_float_qparams per_channel_symmetric per_tensor_affine
    per_tensor_symmetric preserve_format qint32 qint8 quint2x4 quint4x2 quint8 short sparse_bsc
    sparse_bsr sparse_coo sparse_csc sparse_csr strided uint1 uint16 uint2 uint3 uint32 uint4 uint5
    uint6 uint64 uint7 uint8
"""
_METHODS = " _TorchCompileInductorWrapper.get_compiler_config "
NAMED: Mapping[str, str] = {
    "torch": _OBJECTS + torch_functions.NAMED["torch"] + _METHODS,
    "torch._C": "TensorBase _TensorBase _VariableFunctions _VariableFunctionsClass",
    "torch._functorch.apis": "grad grad_and_value vmap",
    "torch.func": "functional_call grad grad_and_value jacfwd jacrev vmap",
    "torch.autograd": "grad",
    "torch.cuda": "is_available",
    "torch.distributed.distributed_c10d": "ReduceOp",
    "torch.distributed.algorithms.ddp_comm_hooks.default_hooks": """
        allreduce_hook bf16_compress_hook fp16_compress_hook
    """,
    "torch.distributed.algorithms.ddp_comm_hooks.post_localSGD_hook": "post_localSGD_hook",
    "torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook": """
        batched_powerSGD_hook powerSGD_hook
    """,
    "torch.distributions.kl": "kl_divergence",
    "torch._dynamo.backends.debugging": "eager",
    # Methods that an object keeps, as protocol 4 spells them.
    "torch.distributed.algorithms._checkpoint.checkpoint_wrapper": """
        ActivationWrapper._post_state_dict_hook ActivationWrapper._pre_load_state_dict_hook
    """,
    "torch.optim.lr_scheduler": """
        CyclicLR._exp_range_scale_fn CyclicLR._triangular2_scale_fn CyclicLR._triangular_scale_fn
        OneCycleLR._annealing_cos OneCycleLR._annealing_linear
    """,
    "torch.optim.swa_utils": "SWALR._cosine_anneal SWALR._linear_anneal",
    "torch.nn.utils.clip_grad": "clip_grad_norm clip_grad_norm_ clip_grad_value_",
    "torch.nn.utils.convert_parameters": "parameters_to_vector vector_to_parameters",
    "torch.nn.utils.rnn": """
        pack_padded_sequence pack_sequence pad_packed_sequence pad_sequence unpad_sequence
    """,
    # What is no more: they raise.
    "torch._linalg_utils": "_symeig eig lstsq matrix_rank solve",
    "torch._tensor": "Tensor",
    "torch.nested._internal.nested_tensor": "NestedTensor",
    "torch.nn.parameter": "Buffer Parameter",
    "torch.tensor": "Tensor",
}
