"""Objects of torch and numpy, one of each kind, that a checkpoint may hold."""

from __future__ import annotations

import datetime as dt
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch as tensors
from torch.nn.utils import prune as pruning

__all__ = ["ARRAYS", "MODULES", "OPTIMIZERS", "TENSORS", "TRAINING", "all_classes", "built_simply"]

Makers = dict[str, Callable[[], object]]

# Most of what is used here has no types.
torch: Any = tensors
nn: Any = torch.nn
distributions: Any = torch.distributions
parametrizations: Any = torch.nn.utils.parametrizations
quantization: Any = torch.ao.quantization


def _net() -> Any:
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))


def _changed(change: Callable[[Any], object]) -> Any:
    net = _net()
    change(net[0])
    return net


def _hooked() -> Any:
    net = _net()
    net.register_forward_hook(torch.nn.functional.relu)
    net.handle = net[0].register_forward_pre_hook(torch.relu)
    return net


def _with_functions() -> Any:
    net, functional = _net(), nn.functional
    net.act, net.act2, net.act3 = functional.gelu, torch.tanh, functional.silu
    net.init = functools.partial(nn.init.normal_, std=0.02)
    net.norm, net.fft, net.special = torch.linalg.norm, torch.fft.fft, torch.special.expit
    net.method, net.einsum, net.softplus = torch.Tensor.add, torch.einsum, functional.softplus
    net.types = [torch.float16, torch.strided, torch.per_tensor_affine, torch.device("cpu")]
    net.classes = [nn.LayerNorm, torch.optim.AdamW, nn.Parameter, torch.Tensor, nn.Module]
    return net


def _quantized() -> Any:
    engines = torch.backends.quantized
    engines.engine = engines.supported_engines[-1]
    net = nn.Sequential(
        quantization.QuantStub(), nn.Conv2d(3, 4, 1), nn.ReLU(), quantization.DeQuantStub()
    ).eval()
    net.qconfig = quantization.default_qconfig
    fused = quantization.fuse_modules(net, [["1", "2"]])
    prepared = quantization.prepare(fused)
    prepared(torch.rand(1, 3, 4, 4))
    return nn.ModuleList([_picklable(prepared), quantization.convert(prepared)])


def _picklable(net: Any) -> Any:
    """The module without its configuration, which holds a local function."""
    for module in net.modules():
        vars(module).pop("qconfig", None)
    return net


def _trained_for_quantization() -> Any:
    net = nn.Sequential(quantization.QuantStub(), nn.Linear(4, 4), quantization.DeQuantStub())
    net.qconfig = quantization.get_default_qat_qconfig("fbgemm")
    return _picklable(quantization.prepare_qat(net.train()))


def _dynamic() -> Any:
    net = nn.ModuleDict({"lstm": nn.LSTM(4, 4), "gru": nn.GRUCell(4, 4), "out": nn.Linear(4, 4)})
    kinds = {nn.LSTM, nn.GRUCell, nn.Linear}
    return quantization.quantize_dynamic(net, kinds, dtype=torch.qint8)


def _pruned() -> Any:
    net = _net()
    prune: Any = pruning
    prune.l1_unstructured(net[0], "weight", 0.5)
    prune.random_structured(net[0], "weight", 0.5, 0)
    prune.identity(net[2], "weight")
    return net


MODULES: Makers = {
    "functions": _with_functions,
    "hooks": _hooked,
    "old weight norm": lambda: _changed(nn.utils.weight_norm),
    "weight norm": lambda: _changed(parametrizations.weight_norm).state_dict(),
    "old spectral norm": lambda: _changed(nn.utils.spectral_norm),
    "pruned": _pruned,
    "quantized": _quantized,
    "trained for quantization": _trained_for_quantization,
    "dynamic": _dynamic,
    "compiled": lambda: torch.compile(_net()),
    "data parallel": lambda: nn.DataParallel(_net()),
    "averaged": lambda: torch.optim.swa_utils.AveragedModel(_net()),
    "moving average": lambda: torch.optim.swa_utils.AveragedModel(_net(), use_buffers=True),
    "lazy": lambda: nn.ModuleList([nn.LazyLinear(3), nn.LazyConv2d(3, 3), nn.LazyBatchNorm1d()]),
    "meta": lambda: nn.Linear(2, 2, device="meta"),
    "keys": lambda: _net().load_state_dict(_net().state_dict()),
    "transformer": lambda: nn.Transformer(8, 2, 1, 1, 8),
    "softmax with loss": lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 8, [2]),
    "triplet": lambda: nn.TripletMarginWithDistanceLoss(
        distance_function=nn.functional.pairwise_distance
    ),
}


def _sparse(name: str) -> Any:
    block = [(1, 1)] if name.startswith("bs") else []
    return getattr(torch.eye(2), f"to_sparse_{name}")(*block)


def _weight_of_a_kind() -> Any:
    weight = nn.Parameter(torch.ones(2))
    weight.label = "head"
    return weight


