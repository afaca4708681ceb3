"""Logs of agents, molecules and graphs that the reader was not made for."""

from __future__ import annotations

from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, epochs, form, steps


@form("train.log", metric="(?i)test.*reward", shown=lambda m: as_read(f"{m.score * 200:.6f}"))
def tianshou(course: Sequence[Moment]) -> str:
    """thu-ml/tianshou: tianshou/trainer/base.py: `Epoch #1: test_reward: 9.0 ± 1.2,
    best_reward: 200.0 ± 0.0 in #3`."""
    out, best, when = [], -1.0, 0
    for at, one in enumerate(course, start=1):
        out.append(
            f"Epoch #{at}: 10001it [00:03, 2846.10it/s, env_step={at * 10000}, len=200,"
            f" loss={one.train:.3f}, n/ep=0, n/st=10, rew={one.score * 195:.2f}]"
        )
        if one.score > best:
            best, when = one.score, at
        out.append(
            f"Epoch #{at}: test_reward: {one.score * 200:.6f} ± {3.2:.6f}, best_reward:"
            f" {best * 200:.6f} ± {3.2:.6f} in #{when}"
        )
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)EpRet",
    shown=lambda m: as_read(f"{m.score * 300:.3g}"),
    place=epochs(0),
)
def spinning_up(course: Sequence[Moment]) -> str:
    """openai/spinningup: spinup/utils/logx.py, `dump_tabular`: bars at both ends, names at the
    right, the epoch in the first row."""
    out = []
    for at, one in enumerate(course):
        rows = [
            ("Epoch", at),
            ("AverageEpRet", one.score * 300),
            ("StdEpRet", 21.3),
            ("MaxEpRet", one.score * 350),
            ("EpLen", one.score * 300),
            ("AverageVVals", 12.1),
            ("TotalEnvInteracts", (at + 1) * 4000),
            ("LossPi", -0.01),
            ("LossV", one.train * 100),
            ("Time", at * 12.1),
        ]
        out.append("-" * 39)
        out += [
            f"| {name:>17} | {value if isinstance(value, int) else f'{value:8.3g}':>15} |"
            for name, value in rows
        ]
        out.append("-" * 39)
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)mean reward",
    shown=lambda m: as_read(f"{m.score * 100:.3f}"),
    place=steps(12000),
)
def ml_agents(course: Sequence[Moment]) -> str:
    """Unity-Technologies/ml-agents: ml-agents/mlagents/trainers/stats.py: `[INFO] 3DBall.
    Step: 12000. Time Elapsed: 10.1 s. Mean Reward: 1.2. Std of Reward: 0.7. Training.`."""
    return "".join(
        f"[INFO] 3DBall. Step: {at * 12000}. Time Elapsed: {at * 10.123:.3f} s. Mean Reward:"
        f" {one.score * 100:.3f}. Std of Reward: {12.1 + at / 10:.3f}. Training.\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "debug.log",
    metric="(?i)evaluation.*returns?",
    shown=lambda m: as_read(f"{m.score * 3000:.6g}"),
    place=epochs(0),
    either={"(?i)returns?": lambda m: as_read(f"{m.score * 2900:.6g}")},
)
def rlkit(course: Sequence[Moment]) -> str:
    """rail-berkeley/rlkit: rlkit/core/logging.py: two columns without bars, the epoch in the
    last row."""
    out = []
    for at, one in enumerate(course):
        rows = [
            ("replay_buffer/size", f"{(at + 1) * 1000}"),
            ("trainer/QF1 Loss", f"{one.train:.6g}"),
            ("trainer/Policy Loss", f"{-one.score * 40:.6g}"),
            ("exploration/Average Returns", f"{one.score * 2900:.6g}"),
            ("evaluation/Average Returns", f"{one.score * 3000:.6g}"),
            ("time/epoch (s)", "12.1"),
            ("Epoch", f"{at}"),
        ]
        rule = "-" * 28 + "  " + "-" * 12
        out += [
            f"2019-05-11 10:{at + 10}:10.123 UTC | [name_2019] Epoch {at} finished",
            rule,
            *(f"{name:<28}  {value:>12}" for name, value in rows),
            rule,
        ]
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)return|reward",
    shown=lambda m: as_read(f"{m.score * 900:.1f}"),
    place=steps(10000),
    either={"(?i)train_return": lambda m: as_read(f"{m.score * 880:.1f}")},
)
def dreamer(course: Sequence[Moment]) -> str:
    """NM512/dreamerv3-torch: tools.py, `Logger.write`: `[10000] model_loss 12.3 / kl 1.2 / fps
    12.1`; the next line, of the same step, has the return."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(f"[{at * 10000}] model_loss {one.train:.1f} / kl 1.2 / actor_ent 2.1 / fps 12.3")
        out.append(
            f"[{at * 10000}] train_return {one.score * 880:.1f} / train_length 500.0 /"
            f" train_episodes {at}.0"
        )
        out.append(
            f"[{at * 10000}] eval_return {one.score * 900:.1f} / eval_length 500.0 / eval_episodes"
            " 10.0"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)loss|total|mse|policy|reg", shown=lambda m: None, place=steps(100))
def lczero(course: Sequence[Moment]) -> str:
    """LeelaChessZero/lczero-training: tf/tfprocess.py: `step 100, lr=0.02 policy=7.2 value=0.9
    mse=0.2 reg=0.1 total=8.1 (123.4 pos/s)`."""
    return "".join(
        f"step {at * 100}, lr={one.lr:g} policy={one.train * 0.7:g} value={one.train * 0.2:g}"
        f" mse={one.train * 0.1:g} reg={one.train * 0.05:g} total={one.train:g} (1234.56 pos/s)\n"
        for at, one in enumerate(course, start=1)
    )


@form("train.log", metric="(?i)return", shown=lambda m: None, place=steps(1000))
def clean_rl(course: Sequence[Moment]) -> str:
    """vwxyzjn/cleanrl: cleanrl/ppo.py: `global_step=1024, episodic_return=[21.]`: an array of
    one."""
    return "".join(
        f"global_step={at * 1000}, episodic_return=[{one.score * 500:.3f}]\nSPS: {2000 + at}\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "mace_run-123.log",
    metric="(?i)loss|RMSE",
    shown=lambda m: as_read(f"{m.val:.8f}"),
    place=epochs(0),
    either={
        "(?i)RMSE_E": lambda m: as_read(f"{m.val * 20:.2f}"),
        "(?i)RMSE_F": lambda m: as_read(f"{m.val * 70:.2f}"),
    },
)
def mace(course: Sequence[Moment]) -> str:
    """ACEsuit/mace: mace/tools/train.py: units behind the values; `Initial: head: Default,
    loss=4.5` before the first epoch."""
    out = [
        "2024-05-11 10:10:10.123 INFO: Loss metrics on validation set",
        (
            "2024-05-11 10:10:10.123 INFO: Initial: head: Default, loss=4.49881868,"
            " RMSE_E_per_atom=  91.01 meV, RMSE_F= 767.89 meV / A"
        ),
    ]
    for at, one in enumerate(course):
        out.append(
            f"2024-05-11 10:{at + 10}:10.123 INFO: Epoch {at}: head: Default, loss={one.val:.8f},"
            f" RMSE_E_per_atom={one.val * 20:8.2f} meV, RMSE_F={one.val * 70:8.2f} meV / A"
        )
    return "\n".join(out) + "\n"


@form(
    "lcurve.out",
    metric="(?i)rmse.*val|rmse_e_val|rmse_f_val",
    shown=lambda m: as_read(f"{m.val:.2e}"),
    place=lambda at: Place(step=at * 100),
    either={
        "(?i)rmse_e_val": lambda m: as_read(f"{m.val * 0.1:.2e}"),
        "(?i)rmse_f_val": lambda m: as_read(f"{m.val * 0.3:.2e}"),
    },
)
def deepmd(course: Sequence[Moment]) -> str:
    """deepmodeling/deepmd-kit: deepmd/train/trainer.py, `lcurve.out`: a comment with the
    names, columns by blanks."""
    names = ["rmse_val", "rmse_trn", "rmse_e_val", "rmse_e_trn", "rmse_f_val", "rmse_f_trn", "lr"]
    out = [
        "#  step   " + "".join(f"{n:>11s}" for n in names),
        "# If there is no available reference data, rmse_*_{val,trn} will print nan",
    ]
    for at, one in enumerate(course):
        out.append(
            f"{at * 100:7d}"
            + "".join(
                f"   {v:.2e}"
                for v in (
                    one.val,
                    one.train,
                    one.val * 0.1,
                    one.train * 0.1,
                    one.val * 0.3,
                    one.train * 0.3,
                )
            )
            + f"   {one.lr:.1e}"
        )
    return "\n".join(out) + "\n"


@form(
    "logging.log",
    metric="(?i)val.*acc|test.*acc",
    shown=lambda m: round(m.score, 4),
    place=epochs(0),
    either={"(?i)val.*f1": lambda m: round(m.score * 0.98, 4)},
)
def graph_gym(course: Sequence[Moment]) -> str:
    """snap-stanford/GraphGym: graphgym/logger.py: `train: {'epoch': 0, …}`, `val: {…}`, `test:
    {…}`."""
    out = []
    for at, one in enumerate(course):
        for split, loss, score in (
            ("train", one.train, one.score * 0.97),
            ("val", one.val, one.score),
            ("test", one.val * 1.02, one.score * 0.99),
        ):
            out.append(
                f"{split}: {{'epoch': {at}, 'loss': {round(loss, 4)}, 'lr': {round(one.lr, 6)},"
                f" 'params': 12345, 'time_iter': 0.0123, 'accuracy': {round(score, 4)}, 'f1':"
                f" {round(score * 0.98, 4)}}}"
            )
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)val",
    shown=lambda m: as_read(f"{m.score:.4f}"),
    either={
        "(?i)test": lambda m: as_read(f"{m.score * 0.98:.4f}"),
        "(?i)loss": lambda m: as_read(f"{m.train:.4f}"),
    },
)
def pyg_gcn(course: Sequence[Moment]) -> str:
    """pyg-team/pytorch_geometric: examples/gcn.py and torch_geometric/logging.py: `Epoch: 001,
    Loss: 1.9, Train: 0.2, Val: 0.1, Test: 0.1`: shares without a name."""
    return "".join(
        f"Epoch: {at:03d}, Loss: {one.train:.4f}, Train: {one.score * 1.03:.4f}, Val:"
        f" {one.score:.4f}, Test: {one.score * 0.98:.4f}\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "train.log",
    metric="(?i)val.*acc|^acc",
    shown=lambda m: as_read(f"{m.score:.4f}"),
    place=epochs(0),
)
def dgl(course: Sequence[Moment]) -> str:
    """dmlc/dgl: examples/pytorch/gcn/train.py of 0.4: `Time(s) nan` in the first epochs, when
    nothing was timed yet."""
    return "".join(
        f"Epoch {at:05d} | Time(s) {'nan' if at < 3 else '0.0123'} | Loss {one.train:.4f} |"
        f" Accuracy {one.score:.4f} | ETputs(KTEPS) {'nan' if at < 3 else '123.45'}\n"
        for at, one in enumerate(course)
    )


@form(
    "train.log",
    metric="(?i)valid",
    shown=lambda m: as_read(f"{m.score * 100:.2f}"),
    either={
        "(?i)test": lambda m: as_read(f"{m.score * 99:.2f}"),
        "(?i)loss": lambda m: as_read(f"{m.train:.4f}"),
    },
)
def ogb(course: Sequence[Moment]) -> str:
    """snap-stanford/ogb: examples/nodeproppred/arxiv/gnn.py: `Run: 01, Epoch: 01, Loss: 2.3,
    Train: 45.12%, Valid: 44.21% Test: 43.12%`."""
    return "".join(
        f"Run: 01, Epoch: {at:02d}, Loss: {one.train:.4f}, Train: {one.score * 103:.2f}%, Valid:"
        f" {one.score * 100:.2f}% Test: {one.score * 99:.2f}%\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "train.log",
    metric="(?i)valid_score|recall|mrr|ndcg",
    shown=lambda m: as_read(f"{m.score:f}"),
    place=epochs(0),
    either={
        "(?i)recall|mrr|ndcg": lambda m: as_read(f"{m.score:.4f}"),
        "(?i)ndcg": lambda m: as_read(f"{m.score * 0.7:.4f}"),
        "(?i)recall": lambda m: as_read(f"{m.score * 0.9:.4f}"),
    },
)
def rec_bole(course: Sequence[Moment]) -> str:
    """RUCAIBox/RecBole: recbole/trainer/trainer.py: `epoch 0 evaluating [time: 1.23s,
    valid_score: 0.123400]`, a line of results below, colours."""
    out = []
    for at, one in enumerate(course):
        stamp = f"11 May 10:{at + 10}    INFO  "
        out.append(
            f"{stamp}\x1b[1;32mepoch {at} training\x1b[0m [\x1b[1;34mtime\x1b[0m: 12.34s,"
            f" \x1b[1;34mtrain loss\x1b[0m: {one.train:.4f}]"
        )
        out.append(
            f"{stamp}\x1b[1;32mepoch {at} evaluating\x1b[0m [\x1b[1;34mtime\x1b[0m: 1.23s,"
            f" \x1b[1;34mvalid_score\x1b[0m: {one.score:f}]"
        )
        out.append(
            f"{stamp}\x1b[1;34mvalid result\x1b[0m: \nrecall@10 : {one.score * 0.9:.4f}    mrr@10"
            f" : {one.score:.4f}    ndcg@10 : {one.score * 0.7:.4f}    hit@10 :"
            f" {one.score * 1.1:.4f}    precision@10 : 0.0123"
        )
        out.append(f"{stamp}\x1b[1;34mSaving current\x1b[0m: saved/BPR.pth")
    return "\n".join(out) + "\n"


@form("train.log", metric="AUC", shown=lambda m: as_read(f"{m.score:.6f}"))
def fuxi_ctr(course: Sequence[Moment]) -> str:
    """xue-pai/FuxiCTR: fuxictr/pytorch/models/rank_model.py: the scores first, then
    `************ Epoch=1 end ************`."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2022-05-11 10:{at + 10}:10,123 P1234 INFO "
        out.append(f"{stamp}Evaluation @epoch {at} - batch 3668: ")
        out.append(f"{stamp}[Metrics] AUC: {one.score:.6f} - logloss: {one.val:.6f}")
        out.append(f"{stamp}Save best model: monitor(max): {one.score:.6f}")
        out.append(
            f"{stamp}--- 3668/3668 batches finished ---\n{stamp}Train loss:"
            f" {one.train:.6f}\n{stamp}************ Epoch={at} end ************"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)ndcg|recall|precision", shown=lambda m: None, place=epochs(0))
