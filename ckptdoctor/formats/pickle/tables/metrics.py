"""Names of torchmetrics.

Written by ``python -m tests.tables``: change what that collects.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BUILT", "NAMED"]

BUILT: Mapping[str, str] = {
    "torchmetrics.aggregation": """
        BaseAggregator CatMetric MaxMetric MeanMetric MinMetric RunningMean RunningSum SumMetric
    """,
    "torchmetrics.audio._deprecated": """
        _PermutationInvariantTraining _ScaleInvariantSignalDistortionRatio
        _ScaleInvariantSignalNoiseRatio _SignalDistortionRatio _SignalNoiseRatio
    """,
    "torchmetrics.audio.dnsmos": "DeepNoiseSuppressionMeanOpinionScore",
    "torchmetrics.audio.nisqa": "NonIntrusiveSpeechQualityAssessment",
    "torchmetrics.audio.pesq": "PerceptualEvaluationSpeechQuality",
    "torchmetrics.audio.pit": "PermutationInvariantTraining",
    "torchmetrics.audio.sdr": """
        ScaleInvariantSignalDistortionRatio SignalDistortionRatio
        SourceAggregatedSignalDistortionRatio
    """,
    "torchmetrics.audio.snr": """
        ComplexScaleInvariantSignalNoiseRatio ScaleInvariantSignalNoiseRatio SignalNoiseRatio
    """,
    "torchmetrics.audio.srmr": "SpeechReverberationModulationEnergyRatio",
    "torchmetrics.audio.stoi": "ShortTimeObjectiveIntelligibility",
    "torchmetrics.classification.accuracy": """
        Accuracy BinaryAccuracy MulticlassAccuracy MultilabelAccuracy
    """,
    "torchmetrics.classification.auroc": "AUROC BinaryAUROC MulticlassAUROC MultilabelAUROC",
    "torchmetrics.classification.average_precision": """
        AveragePrecision BinaryAveragePrecision MulticlassAveragePrecision
        MultilabelAveragePrecision
    """,
    "torchmetrics.classification.base": "_ClassificationTaskWrapper",
    "torchmetrics.classification.calibration_error": """
        BinaryCalibrationError CalibrationError MulticlassCalibrationError
    """,
    "torchmetrics.classification.cohen_kappa": "BinaryCohenKappa CohenKappa MulticlassCohenKappa",
    "torchmetrics.classification.confusion_matrix": """
        BinaryConfusionMatrix ConfusionMatrix MulticlassConfusionMatrix MultilabelConfusionMatrix
    """,
    "torchmetrics.classification.dice": "Dice",
    "torchmetrics.classification.eer": "BinaryEER EER MulticlassEER MultilabelEER",
    "torchmetrics.classification.exact_match": """
        ExactMatch MulticlassExactMatch MultilabelExactMatch
    """,
    "torchmetrics.classification.f_beta": """
        BinaryF1Score BinaryFBetaScore F1Score FBetaScore MulticlassF1Score MulticlassFBetaScore
        MultilabelF1Score MultilabelFBetaScore
    """,
    "torchmetrics.classification.group_fairness": """
        BinaryFairness BinaryGroupStatRates _AbstractGroupStatScores
    """,
    "torchmetrics.classification.hamming": """
        BinaryHammingDistance HammingDistance MulticlassHammingDistance MultilabelHammingDistance
    """,
    "torchmetrics.classification.hinge": "BinaryHingeLoss HingeLoss MulticlassHingeLoss",
    "torchmetrics.classification.jaccard": """
        BinaryJaccardIndex JaccardIndex MulticlassJaccardIndex MultilabelJaccardIndex
    """,
    "torchmetrics.classification.logauc": "BinaryLogAUC LogAUC MulticlassLogAUC MultilabelLogAUC",
    "torchmetrics.classification.matthews_corrcoef": """
        BinaryMatthewsCorrCoef MatthewsCorrCoef MulticlassMatthewsCorrCoef
        MultilabelMatthewsCorrCoef
    """,
    "torchmetrics.classification.negative_predictive_value": """
        BinaryNegativePredictiveValue MulticlassNegativePredictiveValue
        MultilabelNegativePredictiveValue NegativePredictiveValue
    """,
    "torchmetrics.classification.precision_fixed_recall": """
        BinaryPrecisionAtFixedRecall MulticlassPrecisionAtFixedRecall
        MultilabelPrecisionAtFixedRecall PrecisionAtFixedRecall
    """,
    "torchmetrics.classification.precision_recall": """
        BinaryPrecision BinaryRecall MulticlassPrecision MulticlassRecall MultilabelPrecision
        MultilabelRecall Precision Recall
    """,
    "torchmetrics.classification.precision_recall_curve": """
        BinaryPrecisionRecallCurve MulticlassPrecisionRecallCurve MultilabelPrecisionRecallCurve
        PrecisionRecallCurve
    """,
    "torchmetrics.classification.ranking": """
        MultilabelCoverageError MultilabelRankingAveragePrecision MultilabelRankingLoss
    """,
    "torchmetrics.classification.recall_at_fixed_precision": """
        BinaryRecallAtFixedPrecision MulticlassRecallAtFixedPrecision
        MultilabelRecallAtFixedPrecision RecallAtFixedPrecision
    """,
    "torchmetrics.classification.recall_fixed_precision": """
        BinaryRecallAtFixedPrecision MulticlassRecallAtFixedPrecision
        MultilabelRecallAtFixedPrecision RecallAtFixedPrecision
    """,
    "torchmetrics.classification.roc": "BinaryROC MulticlassROC MultilabelROC ROC",
    "torchmetrics.classification.sensitivity_specificity": """
        BinarySensitivityAtSpecificity MulticlassSensitivityAtSpecificity
        MultilabelSensitivityAtSpecificity SensitivityAtSpecificity
    """,
    "torchmetrics.classification.specificity": """
        BinarySpecificity MulticlassSpecificity MultilabelSpecificity Specificity
    """,
    "torchmetrics.classification.specificity_sensitivity": """
        BinarySpecificityAtSensitivity MulticlassSpecificityAtSensitivity
        MultilabelSpecificityAtSensitivity SpecificityAtSensitivity
    """,
    "torchmetrics.classification.stat_scores": """
        BinaryStatScores MulticlassStatScores MultilabelStatScores StatScores _AbstractStatScores
    """,
    "torchmetrics.clustering.adjusted_mutual_info_score": "AdjustedMutualInfoScore",
    "torchmetrics.clustering.adjusted_rand_score": "AdjustedRandScore",
    "torchmetrics.clustering.calinski_harabasz_score": "CalinskiHarabaszScore",
    "torchmetrics.clustering.cluster_accuracy": "ClusterAccuracy",
    "torchmetrics.clustering.davies_bouldin_score": "DaviesBouldinScore",
    "torchmetrics.clustering.dunn_index": "DunnIndex",
    "torchmetrics.clustering.fowlkes_mallows_index": "FowlkesMallowsIndex",
    "torchmetrics.clustering.homogeneity_completeness_v_measure": """
        CompletenessScore HomogeneityScore VMeasureScore
    """,
    "torchmetrics.clustering.mutual_info_score": "MutualInfoScore",
    "torchmetrics.clustering.normalized_mutual_info_score": "NormalizedMutualInfoScore",
    "torchmetrics.clustering.rand_score": "RandScore",
    "torchmetrics.collections": "MetricCollection",
    "torchmetrics.detection._deprecated": "_ModifiedPanopticQuality _PanopticQuality",
    "torchmetrics.detection._mean_ap": """
        BaseMetricResults COCOMetricResults MAPMetricResults MARMetricResults MeanAveragePrecision
    """,
    "torchmetrics.detection.ciou": "CompleteIntersectionOverUnion",
    "torchmetrics.detection.diou": "DistanceIntersectionOverUnion",
    "torchmetrics.detection.giou": "GeneralizedIntersectionOverUnion",
    "torchmetrics.detection.helpers": "CocoBackend",
    "torchmetrics.detection.iou": "IntersectionOverUnion",
    "torchmetrics.detection.mean_ap": """
        BaseMetricResults COCOMetricResults MAPMetricResults MARMetricResults MeanAveragePrecision
    """,
    "torchmetrics.detection.panoptic_qualities": "ModifiedPanopticQuality PanopticQuality",
    "torchmetrics.image._deprecated": """
        _ErrorRelativeGlobalDimensionlessSynthesis _MultiScaleStructuralSimilarityIndexMeasure
        _PeakSignalNoiseRatio _RelativeAverageSpectralError
        _RootMeanSquaredErrorUsingSlidingWindow _SpectralAngleMapper _SpectralDistortionIndex
        _StructuralSimilarityIndexMeasure _TotalVariation _UniversalImageQualityIndex
    """,
    "torchmetrics.image.arniqa": "ARNIQA",
    "torchmetrics.image.d_lambda": "SpectralDistortionIndex",
    "torchmetrics.image.d_s": "SpatialDistortionIndex",
    "torchmetrics.image.dists": "DeepImageStructureAndTextureSimilarity",
    "torchmetrics.image.ergas": "ErrorRelativeGlobalDimensionlessSynthesis",
    "torchmetrics.image.fid": """
        FeatureExtractorInceptionV3 FrechetInceptionDistance NoTrainInceptionV3
        _FeatureExtractorInceptionV3
    """,
    "torchmetrics.image.inception": "InceptionScore",
    "torchmetrics.image.kid": "KernelInceptionDistance",
    "torchmetrics.image.lpip": "LearnedPerceptualImagePatchSimilarity NoTrainLpips _LPIPS",
    "torchmetrics.image.mifid": "MemorizationInformedFrechetInceptionDistance",
    "torchmetrics.image.perceptual_path_length": "PerceptualPathLength",
    "torchmetrics.image.psnr": "PeakSignalNoiseRatio",
    "torchmetrics.image.psnrb": "PeakSignalNoiseRatioWithBlockedEffect",
    "torchmetrics.image.qnr": "QualityWithNoReference",
    "torchmetrics.image.rase": "RelativeAverageSpectralError",
    "torchmetrics.image.rmse_sw": "RootMeanSquaredErrorUsingSlidingWindow",
    "torchmetrics.image.sam": "SpectralAngleMapper",
    "torchmetrics.image.scc": "SpatialCorrelationCoefficient",
    "torchmetrics.image.ssim": """
        MultiScaleStructuralSimilarityIndexMeasure StructuralSimilarityIndexMeasure
    """,
    "torchmetrics.image.tv": "TotalVariation",
    "torchmetrics.image.uqi": "UniversalImageQualityIndex",
    "torchmetrics.image.vif": "VisualInformationFidelity",
    "torchmetrics.metric": "CompositionalMetric Metric",
    "torchmetrics.multimodal.clip_iqa": "CLIPImageQualityAssessment",
    "torchmetrics.multimodal.clip_score": "CLIPScore",
    "torchmetrics.multimodal.lve": "LipVertexError",
    "torchmetrics.nominal.cramers": "CramersV",
    "torchmetrics.nominal.fleiss_kappa": "FleissKappa",
    "torchmetrics.nominal.pearson": "PearsonsContingencyCoefficient",
    "torchmetrics.nominal.theils_u": "TheilsU",
    "torchmetrics.nominal.tschuprows": "TschuprowsT",
    "torchmetrics.regression.concordance": "ConcordanceCorrCoef",
    "torchmetrics.regression.cosine_similarity": "CosineSimilarity",
    "torchmetrics.regression.crps": "ContinuousRankedProbabilityScore",
    "torchmetrics.regression.csi": "CriticalSuccessIndex",
    "torchmetrics.regression.explained_variance": "ExplainedVariance",
    "torchmetrics.regression.js_divergence": "JensenShannonDivergence",
    "torchmetrics.regression.kendall": "KendallRankCorrCoef",
    "torchmetrics.regression.kl_divergence": "KLDivergence",
    "torchmetrics.regression.log_cosh": "LogCoshError",
    "torchmetrics.regression.log_mse": "MeanSquaredLogError",
    "torchmetrics.regression.mae": "MeanAbsoluteError",
    "torchmetrics.regression.mape": "MeanAbsolutePercentageError",
    "torchmetrics.regression.minkowski": "MinkowskiDistance",
    "torchmetrics.regression.mse": "MeanSquaredError",
    "torchmetrics.regression.nrmse": "NormalizedRootMeanSquaredError",
    "torchmetrics.regression.pearson": "PearsonCorrCoef",
    "torchmetrics.regression.r2": "R2Score",
    "torchmetrics.regression.rse": "RelativeSquaredError",
    "torchmetrics.regression.spearman": "SpearmanCorrCoef",
    "torchmetrics.regression.symmetric_mape": "SymmetricMeanAbsolutePercentageError",
    "torchmetrics.regression.tweedie_deviance": "TweedieDevianceScore",
    "torchmetrics.regression.wmape": "WeightedMeanAbsolutePercentageError",
    "torchmetrics.retrieval._deprecated": """
        _RetrievalFallOut _RetrievalHitRate _RetrievalMAP _RetrievalMRR _RetrievalNormalizedDCG
        _RetrievalPrecision _RetrievalPrecisionRecallCurve _RetrievalRPrecision _RetrievalRecall
        _RetrievalRecallAtFixedPrecision
    """,
    "torchmetrics.retrieval.auroc": "RetrievalAUROC",
    "torchmetrics.retrieval.average_precision": "RetrievalMAP",
    "torchmetrics.retrieval.base": "RetrievalMetric",
    "torchmetrics.retrieval.fall_out": "RetrievalFallOut",
    "torchmetrics.retrieval.hit_rate": "RetrievalHitRate",
    "torchmetrics.retrieval.ndcg": "RetrievalNormalizedDCG",
    "torchmetrics.retrieval.precision": "RetrievalPrecision",
    "torchmetrics.retrieval.precision_recall_curve": """
        RetrievalPrecisionRecallCurve RetrievalRecallAtFixedPrecision
    """,
    "torchmetrics.retrieval.r_precision": "RetrievalRPrecision",
    "torchmetrics.retrieval.recall": "RetrievalRecall",
    "torchmetrics.retrieval.reciprocal_rank": "RetrievalMRR",
    "torchmetrics.segmentation.dice": "DiceScore",
    "torchmetrics.segmentation.generalized_dice": "GeneralizedDiceScore",
    "torchmetrics.segmentation.hausdorff_distance": "HausdorffDistance",
    "torchmetrics.segmentation.mean_iou": "MeanIoU",
    "torchmetrics.shape.procrustes": "ProcrustesDisparity",
    "torchmetrics.text._deprecated": """
        _BLEUScore _CHRFScore _CharErrorRate _ExtendedEditDistance _MatchErrorRate _Perplexity
        _SQuAD _SacreBLEUScore _TranslationEditRate _WordErrorRate _WordInfoLost
        _WordInfoPreserved
    """,
    "torchmetrics.text.bert": "BERTScore",
    "torchmetrics.text.bleu": "BLEUScore",
    "torchmetrics.text.cer": "CharErrorRate",
    "torchmetrics.text.chrf": "CHRFScore",
    "torchmetrics.text.edit": "EditDistance",
    "torchmetrics.text.eed": "ExtendedEditDistance",
    "torchmetrics.text.infolm": "InfoLM",
    "torchmetrics.text.mer": "MatchErrorRate",
    "torchmetrics.text.perplexity": "Perplexity",
    "torchmetrics.text.rouge": "ROUGEScore",
    "torchmetrics.text.sacre_bleu": "SacreBLEUScore",
    "torchmetrics.text.squad": "SQuAD",
    "torchmetrics.text.ter": "TranslationEditRate",
    "torchmetrics.text.wer": "WordErrorRate",
    "torchmetrics.text.wil": "WordInfoLost",
    "torchmetrics.text.wip": "WordInfoPreserved",
    "torchmetrics.video.vmaf": "VideoMultiMethodAssessmentFusion",
    "torchmetrics.wrappers.abstract": "WrapperMetric",
    "torchmetrics.wrappers.bootstrapping": "BootStrapper",
    "torchmetrics.wrappers.classwise": "ClasswiseWrapper",
    "torchmetrics.wrappers.feature_share": "FeatureShare NetworkCache",
    "torchmetrics.wrappers.minmax": "MinMaxMetric",
    "torchmetrics.wrappers.multioutput": "MultioutputWrapper",
    "torchmetrics.wrappers.multitask": "MultitaskWrapper",
    "torchmetrics.wrappers.running": "Running",
    "torchmetrics.wrappers.tracker": "MetricTracker",
    "torchmetrics.wrappers.transformations": """
        BinaryTargetTransformer LambdaInputTransformer MetricInputTransformer
    """,
}

NAMED: Mapping[str, str] = {
    "torchmetrics.metric": "jit_distributed_available",
    "torchmetrics.utilities.data": """
        dim_zero_cat dim_zero_max dim_zero_mean dim_zero_min dim_zero_sum
    """,
    "torchmetrics.utilities.distributed": "gather_all_tensors",
}
