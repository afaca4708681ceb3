"""The words of the field: which measure something, in which direction, and which only qualify.

A term is a word, or words that mean something together. Its spellings (``mAP@[.5:.95]``,
``dice_coeff``) are brought to one by `metric_spellings`; here stands only the one.

Sources: what torchmetrics, HF evaluate, the OpenMMLab projects, Detectron2, Ultralytics, timm,
nnU-Net, MONAI, Keras, ESPnet, SpeechBrain, NeMo, fairseq, Stable-Baselines3, RecBole, lm-eval and
the rules of Kaggle's competitions call what they print.
"""

from __future__ import annotations

from ckptdoctor.lean_dataclass import dataclass

__all__ = [
    "AMBIGUOUS",
    "BEST",
    "FIELDS",
    "FLATTER",
    "HALVES",
    "HIGH",
    "KNOWN",
    "KNOWN_BEST",
    "LOSSES",
    "LOW",
    "MAIN",
    "MEANS",
    "METRIC_WORDS",
    "NO_SCORES",
    "ONLY_QUALIFIED",
    "PARTS",
    "QUALIFIERS",
    "REWARDS",
    "SETTINGS",
    "SPLIT_WORDS",
    "SUMMARIES",
    "TASKS",
    "TRAINING",
    "UNDIRECTED",
    "VAGUE",
    "VALIDATION",
    "Field",
]


def _terms(text: str) -> tuple[str, ...]:
    return tuple(" ".join(term.split()) for term in text.split(",") if term.strip())


@dataclass(frozen=True, slots=True)
class Field:
    """What one field of work measures.

    Attributes:
        title: the field, for people.
        high: terms of which more is better.
        low: terms of which less is better.
    """

    title: str
    high: tuple[str, ...] = ()
    low: tuple[str, ...] = ()


FIELDS = (
    Field(
        "segmentation",
        _terms(
            """
            iou, miou, fwiou, biou, dice, mdice, dsc, jaccard, nsd, volumetric similarity, aacc,
            macc, pacc, mpa, mfscore, mprecision, mrecall, pq, sq, rq, panoptic quality, smeasure,
            emeasure
            """
        ),
        _terms("hd, hd95, hausdorff, hausdorff distance, surface distance, asd, assd, masd"),
    ),
    Field(
        "detection",
        _terms(
            """
            map, map25, map50, map75, map95, ap, ap25, ap50, ap75, ap95, apsmall, apmedium,
            aplarge, ar, arsmall, armedium, arlarge, nds, fitness, hmean, oks
            """
        ),
        _terms("mate, mase, maoe, mave, maae, olrp, class error"),
    ),
    Field("tracking", _terms("mota, hota, idf1, amota"), _terms("amotp")),
    Field("pose", _terms("pck, pckh"), _terms("mpjpe, mpvpe, nme")),
    Field(
        "classification",
        _terms(
            """
            acc, top1, top3, top5, top10, auc, auroc, auprc, aupr, aupro, f1, f2, fbeta, f beta,
            pf1, pfbeta, score, precision, recall, uar, sensitivity, specificity, tpr, tnr, ppv,
            npv, kappa, qwk, mcc, gmean, negative predictive value, youden, lwlrap, cmap, gini, ks,
            explained variance, cindex, ccc
            """
        ),
        _terms(
            """
            error, err, err1, err5, error rate, ece, calibration error, brier, hinge, fpr, fpr95,
            fnr, miss rate, misclassification, misclassification rate, hamming, hamming distance,
            collision rate, violation rate, hallucination rate
            """
        ),
    ),
    Field(
        "verification",
        low=_terms("eer, dcf, mindcf, actdcf, cllr, hter, acer, apcer, bpcer"),
    ),
    Field(
        "retrieval and recommendation",
        _terms("ndcg, mrr, hit, hits, hit rate, rank1, rank5, rank10, minp"),
    ),
    Field(
        "regression",
        _terms(
            """
            r2, pearson, spearman, kendall, plcc, srcc, krcc, cosine similarity, cosine sim,
            concordance
            """
        ),
        _terms(
            """
            mae, mse, rmse, nrmse, rmsle, msle, mape, smape, wape, rmspe, mcrmse, medae, max error,
            squared error, log error, absolute error, percentage error, irmse, smooth l1,
            wasserstein, wasserstein distance
            """
        ),
    ),
    Field("forecasts", low=_terms("crps, pinball, wql, wrmsse, rmsse")),
    Field(
        "text",
        _terms(
            """
            bleu, bleu1, bleu2, bleu3, bleu4, sacrebleu, gleu, rouge, rouge1, rouge2, rougel,
            rougelsum, chrf, cider, spice, meteor, bertscore, bleurt, comet, sari, mauve, em, exact
            match, exact, acc norm, passrate
            """
        ),
        _terms("ter, edit distance"),
    ),
    Field(
        "language models",
        low=_terms("ppl, perplexity, bpb, bpc, bpd"),
    ),
    Field(
        "speech and sound",
        _terms(
            """
            pesq, stoi, estoi, snr, sdr, nsdr, sdri, snri, sisnr, sisdr, sisnri, sisdri, sasdr, mos,
            dnsmos, utmos, ovrl, csig, cbak, covl, srmr, visqol
            """
        ),
        _terms("wer, cer, per, der, mer, wil, mcd, fad"),
    ),
    Field(
        "images",
        _terms(
            """
            psnr, ssim, inceptionscore, clipscore, musiq, clipiqa, maniqa, vif, vmaf, uqi, fsim
            """
        ),
        _terms("fid, kid, fvd, lpips, niqe, brisque, piqe, ergas"),
    ),
    Field(
        "depth, flow and motion",
        _terms("a1, a2, a3, delta1, delta2, delta3"),
        _terms(
            """
            abs rel, sq rel, rmse log, log rmse, silog, epe, aepe, aee, fl all, ade, fde, minade,
            minfde, chamfer, chamfer distance
            """
        ),
    ),
    Field(
        "agents",
        _terms(
            """
            reward, rewards, rew, return, returns, success rate, win rate, normalized score
            """
        ),
        _terms("regret, cumulative regret"),
    ),
    Field(
        "clusters",
        _terms("nmi, ari, ami, silhouette, vmeasure, rand index, calinski harabasz"),
        _terms("davies bouldin"),
    ),
    Field("molecules", _terms("lddt, plddt, tmscore, gdt ts"), _terms("rmsd")),
    Field("losses", low=_terms("loss, losses, logloss, nll, bce, ce, crossentropy, xent, focal")),
)
"""Every term that is understood, by the field that uses it most."""

