"""Logs of language models, translation and parsing that the reader was not made for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, form, steps


def _ppl(loss: float) -> float:
    return math.exp(min(loss, 50))


@form(
    "train.log",
    metric="(?i)val",
    shown=lambda m: as_read(f"{m.val:.3f}"),
    place=steps(100),
    or_place=lambda at: Place(step=at * 200 + 200),
)
def litgpt(course: Sequence[Moment]) -> str:
    """Lightning-AI/litgpt: litgpt/finetune/lora.py: `val: n/a` until there is one; `(step)`
    behind the time."""
    out, val = [], "n/a"
    for at, one in enumerate(course, start=1):
        for step in (at * 100 - 50, at * 100):
            out.append(
                f"Epoch {1 + at // 8} | iter {step * 2} step {step} | loss train: {one.train:.3f},"
                f" val: {val} | iter time: 350.12 ms (step)"
            )
        val = f"{one.val:.3f}"
        out.append("Validating ...")
        out.append(
            f"Epoch {1 + at // 8} | iter {at * 200} step {at * 100} | loss train: {one.train:.3f},"
            f" val: {val} | iter time: 351.12 ms (step)"
        )
    return "\n".join(out) + "\n"


@form(
    "log.txt",
    metric="(?i)val_loss",
    shown=lambda m: as_read(f"{m.val:.4f}"),
    place=steps(125),
)
def modded_nanogpt(course: Sequence[Moment]) -> str:
    """KellerJordan/modded-nanogpt: train_gpt.py: `step:125/1750 val_loss:4.3 train_time:…ms
    step_avg:…ms`, nothing between name and value."""
    out = []
    total = len(course) * 125
    for at, one in enumerate(course, start=1):
        for it in (at * 125 - 1,):
            out.append(
                f"step:{it}/{total} train_loss:{one.train:.4f} train_time:{it * 100}ms"
                " step_avg:100.12ms"
            )
        out.append(
            f"step:{at * 125}/{total} val_loss:{one.val:.4f} train_time:{at * 12512}ms"
            " step_avg:100.12ms"
        )
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)eval.*(loss|perplexity|ppl)",
    shown=lambda m: as_read(f"{m.val:.4f}"),
    place=steps(100),
    either={"(?i)perplexity": lambda m: as_read(f"{_ppl(m.val):.4f}")},
)
def olmo(course: Sequence[Moment]) -> str:
    """allenai/OLMo: olmo/train.py, `log_metrics_to_console`: `[step=100/2000,epoch=0]`, and
    names indented below."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2024-02-11 10:{at + 10}:10.123\thost:0\tolmo.train:967\tINFO\t"
        for it in (at * 100 - 10, at * 100):
            out.append(f"{stamp}[step={it}/{len(course) * 100},epoch=0]")
            out += [
                f"    train/CrossEntropyLoss={one.train:.4f}",
                f"    train/Perplexity={_ppl(one.train):.4f}",
                "    throughput/total_tokens=4,194,304",
                "    System/Peak GPU Memory (MB)=38,123",
            ]
        out.append(f"{stamp}Running evaluation for 'c4_en-validation'...")
        out.append(f"{stamp}[eval_step=1/10]\n{stamp}[eval_step=10/10]")
        out.append(f"{stamp}Finished evaluation")
        out.append(
            f"{stamp}    eval/c4_en-validation/CrossEntropyLoss={one.val:.4f}\n   "
            f" eval/c4_en-validation/Perplexity={_ppl(one.val):.4f}"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)eval.*acc", shown=lambda m: as_read(f"{m.score:.4f}"))
