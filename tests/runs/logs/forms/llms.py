"""Logs of large language models, and of what was tuned from one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, epochs, form, steps, where


@form("log.txt", metric="(?i)val.*loss", shown=lambda m: as_read(f"{m.val:f}"), place=steps(250))
def llm_c(course: Sequence[Moment]) -> str:
    """karpathy/llm.c: train_gpt2.cu; the log in issue 2 of anthonix/llm.c: how far a value is from
    usual in brackets behind it, the validation on a line of its own."""
    out = ["+-----------------------+----------+", "| Parameter             | Value    |"]
    for at, one in enumerate(course, start=1):
        out += [
            f"step {now:4d}/19560 | loss {one.train:7.6f} (+0.12z)| norm {one.train / 9:.4f} "
            f"(-0.30z)| lr {one.lr:.2e} | 360.64 ms | 14.9% bf16 MFU | 1449806 tok/s"
            for now in range(250 * at - 3, 250 * at + 1)
        ]
        out.append(f"val loss {one.val:f}")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)lm_?loss",
    shown=lambda m: as_read(f"{m.val:.6E}"),
    place=steps(1000),
    either={"(?i)ppl": lambda m: as_read(f"{math.exp(min(m.val, 20)):.6E}")},
)
def gpt_neox(course: Sequence[Moment]) -> str:
    """EleutherAI/gpt-neox: megatron/logging.py and training.py: `lm_loss: 1.1E+01`, and an
    evaluation with `lm_loss value: …` between rules."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            f" samples/sec: 33.512 | iteration {now:8d}/  320000 | elapsed time per iteration "
            f"(ms): 30555.1 | learning rate: {one.lr:.3E} | approx flops per GPU: 38.2TFLOPS | "
            f"lm_loss: {one.train:.6E} | loss scale: 4096.0 | number of skipped iterations:   0 | "
            "number of nan iterations:   0 |"
            for now in range(1000 * at - 300, 1000 * at + 1, 100)
        ]
        row = (
            f" validation results at iteration {1000 * at} | lm_loss value: {one.val:.6E} | "
            f"lm_loss_ppl value: {math.exp(min(one.val, 20)):.6E} | "
        )
        out += ["-" * (len(row) + 1), row, "-" * (len(row) + 1)]
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)bpb", shown=lambda m: as_read(f"{m.val:.4f}"), place=steps(250))
def nanochat(course: Sequence[Moment]) -> str:
    """karpathy/nanochat: scripts/base_train.py: the share that is done in brackets behind the step,
    thousands, `Step 00250 | Validation bpb: 1.2345`."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            f"step {now:05d}/21400 ({now / 214:.2f}%) | loss: {one.train:.6f} | lrm: 1.00 | dt: "
            f"501.12ms | tok/sec: 1,048,576 | mfu: 45.12 | total time: {now / 120:.2f}m"
            for now in range(250 * at - 3, 250 * at)
        ]
        out.append(f"Step {250 * at:05d} | Validation bpb: {one.val:.4f}")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)val-core",
    shown=lambda m: m.score,
    place=steps(10),
)
def verl(course: Sequence[Moment]) -> str:
    """volcengine/verl: verl/utils/logger/aggregate_logger.py: a line a step, a hundred names with
    slashes between hyphens; an evaluation is in some of them, as numpy prints it."""
    out = []
    for at, one in enumerate(course, start=1):
        for now in (10 * at - 5, 10 * at):
            line = (
                f"\x1b[36m(TaskRunner pid=1234)\x1b[0m step:{now} - global_seqlen/min:98123 - "
                f"actor/entropy:{one.train / 9} - actor/kl_loss:{one.train / 999} - actor/pg_loss:"
                f"{one.train / 99 - 0.01} - actor/grad_norm:{one.train / 7} - "
                f"perf/mfu/actor:0.31 - "
                f"critic/score/mean:{one.score * 0.9} - critic/score/max:1.0 - critic/rewards/mean:"
                f"{one.score * 0.9} - response_length/mean:312.5 - timing_s/step:41.2"
            )
            if now == 10 * at:
                line += f" - val-core/openai/gsm8k/acc/mean@1:np.float64({one.score})"
            out.append(line)
    return "\n".join(out) + "\n"


@form(
    "log.txt",
    metric="(?i)rouge.?l",
    shown=lambda m: as_read(f"{m.score * 60:.3f}"),
    place=lambda at: Place(epoch=at, step=40 * (at + 1)),
    either={"(?i)exact": lambda m: as_read(f"{m.score * 8:.3f}")},
)
def minillm(course: Sequence[Moment]) -> str:
    """microsoft/LMOps: minillm/trainer.py; its issue 118: four counters a line, of which `global
    iter` is the step; `eval |` below them."""
    out = []
    for at, one in enumerate(course):
        out += [
            f"train | epoch {at:3d} | inner iter: {now % 4:3d}/  4 | ppo epoch: {now // 4 % 4:2d}/ "
            f"4 | global iter: {40 * at + now:6d}/  4000| tot_loss: {one.train:.4f} | rl_loss: "
            f"{one.train * 0.6:.4f} | pt_loss: {one.train * 0.4:.4f} | reward: "
            f"{one.score - 2:.4f} | rev_kl: 2.6633 | stu_lens: 78.4375 | lr: {one.lr:.4e} | "
            "scale: 2048.00 | time: 0.366 | step time: 0.366"
            for now in (20, 40)
        ]
        out.append(
            f"eval | avg_loss: {one.val:.3f} | rougeL: {one.score * 60:.3f} | exact_match: "
            f"{one.score * 8:.3f} | rev_kl: 1.2 | lens: 61.125"
        )
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)loss",
    shown=lambda m: as_read(f"{m.train:.6f}"),
    place=where(every=833),
    either={"(?i)ppl": lambda m: as_read(f"{math.exp(min(m.train, 50)):.6f}")},
)
def rwkv(course: Sequence[Moment]) -> str:
    """BlinkDL/RWKV-LM: RWKV-v4/src/trainer.py; its issue 266: `miniE 1 s 833 prog 20.00% : ppl 5.4
    loss 1.6 lr 3.3e-04:` in front of the bar."""
    return "".join(
        f"miniE {at} s {833 * at - back} prog {at * 2:.2f}% : ppl "
        f"{math.exp(min(one.train, 50)):.6f} "
        f"loss {one.train:.6f} lr {one.lr:.6e}: {share:3d}%|{'█' * (share // 10):10}| "
        f"{833 - back}/833 [03:21<00:00,  4.13it/s]" + ("\r" if back else "\n")
        for at, one in enumerate(course, start=1)
        for share, back in ((50, 416), (100, 0))
    )


@form("train.log", metric="(?i)loss", shown=lambda m: as_read(f"{m.train:.3f}"), place=epochs(0))
def minimind(course: Sequence[Moment]) -> str:
    """jingyaogong/minimind: 1-pretrain.py; its issue 26: the epoch in square brackets, the batch in
    round ones, and nothing between."""
    return "".join(
        f"Epoch:[{at}/19]({now}/24681) loss:{one.train:.3f} lr:{one.lr:.8f} epoch_Time:98.0min:\n"
        for at, one in enumerate(course)
        for now in (0, 12300, 24600)
    )


@form(
    "train.log", metric="(?i)val.*loss", shown=lambda m: as_read(f"{m.val:.4f}"), place=steps(100)
)
def lit_llama(course: Sequence[Moment]) -> str:
    """Lightning-AI/lit-llama: finetune/lora.py: an iteration and a step in one line, the validation
    by the iteration."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            f"iter {now}: loss {one.train:.4f}, time: 123.45ms" for now in (100 * at - 50, 100 * at)
        ]
        out += [
            "Validating ...",
            "Recommend a movie for me to watch during the weekend and explain the reason.",
            f"step {100 * at}: val loss {one.val:.4f}",
        ]
    return "\n".join(out) + "\n"


@form("run.log", metric="(?i)^(eval )?acc", shown=lambda m: m.score, place=steps(500))
def eval_results(course: Sequence[Moment]) -> str:
    """huggingface/transformers 2: examples/run_glue.py: the heading of an evaluation names the
    checkpoint, the values stand below it behind a stamp."""
    out = []
    for at, one in enumerate(course, start=1):
        head = f"05/01/2020 10:{at % 60:02}:00 - INFO - __main__ -   "
        out += [
            f"{head}***** Running evaluation checkpoint-{500 * at} *****",
            f"{head}  Num examples = 872",
            f"{head}  Batch size = 8",
            f"{head}***** Eval results checkpoint-{500 * at} *****",
            f"{head}  acc = {one.score}",
            f"{head}  eval_loss = {one.val}",
        ]
    return "\n".join(out) + "\n"