TENSORS: Makers = {
    "tensor": lambda: torch.ones(2),
    "parameter": lambda: nn.Parameter(torch.ones(2)),
    "parameter with an attribute": _weight_of_a_kind,
    "buffer": lambda: nn.Buffer(torch.ones(2)),
    "types": lambda: [
        torch.zeros(2).to(dtype)
        for dtype in (torch.bfloat16, torch.complex64, torch.bool, torch.float8_e4m3fn, torch.int8)
    ],
    "unsigned": lambda: [torch.zeros(2, dtype=torch.uint16), torch.zeros(2, dtype=torch.uint64)],
    "sparse": lambda: torch.eye(2).to_sparse(),
    "compressed": lambda: [_sparse(name) for name in ("csr", "csc", "bsr", "bsc")],
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "jagged": lambda: torch.nested.nested_tensor([torch.ones(2)], layout=torch.jagged),
    "quantized": lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8),
    "quantized by channel": lambda: torch.quantize_per_channel(
        torch.ones(2, 2), torch.ones(2), torch.zeros(2), 0, torch.qint8
    ),
    "meta": lambda: torch.empty(2, device="meta"),
    "conjugated": lambda: torch.ones(2, dtype=torch.complex64).conj(),
    "gradient": lambda: torch.ones(2, requires_grad=True),
    "largest": lambda: [torch.ones(2, 2).max(0), torch.ones(2, 2).sort(), torch.ones(2, 2).mode()],
    "decomposed": lambda: [torch.linalg.svd(torch.eye(2)), torch.linalg.qr(torch.eye(2))],
    "size": lambda: torch.ones(2, 3).size(),
    "version": lambda: torch.__version__,
    "random state": lambda: [torch.get_rng_state(), torch.Generator()],
    "packed": lambda: nn.utils.rnn.pack_sequence([torch.ones(3), torch.ones(2)]),
    "typed storage": lambda: torch.ones(2).storage(),
}


def _data() -> list[object]:
    from torch.utils import data

    squares = data.TensorDataset(torch.arange(8))
    weights = data.WeightedRandomSampler([1.0, 2.0], 2)
    samplers = [data.RandomSampler(squares), data.SequentialSampler(squares), weights]
    kinds = [data.ConcatDataset([squares, squares]), data.Subset(squares, [1]), *samplers]
    parts = [data.SubsetRandomSampler([1]), data.BatchSampler(weights, 2, drop_last=True)]
    shared: Any = data.DistributedSampler(squares, num_replicas=2, rank=0)
    stacked = data.StackDataset(a=squares)
    loader = data.DataLoader(squares, batch_size=2, shuffle=True)
    return [*kinds, *parts, shared, stacked, loader, data.default_collate]


def _distributions() -> list[object]:
    one, two = torch.ones(2), torch.full((2,), 2.0)
    normal = distributions.Normal(one, one)
    simple = [
        *(distributions.Bernoulli(probs=one / 2), distributions.Categorical(probs=one)),
        *(distributions.Beta(one, two), distributions.Gamma(one, two), distributions.Uniform(0, 1)),
        *(distributions.Laplace(one, one), distributions.StudentT(two), normal),
        *(distributions.Dirichlet(one), distributions.Independent(normal, 1)),
        distributions.MultivariateNormal(one, torch.eye(2)),
        distributions.LowRankMultivariateNormal(one, torch.ones(2, 1), one),
        distributions.RelaxedBernoulli(torch.tensor(0.5), one),
        distributions.LogNormal(one, one),
        distributions.VonMises(one, one),
        distributions.TransformedDistribution(
            normal, [distributions.AffineTransform(1, 2), distributions.TanhTransform()]
        ),
    ]
    constraints = distributions.constraints
    return [
        *simple,
        *(constraints.real, constraints.positive, constraints.interval(0, 1), constraints.simplex),
        distributions.ComposeTransform([distributions.ExpTransform()]),
        distributions.MixtureSameFamily(distributions.Categorical(torch.ones(2)), normal),
    ]


TRAINING: Makers = {
    "data": _data,
    "distributions": _distributions,
    "scaler": lambda: torch.amp.GradScaler("cpu", init_scale=4.0),
    "no gradient": lambda: [torch.no_grad(), torch.enable_grad()],
    "autocast": lambda: torch.autocast("cpu"),
    "qconfig": lambda: [quantization.default_qconfig, quantization.get_default_qat_qconfig()],
    "qconfig mapping": quantization.get_default_qconfig_mapping,
    "sobol": lambda: torch.quasirandom.SobolEngine(2),
    "errors": lambda: [torch.OutOfMemoryError("x"), torch.linalg.LinAlgError("x")],
    "checkpoint policy": lambda: torch.utils.checkpoint.CheckpointPolicy.MUST_SAVE,
    "ordered": lambda: torch.fx.immutable_collections.immutable_list([1, 2]),
    "checkpointed": lambda: functools.partial(
        torch.utils.checkpoint.checkpoint, use_reentrant=False
    ),
}


def _stepped(make: Callable[[Any], Any]) -> list[object]:
    weight = nn.Parameter(torch.ones(2, 2))
    optimizer = make([weight])
    (weight * 2).sum().backward()
    optimizer.step(lambda: torch.zeros(1))
    return [optimizer, optimizer.state_dict()]


