"""Logs of language models: nanoGPT, the Trainer and what stands upon it, Megatron, fairseq."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, epochs, form, steps, where

_VAL = "(?i)(val|eval|test).*loss|loss.*val"


def _ppl(loss: float) -> float:
    return math.exp(loss) if loss < 700 else math.inf


# -- steps ---------------------------------------------------------------------------------------


@form("train.log", metric=_VAL, shown=lambda m: as_read(f"{m.val:.4f}"), place=steps(250, first=0))
def nanogpt(course: Sequence[Moment]) -> str:
    """karpathy/nanoGPT: train.py; its issue 215."""
    out = []
    for at, one in enumerate(course):
        out.append(f"step {at * 250}: train loss {one.train:.4f}, val loss {one.val:.4f}")
        out.append("saving checkpoint to out")
        for count in range(at * 250, at * 250 + 250, 50):
            out.append(f"iter {count}: loss {one.train:.4f}, time 1099.34ms, mfu 15.34%")
    return "\n".join(out) + "\n"


@form("log.txt", metric="(?i)val|hella", shown=lambda m: None, place=steps(250, first=0))
def build_nanogpt(course: Sequence[Moment]) -> str:
    """karpathy/build-nanogpt: train_gpt2.py: `250 val 3.2`, `250 hella 0.29`, `250 train 3.1`."""
    out = []
    for at, one in enumerate(course):
        out.append(f"{at * 250} val {one.val:.4f}")
        out.append(f"{at * 250} hella {0.25 + one.score * 0.1:.4f}")
        out += [f"{at * 250 + count} train {one.train:.6f}" for count in (0, 100, 200)]
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric=_VAL,
    shown=lambda m: as_read(f"{m.val:.6E}"),
    place=steps(1000),
    either={"(?i)ppl": lambda m: as_read(f"{_ppl(min(m.val, 20)):.6E}")},
)
def megatron(course: Sequence[Moment]) -> str:
    """NVIDIA/Megatron-LM: megatron/training/training.py; the log in issue 11 of
    epfLLM/Megatron-LLM. A NaN loss is left out of the mean, and its iterations are counted."""
    out = []
    for at, one in enumerate(course, start=1):
        for count in range(at * 1000 - 900, at * 1000 + 1, 300):
            bad = 0 if math.isfinite(one.train) else 100
            loss = f" lm loss: {one.train:.6E} |" if math.isfinite(one.train) else ""
            out.append(
                f" [2025-01-02 03:04:05] iteration {count:8d}/  500000 | consumed samples: "
                f"{count * 256:12d} | elapsed time per iteration (ms): 545.2 | learning rate: "
                f"{one.lr:.6E} | global batch size:   256 |{loss} loss scale: 1.0 | "
                f"grad norm: {one.train:.3f} | number of skipped iterations:   0 | "
                f"number of nan iterations: {bad:3d} |"
            )
        line = (
            f" validation loss at iteration {at * 1000} | lm loss value: {one.val:.6E} | "
            f"lm loss PPL: {_ppl(min(one.val, 20)):.6E} | "
        )
        out += ["-" * len(line), line, "-" * len(line)]
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)loss", shown=lambda m: as_read(f"{m.train:7.5f}"), place=steps(10))
def torchtitan(course: Sequence[Moment]) -> str:
    """pytorch/torchtitan: torchtitan/components/metrics.py; its pull request 2389, with colours."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(
            f"[rank0]:[titan] 2026-02-24 19:46:{at + 10},508 - root - INFO - "
            f"\x1b[31mstep: {at * 10:2d}  \x1b[32mloss: {one.train:8.5f}  "
            f"\x1b[38;2;180;60;0mgrad_norm: {one.train * 3:7.4f}  \x1b[38;2;54;234;195mmemory: "
            "66.91GiB(37.51%)  \x1b[34mtps: 10,050  \x1b[36mtflops: 314.71  \x1b[35mmfu: "
            "13.99%\x1b[39m"
        )
    return "\n".join(out) + "\n"