REWARDS = frozenset({"reward", "rewards", "rew", "return", "returns"})
"""What an agent earns: measured when it is evaluated, and not in every epoch."""
HIGH = frozenset(term for field in FIELDS for term in field.high)
LOW = frozenset(term for field in FIELDS for term in field.low)
KNOWN = HIGH | LOW
LOSSES = frozenset({"nll", "bce", "ce", "crossentropy", "xent", "focal"})
"""Losses that are not called so."""

AMBIGUOUS = frozenset(
    """
    map ap score error recall precision sensitivity specificity kappa em hit hits meteor cider kid
    snr sdr asd reward rewards return returns ar hd sq rq pq mos exact spice comet ter per der mer
    mcd fad gini ks hinge a1 a2 a3 delta1 delta2 delta3 mate mase apsmall apmedium aplarge arsmall
    armedium arlarge cmap ccc ce vif ari ami mauve sari gleu dcf oks uar youden losses silhouette
    tpr tnr fpr fnr ppv npv mpa hamming focal concordance wasserstein regret misclassification
    """.split()
)
"""Words that mean other things too: of a metric, only where they stand alone."""
ONLY_QUALIFIED = frozenset(
    "a1 a2 a3 delta1 delta2 delta3 ce per der hd ks mos exact losses focal hamming regret".split()
)
"""Words that are those of a metric only beside one that says of which data: ``val_a1``."""
VAGUE = frozenset({"score"})
"""What another term beside it makes a name of: a ``fid_score`` is a FID."""

HALVES = frozenset({"precision", "recall", "sensitivity", "specificity", "mprecision", "mrecall"})
"""Each is bought with its counterpart, so that the best of one alone is no good model."""
SUMMARIES = frozenset({"nds", "pq"})
"""What sums up all that its benchmark measures: it goes before what it is made of."""
MAIN = frozenset("iou miou dice mdice dsc map ap wer".split())
"""What says most of a run in its field."""
MEANS = frozenset({"miou", "mdice"})
"""What beside an IoU or a Dice tells that those are of one class."""
FLATTER = frozenset("acc aacc macc pacc mpa top1 top3 top5 top10".split())
"""Scores that are high without a good model."""
PARTS = frozenset(
    """
    map25 map75 map95 ap25 ap75 ap95 apsmall apmedium aplarge ar arsmall armedium arlarge sq rq
    bleu1 bleu2 bleu3 top3 top5 top10 rank5 rank10 explained
    """.split()
)
"""What stands beside the metric that it is a part of."""

UNDIRECTED = frozenset({"metric", "monitor_value", "elbo", "motp", "kitti f1"})
"""Scores of which names do not tell the direction: RAFT's F1 on KITTI counts outliers."""
KNOWN_BEST = frozenset({"_best_ema", "_best"})
BEST = frozenset({"best", "max", "min"})
VALIDATION = frozenset(
    """
    val vali valid validate validation vld eval evaluation test testing tst dev holdout oof cv
    crossval
    """.split()
)
TRAINING = frozenset({"train", "training", "trn", "tr"})
SPLIT_WORDS = VALIDATION | TRAINING
"""What says on which data a value was measured."""
QUALIFIERS = (
    BEST
    | SPLIT_WORDS
    | frozenset(
        """
        mean avg average macro micro weighted overall epoch ep episode episodic rollout ema final fg
        current last global metrics flip
        """.split()
    )
)
TASKS = frozenset(
    """
    bbox segm box mask coco voc keypoints panoptic sem seg pseudo binary multiclass multilabel
    categorical sparse
    """.split()
)
"""What a score is of; a loss of one of these is only a part of the loss."""
SETTINGS = frozenset(
    """
    nms thr thresh threshold coef coeff weight weights gain penalty grad gradient cost num lambda
    """.split()
)
"""Words that make a setting of a metric's name, wherever they stand in it: ``nms_iou``."""
NO_SCORES = frozenset(
    """
    time runtime second seconds sec secs ms duration elapsed hour hours size split ratio fraction
    frac percent pct portion interval freq frequency every step steps iter iters iteration epoch
    epochs threshold thresh thr lr learning rate dropout decay wd momentum batch patience delta
    sample samples count num number limit memory mem prob scale factor coef coeff temperature temp
    alpha beta gamma lambda eps seed index idx version weight weights delay dir path crop
    do on use is name strategy full load
    """.split()
)
"""Words of settings and counters: ``val_split`` and ``best_threshold`` are no scores."""

_NAMES = frozenset(
    """
    ar hd sq rq pq mos exact spice comet ter per der mer gini ks hinge a1 a2 a3 mate vif ari ami
    mauve sari youden silhouette
    """.split()
)
METRIC_WORDS = (KNOWN | QUALIFIERS | {"bbox", "segm", "box", "mask", "coco", "voc"}) - _NAMES
"""Words that name a score or say which one: in a file's name they do not say whose it is."""