def _schedules() -> list[object]:
    rates = torch.optim.lr_scheduler

    def sgd() -> Any:
        return torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.1, momentum=0.9)

    made = [
        *(rates.StepLR(sgd(), 2), rates.MultiStepLR(sgd(), [2]), rates.ExponentialLR(sgd(), 0.9)),
        *(rates.CosineAnnealingLR(sgd(), 2), rates.CosineAnnealingWarmRestarts(sgd(), 2)),
        *(rates.OneCycleLR(sgd(), 0.1, 5), rates.ReduceLROnPlateau(sgd()), rates.LinearLR(sgd())),
        *(rates.ConstantLR(sgd()), rates.PolynomialLR(sgd()), rates.CyclicLR(sgd(), 0.1, 0.2)),
        torch.optim.swa_utils.SWALR(sgd(), 0.1),
    ]
    shared = sgd()
    first, second = rates.ConstantLR(shared), rates.StepLR(shared, 2)
    return [
        *(schedule.state_dict() for schedule in made),
        *made,
        rates.SequentialLR(shared, [first, second], [2]).state_dict(),
    ]


OPTIMIZERS: Makers = {
    name: functools.partial(_stepped, functools.partial(cls, lr=0.1))
    for name, cls in vars(torch.optim).items()
    if isinstance(cls, type)
    and issubclass(cls, torch.optim.Optimizer)
    and name not in {"Optimizer", "SparseAdam"}
} | {"schedules": _schedules}


def _masked() -> list[object]:
    masked = np.ma
    array = masked.array([1.0, 2.0], mask=[True, False])
    pair: Any = masked.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    return [array, masked.masked, pair, pair[0]]


def _random() -> list[object]:
    random = np.random
    bits = (random.MT19937, random.PCG64, random.PCG64DXSM, random.Philox, random.SFC64)
    return [
        *(random.RandomState(1), random.default_rng(1), random.SeedSequence(1)),
        *(random.Generator(bit(1)) for bit in bits),
        *(random.get_state(), random.normal, random.default_rng(1).normal),
    ]


def _records() -> Any:
    recorded: Any = np.rec
    return recorded.array([(1, 2.0)])


ARRAYS: Makers = {
    "arrays": lambda: [np.ones(2), np.ones((2, 2), order="F"), np.array([1, "a"], dtype=object)],
    "kinds": lambda: [np.zeros(2, kind) for kind in ("?", "f2", "c8", "S3", "U3", "V4", "M8[s]")],
    "scalars": lambda: [np.float64(1), np.int64(2), np.bool_(1), np.str_("a"), np.complex64(1j)],
    "times": lambda: [np.datetime64("2020-01-01"), np.timedelta64(3, "h"), dt.timedelta(1)],
    "types": lambda: [np.dtype("f4"), np.dtype([("a", "i4"), ("b", "f8", 2)]), np.dtype("M8[ns]")],
    "type objects": lambda: [np.float32, np.int64, np.ndarray, np.generic, np.datetime64, np.uint8],
    "type classes": lambda: [type(np.dtype("f4")), type(np.dtype("O"))],
    "text": lambda: np.array(["a", "bcd"], dtype=np.dtypes.StringDType()),
    "records": lambda: [_records(), _records()[0]],
    "masked": _masked,
    "matrix": lambda: np.asmatrix(np.eye(2)),
    "characters": lambda: np.char.array(["a", "b"]),
    "random": _random,
    "polynomials": lambda: [
        *(np.poly1d([1, 2]), np.polynomial.Polynomial([1, 2]), np.polynomial.Chebyshev([1])),
        *(np.polynomial.Legendre([1]), np.polynomial.Hermite([1]), np.polynomial.HermiteE([1])),
        np.polynomial.Laguerre([1]),
    ],
    "functions": lambda: [np.mean, np.add, np.exp, np.linalg.norm, np.fft.fft, np.where, np.array],
    "limits": lambda: [np.iinfo("i4")],
    "errors": lambda: [np.linalg.LinAlgError("x"), np.exceptions.AxisError("x")],
    "vectorized": lambda: np.vectorize(np.mean),
}

_ARGUMENTS: tuple[tuple[Any, ...], ...] = (
    *((), (4,), (4, 4), (4, 4, 1), (2, 2, 4), (4, 2, 1, 1, 4), (1, (1,)), (0.1, 0.2)),
    *(
        (nn.Linear(4, 4),),
        ([nn.Linear(4, 4)],),
        (4, 2, 4),
        ((1, 1), (1, 1)),
        (1, 4, 4),
        (8, 8, [2]),
    ),
)


def built_simply(cls: type) -> object:
    """An object of a class, by the first of some simple arguments that it takes; None for none."""
    for arguments in _ARGUMENTS:
        try:
            return cls(*arguments)
        except Exception:  # noqa: BLE001 - whatever a constructor says to arguments of another
            continue
    return None


def all_classes(base: type, *modules: object) -> Iterator[type]:
    """Every class in some modules that is one of these."""
    seen: set[type] = set()
    for module in modules:
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, base) and value not in seen:
                seen.add(value)
                yield value