def composer_epochs(course: Sequence[Moment]) -> str:
    """mosaicml/composer: composer/loggers/console_logger.py: `[epoch=1][batch=50/50]:` counts from
    1, and `time/epoch` below it, a value among others, those that are over."""
    out = []
    for at, one in enumerate(course, start=1):
        for it in (25, 50):
            out.append(f"[epoch={at}][batch={it}/50]:")
            out += [
                f"\t Train time/epoch: {at - 1}",
                f"\t Train time/batch: {50 * (at - 1) + it}",
                f"\t Train time/batch_in_epoch: {it}",
                f"\t Train loss/train/total: {one.train:.4f}",
            ]
        out += ["[Eval batch=1/10] Eval on eval data:", "[Eval batch=10/10] Eval on eval data:"]
        out.append(f"\t Eval metrics/eval/MulticlassAccuracy: {one.score:.4f}")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)eval.*acc",
    shown=lambda m: as_read(f"{m.score:.4f}"),
    place=steps(50),
)
def composer(course: Sequence[Moment]) -> str:
    """mosaicml/composer: composer/loggers/console_logger.py: `[batch=50/4800]:` and lines that
    begin with a tab."""
    out = []
    for at, one in enumerate(course, start=1):
        for it in (at * 50 - 25, at * 50):
            out.append(f"[batch={it}/{len(course) * 50}]:")
            out += [
                f"\t Train time/batch: {it - 1}",
                f"\t Train time/token: {it * 2048}",
                "\t Train trainer/device_train_microbatch_size: 8",
                f"\t Train loss/train/total: {one.train:.4f}",
                f"\t Train metrics/train/LanguageCrossEntropy: {one.train:.4f}",
            ]
        out += [f"[Eval batch={b}/10] Eval on eval data" for b in (1, 10)]
        out += [
            "[Eval batch=10/10] Eval on eval data:",
            f"\t Eval metrics/eval/MulticlassAccuracy: {one.score:.4f}",
        ]
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)loss", shown=lambda m: as_read(f"{m.train:.3g}"), place=steps(10))
def nanotron(course: Sequence[Moment]) -> str:
    """huggingface/nanotron: src/nanotron/logging.py: bars, units of thousands:
    `consumed_tokens: 1.23M`."""
    return "".join(
        f"05/11/2024 10:{at + 10}:10 [INFO|DP=0|PP=0|TP=0]: iteration: {at * 10} /"
        f" {len(course) * 10} | consumed_tokens: {at * 0.66:.3g}M | elapsed_time_per_iteration_ms:"
        " 412 | tokens_per_sec: 159K | tokens_per_sec_per_gpu: 19.9K | global_batch_size: 32 |"
        f" lm_loss: {one.train:.3g} | lr: {one.lr:.3g} | model_tflops_per_gpu: 123 | grad_norm:"
        f" 0.{at + 10} | hd_free_memory_tb: 3.1T\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "train.log",
    metric="(?i)eval_(loss|perplexity)",
    shown=lambda m: as_read(f"{m.val:.3f}"),
    place=steps(100),
    either={"(?i)perplexity": lambda m: as_read(f"{_ppl(m.val):.3f}")},
)
def mistral_finetune(course: Sequence[Moment]) -> str:
    """mistralai/mistral-finetune: finetune/monitoring/metrics_logger.py: `step: 000100 - done
    (%): 33.3 - loss: 1.2 - …`."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2024-05-11 10:{at + 10}:10 (UTC) - 0:01:{at + 10} - train - INFO - "
        out.append(
            f"{stamp}step: {at * 100:06} - done (%): {at / len(course) * 100:.1f} - loss:"
            f" {one.train:.3f} - lr: {one.lr:.1e} - peak_alloc_mem (GB): 38.1 - alloc_mem (GB):"
            " 21.2 - words_per_second: 9123.4 - avg_words_per_second: 9001.2 - ETA: >2024-05-11"
            " 12:10:11"
        )
        out.append(
            f"{stamp.replace('train', 'eval')}step: {at * 100:06} - eval_perplexity:"
            f" {_ppl(one.val):.3f} - eval_loss: {one.val:.3f} - train_loss: {one.train:.3f}"
        )
    return "\n".join(out) + "\n"


@form(
    "train.log", metric="(?i)eval_acc", shown=lambda m: as_read(f"{m.score:.6f}"), place=steps(100)
)
def clu(course: Sequence[Moment]) -> str:
    """google/CommonLoopUtils: clu/metric_writers/logging_writer.py: `[100] eval_accuracy=0.1,
    eval_loss=6.9` behind absl's stamp."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"I0511 10:{at + 10}:10.123456 140012 logging_writer.py:48] "
        out.append(
            f"{stamp}[{at * 100}] steps_per_second=2.{at + 10},"
            f" train_accuracy={one.score * 0.97:.6f}, train_learning_rate={one.lr:.6f},"
            f" train_loss={one.train:.6f}"
        )
        out.append(
            f"I0511 10:{at + 10}:11.1 140012 checkpoints.py:101] Saving checkpoint at step:"
            f" {at * 100}"
        )
        out.append(f"{stamp}[{at * 100}] eval_accuracy={one.score:.6f}, eval_loss={one.val:.6f}")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)eval_loss",
    shown=lambda m: as_read(f"{m.val:.3f}"),
    place=lambda at: Place(step=at * 100 + 99),
    or_place=lambda at: Place(step=at * 100 + 100),
)
def maxtext(course: Sequence[Moment]) -> str:
    """AI-Hypercomputer/maxtext: MaxText/train.py: `completed step: 99, seconds: 1.2, …, loss:
    8.1`, `average loss after step=100: eval_loss=…`."""
    out = []
    for at, one in enumerate(course, start=1):
        for it in (at * 100 - 2, at * 100 - 1):
            out.append(
                f"completed step: {it}, seconds: 1.234, TFLOP/s/device: 123.456, Tokens/s/device:"
                f" 5012.345, total_weights: 65536, loss: {one.train:.3f}"
            )
        out.append("Completed eval step 0\nCompleted eval step 1")
        out.append(
            f"average loss after step={at * 100 - 1}: eval_loss={one.val:.3f},"
            f" total_weights={131072.0}"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)acc", shown=lambda m: m.score, place=steps(1000))
