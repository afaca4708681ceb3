"""Which modules of a package hold what a checkpoint may hold, and what of them is left out."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from tests.tables.kinds import Use

__all__ = ["TORCH_AND_NUMPY", "Area"]

# Functions of a harmless module that read files or call what they find there (`numeric.loads`).
_MAY_RUN_CODE = re.compile(
    "load|save|open|file|read|write|exec|eval|compile|import|pickle|run|call|hook|script|shell|spawn"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One module of tables, and what it is collected from.

    Attributes:
        table: the module in ``ckptdoctor/formats/pickle/tables``.
        title: the first line of its docstring.
        classes: modules whose classes count, with all below them.
        functions: modules whose functions count, with all below them.
        calls: those of them whose own ``__reduce__`` has picklers call them.
        without: modules and names that do not, with all below them.
        filed: modules whose functions a pickle has under another one.
        more: what the sources do not show, by use, a line for a module.
    """

    table: str
    title: str
    classes: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    filed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    more: Mapping[Use, str] = dataclasses.field(default_factory=dict)

    @property
    def packages(self) -> set[str]:
        """What has to be given for this table to be whole."""
        return {name.partition(".")[0] for name in (*self.classes, *self.functions)}

    def holds_class(self, module: str, qualname: str) -> bool:
        """Whether a class belongs here."""
        return self._holds(self.classes, module, qualname)

    def use_of(self, module: str, qualname: str, use: Use) -> Use:
        """How picklers hold a class, where its bases say otherwise."""
        return Use.CALLED if self._holds(self.calls, module, qualname) else use

    def holds_function(self, module: str, qualname: str) -> bool:
        """Whether a function belongs here; those of no concern to others do not."""
        if qualname.startswith("_") or _MAY_RUN_CODE.search(qualname):
            return False
        return self._holds(self.functions, module, qualname)

    def _holds(self, modules: tuple[str, ...], module: str, qualname: str) -> bool:
        full = f"{module}.{qualname}"
        return _lies_below(full, modules) and not _lies_below(full, self.without)


