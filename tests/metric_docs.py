"""The page of the metrics that are understood, from the tables that understand them."""

from __future__ import annotations

from collections.abc import Iterable

from ckptdoctor.metadata.metric_spellings import SPELLINGS_OF
from ckptdoctor.metadata.metric_words import (
    FIELDS,
    FLATTER,
    HALVES,
    MAIN,
    ONLY_QUALIFIED,
    SUMMARIES,
    TRAINING,
    UNDIRECTED,
    VALIDATION,
)

_PAGE = """# Names of metrics

Generated from the tables of the program by `python -m tests.docs`.

A name is taken apart into words, in any case of letters and with any separator, so that
`val_mean_dice_coef`, `DiceScore` and `best dice` are one metric, and `mAP50-95(B)`, `mAP_0.5:0.95`
and `mAP@[.5:.95]` another than `mAP50`. What it ends in has to be a term of the table;
`dice_loss_coef` is none. A loss of whatever it is made falls: `iou_loss`, `1 - dice`. A number
behind a term is a rank, a threshold or a class: `recall@10` and `recall@20` are two metrics.

Words that mean other things too are metrics only where nothing but qualifiers stands beside them
(`val_map`, not `feature_map`), or where they are written as only a metric is (`cosine_recall@10`,
`NuScenes/mAP`).

## Which direction is better

| field | higher | lower |
|---|---|---|
{fields}

Of {undirected} no name tells the direction: `--mode` does. {only_qualified} count only beside a
word of the data, as in `val_a1`, or, where they have up to three letters, in capitals.

Data of a validation: {validation}. Of training: {training}.
Everything else that looks like a score (`val_foo`, `best foo`) is told, with the option that makes
it count.

## Which of several counts

Of scores on the same data, in this order:

1. What sums up its benchmark: {summaries}.
2. What says most in its field: {main}; the mean before the value of a class, the range of
   thresholds (`mAP50-95`) before one (`mAP50`).
3. Every other score.
4. What is high without a good model: {flatter}.
5. Parts: of a class, of a size of objects, of a rank.
6. Halves that are bought with their counterparts: {halves}.

## Spellings

Words in lower case, without separators; those of a metric in one piece (`mIoU`) and those with
numbers (`Acc@1`, `mAP_0.5`) are not listed.

| term | also |
|---|---|
{spellings}
"""


def metrics_page() -> str:
    """``docs/metrics.md``."""
    fields = [f"| {field.title} | {_code(field.high)} | {_code(field.low)} |" for field in FIELDS]
    spellings = [f"| `{term}` | {_code(others)} |" for term, others in SPELLINGS_OF.items()]
    return _PAGE.format(
        fields="\n".join(fields),
        undirected=_code(sorted(UNDIRECTED)),
        only_qualified=_code(sorted(ONLY_QUALIFIED)),
        validation=_code(sorted(VALIDATION)),
        training=_code(sorted(TRAINING)),
        summaries=_code(sorted(SUMMARIES)),
        main=_code(sorted(MAIN)),
        flatter=_code(sorted(FLATTER)),
        halves=_code(sorted(HALVES)),
        spellings="\n".join(spellings),
    )


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
