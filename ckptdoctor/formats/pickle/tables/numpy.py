"""Names of numpy: what rebuilds arrays, scalars and random states; its types and functions."""

from __future__ import annotations

from collections.abc import Mapping

from ckptdoctor.formats.pickle.tables import numpy_functions

__all__ = ["BUILT", "CALLED", "CALLERS", "NAMED"]

_BOTH_CORES = ("numpy.core", "numpy._core")  # numpy 1 and 2

_FINFO = "finfo iinfo"
BUILT: Mapping[str, str] = {
    **numpy_functions.BUILT,
    "numpy": f"{_FINFO} poly1d vectorize",
    "numpy.core.getlimits": _FINFO,
    "numpy.lib.function_base": "vectorize",
    "numpy.lib.polynomial": "poly1d",
}

_UNPICKLE_SEEDS = """
    __pyx_unpickle_SeedSequence __pyx_unpickle_SeedlessSeedSequence __pyx_unpickle_SeedlessSequence
"""
CALLED: Mapping[str, str] = {
    # Parses a description; a text in it is read by `ast.literal_eval`.
    "numpy": "_CopyMode dtype",
    "numpy.exceptions": """
        AxisError ComplexWarning DTypePromotionError ModuleDeprecationWarning RankWarning
        TooHardError VisibleDeprecationWarning
    """,
    "numpy.linalg": "LinAlgError",
    "numpy._globals": "_CopyMode _NoValueType",
    "numpy.ma.core": "MaskedConstant _mareconstruct",
    "numpy.ma.mrecords": "_mrreconstruct",
    "numpy.random": "__RandomState_ctor",  # numpy 1.13 to 1.16
    "numpy.random._pickle": "__bit_generator_ctor __generator_ctor __randomstate_ctor",
    "numpy.random.bit_generator": _UNPICKLE_SEEDS,
    "numpy.random._bit_generator": _UNPICKLE_SEEDS,
    **dict.fromkeys(_BOTH_CORES, "_DType_reconstruct"),
    **{f"{core}._internal": "_convert_to_stringdtype_kwargs" for core in _BOTH_CORES},
    **{f"{core}.multiarray": "_reconstruct scalar" for core in _BOTH_CORES},
    **{f"{core}.numeric": "_frombuffer" for core in _BOTH_CORES},
}

# The second argument of these is called with the first one; the first, where it is a class, without
# any: only `__bit_generator_ctor` and classes of random generators are ever handed to them.
CALLERS: Mapping[str, str] = {
    "numpy.random._pickle": "__bit_generator_ctor __generator_ctor __randomstate_ctor",
}

