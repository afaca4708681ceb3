"""The words of a metric's name, however it is spelled.

``mAP50-95(B)``, ``mAP_0.5:0.95`` and ``mAP@[.5:.95]`` have one spelling here, and so do
``dice_coef`` and ``DiceScore``; ``mAP_50`` has another than ``mAP``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

from ckptdoctor.metadata.metric_words import BEST, HIGH, KNOWN, QUALIFIERS, TRAINING, VALIDATION

__all__ = ["SPELLINGS_OF", "word_list"]

_CASED = {"IS": "inceptionscore", "OA": "acc"}
_PHRASES = """
    ap: average precision
    map: mean average precision
    ar: average recall, mar
    uar: unweighted average recall
    apsmall: mapsmall
    apmedium: mapmedium
    aplarge: maplarge
    arsmall: marsmall
    armedium: marmedium
    arlarge: marlarge
    iou: intersection over union, io u, iu, jaccard index, jaccard coefficient, jaccard score
    dice: dice coef, dice coeff, dice coefficient, dice index, dice score, dice metric,
        dice similarity, dice similarity coefficient, sorensen dice
    nsd: surface dice, normalized surface dice, normalised surface dice, normalized surface distance
    hd95: hd 95, hausdorff95, hausdorff distance95, hausdorff distance 95, hausdorff 95, 95 hd,
        95hd, hd95 score
    asd: average surface distance, mean surface distance
    assd: average symmetric surface distance
    acc: accuracy, accuracies, acc score, accuracy score
    top1: accuracy01, acc01, top1 acc, top1 accuracy, acc top1, accuracy top1
    top5: accuracy05, acc05, top5 acc, top5 accuracy, acc top5, accuracy top5
    auprc: auc pr, pr auc, aucpr, prauc
    auroc: auc roc, roc auc, rocauc, aucroc, auroc score, roc auc score
    f1: f1 score, f score, fscore, f1 measure, f measure, fmeasure
    fbeta: fbeta score, f beta score
    mcc: matthews correlation, matthews corrcoef, matthews corr coef, mathews correlation
    kappa: cohen kappa, cohens kappa, kappa score, cohen kappa score, fleiss kappa
    qwk: quadratic weighted kappa, quadratic kappa
    gmean: g mean
    gini: normalized gini, gini coefficient, gini score
    cindex: c index, concordance index, harrell c
    ccc: concordance corr coef, concordance correlation coefficient, concordance correlation
    ece: expected calibration error
    fpr95: fpr 95, fpr at95
    pearson: pearsonr, pearson r, pearson correlation, pearson corr, pearson cosine, pearson coef,
        pearson correlation coefficient, pearson corr coef, pcc
    spearman: spearmanr, spearman r, spearman correlation, spearman corr, spearman cosine,
        spearman rho, spearman corr coef, spearman rank correlation
    kendall: kendalltau, kendall tau, kendall rank corr coef
    r2: r squared, rsquared, r2 score
    explained variance: explained var
    mae: mean absolute error, l1 error, mean abs error
    mse: mean squared error
    rmse: root mean squared error, root mean square error, root mse
    mape: mean absolute percentage error
    smape: symmetric mean absolute percentage error
    msle: mean squared logarithmic error, mean squared log error
    medae: median absolute error
    wql: weighted quantile loss
    rougel: rouge l
    rougelsum: rouge lsum
    chrf: chrf2, chrf score
    acc norm: accuracy norm
    ndcg: ndcg cut, normalized dcg
    mrr: mean reciprocal rank
    hit rate: hit ratio
    sisnr: si snr, scale invariant signal noise ratio, scale invariant snr
    sisdr: si sdr, scale invariant signal distortion ratio, scale invariant sdr
    sisnri: si snri
    sisdri: si sdri
    psnr: peak signal noise ratio, peak signal to noise ratio
    snr: signal noise ratio, signal to noise ratio
    sdr: signal distortion ratio, signal to distortion ratio
    ssim: structural similarity, structural similarity index, structural similarity index measure
    pesq: pesq wb, pesq nb
    cer: cer ctc, cer transducer, char error rate, character error rate
    wer: wer ctc, wer transducer, word error rate
    per: phone error rate, phoneme error rate
    der: diarization error rate
    ter: translation edit rate
    eer: equal error rate
    fpr: false positive rate
    fnr: false negative rate
    mcd: mel cepstral distortion
    fid: frechet inception distance
    kid: kernel inception distance
    fvd: frechet video distance
    fad: frechet audio distance
    inceptionscore: inception score
    clipscore: clip score
    tmscore: tm score
    vmeasure: v measure
    rand index: rand score, adjusted rand
    nmi: normalized mutual information
    bpb: bits per byte
    bpc: bits per char, bits per character
    bpd: bits per dim, bits per dimension
    ppl: perplexity
    return: ep ret
    val loss: vloss
    val acc: vacc
    val eer: veer
    train loss: tloss
    train acc: tacc
    train eer: teer
    abs rel: absrel
    sq rel: sqrel
    epe: end point error, endpoint error
    ade: average displacement error
    fde: final displacement error
    crossentropy: cross entropy
    squared error: squared log error, squared logarithmic error