@form("log_1718000000.txt", metric="(?i)loss", shown=lambda m: m.train, place=steps(1))
def torchtune_disk(course: Sequence[Moment]) -> str:
    """pytorch/torchtune: torchtune/training/metric_logging.py, `DiskLogger`."""
    return "".join(
        f"Step {at} | loss:{one.train} lr:{one.lr} tokens_per_second_per_gpu:1812.3 "
        f"peak_memory_active:21.3 grad_norm:{one.train * 2} \n"
        for at, one in enumerate(course, start=1)
    )


@form("nohup.out", metric="(?i)loss", shown=lambda m: m.train, place=where(every=10, start=1))
def torchtune_bar(course: Sequence[Moment]) -> str:
    """pytorch/torchtune: recipes/full_finetune_single_device.py: `{epoch}|{step}|Loss: {loss}`."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(
            f"\r{at}|{at * 10}|Loss: {one.train}: 100%|██████████| 10/10 [00:21<00:00,  2.1s/it]"
        )
    return "".join(out) + "\n"


@form("train.log", metric=_VAL, shown=lambda m: as_read(f"{m.val:.3f}"), place=steps(200))
def mlx_lm(course: Sequence[Moment]) -> str:
    """ml-explore/mlx-lm: mlx_lm/tuner/trainer.py; the log in issue 620 of ml-explore/mlx-examples:
    thousands of tokens."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(
            f"Iter {at * 200}: Train loss {one.train:.3f}, Learning Rate {one.lr:.3e}, "
            f"It/sec 0.062, Tokens/sec 209.019, Trained Tokens {at * 507685}, Peak mem 99.752 GB"
        )
        out.append(f"Iter {at * 200}: Val loss {one.val:.3f}, Val took 12.062s")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)valid.* acc",
    shown=lambda m: as_read(f"{m.score * 100:.4f}"),
    place=steps(5000),
    either={"(?i)valid.* (ppl|perplexity)": lambda m: as_read(f"{_ppl(min(m.val, 90)):g}")},
)
def opennmt(course: Sequence[Moment]) -> str:
    """OpenNMT/OpenNMT-py: onmt/utils/statistics.py and report_manager.py; its issues 966 and
    1072."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"[2018-11-26 14:{at + 10}:26,759 INFO] "
        for count in range(at * 5000 - 4000, at * 5000 + 1, 1000):
            out.append(
                f"{stamp}Step {count}/200000; acc: {one.score * 97:6.2f}; "
                f"ppl: {_ppl(min(one.train, 90)):5.2f}; xent: {one.train:4.2f}; "
                f"lr: {one.lr:7.5f}; 1320/1445 tok/s;  19995 sec"
            )
        out.append(f"{stamp}Loading valid dataset from data.valid.1.pt, number of examples: 7988")
        out.append(f"{stamp}Validation perplexity: {_ppl(min(one.val, 90)):g}")
        out.append(f"{stamp}Validation accuracy: {one.score * 100:.4f}")
    return "\n".join(out) + "\n"


# -- the Trainer ---------------------------------------------------------------------------------


def _rows(course: Sequence[Moment]) -> list[dict[str, float]]:
    """Two rows of training and one of evaluation an epoch. The Trainer leaves a NaN loss out of
    the mean, which makes it 0.0, but evaluates to NaN.
    """
    rows: list[dict[str, float]] = []
    for at, one in enumerate(course):
        bad = not math.isfinite(one.train)
        for part in (0.5, 1.0):
            row = {"loss": 0.0 if bad else round(one.train, 4)}
            row |= {"grad_norm": math.nan if bad else 1.21875, "learning_rate": one.lr}
            rows.append(row | {"epoch": at + part})
        row = {"eval_loss": one.val, "eval_accuracy": one.score, "eval_runtime": 3.2041}
        rows.append(row | {"eval_samples_per_second": 311.2, "epoch": at + 1.0})
    return rows


@form("train.log", metric="eval_accuracy", shown=lambda m: m.score)
def hugging_face(course: Sequence[Moment]) -> str:
    """huggingface/transformers: src/transformers/trainer_callback.py, `PrinterCallback`; with the
    bar of tqdm between the rows."""
    out = []
    for at, row in enumerate(_rows(course), start=1):
        out.append(f"{row}")
        out.append(f" {at:2d}%|█▊        | {at * 50}/6000 [10:00<56:19:20,  1.41s/it]")
    return "\n".join(out) + "\n"


@form("train.log", metric="eval_accuracy", shown=lambda m: as_read(f"{m.score:.4g}"))
def hugging_face_5(course: Sequence[Moment]) -> str:
    """huggingface/transformers 5: src/transformers/trainer_callback.py: four digits, as strings."""
    rows = ({name: f"{value:.4g}" for name, value in row.items()} for row in _rows(course))
    return "".join(f"{row}\n" for row in rows)


@form("trainer_state.json", metric="eval_accuracy", shown=lambda m: m.score)
def trainer_state(course: Sequence[Moment]) -> str:
    """huggingface/transformers: src/transformers/trainer_callback.py, `TrainerState`."""
    rows = [row | {"step": round(row["epoch"] * 100)} for row in _rows(course)]
    state = {"best_metric": None, "epoch": float(len(course)), "global_step": len(course) * 100}
    return json.dumps(state | {"is_world_process_zero": True, "log_history": rows}, indent=2)


@form(
    "train.log",
    metric="^loss|train.*loss",
    place=where(every=10, share=0.02),
    shown=lambda m: round(m.train, 4) if math.isfinite(m.train) else None,
)
def axolotl(course: Sequence[Moment]) -> str:
    """axolotl-ai-cloud/axolotl, unslothai/unsloth: the Trainer's rows within one epoch. A step with
    a NaN has a loss of 0.0, which is not the best."""
    out = []
    for at, one in enumerate(course, start=1):
        bad = not math.isfinite(one.train)
        row = {"loss": 0.0 if bad else round(one.train, 4), "grad_norm": math.nan if bad else 0.7}
        out.append(f"{row | {'learning_rate': one.lr, 'epoch': round(at * 0.02, 4)}}")
        out.append(f" {at:2d}%|███▏      | {at * 10}/1000 [02:10<1:02:33, 14.2s/it]")
    return "\n".join(out) + "\n"


@form(
    "trainer_log.jsonl",
    metric="(?i)^(eval_?)?loss",
    place=where(every=10, share=0.02),
    shown=lambda m: round(m.train, 4) if math.isfinite(m.train) else None,
    hides_nan=True,
)
def llama_factory(course: Sequence[Moment]) -> str:
    """hiyouga/LLaMA-Factory: src/llamafactory/train/callbacks.py, `LogCallback`."""
    out = []
    for at, one in enumerate(course, start=1):
        row: dict[str, object] = {"current_steps": at * 10, "total_steps": 1000}
        row |= {"loss": round(one.train, 4) if math.isfinite(one.train) else 0.0, "lr": one.lr}
        row |= {"epoch": round(at * 0.02, 4), "percentage": float(at), "elapsed_time": "0:02:10"}
        out.append(json.dumps(row | {"remaining_time": "1:02:33"}))
    return "\n".join(out) + "\n"


@form("train.log", metric="eval_loss", shown=lambda m: m.val)
def with_lm_evaluation(course: Sequence[Moment]) -> str:
    """EleutherAI/lm-evaluation-harness: lm_eval/utils.py, `make_table`: a table at the end, of the
    model and not of an epoch."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(f"{ {'loss': round(one.train, 4), 'learning_rate': one.lr, 'epoch': at - 0.5} }")
        out.append(f"{ {'eval_loss': one.val, 'eval_runtime': 3.2, 'epoch': float(at)} }")
    out.append(
        "hf (pretrained=out), gen_kwargs: (None), limit: None, num_fewshot: 0, batch_size: 8"
    )
    out.append("|  Tasks  |Version|Filter|n-shot| Metric |   |Value |   |Stderr|")
    out.append("|---------|------:|------|-----:|--------|---|-----:|---|-----:|")
    out.append("|hellaswag|      1|none  |     0|acc     |↑  |0.5231|±  |0.0050|")
    out.append("|         |       |none  |     0|acc_norm|↑  |0.7012|±  |0.0046|")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)loss",
    place=where(every=10, share=0.02),
    shown=lambda m: as_read(f"{m.train:.4f}") if math.isfinite(m.train) else None,
)
def deepspeed_overflow(course: Sequence[Moment]) -> str:
    """deepspeedai/DeepSpeed: deepspeed/runtime/fp16/loss_scaler.py, utils/logging.py; the Trainer's
    rows. A NaN makes it skip the step and halve the scale, down to the minimum."""
    out = []
    scale = 65536
    for at, one in enumerate(course, start=1):
        stamp = f"[2023-06-07 22:{at + 10}:00,018] [INFO] "
        if math.isfinite(one.train):
            out.append(
                f"{stamp}[logging.py:96:log_dist] [Rank 0] step={at * 10}, skipped=1, "
                f"lr=[{one.lr}], mom=[(0.9, 0.95)]"
            )
            out.append(
                f"{{'loss': {one.train:.4f}, 'learning_rate': {one.lr}, 'epoch': {at * 0.02:.2f}}}"
            )
            continue
        for _ in range(4):
            out.append(
                f"{stamp}[loss_scaler.py:190:update_scale] [deepspeed] OVERFLOW! Rank 0 Skipping "
                f"step. Attempted loss scale: {scale}, reducing to {max(1, scale // 2)}"
            )
            scale = max(1, scale // 2)
        out.append(f"{{'loss': 0.0, 'learning_rate': {one.lr}, 'epoch': {at * 0.02:.2f}}}")
    if scale < 65536:
        out.append(
            "Exception: Current loss scale already at minimum - cannot decrease scale anymore. "
            "Exiting run."
        )
    return "\n".join(out) + "\n"


# -- fairseq -------------------------------------------------------------------------------------


@form(
    "train.log",
    metric="(?i)loss",
    shown=lambda m: as_read(f"{m.val:.3f}"),
    either={"(?i)ppl": lambda m: as_read(f"{_ppl(min(m.val, 90)):.2f}")},
)
def fairseq_text(course: Sequence[Moment]) -> str:
    """facebookresearch/fairseq: fairseq/logging/progress_bar.py, `SimpleProgressBar`; the log in
    its issue 514, as of 0.10."""
    out = []
    best = math.inf
    for at, one in enumerate(course, start=1):
        stamp = f"2021-05-0{1 + at // 30} 10:{at + 10}:00 | INFO | "
        for batch in (500, 1000):
            out.append(
                f"{stamp}train_inner | epoch {at:03d}:    {batch} / 1000 loss={one.train:.3f}, "
                f"nll_loss={one.train * 0.9:.3f}, ppl={_ppl(min(one.train, 90)):.2f}, "
                f"wps=52922, ups=0.5, num_updates={at * 1000 - 1000 + batch}, lr={one.lr:g}, "
                "gnorm=1.2, loss_scale=2, train_wall=52, wall=882"
            )
        best = min(best, one.val)
        out.append(
            f"{stamp}valid | epoch {at:03d} | valid on 'valid' subset | loss {one.val:.3f} | "
            f"nll_loss {one.val * 0.9:.3f} | ppl {_ppl(min(one.val, 90)):.2f} | wps 104928 | "
            f"num_updates {at * 1000} | best_loss {best:.3f}"
        )
        out.append(
            f"{stamp}train | epoch {at:03d} | loss {one.train:.3f} | nll_loss "
            f"{one.train * 0.9:.3f} | ppl {_ppl(min(one.train, 90)):.2f} | wps 52922 | "
            f"num_updates {at * 1000} | lr {one.lr:g} | gnorm 1.2 | clip 0 | train_wall 52"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)valid.*loss", shown=lambda m: as_read(f"{m.val:.3f}"))
def fairseq_json(course: Sequence[Moment]) -> str:
    """facebookresearch/fairseq: fairseq/logging/progress_bar.py, `JsonProgressBar`: JSON behind a
    stamp, and numbers as strings."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2021-05-01 10:{at + 10}:00 | INFO | "
        row = {"epoch": at, "update": float(at), "loss": f"{one.train:.3f}", "lr": f"{one.lr:g}"}
        out.append(f"{stamp}train_inner | {json.dumps(row | {'num_updates': f'{at * 1000}'})}")
        held: dict[str, object] = {"epoch": at, "valid_loss": f"{one.val:.3f}"}
        held |= {"valid_nll_loss": f"{one.val * 0.9:.3f}", "valid_num_updates": f"{at * 1000}"}
        out.append(f"{stamp}valid | {json.dumps(held)}")
        done = {"epoch": at, "train_loss": f"{one.train:.3f}", "train_lr": f"{one.lr:g}"}
        out.append(f"{stamp}train | {json.dumps(done)}")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)valid.*loss",
    shown=lambda m: as_read(f"{m.val:.2f}"),
    either={"(?i)ppl": lambda m: as_read(f"{_ppl(min(m.val, 90)):.2f}")},
)
def fairseq_of_2018(course: Sequence[Moment]) -> str:
    """facebookresearch/fairseq: its issues 301 and 78: `| epoch 004 | valid on 'valid' subset`."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(
            f"| epoch {at:03d} | train loss {one.train:.2f} | train ppl 7.59 | s/checkpoint    7748"
            f" | words/s    961 | bsz    32 | lr {one.lr:.6f} | clip 100% | gnorm 2.6727"
        )
        out.append(
            f"| epoch {at:03d} | valid on 'valid' subset | valid loss {one.val:.2f} | "
            f"valid ppl {_ppl(min(one.val, 90)):.2f}"
        )
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)val.*f1",
    shown=lambda m: as_read(f"{m.score:.4f}"),
    place=lambda at: Place(step=(at + 1) * 36),
)
def step_lines(course: Sequence[Moment]) -> str:
    """Any script that counts steps: a line a few steps, with a score in some of them."""
    out = []
    for at, one in enumerate(course, start=1):
        for count in range(at * 36 - 24, at * 36, 12):
            out.append(f"step {count} | loss {one.train:.4f} | lr {one.lr:.2e} | grad_norm 1.02")
        out.append(
            f"step {at * 36} | loss {one.train:.4f} | val_loss {one.val:.4f} | "
            f"val_f1 {one.score:.4f}"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)val.*loss", shown=lambda m: as_read(f"{m.val:.5f}"), place=epochs(0))
def annotated_transformer(course: Sequence[Moment]) -> str:
    """harvardnlp/annotated-transformer: the_annotated_transformer.py: `Epoch Step`, which counts
    the batches of an epoch."""
    out = []
    for at, one in enumerate(course):
        out.append(f"[GPU0] Epoch {at} Training ====")
        for batch in (1, 41, 81):
            out.append(
                f"Epoch Step: {batch:6d} | Accumulation Step: {batch // 10:3d} | "
                f"Loss: {one.train:6.2f} | Tokens / Sec: 3121.5 | Learning Rate: {one.lr:6.1e}"
            )
        out.append(f"[GPU0] Epoch {at} Validation ====")
        out.append(f"validation loss: {one.val:.5f}")
    return "\n".join(out) + "\n"