def _lies_below(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == above or name.startswith(f"{above}.") for above in modules)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TORCH_NN = Area(
    table="torch_nn",
    title="Names of ``torch.nn``: layers, functions of them, and what starts their weights.",
    classes=_words("torch.nn torch.backends.cudnn.rnn.Unserializable torch.legacy.nn"),
    functions=_words("torch.nn.functional torch.nn.init torch._VF"),
    without=_words(
        """
        torch.nn.cpp torch.nn._VF torch.nn.backends torch.nn._functions torch.nn.parameter
        torch.nn.quantized torch.nn.quantizable torch.nn.qat torch.nn.intrinsic
        torch.nn.parallel._replicated_tensor_ddp_utils torch.nn.parallel._functions
        torch.nn.utils._expanded_weights torch.nn.utils._deprecation_utils
        torch.nn.attention._registry torch.nn.attention._fa4 torch.nn.attention._fa3
        torch.nn.attention.flex_attention._MaskModWrapper torch.nn.attention.experimental
        torch.nn.attention.flex_attention._CallableLeaf torch.nn.utils._named_member_accessor
        torch.nn.attention.flex_attention._PlainFunction torch.nn.parallel.deprecated
        torch.nn.attention.flex_attention._StrippedClosure
        torch.nn.attention.flex_attention._StrippedPartial
        torch.nn.functional.boolean_dispatch torch.nn.functional.handle_torch_function
        """
    ),
    more={Use.NAMED: "torch.nn.functional: _pad _threshold"},
)
TORCH_AO = Area(
    table="torch_ao",
    title="Names of ``torch.ao``: quantized layers, observers, their configuration, pruning.",
    classes=_words(
        """
        torch.ao.nn torch.ao.quantization torch.ao.pruning torch.ao.sparsity torch.ao.ns
        torch.quantization torch.nn.quantized torch.nn.quantizable torch.nn.qat torch.nn.intrinsic
        """
    ),
    functions=_words(
        """
        torch.ao.quantization.observer torch.ao.quantization.fake_quantize
        torch.ao.quantization.qconfig torch.quantization.observer
        torch.quantization.fake_quantize torch.quantization.qconfig
        torch.ao.nn.quantized.functional torch.nn.quantized.functional
        torch.nn.quantized.dynamic.modules.rnn torch.ao.nn.quantized.dynamic.modules.rnn
        """
    ),
    without=_words(
        """
        torch.ao.quantization.fx torch.quantization.fx torch.ao.quantization.pt2e
        torch.ao.quantization._dbr torch.ao.pruning._experimental.data_sparsifier.lightning
        torch.ao.pruning._experimental.data_sparsifier.benchmarks torch.ao.ns._numeric_suite_fx
        torch.ao.sparsity._experimental.data_sparsifier.lightning torch.ao.ns.fx
        torch.ao.quantization.quantize_fx torch.quantization.quantize_fx
        torch.quantization._quantize_script torch.quantization._numeric_suite_fx
        """
    ),
    more={
        Use.NAMED: """
            torch.ao.quantization.quantize: _observer_forward_hook _observer_forward_pre_hook
            torch.quantization.quantize: _observer_forward_hook _observer_forward_pre_hook
        """
    },
)
TORCH_DISTRIBUTED = Area(
    table="torch_distributed",
    title="Names of ``torch.distributed``: sharded tensors, wrappers, metadata of checkpoints.",
    classes=_words(
        """
        torch.distributed._shard torch.distributed._sharded_tensor torch.distributed._sharding_spec
        torch.distributed._tensor.placement_types torch.distributed._tensor.device_mesh
        torch.distributed.tensor.placement_types torch.distributed.tensor._dtensor_spec
        torch.distributed._tensor._dtensor_spec torch.distributed._tensor.api
        torch.distributed.tensor._api torch.distributed.tensor._shards_wrapper
        torch.distributed.tensor._ops._embedding_ops torch.distributed.tensor._ops._math_ops
        torch.distributed._tensor.ops.embedding_ops torch.distributed._tensor.ops.math_ops
        torch.distributed.tensor.parallel torch.distributed._tensor._collective_utils
        torch.distributed.tensor._collective_utils
        torch.distributed.device_mesh torch.distributed._mesh_layout torch.distributed._pycute
        torch.distributed.remote_device torch.distributed.fsdp torch.distributed._fsdp
        torch.distributed.checkpoint.metadata torch.distributed.checkpoint.planner
        torch.distributed.checkpoint.api torch.distributed.checkpoint.filesystem._StorageInfo
        torch.distributed.checkpoint.filesystem torch.distributed.checkpoint.storage
        torch.distributed.checkpoint.state_dict torch.distributed.checkpoint._extension
        torch.distributed.checkpoint.hf_metadata torch.distributed.checkpoint._hf_utils
        torch.distributed.algorithms._checkpoint torch.distributed.algorithms.ddp_comm_hooks
        torch.distributed.algorithms.model_averaging torch.distributed.algorithms._comm_hooks
        torch.distributed.optim torch.distributed.pipeline.sync.batchnorm
        torch.distributed.algorithms.join._JoinConfig torch.distributed.algorithms.join
        """
    ),
    functions=_words(
        """
        torch.distributed.fsdp.wrap torch.distributed.algorithms.ddp_comm_hooks.default_hooks
        torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook
        torch.distributed.algorithms._comm_hooks.default_hooks
        torch.distributed.algorithms._checkpoint.checkpoint_wrapper
        """
    ),
    without=_words(
        """
        torch.distributed.fsdp._fully_shard torch.distributed.fsdp._common_utils._FSDPDeviceHandle
        torch.distributed.checkpoint.filesystem.FileSystem
        torch.distributed.checkpoint.filesystem.FileSystemBase
        torch.distributed.checkpoint.filesystem.FileSystemReader
        torch.distributed.checkpoint.filesystem.FileSystemWriter
        torch.distributed.checkpoint.filesystem._FileSystemWriter
        torch.distributed.checkpoint.filesystem._TensorLoader
        torch.distributed.checkpoint.filesystem._SerialCpuLoader
        torch.distributed.checkpoint.filesystem._OverlappingCpuLoader
        torch.distributed.checkpoint.storage.StorageReader
        torch.distributed.checkpoint.storage.StorageWriter
        torch.distributed.checkpoint._extension torch.distributed.optim.optimizer
        torch.distributed._shard.checkpoint.filesystem.FileSystemReader
        torch.distributed._shard.checkpoint.filesystem.FileSystemWriter
        torch.distributed._shard.checkpoint.storage.StorageReader
        torch.distributed._shard.checkpoint.storage.StorageWriter
        torch.distributed._shard.checkpoint.utils torch.distributed.fsdp._debug_utils
        torch.distributed.fsdp._common_utils._UninitializedDeviceHandle
        torch.distributed.device_mesh._MeshEnv torch.distributed.device_mesh._DeviceMeshStub
        torch.distributed._tensor.device_mesh._MeshEnv torch.distributed.fsdp._limiter_utils
        torch.distributed.fsdp._trace_utils
        torch.distributed.fsdp._symbolic_trace torch.distributed._pycute.typing
        """
    ),
    more={
        # Modules that stand there under another name, and say so themselves.
        Use.BUILT: """
            torch.distributed._sharded_tensor.metadata: ShardedTensorMetadata TensorProperties
            torch.distributed._sharded_tensor.shard: Shard
        """,
        Use.NAMED: "torch.distributed.tensor: DTensor",
    },
)
TORCH_TRAINING = Area(
    table="torch_training",
    title="Names of torch that train: optimizers, schedules, distributions, data, scalers.",
    classes=_words(
        """
        torch.optim torch.distributions torch.utils.data.dataset torch.utils.data.sampler
        torch.utils.data.distributed torch.utils.data.dataloader.DataLoader
        torch.utils.data.dataloader torch.utils.hooks.RemovableHandle torch.utils.hooks torch.amp
        torch.cuda.amp torch.cpu.amp torch.autograd.grad_mode torch.torch_version
        torch.quasirandom torch.contrib
        """
    ),
    functions=_words(
        """
        torch.utils.data._utils.collate torch.utils.data.dataloader torch.functional
        torch.optim.swa_utils
        """
    ),
    without=_words(
        """
        torch.utils.data.dataloader._MultiProcessingDataLoaderIter
        torch.utils.data.dataloader._SingleProcessDataLoaderIter
        torch.utils.data.dataloader._BaseDataLoaderIter torch.utils.data.dataloader._DataLoaderIter
        torch.utils.data.dataloader.ManagerWatchdog torch.utils.data.dataset.IterDataPipe
        torch.utils.data.dataset.MapDataPipe torch.utils.data.dataset.DataChunk
        torch.torch_version._LazyImport torch.distributions.kl
        torch.utils.data.dataloader.ExceptionWrapper
        torch.autograd.grad_mode._DecoratorContextManager
        torch.utils.data.dataloader.pin_memory_batch torch.distributions.utils.lazy_property
        """
    ),
    more={
        Use.BUILT: "torch.optim: Adafactor Muon",
        Use.NAMED: """
            torch.amp.grad_scaler: _refresh_per_optimizer_state
            torch.cuda.amp.grad_scaler: _refresh_per_optimizer_state
            torch.utils.checkpoint: checkpoint noop_context_fn
        """,
    },
)
TORCH_FUNCTIONS = Area(
    table="torch_functions",
    title="Functions that torch has in C, as modules and partials refer to them.",
    functions=_words("torch._C._VariableFunctions torch._C._nn"),
    without=_words(
        # `torch.fft` is a module by now, as `torch.ifft` and their likes are none at all.
        "torch._C._VariableFunctions.frombuffer torch._C._VariableFunctions.fft"
    ),
    filed={"torch._C._VariableFunctions": "torch"},
    more={
        Use.NAMED: """
            torch._C._fft: fft_fft fft_fft2 fft_fftfreq fft_fftn fft_fftshift fft_hfft fft_hfft2
              fft_hfftn fft_ifft fft_ifft2 fft_ifftn fft_ifftshift fft_ihfft fft_ihfft2 fft_ihfftn
              fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftfreq fft_rfftn
            torch._C._linalg: linalg_cholesky linalg_cholesky_ex linalg_cond linalg_cross
              linalg_det linalg_diagonal linalg_eig linalg_eigh linalg_eigvals linalg_eigvalsh
              linalg_householder_product linalg_inv linalg_inv_ex linalg_ldl_factor
              linalg_ldl_factor_ex linalg_ldl_solve linalg_lstsq linalg_lu linalg_lu_factor
              linalg_lu_factor_ex linalg_lu_solve linalg_matmul linalg_matrix_exp
              linalg_matrix_norm linalg_matrix_power linalg_matrix_rank linalg_multi_dot
              linalg_norm linalg_pinv linalg_qr linalg_slogdet linalg_solve linalg_solve_ex
              linalg_solve_triangular linalg_svd linalg_svdvals linalg_tensorinv linalg_tensorsolve
              linalg_vander linalg_vecdot linalg_vector_norm
            torch._C._nested: nested_tensor nested_to_padded_tensor
            torch._C._sparse: _sparse_addmm _sparse_log_softmax _sparse_mm _sparse_mm_reduce_impl
              _sparse_softmax _spdiags _spsolve sparse_sampled_addmm
            torch._C._special: special_airy_ai special_bessel_j0 special_bessel_j1
              special_bessel_y0 special_bessel_y1 special_digamma special_entr special_erf
              special_erfc special_erfcx special_erfinv special_exp2 special_expit special_expm1
              special_gammainc special_gammaincc special_gammaln special_i0 special_i0e special_i1
              special_i1e special_log1p special_log_ndtr special_log_softmax special_logit
              special_logsumexp special_multigammaln special_ndtr special_ndtri special_polygamma
              special_psi special_round special_sinc special_softmax special_spherical_bessel_j0
              special_xlog1py special_xlogy special_zeta
        """
    },
)
# Functions of numpy before 1.17 give the module that they stand in; later ones say "numpy".
NUMPY_FUNCTIONS = Area(
    table="numpy_functions",
    title="Functions of numpy 1 by the modules that hold them, and the classes of polynomials.",
    classes=_words(
        """
        numpy.polynomial.chebyshev numpy.polynomial.hermite numpy.polynomial.hermite_e
        numpy.polynomial.laguerre numpy.polynomial.legendre numpy.polynomial.polynomial
        """
    ),
    functions=_words(
        """
        numpy.core.fromnumeric numpy.core.numeric numpy.core.shape_base numpy.core.function_base
        numpy.lib.function_base numpy.lib.nanfunctions numpy.lib.shape_base numpy.lib.twodim_base
        numpy.lib.arraysetops numpy.lib.type_check numpy.lib.ufunclike numpy.lib.scimath
        numpy.lib.stride_tricks numpy.linalg.linalg numpy.fft.fftpack numpy.fft.pocketfft
        numpy.fft.helper numpy.matrixlib.defmatrix numpy.lib.polynomial numpy.lib.index_tricks
        """
    ),
    without=_words(
        """
        numpy.core.numeric.extend_all numpy.core.numeric.fromfunction numpy.core.numeric.load
        numpy.core.numeric.set_string_function numpy.core.numeric.seterr
        numpy.core.numeric.seterrcall numpy.core.numeric.setbufsize numpy.core.numeric.geterrcall
        numpy.core.numeric.geterr numpy.core.numeric.getbufsize numpy.core.numeric.frombuffer
        numpy.core.numeric.fromiter numpy.core.numeric.set_numeric_ops
        numpy.core.function_base.add_newdoc numpy.lib.function_base.add_docstring
        numpy.lib.function_base.add_newdoc numpy.lib.function_base.add_newdoc_ufunc
        numpy.lib.function_base.disp numpy.lib.function_base.piecewise
        numpy.lib.function_base.place numpy.lib.shape_base.apply_along_axis
        numpy.lib.shape_base.apply_over_axes numpy.core.fromnumeric.put
        numpy.core.numeric.normalize_axis_tuple numpy.lib.shape_base.put_along_axis
        numpy.matrixlib.defmatrix.bmat
        """
    ),
)
TORCH_AND_NUMPY = (
    *(TORCH_NN, TORCH_AO, TORCH_DISTRIBUTED, TORCH_TRAINING, TORCH_FUNCTIONS),
    NUMPY_FUNCTIONS,
)