"""


def _read(table: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Each spelling with the term that it is one of."""
    term = ""
    for line in table.splitlines():
        head, colon, rest = line.partition(":")
        term, spellings = (head, rest) if colon else (term, line)
        for spelling in spellings.split(","):
            if spelling.strip():
                yield tuple(spelling.split()), tuple(term.split())


_TERMS = dict(_read(_PHRASES))
_LONGEST = max(map(len, _TERMS))
_FIRST_WORDS = frozenset(phrase[0] for phrase in _TERMS)
SPELLINGS_OF: dict[str, list[str]] = {}
"""By term, the other ways to write it, their words in lower case."""
for _phrase, _term in _TERMS.items():
    SPELLINGS_OF.setdefault(" ".join(_term), []).append(" ".join(_phrase))

_OUTPUT = re.compile(r"(?<=[\w])\([A-Z]\)$")  # Ultralytics: of boxes, masks, or poses
_WHICH = re.compile(r"/dataloader_idx_\d+$")
_RANK = re.compile(r"rank\d*")
_SIZED = re.compile(r"(?<![A-Za-z])(m?A[PR])(?: \(([SML])\)|[_-]?([sml])(?![A-Za-z]))")
_SIZES = {"s": "small", "m": "medium", "l": "large"}
_UPPER = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(_CASED)})(?![A-Za-z])")
# Words that their humps would tear apart. The minADE of a forecast is no best so far.
_WHOLE = re.compile(
    r"mIoU|IoU|chrF|mPA(?![a-z])|cmAP|mAP(?!E)|mAR(?![a-z])|mINP|mA[TSOVA]E|sMAPE|[map]A(?:cc|CC)|m(?:Dice|Fscore|Precision|Recall)"
    r"|(?<![a-zA-Z])min_?(?:[AF]DE|DCF|Dcf|[af]de|dcf)(?![a-zA-Z])"
)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=Score)")
_LOWER = (
    # how far boxes have to overlap, from .5 to .95, is what an AP is without more words
    (re.compile(r"(m?a[pr])[_@ \[-]*(?:iou=)?(?:0?\.50?|50)(?:[-:_]|to)?(?:0?\.95|95)\]?"), r"\1 "),
    (re.compile(r"(m?ap)[_@ \[-]*(?:iou=)?0?\.(\d\d)0?(?!\d)\]?"), r"\1\2"),
    (re.compile(r"(m?ap)[_@ \[-]*(?:iou=)?0?\.(\d)(?!\d)\]?"), r"\g<1>\g<2>0"),
    (re.compile(r"(m?ap)([1-9])(?!\d)"), r"\1_\2"),
    (re.compile(r"(m?ap)[_@ -](25|50|75|95)(?!\d)"), r"\1\2"),
    (re.compile(r"(m?a[pr])[_-](small|medium|large)(?![a-z])"), r"\1\2"),
    (re.compile(r"(minade|minfde)(?=\d)"), r"\1_"),
    (re.compile(r"^((?:val|valid|test|eval|best)[_/ ])?rank[-_](1|5|10)$"), r"\1rank\2"),
    (re.compile(r"(?<![a-z])top[-_ @](?=\d)"), "top"),
    (re.compile(r"(?<![a-z])(?:acc(?:uracy)?|prec)(?:@|(?=[135]))(?=(?:1|3|5|10)(?!\d))"), "top"),
    (re.compile(r"(?<![a-z])mean1(?!\d)"), "mean"),  # MMAction: of the classes
    (re.compile(r"_at_(?=\d)"), "@"),
    (re.compile(r"(?<![a-z])r@(?=\d)"), "recall@"),
    (re.compile(r"(?<![a-z])p@(?=\d)"), "precision@"),
    (re.compile(r"(?<![a-z])hr@(?=\d)"), "hit_rate@"),
    (re.compile(r"(?<![a-z])pass@(?=\d)"), "passrate@"),
    (re.compile(r"(?<![a-z])r\^2"), "r2"),
    (re.compile(r"(?<![a-z])(fid|kid)\d+k(?:_full)?"), r"\1"),
    (re.compile(r"(?<![a-z])is\d+k(?:_full)?"), "inceptionscore"),
)
_NUMBERED = re.compile(r"\d|a[pr][_-](?:small|medium|large)")
_WORDS = re.compile(r"[a-z]+\d*|\d+")
_MINUS = frozenset({"1", "one", "minus"})
_REST = re.compile(
    r"^(?:(?:val|valid|train|test|eval)[_/])?(?:1 ?- ?|1_minus_|one_minus_)(?=[a-zA-Z])"
)