_TYPES = """
    bool bool8 bool_ byte bytes0 bytes_ cdouble cfloat character clongdouble clongfloat complex128
    complex256 complex64 complex_ complexfloating csingle datetime64 double flexible float128
    float16 float32 float64 float96 float_ floating generic half inexact int0 int16 int32 int64
    int8 int_ intc integer intp long longcomplex longdouble longfloat longlong number object0
    object_ short signedinteger single singlecomplex str0 str_ string_ timedelta64 ubyte uint uint0
    uint16 uint32 uint64 uint8 uintc uintp ulong ulonglong unicode_ unsignedinteger ushort void
    void0 ufunc
"""
_ARRAYS = "chararray matrix ndarray recarray record"
_FUNCTIONS = """
    alen all allclose alltrue amax amin angle any append arange argmax argmin argpartition argsort
    argwhere around array array2string array_equal array_equiv array_repr array_split array_str
    asanyarray asarray asarray_chkfinite ascontiguousarray asfarray asfortranarray asmatrix
    asscalar astype atleast_1d atleast_2d atleast_3d average bartlett base_repr binary_repr
    bincount blackman block bmat broadcast_arrays broadcast_shapes broadcast_to busday_count
    busday_offset can_cast choose clip column_stack common_type compress concat concatenate
    convolve copy copyto corrcoef correlate count_nonzero cov cross cumprod cumproduct cumsum
    cumulative_prod cumulative_sum datetime_as_string datetime_data delete diag diag_indices
    diag_indices_from diagflat diagonal diff digitize dot dsplit dstack ediff1d einsum einsum_path
    empty empty_like expand_dims extract eye fill_diagonal find_common_type fix flatnonzero flip
    fliplr flipud format_float_positional format_float_scientific full full_like geomspace
    gradient hamming hanning histogram histogram2d histogram_bin_edges histogramdd hsplit hstack
    i0 identity imag in1d indices inner insert interp intersect1d is_busday isclose iscomplex
    iscomplexobj isdtype isfortran isin isinf isneginf isposinf isreal isrealobj isscalar
    issubdtype iterable ix_ kaiser kron lexsort linspace logspace mask_indices mat
    matrix_transpose max may_share_memory mean median meshgrid min min_scalar_type mintypecode
    moveaxis msort nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian
    nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar ndim nonzero ones ones_like
    outer packbits pad partition percentile permute_dims place poly polyadd polyder polydiv
    polyfit polyint polymul polysub polyval prod product promote_types ptp put_along_axis quantile
    rank ravel ravel_multi_index real real_if_close repeat require reshape resize result_type roll
    rollaxis roots rot90 round round_ row_stack searchsorted select setdiff1d setxor1d shape
    shares_memory sinc size sometrue sort sort_complex split squeeze stack std sum swapaxes take
    take_along_axis tensordot tile trace transpose trapezoid trapz tri tril tril_indices
    tril_indices_from trim_zeros triu triu_indices triu_indices_from union1d unique unique_all
    unique_counts unique_inverse unique_values unpackbits unravel_index unstack unwrap vander var
    vdot vsplit vstack where zeros zeros_like
"""
_UFUNCS = """
    abs absolute acos acosh add arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh
    atan atan2 atanh bitwise_and bitwise_count bitwise_invert bitwise_left_shift bitwise_not
    bitwise_or bitwise_right_shift bitwise_xor cbrt ceil conj conjugate copysign cos cosh deg2rad
    degrees divide divmod equal exp exp2 expm1 fabs float_power floor floor_divide fmax fmin fmod
    frexp gcd greater greater_equal heaviside hypot invert isfinite isinf isnan isnat lcm ldexp
    left_shift less less_equal log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not
    logical_or logical_xor matmul matvec maximum minimum mod modf multiply negative nextafter
    not_equal positive pow power rad2deg radians reciprocal remainder right_shift rint sign
    signbit sin sinh spacing sqrt square subtract tan tanh true_divide trunc vecdot vecmat
"""
_IN_C = """
    arange array asanyarray asarray ascontiguousarray asfortranarray bincount busday_count
    busday_offset c_einsum can_cast concatenate copyto correlate count_nonzero datetime_as_string
    datetime_data digitize dot empty empty_like inner interp is_busday lexsort may_share_memory
    min_scalar_type packbits promote_types ravel_multi_index result_type shares_memory unpackbits
    unravel_index vdot where zeros
"""
NAMED: Mapping[str, str] = {
    **numpy_functions.NAMED,
    "numpy": f"{_TYPES} {_ARRAYS} {_FUNCTIONS} {_UFUNCS}",
    "numpy.char": "chararray",
    "numpy.dtypes": """
        BoolDType ByteDType BytesDType CLongDoubleDType Complex128DType Complex64DType
        DateTime64DType Float16DType Float32DType Float64DType Int16DType Int32DType Int64DType
        Int8DType IntDType LongDType LongDoubleDType LongLongDType ObjectDType ShortDType StrDType
        StringDType TimeDelta64DType UByteDType UInt16DType UInt32DType UInt64DType UInt8DType
        UIntDType ULongDType ULongLongDType UShortDType VoidDType
    """,
    "numpy.fft": """
        fft fft2 fftfreq fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2 irfftn
        rfft rfft2 rfftfreq rfftn
    """,
    "numpy.linalg": """
        cholesky cond cross det diagonal eig eigh eigvals eigvalsh inv lstsq matmul matrix_norm
        matrix_power matrix_rank matrix_transpose multi_dot norm outer pinv qr slogdet solve svd
        svdvals tensordot tensorinv tensorsolve trace vecdot vector_norm
    """,
    "numpy.ma": "MaskedArray",
    "numpy.ma.core": "MaskedArray mvoid",
    "numpy.ma.mrecords": "MaskedRecords",
    "numpy.matrixlib.defmatrix": "matrix",
    "numpy.random._generator": "Generator",
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64 PCG64DXSM",
    "numpy.random._philox": "Philox",
    "numpy.random._sfc64": "SFC64",
    "numpy.random.bit_generator": "SeedSequence SeedlessSeedSequence SeedlessSequence",
    "numpy.random._bit_generator": "SeedSequence SeedlessSeedSequence SeedlessSequence",
    "numpy.random.mtrand": "RandomState",
    "numpy.rec": "recarray record",
    **{f"{core}._multiarray_umath": f"{_UFUNCS} {_IN_C}" for core in _BOTH_CORES},
    **{f"{core}.defchararray": "chararray" for core in _BOTH_CORES},
    **{f"{core}.multiarray": f"{_IN_C} ndarray" for core in _BOTH_CORES},
    **{f"{core}.records": "recarray record" for core in _BOTH_CORES},
    **{f"{core}.umath": _UFUNCS for core in _BOTH_CORES},
}
