"""The words of the field: which measure something, in which direction, and which only qualify.

Two words that mean something together are joined by a space.
"""

from __future__ import annotations

__all__ = [
    "AMBIGUOUS",
    "BEST",
    "HALVES",
    "HIGH",
    "KNOWN",
    "KNOWN_BEST",
    "LOW",
    "NO_SCORES",
    "QUALIFIERS",
    "REWARDS",
    "TRAINING",
    "UNDIRECTED",
    "VALIDATION",
]

_SEGMENTATION = "iou miou fwiou biou dice dsc jaccard"
_DETECTION = "map ap map50 map75 map95 ap50 ap75 ap95"
_CLASSIFICATION = """
    acc accuracy acc1 acc3 acc5 top1 top3 top5 top10 prec1 prec5 auc auroc auprc aupr f1 f2 fbeta
    fscore score precision recall sensitivity specificity kappa qwk mcc
    """
_RETRIEVAL = "ndcg mrr hit hits"
_REGRESSION = "r2 pearson pearsonr spearman spearmanr plcc srcc"
_TEXT = "bleu bleu1 bleu2 bleu3 bleu4 rouge rouge1 rouge2 rougel rougelsum chrf cider meteor em"
_SIGNALS = "psnr ssim snr sdr sisnr sisdr pesq stoi"
_PLAY = "reward rewards rew return returns"
REWARDS = frozenset(_PLAY.split())
"""What an agent earns: measured when it is evaluated, and not in every epoch."""
_PAIRS_HIGH = (
    *("exact match", "r squared", "f beta", "rouge l", "rouge lsum", "si snr", "si sdr"),
    *("quadratic kappa", "cohen kappa", "cohens kappa", "matthews correlation"),
    *("success rate", "win rate", "hit rate", "total reward", "cumulative reward"),
)
HIGH = frozenset(
    f"{_SEGMENTATION} {_DETECTION} {_CLASSIFICATION} {_RETRIEVAL} {_REGRESSION}".split()
    + f"{_TEXT} {_SIGNALS} {_PLAY} fitness".split()
).union(_PAIRS_HIGH)

_LOSSES = "loss logloss nll bpb bpc ppl perplexity"
_ERRORS = """
    error err mae mse rmse nrmse rmsle msle mape smape mase wape crps wer cer eer epe ece brier
    silog
    """
_DISTANCES = "fid fvd kid lpips ade fde minade minfde hd95 hausdorff asd assd chamfer"
_PAIRS_LOW = (
    *("error rate", "abs rel", "sq rel"),
    *("hausdorff distance", "surface distance", "chamfer distance"),
)
LOW = frozenset(f"{_LOSSES} {_ERRORS} {_DISTANCES}".split()).union(_PAIRS_LOW)

KNOWN = HIGH | LOW
AMBIGUOUS = frozenset(
    """
    map ap score error recall precision sensitivity specificity kappa em hit hits meteor cider kid
    snr sdr asd reward rewards return returns
    """.split()
)
"""Words that mean other things too: of a metric, only where they stand alone."""

HALVES = frozenset({"precision", "recall", "sensitivity", "specificity"})
"""Each is bought with its counterpart, so that the best of one alone is no good model."""

UNDIRECTED = frozenset({"metric", "monitor_value", "elbo"})
KNOWN_BEST = frozenset({"_best_ema", "_best"})
BEST = frozenset({"best", "max", "min"})
VALIDATION = frozenset("val valid validate validation eval evaluation test testing dev".split())
TRAINING = frozenset({"train", "training", "tr"})
QUALIFIERS = (
    BEST
    | VALIDATION
    | TRAINING
    | frozenset(
        """
        mean avg average macro micro weighted overall epoch ep episode episodic rollout ema final
        current last global metrics bbox segm box mask coco voc
        """.split()
    )
)
NO_SCORES = frozenset(
    """
    time runtime second seconds sec secs ms duration elapsed hour hours size split ratio fraction
    frac percent pct portion interval freq frequency every step steps iter iters iteration epoch
    epochs threshold thresh thr lr learning rate dropout decay wd momentum batch patience delta
    sample samples count num number limit memory mem prob scale factor coef coeff temperature temp
    alpha beta gamma lambda eps seed index idx version weight weights
    """.split()
)
"""Words of settings and counters: ``val_split`` and ``best_threshold`` are no scores."""

METRIC_WORDS = KNOWN | QUALIFIERS
"""Words that name a score or say which one: in a file's name they do not say whose it is."""
