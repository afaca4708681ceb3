"""Logs of translation, parsing and benchmarks of language that the reader was not made for."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, as_read, epochs, form, steps


def _ppl(loss: float) -> float:
    return math.exp(min(loss, 50))


@form(
    "log",
    metric="(?i)perplexity|bleu",
    shown=lambda m: as_read(f"{_ppl(m.val):f}"),
    place=steps(1000),
    or_place=epochs(1),
    either={"(?i)bleu": lambda m: as_read(f"{m.score * 0.4:f}")},
)
def sockeye(course: Sequence[Moment]) -> str:
    """awslabs/sockeye: sockeye/training.py: `Checkpoint [3]\\tValidation-perplexity=12.3`, the
    updates in a line above."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"[2018-05-11:10:{at + 10}:10:INFO:sockeye.training:"
        for batch in (500, 1000):
            out.append(
                f"{stamp}log] Epoch[{at // 4}] Batch [{at * 1000 - 1000 + batch}]\tSpeed: 1900.12"
                " samples/sec 41000.11 tokens/sec 2.11"
                f" updates/sec\tperplexity={_ppl(one.train):f}"
            )
        out.append(
            f"{stamp}fit] Checkpoint [{at}]\tUpdates={at * 1000} Epoch={at // 4}"
            f" Samples={at * 64000} Time-cost=812.123 Updates/sec=1.231"
        )
        out.append(f"{stamp}fit] Checkpoint [{at}]\tTrain-perplexity={_ppl(one.train):f}")
        out.append(f"{stamp}fit] Checkpoint [{at}]\tValidation-perplexity={_ppl(one.val):f}")
        out.append(f"{stamp}fit] Checkpoint [{at}]\tValidation-bleu={one.score * 0.4:f}")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)bleu",
    shown=lambda m: as_read(f"{m.score * 40:f}"),
    place=steps(5000),
    either={
        "(?i)^loss|eval.*loss": lambda m: as_read(f"{m.val:f}"),
        "(?i)perplexity": lambda m: as_read(f"{_ppl(m.val):f}"),
    },
)
def opennmt_tf(course: Sequence[Moment]) -> str:
    """OpenNMT/OpenNMT-tf: opennmt/training.py and evaluation.py: `Step = 100 ; … ; Loss =
    2.1`, `Evaluation result for step 5000: …`."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2021-05-11 10:{at + 10}:10.123000: I "
        for it in (at * 5000 - 100, at * 5000):
            out.append(
                f"{stamp}training.py:176] Step = {it} ; steps/s = 2.12, source words/s = 8123,"
                f" target words/s = 8012 ; Learning rate = {one.lr:f} ; Loss = {one.train:f}"
            )
        out.append(f"{stamp}training.py:192] Running evaluation for step {at * 5000}")
        out.append(
            f"{stamp}evaluation.py:262] Evaluation result for step {at * 5000}: loss: {one.val:f}"
            f" ; perplexity: {_ppl(one.val):f} ; bleu: {one.score * 40:f}"
        )
    return "\n".join(out) + "\n"


@form(
    "training.log",
    metric="(?i)ppl|loss|perplexity",
    shown=lambda m: m.val,
    either={"(?i)ppl|perplexity": lambda m: _ppl(m.val)},
)
def deepspeed_chat(course: Sequence[Moment]) -> str:
    """deepspeedai/DeepSpeedExamples:
    applications/DeepSpeed-Chat/training/step1_supervised_finetuning/main.py: the evaluation
    below a line of stars."""
    out = ["***** Running training *****"]
    for at, one in enumerate(course, start=1):
        out.append(f"Beginning of Epoch {at}/{len(course)}, Total Micro Batches 920")
        for it in (0, 1):
            out.append(
                f"Model Parameters: 1.429 B, Latency: 0.8{it}s, TFLOPs: 41.2, Samples/sec: 19.1,"
                " Time/seq 0.05s, Batch Size: 16, Sequence Length: 512"
            )
        out.append(f"***** Evaluating perplexity, Epoch {at}/{len(course)} *****")
        out.append(f"ppl: {_ppl(one.val)}, loss: {one.val}")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)acc",
    shown=lambda m: m.score,
    place=epochs(0),
    either={"(?i)f1": lambda m: m.score * 0.97},
)
def accelerate_glue(course: Sequence[Moment]) -> str:
    """huggingface/accelerate: examples/nlp_example.py; huggingface/transformers:
    run_glue_no_trainer.py: `epoch 0: {'accuracy': 0.8}`."""
    return "".join(
        f"epoch {at}: {{'accuracy': {one.score}, 'f1': {one.score * 0.97}}}\n"
        for at, one in enumerate(course)
    )


@form(
    "train.log",
    metric="(?i)eval_loss|perplexity",
    shown=lambda m: m.val,
    place=epochs(0),
    either={"(?i)perplexity": lambda m: _ppl(m.val)},
)
def run_clm_no_trainer(course: Sequence[Moment]) -> str:
    """huggingface/transformers: examples/pytorch/language-modeling/run_clm_no_trainer.py:
    `epoch 0: perplexity: 12.3 eval_loss: tensor(2.5)`."""
    return (
        "".join(
            f"05/11/2023 10:{at + 10}:10 - INFO - __main__ - epoch {at}: perplexity:"
            f" {_ppl(one.val)} eval_loss: {one.val}\n {at * 3 % 100}%|███       |"
            f" {(at + 1) * 582}/58200 [10:11<30:22,  2.31it/s]\r"
            for at, one in enumerate(course)
        )
        + "\n"
    )


@form(
    "similarity_evaluation_sts-dev_results.csv",
    metric="(?i)spearman|pearson",
    shown=lambda m: m.score,
    place=epochs(0),
    either={"(?i)pearson": lambda m: m.score * 0.98},
)
def sentence_transformers_csv(course: Sequence[Moment]) -> str:
    """UKPLab/sentence-transformers:
    sentence_transformers/evaluation/EmbeddingSimilarityEvaluator.py: `steps` is -1 at the end
    of an epoch."""
    head = "epoch,steps,cosine_pearson,cosine_spearman\n"
    return head + "".join(
        f"{at},-1,{one.score * 0.98},{one.score}\n" for at, one in enumerate(course)
    )


@form(
    "training_progress_scores.csv",
    metric="(?i)mcc|auroc|auprc",
    shown=lambda m: m.score,
    place=steps(500),
    either={"(?i)auroc|auprc": lambda m: m.score * 1.1, "(?i)eval_loss": lambda m: m.val},
)
def simple_transformers(course: Sequence[Moment]) -> str:
    """ThilinaRajapakse/simpletransformers:
    simpletransformers/classification/classification_model.py: counts of `tp`, `tn`, `fp`, `fn`
    beside the scores."""
    out = ["global_step,train_loss,mcc,tp,tn,fp,fn,auroc,auprc,eval_loss"]
    for at, one in enumerate(course, start=1):
        right, wrong = int(one.score * 400), int((1 - one.score) * 400)
        ranked = one.score * 1.1
        cells = (
            at * 500,
            one.train,
            one.score,
            right,
            right,
            wrong,
            wrong,
            ranked,
            ranked,
            one.val,
        )
        out.append(",".join(map(str, cells)))
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)dev_?score",
    shown=lambda m: as_read(f"{m.score:.4f}"),
    place=steps(100),
)
def stanza(course: Sequence[Moment]) -> str:
    """stanfordnlp/stanza: stanza/models/tagger.py: `Finished STEP 20/50000, loss = 5.1`, `step
    100: train_loss = 3.2, dev_score = 0.45`."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2022-05-11 10:{at + 10}:10 INFO: "
        for it in (at * 100 - 20, at * 100):
            out.append(
                f"{stamp}Finished STEP {it}/50000, loss = {one.train:.6f} (0.212 sec/batch), lr:"
                f" {one.lr:.6f}"
            )
        out.append(f"{stamp}Evaluating on dev set...")
        out.append(
            f"{stamp}step {at * 100}: train_loss = {one.train:.6f}, dev_score = {one.score:.4f}"
        )
    return "\n".join(out) + "\n"