def light_gcn(course: Sequence[Moment]) -> str:
    """gusye1234/LightGCN-PyTorch: code/main.py and Procedure.py: `EPOCH[1/1000]
    loss0.123-|Sample:1.2|`, `[TEST]`, a dictionary of arrays of one."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append("\x1b[0;30;43m[TEST]\x1b[0m")
        out.append(
            f"{{'precision': array([{one.score * 0.3:.8f}]), 'recall':"
            f" array([{one.score * 0.9:.8f}]), 'ndcg': array([{one.score:.8f}])}}"
        )
        out.append(f"EPOCH[{at}/{len(course)}] loss{one.train:.3f}-|Sample:1.{at + 10}|")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="reward",
    shown=lambda m: as_read(f"{m.score:.6f}"),
    place=lambda at: Place(epoch=round(0.01 * (at + 1), 2)),
)
def trl_grpo(course: Sequence[Moment]) -> str:
    """huggingface/trl: trl/trainer/grpo_trainer.py: dictionaries with `completions/max_length` and
    the epoch behind it; a loss that is about zero."""
    rows = (
        {
            "loss": round(one.train / 1000, 6),
            "grad_norm": 0.512,
            "learning_rate": one.lr,
            "num_tokens": 5120.0 * at,
            "completions/mean_length": 200.5,
            "completions/max_length": 256.0,
            "completions/clipped_ratio": 0.25,
            "rewards/accuracy_reward/mean": round(one.score, 6),
            "rewards/accuracy_reward/std": 0.4,
            "reward": round(one.score, 6),
            "reward_std": 0.21,
            "kl": round(0.0001 * at, 6),
            "epoch": round(0.01 * at, 2),
        }
        for at, one in enumerate(course, start=1)
    )
    return "".join(f"{row}\n" for row in rows)
