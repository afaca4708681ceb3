"""What of the forms is not read as it should be, by name; nothing else may fall short.

A name that holds has to be taken out here. `python -m tests.runs.logs.forms --not-yet` prints the
first two tables anew.
"""

from __future__ import annotations

from tests.runs.logs.forms import CourseKind

__all__ = ["NOT_ALONE", "NOT_DECODED", "NOT_FOUND", "NOT_READ", "NOT_SPELLED"]

_NEVER = frozenset(
    """
    arrows
    axolotl
    batches-and-global-steps
    bubbliiing-without-score
    build-nanogpt
    catalyst
    catboost
    chinese
    chinese-mixed
    chinese-of-total
    chinese-rounds
    class-table
    coqui
    csv-of-steps
    csv-with-semicolons
    cyclegan
    darknet
    decimal-commas
    decimal-commas-and-commas
    deepspeed-overflow
    detectron2-json
    detectron2-text
    detr-log
    diffusers
    epochs-within-iterations
    espnet
    espnet-transducer
    fairseq-text
    fastai
    fat-arrows
    french
    french-comma
    german
    german-comma
    global-steps
    glued
    hugging-face-5
    imagenet-example
    improved-diffusion
    italian
    iterations
    japanese
    json-lines-of-steps
    json-list-of-rows
    keras-history-csv
    keras-history-json
    keras-segmentation
    korean
    letter
    letter-of-total
    lightgbm
    llama-factory
    marian
    markdown-table
    megatron
    milesial
    mlx-lm
    mmseg-1-by-iteration
    mmseg-1-scalars
    mmseg-old-json
    mmseg-old-text
    mnist-example
    model-card
    ms-swift
    nanogpt
    nemo
    nnunet-v1
    nnunet-v2
    nnunet-v2-absent-class
    nnunet-v2-absent-class-numpy-2
    nnunet-v2-numpy-2
    numpy-2
    opennmt
    paddle-ocr
    pandas-printed
    polish
    portuguese
    pytorch-classification-log
    rsl-rl
    russian
    rvc
    segmentation-models-pytorch
    skorch
    spacy
    spanish
    stable-baselines-3
    stable-baselines-3-csv
    step-lines
    stylegan-metrics
    stylegan-stats
    stylegan-ticks
    tabs
    tacotron-2
    tensorflow-estimator
    tensorflow-slim
    thousands
    timm-console
    torchtitan
    torchtune-bar
    torchtune-disk
    torchvision-detection
    trainer-table-of-steps
    trainer-table-of-training
    tuples
    turkish
    ultralytics-classify
    ultralytics-detect
    ultralytics-results-csv
    ultralytics-results-csv-plain
    ultralytics-segment
    unnamed-tuples
    vae-example
    xgboost
    yolov5-console
    yolov5-results-csv
    yolov7-results-txt
    yolox
    """.split()
)
_AT_TIMES: dict[CourseKind, tuple[str, ...]] = {
    CourseKind.STORY: ("openpcdet",),
    CourseKind.HEALTHY: (),
    CourseKind.FINITE: ("openpcdet",),
    CourseKind.EXPLOSION: ("openpcdet",),
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
        "log.jsonl",
        "log.tsv",
        "log_1718000000.txt",
        "loss_log.txt",
        "metric-fid50k_full.jsonl",
        "metrics.json",
        "nohup.out",
        "progress.csv",
        "results.txt",
        "slurm-4711.out",
        "stats.jsonl",
        "train.log",
        "training_log.csv",
    )
)
"""Names of logs that are not found in a folder, or whose form is not read."""
NOT_ALONE: frozenset[str] = frozenset(
    (
        "detectron2-json",
        "mmseg-1-by-iteration",
        "nanogpt",
        "step-lines",
        "ultralytics-detect",
    )
)
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
        "NaN: MSVC before 2015, a quiet NaN",
        "NaN: MSVC before 2015, rounded to four digits",
        "NaN: MSVC before 2015, the default NaN",
        "NaN: MSVC before 2015, the default NaN in full",
        "NaN: MSVC before 2015, a signalling NaN",
        "NaN: MSVC before 2015, rounded to three digits",
        "NaN: MSVC before 2015, rounded to two digits",
        "NaN: numpy before 2",
        "NaN: numpy 2, a scalar of 64 bits",
        "NaN: numpy 2, a scalar of 32 bits",
        "NaN: numpy 2, a scalar of 16 bits",
        "NaN: numpy, an array without dimensions",
        "NaN: numpy, an array of 32 bits",
        "NaN: numpy, an array of one",
        "NaN: numpy, what str() says of an array of one",
        "NaN: torch",
        "NaN: torch, of one element",
        "NaN: torch, of one element twice",
        "NaN: torch on a GPU",
        "NaN: torch with a gradient",
        "NaN: torch, another dtype",
        "NaN: torch, a parameter",
        "NaN: TensorFlow",
        "NaN: TensorFlow, repr",
        "NaN: JAX, repr",
        "NaN: JAX, repr of a weak type",
        "NaN: JAX before 0.4",
        "NaN: cupy",
        "NaN: Python's Decimal",
        "NaN: quoted, of JSON libraries that have no NaN",
        "NaN: quoted, in a dictionary of Python",
        "NaN: PaddleOCR, which pads to six characters",
        "infinity: MSVC before 2015",
        "infinity: MSVC before 2015, in full",
        "infinity: MSVC before 2015, below zero",
        "infinity: numpy 2",
        "infinity: numpy, an array",
        "infinity: torch",
        "infinity: torch on a GPU",
        "infinity: JAX",
        "infinity: TensorFlow",
        "infinity: PaddleOCR, which pads to six characters",
        "infinity: Python's Decimal",
        "infinity: JavaScript for people, toLocaleString()",
    )
)
"""Spellings of what is no number that are not read in every line."""