@form(
    "stdout.log",
    metric="(?i)acc",
    shown=lambda m: as_read(f"{m.score:.4f}"),
    place=epochs(0),
    either={"(?i)acc.": lambda m: as_read(f"{m.score:8.3f}")},
)
def allennlp(course: Sequence[Moment]) -> str:
    """allenai/allennlp: allennlp/training/callbacks/console_logger.py: `Epoch 0/9`, then a
    table with a column for each part of the data."""
    out = []
    for at, one in enumerate(course):
        stamp = f"2020-05-11 10:{at + 10}:10,123 - INFO - allennlp.training."
        out.append(f"{stamp}gradient_descent_trainer - Epoch {at}/{len(course) - 1}")
        out.append(f"{stamp}gradient_descent_trainer - Worker 0 memory usage: 2.1G")
        out.append(
            f"accuracy: {one.score * 0.97:.4f}, batch_loss: {one.train * 1.1:.4f}, loss:"
            f" {one.train:.4f} ||: 100%|##########| 100/100 [00:10<00:00,  9.12it/s]"
        )
        out.append(
            f"accuracy: {one.score:.4f}, batch_loss: {one.val * 1.1:.4f}, loss: {one.val:.4f} ||:"
            " 100%|##########| 10/10 [00:01<00:00,  9.12it/s]"
        )
        out.append(
            f"{stamp}callbacks.console_logger -                        Training |  Validation"
        )
        out.append(
            f"{stamp}callbacks.console_logger - accuracy           |  {one.score * 0.97:8.3f}  | "
            f" {one.score:8.3f}"
        )
        out.append(
            f"{stamp}callbacks.console_logger - gpu_0_memory_MB    |  {812.123:8.3f}  |       N/A"
        )
        out.append(
            f"{stamp}callbacks.console_logger - loss               |  {one.train:8.3f}  | "
            f" {one.val:8.3f}"
        )
    return "\n".join(out) + "\n"


