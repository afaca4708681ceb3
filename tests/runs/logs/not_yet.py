"""What of the forms is not read as it should be, by name; nothing else may fall short.

A name that holds has to be taken out here. `python -m tests.runs.logs.forms --not-yet` prints the
first two tables anew.
"""

from __future__ import annotations

from tests.runs.logs.forms import CourseKind

__all__ = ["NOT_ALONE", "NOT_DECODED", "NOT_FOUND", "NOT_READ", "NOT_SPELLED"]

_NEVER = frozenset(
    """
    bubbliiing
    bubbliiing-without-score
    build-nanogpt
    catalyst
    catboost
    chinese-of-total
    classification-report
    coqui
    cyclegan
    darknet
    detectron2-text
    diffusers
    epochs-within-iterations
    espnet
    espnet-transducer
    fairseq-text
    fastai
    global-steps
    imagenet-example
    improved-diffusion
    italian
    json-list-of-rows
    keras-history-csv
    keras-history-json
    keras-segmentation
    letter-of-total
    lightgbm
    marian
    milesial
    mmseg-old-json
    nemo
    paddle-ocr
    paddlex
    pandas-printed
    polish
    pytorch-classification-log
    rsl-rl
    rvc
    segmentation-models-pytorch
    spacy
    spanish
    stable-baselines-3
    stable-baselines-3-csv
    stylegan-metrics
    stylegan-stats
    tabs
    tensorflow-estimator
    torchtune-bar
    tuples
    turkish
    ultralytics-classify
    ultralytics-detect
    ultralytics-results-csv
    ultralytics-results-csv-plain
    ultralytics-segment
    vae-example
    xgboost
    yolov5-console
    yolov5-results-csv
    yolov7-results-txt
    """.split()
)
_AT_TIMES: dict[CourseKind, tuple[str, ...]] = {
    CourseKind.STORY: (
        "axolotl",
        "deepspeed-overflow",
        "llama-factory",
        "model-card",
        "tacotron-2",
    ),
    CourseKind.HEALTHY: (),
    CourseKind.FINITE: ("kohya",),
    CourseKind.EXPLOSION: (),
}

NOT_READ: dict[CourseKind, frozenset[str]] = {
    kind: _NEVER | frozenset(names) for kind, names in _AT_TIMES.items()
}
"""Forms whose log of such a course is not read as it was printed."""
NOT_FOUND: frozenset[str] = frozenset(
    (
        "20260102_030405.log.json",
        "history.csv",
        "history.json",
        "log.csv",
        "log.tsv",
        "loss_log.txt",
        "metric-fid50k_full.jsonl",
        "metrics.json",
        "nohup.out",
        "progress.csv",
        "results.txt",
        "slurm-4711.out",
        "stats.jsonl",
        "training_log.csv",
    )
)
"""Names of logs that are not found in a folder, or whose form is not read."""
NOT_ALONE: frozenset[str] = frozenset(("ultralytics-detect",))
"""Forms that are not read while they are being written."""
NOT_DECODED: frozenset[str] = frozenset(
    (
        "UTF-16 of PowerShell bars",
        "UTF-16 of PowerShell hugging-face",
        "UTF-16 of PowerShell json-lines",
        "UTF-16 of PowerShell keras-csv-logger",
        "UTF-16 of PowerShell lightning-csv",
        "UTF-16 the other way round bars",
        "UTF-16 the other way round hugging-face",
        "UTF-16 the other way round json-lines",
        "UTF-16 the other way round keras-csv-logger",
        "UTF-16 the other way round lightning-csv",
        "UTF-8 with a mark json-lines",
        "old Macs json-lines",
        "old Macs keras-csv-logger",
        "old Macs lightning-csv",
        "zeros in front, of a log that was rotated bars",
        "zeros in front, of a log that was rotated json-lines",
        "zeros in front, of a log that was rotated keras-csv-logger",
        "zeros in front, of a log that was rotated lightning-csv",
    )
)
"""Encodings in which a form is not read."""
NOT_SPELLED: frozenset[str] = frozenset(
    (
        "NaN: MSVC before 2015, rounded to three digits",
        "NaN: MSVC before 2015, rounded to two digits",
        "NaN: numpy before 2",
        "NaN: Python's Decimal",
        "NaN: quoted, of JSON libraries that have no NaN",
        "NaN: quoted, in a dictionary of Python",
        "NaN: PaddleOCR, which pads to six characters",
        "infinity: PaddleOCR, which pads to six characters",
        "infinity: Python's Decimal",
    )
)
"""Spellings of what is no number that are not read in every line."""
