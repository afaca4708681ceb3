"""Names of torch that train: optimizers, schedules, distributions, data, scalers.

Written by ``python -m tests.tables``: change what that collects.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BUILT", "CALLED", "NAMED"]

BUILT: Mapping[str, str] = {
    "torch.amp.autocast_mode": "_UnmanagedAutocast autocast",
    "torch.amp.grad_scaler": "GradScaler _MultiDeviceReplicator",
    "torch.autograd.grad_mode": """
        _force_original_view_tracking _unsafe_preserve_version_counter enable_grad
        enforce_grad_layout_policy inference_mode no_grad set_grad_enabled
        set_multithreading_enabled
    """,
    "torch.cpu.amp.autocast_mode": "autocast",
    "torch.cpu.amp.grad_scaler": "GradScaler",
    "torch.cuda.amp.autocast_mode": "autocast",
    "torch.cuda.amp.grad_scaler": "GradScaler _MultiDeviceReplicator",
    "torch.distributions.bernoulli": "Bernoulli",
    "torch.distributions.beta": "Beta",
    "torch.distributions.binomial": "Binomial",
    "torch.distributions.categorical": "Categorical",
    "torch.distributions.cauchy": "Cauchy",
    "torch.distributions.chi2": "Chi2",
    "torch.distributions.constraint_registry": "ConstraintRegistry",
    "torch.distributions.constraints": """
        Constraint MixtureSameFamilyConstraint _Boolean _Cat _CorrCholesky _Dependent _GreaterThan
        _GreaterThanEq _HalfOpenInterval _IndependentConstraint _IntegerGreaterThan
        _IntegerInterval _IntegerLessThan _Interval _LessThan _LowerCholesky _LowerTriangular
        _Multinomial _OneHot _PositiveDefinite _PositiveSemidefinite _Real _RealVector _Simplex
        _Square _Stack _Symmetric
    """,
    "torch.distributions.continuous_bernoulli": "ContinuousBernoulli",
    "torch.distributions.dirichlet": "Dirichlet",
    "torch.distributions.distribution": "Distribution",
    "torch.distributions.exp_family": "ExponentialFamily",
    "torch.distributions.exponential": "Exponential",
    "torch.distributions.fishersnedecor": "FisherSnedecor",
    "torch.distributions.gamma": "Gamma",
    "torch.distributions.generalized_pareto": "GeneralizedPareto",
    "torch.distributions.geometric": "Geometric",
    "torch.distributions.gumbel": "Gumbel",
    "torch.distributions.half_cauchy": "HalfCauchy",
    "torch.distributions.half_normal": "HalfNormal",
    "torch.distributions.independent": "Independent",
    "torch.distributions.inverse_gamma": "InverseGamma",
    "torch.distributions.kumaraswamy": "Kumaraswamy",
    "torch.distributions.laplace": "Laplace",
    "torch.distributions.lkj_cholesky": "LKJCholesky",
    "torch.distributions.log_normal": "LogNormal",
    "torch.distributions.logistic_normal": "LogisticNormal",
    "torch.distributions.lowrank_multivariate_normal": "LowRankMultivariateNormal",
    "torch.distributions.mixture_same_family": "MixtureSameFamily",
    "torch.distributions.multinomial": "Multinomial",
    "torch.distributions.multivariate_normal": "MultivariateNormal",
    "torch.distributions.negative_binomial": "NegativeBinomial",
    "torch.distributions.normal": "Normal",
    "torch.distributions.one_hot_categorical": "OneHotCategorical OneHotCategoricalStraightThrough",
    "torch.distributions.pareto": "Pareto",
    "torch.distributions.poisson": "Poisson",
    "torch.distributions.relaxed_bernoulli": "LogitRelaxedBernoulli RelaxedBernoulli",
    "torch.distributions.relaxed_categorical": "ExpRelaxedCategorical RelaxedOneHotCategorical",
    "torch.distributions.studentT": "StudentT",
    "torch.distributions.transformed_distribution": "TransformedDistribution",
    "torch.distributions.transforms": """
        AbsTransform AffineTransform CatTransform ComposeTransform CorrCholeskyTransform
        CumulativeDistributionTransform ExpTransform IndependentTransform LowerCholeskyTransform
        PositiveDefiniteTransform PowerTransform ReshapeTransform SigmoidTransform
        SoftmaxTransform SoftplusTransform StackTransform StickBreakingTransform TanhTransform
        Transform _InverseTransform
    """,
    "torch.distributions.uniform": "Uniform",
    "torch.distributions.utils": "_Finfo",
    "torch.distributions.von_mises": "VonMises",
    "torch.distributions.weibull": "Weibull",
    "torch.distributions.wishart": "Wishart",
    "torch.optim": "Adafactor Muon",
    "torch.optim._adafactor": "Adafactor",
    "torch.optim._multi_tensor.adadelta": "Adadelta",
    "torch.optim._multi_tensor.adagrad": "Adagrad",
    "torch.optim._multi_tensor.adam": "Adam",
    "torch.optim._multi_tensor.adamax": "Adamax",
    "torch.optim._multi_tensor.adamw": "AdamW",
    "torch.optim._multi_tensor.asgd": "ASGD",
    "torch.optim._multi_tensor.nadam": "NAdam",
    "torch.optim._multi_tensor.radam": "RAdam",
    "torch.optim._multi_tensor.rmsprop": "RMSprop",
    "torch.optim._multi_tensor.rprop": "Rprop",
    "torch.optim._multi_tensor.sgd": "SGD",
    "torch.optim._muon": "Muon",
    "torch.optim._stateless": "_GroupSwapinInfo",
    "torch.optim.adadelta": "Adadelta",
    "torch.optim.adagrad": "Adagrad",
    "torch.optim.adam": "Adam _MultiDeviceReplicator",
    "torch.optim.adamax": "Adamax",
    "torch.optim.adamw": "AdamW",
    "torch.optim.asgd": "ASGD",
    "torch.optim.lbfgs": "LBFGS",
    "torch.optim.lr_scheduler": """
        ChainedScheduler ConstantLR CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR
        ExponentialLR LRScheduler LambdaLR LinearLR MultiStepLR MultiplicativeLR OneCycleLR
        PolynomialLR ReduceLROnPlateau SequentialLR StepLR _LRScheduler _enable_get_lr_call
        _initial_mode
    """,
    "torch.optim.nadam": "NAdam",
    "torch.optim.optimizer": "Optimizer _RequiredParameter",
    "torch.optim.radam": "RAdam",
    "torch.optim.rmsprop": "RMSprop",
    "torch.optim.rprop": "Rprop",
    "torch.optim.sgd": "SGD",
    "torch.optim.sparse_adam": "SparseAdam",
    "torch.optim.swa_utils": "AveragedModel SWALR",
    "torch.quasirandom": "SobolEngine",
    "torch.torch_version": "TorchVersion",
    "torch.utils.data.dataloader": "DataLoader _DatasetKind _InfiniteConstantSampler",
    "torch.utils.data.dataset": """
        BufferedShuffleDataset ChainDataset ConcatDataset DFIterDataPipe Dataset IterableDataset
        StackDataset Subset TensorDataset
    """,
    "torch.utils.data.distributed": "DistributedSampler",
    "torch.utils.data.sampler": """
        BatchSampler RandomSampler Sampler SequentialSampler SubsetRandomSampler
        WeightedRandomSampler
    """,
    "torch.utils.hooks": "BackwardHook RemovableHandle",
}

CALLED: Mapping[str, str] = {
    "torch.amp.grad_scaler": "OptState",
    "torch.cuda.amp.grad_scaler": "OptState",
}

NAMED: Mapping[str, str] = {
    "torch.amp.grad_scaler": "_refresh_per_optimizer_state",
    "torch.cuda.amp.grad_scaler": "_refresh_per_optimizer_state",
    "torch.functional": """
        align_tensors argmax argmin argsort atleast_1d atleast_2d atleast_3d block_diag
        broadcast_shapes broadcast_tensors btrifact btriunpack cartesian_prod cdist chain_matmul
        einsum histogramdd isfinite isinf isnan istft lu lu_unpack meshgrid norm potrf split stft
        tensordot unique unique_consecutive unravel_index
    """,
    "torch.optim.swa_utils": """
        get_ema_avg_fn get_ema_multi_avg_fn get_swa_avg_fn get_swa_multi_avg_fn update_bn
    """,
    "torch.utils.checkpoint": "checkpoint noop_context_fn",
    "torch.utils.data._utils.collate": """
        collate collate_float_fn collate_int_fn collate_numpy_array_fn collate_numpy_scalar_fn
        collate_str_fn collate_tensor_fn default_collate default_convert
    """,
    "torch.utils.data.dataloader": "default_collate",
}