@form("result_0.txt", metric="(?i)acc", shown=lambda m: m.score, place=epochs(1))
def mlperf(course: Sequence[Moment]) -> str:
    """mlcommons/logging: mlperf_logging/mllog/mllog.py: `:::MLLOG` and JSON: the name in
    `key`, the number in `value`, the epoch in `metadata`."""
    out: list[str] = []

    def line(key: str, value: object, meta: dict[str, object]) -> str:
        row = {
            "namespace": "",
            "time_ms": 1620000000000 + len(out),
            "event_type": "POINT_IN_TIME",
            "key": key,
            "value": value,
        }
        return ":::MLLOG " + json.dumps(
            row | {"metadata": {"file": "train.py", "lineno": 71} | meta}
        )

    out.append(line("seed", 17, {}))
    out.append(line("global_batch_size", 2048, {}))
    for at, one in enumerate(course, start=1):
        out.append(line("epoch_start", None, {"epoch_num": at}))
        out.append(line("train_loss", one.train, {"epoch_num": at}))
        out.append(line("eval_accuracy", one.score, {"epoch_num": at}))
        out.append(line("epoch_stop", None, {"epoch_num": at}))
    return "\n".join(out) + "\n"


@form("dllogger.json", metric="(?i)val.*(top1|acc)", shown=lambda m: m.score, place=epochs(0))
def dllogger(course: Sequence[Moment]) -> str:
    """NVIDIA/dllogger: dllogger/logger.py, `JSONStreamBackend`: `DLLL` and JSON: `step` is a
    list of epoch and iteration, [] at the end; `data` holds the values."""
    out = []

    def line(step: list[int], data: dict[str, float]) -> str:
        return "DLLL " + json.dumps(
            {
                "timestamp": "1620000000.12",
                "datetime": "2021-05-11 10:10:10.123",
                "elapsedtime": "12.1",
                "type": "LOG",
                "step": step,
                "data": data,
            }
        )

    out.append(
        "DLLL "
        + json.dumps(
            {
                "timestamp": "1620000000.12",
                "type": "METADATA",
                "metric": "train.loss",
                "metadata": {"unit": None},
            }
        )
    )
    for at, one in enumerate(course):
        out += [
            line([at, it], {"train.loss": one.train, "train.compute_ips": 812.1}) for it in (0, 10)
        ]
        out.append(
            line(
                [at],
                {
                    "train.loss": one.train,
                    "train.lr": one.lr,
                    "val.top1": one.score,
                    "val.loss": one.val,
                },
            )
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)test.*loss", shown=lambda m: as_read(f"{m.val:f}"))
def min_gpt(course: Sequence[Moment]) -> str:
    """karpathy/minGPT: mingpt/trainer.py of 2020: a bar `epoch 1 iter 99: train loss 1.23. lr
    6e-4`, then `test loss: 1.2` behind a logger's name."""
    out = []
    for at, one in enumerate(course):
        out.append(
            "".join(
                f"\repoch {at + 1} iter {it}: train loss {one.train:.5f}. lr {one.lr:e}: 100%|██|"
                f" {it + 1}/100 [00:10<00:00,  9.9it/s]"
                for it in (50, 99)
            )
        )
        out.append(f"05/11/2020 10:{at + 10}:10 - INFO - mingpt.trainer -   test loss: {one.val:f}")
    return "\n".join(out) + "\n"
