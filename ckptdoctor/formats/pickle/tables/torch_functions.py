"""Functions that torch has in C, as modules and partials refer to them.

Written by ``python -m tests.tables``: change what that collects.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["NAMED"]

NAMED: Mapping[str, str] = {
    "torch": """
        abs abs_ absolute acos acos_ acosh acosh_ adaptive_avg_pool1d adaptive_max_pool1d add
        addbmm addcdiv addcmul addmm addmv addmv_ addr adjoint affine_grid_generator alias_copy
        all allclose alpha_dropout alpha_dropout_ amax amin aminmax angle any arange arccos
        arccos_ arccosh arccosh_ arcsin arcsin_ arcsinh arcsinh_ arctan arctan2 arctan_ arctanh
        arctanh_ argmax argmin argsort argwhere as_strided as_strided_ as_strided_copy
        as_strided_scatter as_tensor asarray asin asin_ asinh asinh_ atan atan2 atan_ atanh atanh_
        avg_pool1d baddbmm bartlett_window batch_norm batch_norm_backward_elemt
        batch_norm_backward_reduce batch_norm_elemt batch_norm_gather_stats
        batch_norm_gather_stats_with_counts batch_norm_stats batch_norm_update_stats bernoulli
        bilinear binary_cross_entropy_with_logits bincount binomial bitwise_and bitwise_left_shift
        bitwise_not bitwise_or bitwise_right_shift bitwise_xor blackman_window bmm broadcast_to
        bucketize can_cast cat ccol_indices_copy ceil ceil_ celu celu_ channel_shuffle cholesky
        cholesky_inverse cholesky_solve choose_qparams_optimized chunk clamp clamp_ clamp_max
        clamp_max_ clamp_min clamp_min_ clip clip_ clone col_indices_copy column_stack
        combinations complex concat concatenate conj conj_physical conj_physical_ constant_pad_nd
        conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d
        convolution copysign corrcoef cos cos_ cosh cosh_ cosine_embedding_loss cosine_similarity
        count_nonzero cov cross crow_indices_copy ctc_loss cudnn_affine_grid_generator
        cudnn_batch_norm cudnn_convolution cudnn_convolution_add_relu cudnn_convolution_relu
        cudnn_convolution_transpose cudnn_grid_sampler cudnn_is_acceptable cummax cummin cumprod
        cumsum cumulative_trapezoid deg2rad deg2rad_ dequantize det detach detach_ detach_copy
        diag diag_embed diagflat diagonal diagonal_copy diagonal_scatter diff digamma dist div
        divide dot dropout dropout_ dsmm dsplit dstack eig embedding embedding_bag
        embedding_renorm_ empty empty_like empty_meta empty_permuted empty_quantized empty_strided
        eq equal erf erf_ erfc erfc_ erfinv exp exp2 exp2_ exp_ expand_copy expm1 expm1_ eye
        fake_quantize_per_channel_affine fake_quantize_per_tensor_affine fbgemm_linear_fp16_weight
        fbgemm_linear_fp16_weight_fp32_activation fbgemm_linear_int8_weight
        fbgemm_linear_int8_weight_fp32_activation fbgemm_linear_quantize_weight
        fbgemm_pack_gemm_matrix_fp16 fbgemm_pack_quantized_matrix feature_alpha_dropout
        feature_alpha_dropout_ feature_dropout feature_dropout_ fill fill_ fix fix_ flatten flip
        fliplr flipud float_power floor floor_ floor_divide fmax fmin fmod frac frac_ frexp
        frobenius_norm from_numpy full full_like fused_moving_avg_obs_fake_quant gather gcd gcd_
        ge geqrf ger get_default_dtype gradient greater greater_equal grid_sampler grid_sampler_2d
        grid_sampler_3d group_norm gru gru_cell gt hamming_window hann_window hardshrink
        hash_tensor heaviside hinge_embedding_loss histc histogram histogramdd hsmm hsplit hspmm
        hstack hypot i0 i0_ ifft igamma igammac imag index_add index_copy index_fill index_put
        index_put_ index_reduce index_select indices_copy inner instance_norm int_repr inverse
        irfft is_complex is_conj is_distributed is_floating_point is_grad_enabled is_inference
        is_inference_mode_enabled is_neg is_nonzero is_same_size is_signed is_vulkan_available
        isclose isfinite isin isinf isnan isneginf isposinf isreal istft kaiser_window kl_div kron
        kthvalue layer_norm lcm lcm_ ldexp ldexp_ le lerp less less_equal lgamma linspace log
        log10 log10_ log1p log1p_ log2 log2_ log_ log_softmax logaddexp logaddexp2 logcumsumexp
        logdet logical_and logical_not logical_or logical_xor logit logit_ logspace logsumexp lstm
        lstm_cell lstsq lt lu_solve lu_unpack margin_ranking_loss masked_fill masked_scatter
        masked_select matmul matrix_exp matrix_power matrix_rank max max_pool1d
        max_pool1d_with_indices max_pool2d max_pool3d maximum mean median min minimum
        mkldnn_adaptive_avg_pool2d mkldnn_convolution mkldnn_convolution_backward_weights
        mkldnn_linear_backward_weights mkldnn_max_pool2d mkldnn_max_pool3d mkldnn_rnn_layer mm
        mode moveaxis movedim msort mul multinomial multiply mv mvlgamma nan_to_num nan_to_num_
        nanmean nanmedian nanquantile nansum narrow narrow_copy native_batch_norm
        native_channel_shuffle native_dropout native_group_norm native_layer_norm native_norm ne
        neg neg_ negative negative_ nested_tensor nextafter nonzero nonzero_static norm_except_dim
        normal not_equal nuclear_norm numel ones ones_like orgqr ormqr outer pairwise_distance
        pdist permute permute_copy pinverse pixel_shuffle pixel_unshuffle poisson poisson_nll_loss
        polar polygamma positive pow prelu prod promote_types put q_per_channel_axis
        q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point qr quantile
        quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic quantized_batch_norm
        quantized_gru_cell quantized_lstm_cell quantized_max_pool1d quantized_max_pool2d
        quantized_max_pool3d quantized_rnn_relu_cell quantized_rnn_tanh_cell rad2deg rad2deg_ rand
        rand_like randint randint_like randn randn_like randperm range ravel real reciprocal
        reciprocal_ relu relu_ remainder renorm repeat_interleave reshape resize_as_
        resize_as_sparse_ resolve_conj resolve_neg result_type rfft rms_norm rnn_relu
        rnn_relu_cell rnn_tanh rnn_tanh_cell roll rot90 round round_ row_indices_copy row_stack
        rrelu rrelu_ rsqrt rsqrt_ rsub saddmm scalar_tensor scatter scatter_add scatter_reduce
        searchsorted segment_reduce select select_copy select_scatter selu selu_
        set_flush_denormal sgn sigmoid sigmoid_ sign signbit sin sin_ sinc sinc_ sinh sinh_
        slice_copy slice_inverse slice_scatter slogdet smm softmax solve sort sparse_bsc_tensor
        sparse_bsr_tensor sparse_compressed_tensor sparse_coo_tensor sparse_csc_tensor
        sparse_csr_tensor split_copy split_with_sizes split_with_sizes_copy spmm sqrt sqrt_ square
        square_ squeeze squeeze_copy sspaddmm stack std std_mean sub subtract sum svd swapaxes
        swapdims sym_constrain_range sym_constrain_range_for_size symeig t t_copy take
        take_along_dim tan tan_ tanh tanh_ tensor tensor_split threshold threshold_ tile topk
        trace transpose transpose_copy trapezoid trapz triangular_solve tril tril_indices
        triplet_margin_loss triu triu_indices true_divide unbind unbind_copy unflatten unfold_copy
        unique_dim unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze unsqueeze_copy
        values_copy vander var var_mean vdot view_as_complex view_as_complex_copy view_as_real
        view_as_real_copy view_copy vsplit vstack where xlogy xlogy_ zero_ zeros zeros_like
    """,
    "torch._C._fft": """
        fft_fft fft_fft2 fft_fftfreq fft_fftn fft_fftshift fft_hfft fft_hfft2 fft_hfftn fft_ifft
        fft_ifft2 fft_ifftn fft_ifftshift fft_ihfft fft_ihfft2 fft_ihfftn fft_irfft fft_irfft2
        fft_irfftn fft_rfft fft_rfft2 fft_rfftfreq fft_rfftn
    """,
    "torch._C._linalg": """
        linalg_cholesky linalg_cholesky_ex linalg_cond linalg_cross linalg_det linalg_diagonal
        linalg_eig linalg_eigh linalg_eigvals linalg_eigvalsh linalg_householder_product
        linalg_inv linalg_inv_ex linalg_ldl_factor linalg_ldl_factor_ex linalg_ldl_solve
        linalg_lstsq linalg_lu linalg_lu_factor linalg_lu_factor_ex linalg_lu_solve linalg_matmul
        linalg_matrix_exp linalg_matrix_norm linalg_matrix_power linalg_matrix_rank
        linalg_multi_dot linalg_norm linalg_pinv linalg_qr linalg_slogdet linalg_solve
        linalg_solve_ex linalg_solve_triangular linalg_svd linalg_svdvals linalg_tensorinv
        linalg_tensorsolve linalg_vander linalg_vecdot linalg_vector_norm
    """,
    "torch._C._nested": "nested_tensor nested_to_padded_tensor",
    "torch._C._nn": """
        adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d avg_pool2d
        avg_pool3d binary_cross_entropy col2im cross_entropy_loss elu elu_ flatten_dense_tensors
        fractional_max_pool2d fractional_max_pool3d gelu glu hardsigmoid hardsigmoid_ hardswish
        hardswish_ hardtanh hardtanh_ huber_loss im2col l1_loss leaky_relu leaky_relu_ linear
        log_sigmoid max_pool2d_with_indices max_pool3d_with_indices max_unpool2d max_unpool3d mish
        mish_ mkldnn_linear mkldnn_prelu mkldnn_reorder_conv2d_weight mkldnn_reorder_conv3d_weight
        mse_loss multi_margin_loss multilabel_margin_loss nll_loss_nd one_hot pad pad_sequence
        relu6 relu6_ scaled_dot_product_attention silu silu_ smooth_l1_loss soft_margin_loss
        softplus softshrink unflatten_dense_tensors upsample_bicubic2d upsample_bilinear2d
        upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d
        upsample_trilinear3d
    """,
    "torch._C._sparse": """
        _sparse_addmm _sparse_log_softmax _sparse_mm _sparse_mm_reduce_impl _sparse_softmax
        _spdiags _spsolve sparse_sampled_addmm
    """,
    "torch._C._special": """
        special_airy_ai special_bessel_j0 special_bessel_j1 special_bessel_y0 special_bessel_y1
        special_digamma special_entr special_erf special_erfc special_erfcx special_erfinv
        special_exp2 special_expit special_expm1 special_gammainc special_gammaincc
        special_gammaln special_i0 special_i0e special_i1 special_i1e special_log1p
        special_log_ndtr special_log_softmax special_logit special_logsumexp special_multigammaln
        special_ndtr special_ndtri special_polygamma special_psi special_round special_sinc
        special_softmax special_spherical_bessel_j0 special_xlog1py special_xlogy special_zeta
    """,
}