_GLUED = re.compile(r"(train|valid|val|test|eval|dev)([a-z]{3,}\d{0,2})")


@functools.lru_cache(maxsize=4096)  # a log says the same names in every epoch
def word_list(key: str) -> tuple[str, ...]:
    """The words of a name in their order, in lower case, each metric in its one spelling.

    What is missing to a perfect score (``1 - dice``) has the word loss at its end.
    """
    whole = _WHICH.sub("", key)
    rest = _REST.match(whole)
    words = _terms_in(tuple(_apart(_WORDS.findall(_spelled(whole)))))
    if rest is not None:
        measured = tuple(word for word in words if word not in _MINUS)
        own = [word for word in measured if word not in QUALIFIERS]
        if own and HIGH.issuperset(own):
            return (*measured, "loss")
    return _without_ends(words)


def _spelled(key: str) -> str:
    """The name in lower case, with a separator where a word begins."""
    key = _SIZED.sub(lambda m: f"{m[1]}{_SIZES[(m[2] or m[3]).lower()]}", key)
    key = _UPPER.sub(lambda found: _CASED[found[0]], _OUTPUT.sub("", key))
    key = _WHOLE.sub(lambda found: f"_{found[0].lower().replace('_', '')}", key)
    lower = _HUMP.sub("_", key).lower()
    if _NUMBERED.search(lower):  # most names are not, and each pattern takes its time
        for pattern, spelling in _LOWER:
            lower = pattern.sub(spelling, lower)
    return lower


def _apart(words: Iterable[str]) -> Iterator[str]:
    """The words, a part of the data apart from what is measured on it: ``validbleu``."""
    for word in words:
        glued = None if word in KNOWN else _GLUED.fullmatch(word)
        if glued is None or (glued[2] not in KNOWN and (glued[2],) not in _TERMS):
            yield word
        else:
            yield from glued.groups()


def _terms_in(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words, with the longest spellings that stand in them replaced by their terms."""
    if _FIRST_WORDS.isdisjoint(words):
        return words
    found: list[str] = []
    at = 0
    while at < len(words):
        longest = min(_LONGEST, len(words) - at) if words[at] in _FIRST_WORDS else 0
        for length in range(longest, 0, -1):
            term = _TERMS.get(words[at : at + length])
            if term is not None:
                found += term
                at += length
                break
        else:
            found.append(words[at])
            at += 1
    return tuple(found) if tuple(found) == words else _terms_in(tuple(found))


def _without_ends(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words without those at the end that say of which step, or of which process, a value is.

    Lightning's ``train_loss_step`` is a loss; ``best_iou_step`` is a step.
    """
    if len(words) > 2 and words[-2] == "rank" and words[-3] in KNOWN:
        words = words[:-2]
    if len(words) < 2 or words[-2] not in KNOWN:
        return words
    if _RANK.fullmatch(words[-1]):
        return words[:-1]
    if words[-1] != "step" or not BEST.isdisjoint(words):
        return words
    said = words[-2] == "loss" or not (VALIDATION | TRAINING).isdisjoint(words)
    return words[:-1] if said else words
