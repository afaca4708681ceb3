"""Functions of numpy 1 by the modules that hold them, and the classes of polynomials.

Written by ``python -m tests.tables``: change what that collects.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BUILT", "NAMED"]

BUILT: Mapping[str, str] = {
    "numpy.polynomial.chebyshev": "Chebyshev",
    "numpy.polynomial.hermite": "Hermite",
    "numpy.polynomial.hermite_e": "HermiteE",
    "numpy.polynomial.laguerre": "Laguerre",
    "numpy.polynomial.legendre": "Legendre",
    "numpy.polynomial.polynomial": "Polynomial",
}

NAMED: Mapping[str, str] = {
    "numpy.core.fromnumeric": """
        alen all alltrue amax amin any argmax argmin argpartition argsort around choose clip
        compress cumprod cumproduct cumsum diagonal max mean min ndim nonzero partition prod
        product ptp rank ravel repeat reshape resize round round_ searchsorted shape size sometrue
        sort squeeze std sum swapaxes take trace transpose var
    """,
    "numpy.core.function_base": "geomspace linspace logspace",
    "numpy.core.numeric": """
        allclose argwhere array_equal array_equiv array_repr array_str asanyarray asarray
        ascontiguousarray asfortranarray base_repr binary_repr convolve correlate count_nonzero
        cross flatnonzero full full_like identity indices isclose isfortran isscalar moveaxis ones
        ones_like outer require roll rollaxis tensordot zeros_like
    """,
    "numpy.core.shape_base": "atleast_1d atleast_2d atleast_3d block hstack stack vstack",
    "numpy.fft.fftpack": """
        fft fft2 fftn hfft ifft ifft2 ifftn ihfft irfft irfft2 irfftn rfft rfft2 rfftn
    """,
    "numpy.fft.helper": "fftfreq fftshift ifftshift rfftfreq",
    "numpy.lib.arraysetops": "ediff1d in1d intersect1d isin setdiff1d setxor1d union1d unique",
    "numpy.lib.function_base": """
        angle append asarray_chkfinite average bartlett blackman copy corrcoef cov delete diff
        digitize extract flip gradient hamming hanning histogram histogramdd i0 insert interp
        iterable kaiser median meshgrid msort percentile quantile rot90 select sinc sort_complex
        trapz trim_zeros unique unwrap
    """,
    "numpy.lib.index_tricks": "diag_indices diag_indices_from fill_diagonal ix_",
    "numpy.lib.nanfunctions": """
        nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile
        nanprod nanquantile nanstd nansum nanvar
    """,
    "numpy.lib.polynomial": """
        poly polyadd polyder polydiv polyfit polyint polymul polysub polyval roots
    """,
    "numpy.lib.scimath": "arccos arcsin arctanh log log10 log2 logn power sqrt",
    "numpy.lib.shape_base": """
        array_split column_stack dsplit dstack expand_dims get_array_prepare get_array_wrap hsplit
        kron split take_along_axis tile vsplit
    """,
    "numpy.lib.stride_tricks": """
        as_strided broadcast_arrays broadcast_shapes broadcast_to sliding_window_view
    """,
    "numpy.lib.twodim_base": """
        diag diagflat eye fliplr flipud histogram2d mask_indices tri tril tril_indices
        tril_indices_from triu triu_indices triu_indices_from vander
    """,
    "numpy.lib.type_check": """
        asfarray asscalar common_type imag iscomplex iscomplexobj isreal isrealobj mintypecode
        nan_to_num real real_if_close typename
    """,
    "numpy.lib.ufunclike": "fix isneginf isposinf",
    "numpy.linalg.linalg": """
        cholesky cond det eig eigh eigvals eigvalsh get_linalg_error_extobj inv isComplexType
        lstsq matrix_power matrix_rank multi_dot norm pinv qr slogdet solve svd tensorinv
        tensorsolve transpose
    """,
    "numpy.matrixlib.defmatrix": "asmatrix matrix_power",
}