def tensorflow_orbit(course: Sequence[Moment]) -> str:
    """tensorflow/models: orbit/controller.py: `eval | step: 1000 | eval time: 10.1 sec |
    output:`, then a dictionary over several lines."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"I0511 10:{at + 10}:10.123456 140012 controller.py:"
        out.append(
            f"{stamp}486] train | step: {at * 1000:6d} | steps/sec:   11.2 | output: \n   "
            f" {{'learning_rate': {one.lr}, 'train_accuracy': {one.score * 0.97}, 'training_loss':"
            f" {one.train}}}"
        )
        out.append(
            f"train | step: {at * 1000:6d} | steps/sec:   11.2 | output: \n    {{'learning_rate':"
            f" {one.lr}, 'train_accuracy': {one.score * 0.97}, 'training_loss': {one.train}}}"
        )
        out.append(f"{stamp}282]  eval | step: {at * 1000:6d} | running complete evaluation...")
        out.append(
            f" eval | step: {at * 1000:6d} | eval time:   10.1 sec | output: \n    {{'accuracy':"
            f" {one.score},\n     'validation_loss': {one.val}}}"
        )
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)valid (loss|ppl)",
    shown=lambda m: as_read(f"{m.val:5.2f}"),
    either={"(?i)ppl": lambda m: as_read(f"{_ppl(m.val):8.2f}")},
)
def word_language_model(course: Sequence[Moment]) -> str:
    """pytorch/examples: word_language_model/main.py: bars at both ends, `| end of epoch   1 |
    … | valid ppl   250`."""
    out = []
    for at, one in enumerate(course, start=1):
        for batch in (200, 400):
            out.append(
                f"| epoch {at:3d} | {batch:5d}/{2983:5d} batches | lr {20:02.2f} | ms/batch"
                f" {12.31:5.2f} | loss {one.train:5.2f} | ppl {_ppl(one.train):8.2f}"
            )
        out.append(
            "-"
            * 89
            + f"\n| end of epoch {at:3d} | time: {40.11:5.2f}s | valid loss {one.val:5.2f} | valid"
            f" ppl {_ppl(one.val):8.2f}\n" + "-" * 89
        )
    return "\n".join(out) + "\n"


@form(
    "log.txt",
    metric="(?i)valid (loss|ppl)",
    shown=lambda m: as_read(f"{m.val:5.2f}"),
    place=steps(400),
    either={"(?i)ppl": lambda m: as_read(f"{_ppl(m.val):9.3f}")},
)
def transformer_xl(course: Sequence[Moment]) -> str:
    """kimiyoung/transformer-xl: pytorch/train.py: an epoch, a step and a batch in a line; `|
    Eval   1 at step     4000 | …`."""
    out = []
    for at, one in enumerate(course, start=1):
        for it in (at * 400 - 200, at * 400):
            out.append(
                f"| epoch {1 + it // 2000:3d} step {it:>8d} | {it % 2000:>6d} batches | lr"
                f" {one.lr:.3g} | ms/batch {512.1:5.2f} | loss {one.train:5.2f} | ppl"
                f" {_ppl(one.train):9.3f}"
            )
        out.append(
            "-" * 100 + f"\n| Eval {at:3d} at step {at * 400:>8d} | time: {50.1:5.2f}s | valid loss"
            f" {one.val:5.2f} | valid ppl {_ppl(one.val):9.3f}\n" + "-" * 100
        )
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)val.*loss|val.*ppl",
    shown=lambda m: as_read(f"{m.val:.3f}"),
    either={"(?i)ppl": lambda m: as_read(f"{_ppl(m.val):7.3f}")},
)
def pytorch_seq2seq(course: Sequence[Moment]) -> str:
    """bentrevett/pytorch-seq2seq: 1 - Sequence to Sequence Learning: `Epoch: 01 | Time: 0m
    23s`, then ` Val. Loss: 4.9 |  Val. PPL: 130`."""
    return "".join(
        f"Epoch: {at:02} | Time: 0m 2{at % 10}s\n\tTrain Loss: {one.train:.3f} | Train PPL:"
        f" {_ppl(one.train):7.3f}\n\t Val. Loss: {one.val:.3f} |  Val. PPL: {_ppl(one.val):7.3f}\n"
        for at, one in enumerate(course, start=1)
    )
