"""Names that picklers write of packages of which few stand in a checkpoint.

Sources: what pickles of theirs ask for (pandas 3.1, scikit-learn 1.9, scipy 1.17, deepspeed 0.19),
the ``__reduce__`` methods of earlier versions, and what Megatron-LM lets its own loader take
(``megatron/core/safe_globals.py``).
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BUILT", "CALLED", "NAMED"]

_METERS = "AverageMeter ConcatTensorMeter Meter MetersDict StopwatchMeter SumMeter TimeMeter"
_OFFSETS = """
    BDay BMonthBegin BMonthEnd BQuarterBegin BQuarterEnd BYearBegin BYearEnd BusinessDay
    BusinessHour BusinessMonthBegin BusinessMonthEnd CustomBusinessDay CustomBusinessHour
    CustomBusinessMonthBegin CustomBusinessMonthEnd DateOffset Day Easter FY5253 FY5253Quarter
    HalfYearBegin HalfYearEnd Hour LastWeekOfMonth Micro Milli Minute MonthBegin MonthEnd Nano
    QuarterBegin QuarterEnd Second SemiMonthBegin SemiMonthEnd Tick Week WeekOfMonth YearBegin
    YearEnd
"""

BUILT: Mapping[str, str] = {
    "addict.addict": "Dict",
    "deepspeed.runtime.fp16.loss_scaler": "DynamicLossScaler LossScaler",
    "deepspeed.utils.tensor_fragment": "fragment_address",
    "detectron2.config.config": "CfgNode",
    "detectron2.structures.boxes": "Boxes",
    "detectron2.structures.image_list": "ImageList",
    "detectron2.structures.instances": "Instances",
    "detectron2.structures.masks": "BitMasks PolygonMasks",
    "dateutil.relativedelta": "relativedelta",
    "dateutil.tz.tz": "tzlocal",
    "easydict": "EasyDict",
    "efficientnet_pytorch.utils": "BlockArgs GlobalParams",
    "fairseq.data.dictionary": "Dictionary",
    "fairseq.logging.meters": _METERS,
    "fairseq.meters": _METERS,
    "fvcore.common.config": "CfgNode",
    "joblib.numpy_pickle": "NumpyArrayWrapper",
    "mmcv.utils.config": "Config ConfigDict",
    "ml_collections.config_dict.config_dict": "ConfigDict FieldReference FrozenConfigDict",
    "munch": "Munch",
    "networkx.classes.coreviews": """
        AdjacencyView AtlasView FilterAdjacency FilterAtlas FilterMultiAdjacency FilterMultiInner
        MultiAdjacencyView UnionAdjacency UnionAtlas UnionMultiAdjacency UnionMultiInner
    """,
    "networkx.classes.digraph": "DiGraph",
    "networkx.classes.graph": "Graph",
    "networkx.classes.multidigraph": "MultiDiGraph",
    "networkx.classes.multigraph": "MultiGraph",
    "networkx.classes.reportviews": """
        DegreeView EdgeView InDegreeView NodeDataView NodeView OutDegreeView OutEdgeView
    """,
    "pandas.core.internals.managers": "BlockManager SingleBlockManager",
    "scipy.interpolate._interpolate": "interp1d",
    "yacs.config": "CfgNode",
}

CALLED: Mapping[str, str] = {
    "deepspeed.runtime.zero.config": "ZeroStageEnum",
    "detectron2.structures.boxes": "BoxMode",
    "dateutil.tz.tz": "tzoffset tzutc",
    "megatron.core.enums": "ModelType",
    "megatron.core.rerun_state_machine": "RerunDiagnostic RerunMode RerunState",
    "megatron.core.transformer.enums": "AttnBackend CudaGraphScope",
    "mmengine.config.config": "ConfigDict",
    "pandas": "Interval Period PeriodDtype StringDtype Timedelta Timestamp",
    "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked",
    "pandas._libs.internals": "BlockPlacement _unpickle_block",
    "pandas._libs.interval": "Interval __pyx_unpickle_IntervalMixin",
    "pandas._libs.sparse": "BlockIndex IntIndex",
    "pandas._libs.tslibs.nattype": "_nat_unpickle",
    "pandas._libs.tslibs.offsets": _OFFSETS,
    "pandas._libs.tslibs.period": "Period",
    "pandas._libs.tslibs.timedeltas": "Timedelta _timedelta_unpickle",
    "pandas._libs.tslibs.timestamps": "Timestamp _unpickle_timestamp",
    "pandas.core.arrays.string_": "StringDtype",
    "pandas.core.dtypes.dtypes": """
        CategoricalDtype DatetimeTZDtype IntervalDtype PeriodDtype SparseDtype
    """,
    # They ask the class that they are given for an object of it.
    "pandas.core.indexes.base": "_new_Index",
    "pandas.core.indexes.datetimes": "_new_DatetimeIndex",
    "pandas.core.indexes.period": "_new_PeriodIndex",
    "pandas.core.indexes.timedeltas": "_new_TimedeltaIndex",
    "pandas.core.internals.managers": "BlockManager SingleBlockManager",
    "peft.utils.peft_types": "PeftType TaskType",
    # By a key, below the folder of time zones.
    "pytz": "_UTC _p",
    "segmentation_models_pytorch.encoders._efficientnet": "BlockArgs GlobalParams",
    "sklearn._loss._loss": """
        CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss CyHalfGammaLoss
        CyHalfMultinomialLoss CyHalfPoissonLoss CyHalfSquaredError CyHalfTweedieLoss
        CyHalfTweedieLossIdentity CyHuberLoss CyPinballLoss
    """,
    "sklearn.linear_model._sgd_fast": """
        EpsilonInsensitive Hinge Huber Log ModifiedHuber SquaredEpsilonInsensitive SquaredHinge
        SquaredLoss
    """,
    "sklearn.metrics._dist_metrics": "newObj",
    "sklearn.neighbors._ball_tree": "newObj",
    "sklearn.neighbors._kd_tree": "newObj",
    "sklearn.tree._tree": "Tree",
    "sortedcontainers.sorteddict": "SortedDict",
    "sortedcontainers.sortedlist": "SortedKeyList SortedList",
    "sortedcontainers.sortedset": "SortedSet",
    # Its state is JSON, which it parses.
    "tokenizers": "Tokenizer",
}

NAMED: Mapping[str, str] = {
    "einops.einops": "einsum pack rearrange reduce repeat unpack",
    "kornia.enhance.adjust": """
        adjust_brightness adjust_brightness_accumulative adjust_contrast
        adjust_contrast_with_mean_subtraction adjust_gamma adjust_hue adjust_hue_raw adjust_log
        adjust_saturation adjust_saturation_raw adjust_saturation_with_gray_subtraction
        adjust_sigmoid
    """,
    # Methods that an object keeps, as protocol 4 spells them.
    "mmengine.logging.history_buffer": """
        HistoryBuffer.current HistoryBuffer.max HistoryBuffer.mean HistoryBuffer.min
    """,
    "scipy.interpolate._interpolate": """
        interp1d._call_linear interp1d._call_linear_np interp1d._call_nan_spline
        interp1d._call_nearest interp1d._call_previousnext interp1d._call_spline
    """,
    "scipy.special._logsumexp": "log_softmax logsumexp softmax",
    "scipy.special._special_ufuncs": "expit log_expit logit",
    "scipy.special._ufuncs": "erf expit gammaln log_expit logit xlogy",
    "transformers.optimization": """
        _get_constant_lambda _get_constant_schedule_with_warmup_lr_lambda
        _get_cosine_schedule_with_warmup_lr_lambda
        _get_cosine_with_hard_restarts_schedule_with_warmup_lr_lambda
        _get_cosine_with_min_lr_schedule_with_warmup_lr_lambda
        _get_cosine_with_min_lr_schedule_with_warmup_lr_rate_lambda
        _get_inverse_sqrt_schedule_lr_lambda _get_linear_schedule_with_warmup_lr_lambda
        _get_polynomial_decay_schedule_with_warmup_lr_lambda _get_wsd_scheduler_lambda
    """,
    "sklearn.cluster._kmeans": "_kmeans_single_elkan _kmeans_single_lloyd",
    "sklearn.feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
    "sklearn.feature_selection._univariate_selection": "chi2 f_classif f_oneway f_regression",
}
