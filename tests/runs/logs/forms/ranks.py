"""Logs of recommenders, graphs and agents, and of small trainers around a loop."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, epochs, form, steps, where


@form(
    "train.log",
    metric="(?i)ndcg|hr",
    shown=lambda m: as_read(f"{m.score * 0.6:.3f}"),
    place=epochs(0),
    either={"(?i)^hr": lambda m: as_read(f"{m.score:.3f}")},
)
def neural_cf(course: Sequence[Moment]) -> str:
    """guoyang9/NCF: main.py: `The time elapse of epoch 000 is: 00: 00: 12`, the scores below."""
    out = []
    for at, one in enumerate(course):
        out += [
            f"The time elapse of epoch {at:03d} is: 00: 00: 12",
            f"HR: {one.score:.3f}\tNDCG: {one.score * 0.6:.3f}",
        ]
    best = max(range(len(course)), key=lambda at: course[at].score)
    top = course[best].score
    out.append(f"End. Best epoch {best:03d}: HR = {top:.3f}, NDCG = {top * 0.6:.3f}")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)ndcg",
    shown=lambda m: as_read(f"{m.score * 0.6:.4f}"),
    place=lambda at: Place(epoch=20 * (at + 1)),
    either={"(?i)hr": lambda m: as_read(f"{m.score:.4f}")},
)
def sas_rec(course: Sequence[Moment]) -> str:
    """pmixer/SASRec.pytorch: main.py: `loss in epoch 1 iteration 3: 0.69`, and two parts of the
    data with scores in brackets."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            f"loss in epoch {20 * at - back} iteration {now}: {one.train:.4f}"
            for back in (1, 0)
            for now in (0, 46)
        ]
        out.append(
            f"Evaluating................epoch:{20 * at}, time: {at * 41.2:f}(s), valid (NDCG@10: "
            f"{one.score * 0.6:.4f}, HR@10: {one.score:.4f}), test (NDCG@10: "
            f"{one.score * 0.58:.4f}, HR@10: {one.score * 0.98:.4f})"
        )
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)ndcg",
    shown=lambda m: (as_read(f"{m.score * 0.6:.5f}") + as_read(f"{m.score * 0.7:.5f}")) / 2,
    place=lambda at: Place(epoch=10 * at + 9),
    either={
        "(?i)recall": lambda m: (
            (as_read(f"{m.score * 0.3:.5f}") + as_read(f"{m.score * 0.8:.5f}")) / 2
        ),
        "(?i)hit": lambda m: (
            (as_read(f"{m.score * 0.9:.5f}") + as_read(f"{m.score * 0.98:.5f}")) / 2
        ),
    },
)
def ngcf(course: Sequence[Moment]) -> str:
    """xiangwang1223/neural_graph_collaborative_filtering: NGCF/NGCF.py: `train==[12.3=12.1 + 0.1 +
    0.1]`, and lists of a score at several ranks."""
    out = []
    for at, one in enumerate(course):
        loss = f"train==[{one.train:.5f}={one.train * 0.9:.5f} + {one.train * 0.1:.5f} + 0.00000]"
        out += [f"Epoch {10 * at + now} [12.3s]: {loss}" for now in range(0, 9, 4)]
        lists = {
            "recall": (0.3, 0.8),
            "precision": (0.2, 0.1),
            "hit": (0.9, 0.98),
            "ndcg": (0.6, 0.7),
        }
        out.append(
            f"Epoch {10 * at + 9} [12.3s + 4.1s]: {loss}, "
            + ", ".join(
                f"{name}=[{one.score * a:.5f}, {one.score * b:.5f}]"
                for name, (a, b) in lists.items()
            )
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)acc.?val", shown=lambda m: as_read(f"{m.score:.4f}"))
def pygcn(course: Sequence[Moment]) -> str:
    """tkipf/pygcn: pygcn/train.py: the part of the data behind what is measured; zeros in front."""
    rows = (
        f"Epoch: {at:04d} loss_train: {one.train:.4f} acc_train: {one.score * 1.03:.4f} loss_val: "
        f"{one.val:.4f} acc_val: {one.score:.4f} time: 0.0123s\n"
        for at, one in enumerate(course, start=1)
    )
    return "".join(rows) + "Optimization Finished!\nTotal time elapsed: 4.1234s\n"


@form(
    "train.log",
    metric="(?i)acc|auc",
    shown=lambda m: as_read(f"{m.score * 100:3.3f}"),
    place=epochs(0),
    either={"(?i)auc": lambda m: as_read(f"{m.score:.4f}")},
)
def dlrm(course: Sequence[Moment]) -> str:
    """facebookresearch/dlrm: dlrm_s_pytorch.py: `Finished training it 1024/2048 of epoch 0`, and a
    test with its best behind it."""
    out, best = [], -1.0
    for at, one in enumerate(course):
        best = max(best, one.score)
        out += [
            f"Finished training it {now}/2048 of epoch {at}, 12.34 ms/it, loss {one.train:.6f}"
            for now in (1024, 2048)
        ]
        out.append(
            f"Testing at - 2048/2048 of epoch {at}, accuracy {one.score * 100:3.3f} %, auc "
            f"{one.score:.4f}, best {best * 100:3.3f} %"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)val.?acc", shown=lambda m: as_read(f"{m.score * 100:.6f}"))
def poutyne(course: Sequence[Moment]) -> str:
    """GRAAL-Research/poutyne: poutyne/framework/callbacks/progress.py: colours, and counts of steps
    between the epoch and its values."""
    cyan, end = "\x1b[36m", "\x1b[0m"
    return "".join(
        f"\x1b[35mEpoch: {cyan}{at:2d}/40 \x1b[35mTrain steps: {cyan}100 \x1b[35mVal steps: "
        f"{cyan}20 {cyan}12.34s \x1b[35mloss:{cyan} {one.train:f}\x1b[35m acc:{cyan} "
        f"{one.score * 99:f}\x1b[35m val_loss:{cyan} {one.val:f}\x1b[35m val_acc:{cyan} "
        f"{one.score * 100:f}{end}\n"
        for at, one in enumerate(course, start=1)
    )


@form("train.log", metric="(?i)val.?acc", shown=lambda m: as_read(f"{m.score:.4}"), place=epochs(0))
def torchbearer(course: Sequence[Moment]) -> str:
    """pytorchbearer/torchbearer: torchbearer/callbacks/printer.py, `Tqdm`: `0/10(t):` in front of a
    bar of the training, `0/10(v):` of the validation."""
    out = []
    for at, one in enumerate(course):
        out += [
            f"{at}/40(t): {share:3d}%|{'█' * (share // 10):10}| {share * 4}/400 [00:01<00:00, "
            f"176.55it/s, running_acc={one.score * 0.98:.4}, running_loss={one.train * 1.02:.4}]\r"
            for share in (30, 60)
        ]
        out += [
            (
                f"{at}/40(t): 100%|{'█' * 10}| 400/400 [00:02<00:00, 176.55it/s, running_acc="
                f"{one.score * 0.98:.4}, running_loss={one.train * 1.02:.4}, acc="
                f"{one.score * 0.97:.4}, loss={one.train:.4}]\n"
            ),
            (
                f"{at}/40(v): 100%|{'█' * 10}| 79/79 [00:00<00:00, 222.60it/s, "
                f"val_acc={one.score:.4}, "
                f"val_loss={one.val:.4}]\n"
            ),
        ]
    return "".join(out)


@form("info.log", metric="(?i)val.?acc", shown=lambda m: m.score)
def pytorch_template(course: Sequence[Moment]) -> str:
    """victoresque/pytorch-template: base/base_trainer.py: a name and a value a line behind a stamp,
    the epoch first; batches between."""
    out = []
    for at, one in enumerate(course, start=1):
        head = f"2020-05-01 10:{at % 60:02}:00,123 - trainer - "
        out += [
            f"{head}DEBUG - Train Epoch: {at} [{now}/54000 ({now / 540:.0f}%)] Loss: "
            f"{one.train * 1.04:.6f}"
            for now in (0, 22528, 45056)
        ]
        values = {
            "epoch": at,
            "loss": one.train,
            "accuracy": one.score * 0.97,
            "top_k_acc": one.score * 1.1,
            "val_loss": one.val,
            "val_accuracy": one.score,
            "val_top_k_acc": one.score * 1.12,
        }
        out += [f"{head}INFO -     {name:15s}: {value}" for name, value in values.items()]
        out.append(f"{head}INFO - Saving checkpoint: saved/models/checkpoint-epoch{at}.pth ...")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)val.?acc",
    shown=lambda m: as_read(f"{m.score * 100:.2f}"),
    place=where(every=200),
)
def chinese_text_classification(course: Sequence[Moment]) -> str:
    """649453932/Chinese-Text-Classification-Pytorch: train_eval.py: `Epoch [1/20]` above, batches
    that go on from epoch to epoch, per cent signs, a star behind the best."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            f"Epoch [{at}/40]",
            (
                f"Iter: {200 * at:6}, Train Loss: {one.train:5.2}, Train Acc: "
                f"{one.score * 0.9:6.2%}, Val Loss: {one.val:5.2}, Val Acc: {one.score:6.2%}, "
                f"Time: 0:00:{at:02} *"
            ),
        ]
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)reward",
    shown=lambda m: as_read(f"{m.score * 300:.2f}"),
    place=steps(5000),
)
def stable_baselines_3_evaluation(course: Sequence[Moment]) -> str:
    """DLR-RM/stable-baselines3: stable_baselines3/common/callbacks.py, `EvalCallback`: `Eval
    num_timesteps=5000, episode_reward=200.00 +/- 10.12`."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            f"Eval num_timesteps={5000 * at}, episode_reward={one.score * 300:.2f} +/- 10.12",
            "Episode length: 201.40 +/- 3.20",
            "New best mean reward!",
        ]
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)loss", shown=lambda m: m.train, place=where(every=1000))
def d3rlpy(course: Sequence[Moment]) -> str:
    """takuseno/d3rlpy: d3rlpy/logging/logger.py by structlog: an epoch and a step, a dictionary,
    and the step once more."""
    return "".join(
        f"2023-05-01 10:{at % 60:02}:00 [info     ] DQN_20230501100000: epoch={at} "
        f"step={1000 * at} "
        f"epoch={at} metrics={{'time_sample_batch': 0.00012, 'time_algorithm_update': 0.0031, "
        f"'loss': {one.train}, 'time_step': 0.0033}} step={1000 * at}\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "cout.txt",
    metric="(?i)test_return",
    shown=lambda m: as_read(f"{m.score * 20:.4f}"),
    place=steps(10000),
    or_place=steps(400),
)
def pymarl(course: Sequence[Moment]) -> str:
    """oxwhirl/pymarl: src/utils/logging.py, `print_recent_stats`: a heading with two counters, then
    four names a line by tabs."""
    out = []
    for at, one in enumerate(course, start=1):
        head = f"[INFO 10:{at % 60:02}:00] my_main "
        stats = {
            "ep_length_mean": 45.12,
            "epsilon": 0.95,
            "grad_norm": one.train / 9,
            "loss": one.train,
            "return_mean": one.score * 18,
            "return_std": 1.2,
            "td_error_abs": one.train / 30,
            "test_ep_length_mean": 44.0,
            "test_return_mean": one.score * 20,
            "test_return_std": 1.1,
        }
        out += [
            f"{head}t_env: {10000 * at - 100} / 2050000",
            f"{head}Estimated time left: 1 hours, 12 minutes, 3 seconds. Time passed: 4 minutes",
            f"{head}Recent Stats | t_env: {10000 * at:10d} | Episode: {400 * at:8d}",
        ]
        cells = [f"{name + ':':<25}{value:>8.4f}\t" for name, value in stats.items()]
        out += ["".join(cells[first : first + 4]) for first in range(0, len(cells), 4)]
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)return",
    shown=lambda m: as_read(f"{m.score * 300:.3f}"),
    place=steps(600),
)
def acme(course: Sequence[Moment]) -> str:
    """google-deepmind/acme: acme/utils/loggers/terminal.py: `[Evaluator] Episode Return = 12.3 |
    Evaluator Steps = 600`: names of several words, each part counts its own steps."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            (
                f"[Learner] Critic Loss = {one.train:.3f} | Learner Steps = {500 * at} | Learner "
                f"Walltime = {at * 12.3:.3f} | Policy Loss = {one.train - 9:.3f}"
            ),
            (
                f"[Evaluator] Episode Length = 200 | Episode Return = {one.score * 300:.3f} | "
                f"Evaluator "
                f"Episodes = {3 * at} | Evaluator Steps = {600 * at} | Steps Per Second = 812.312"
            ),
        ]
    return "\n".join(out) + "\n"


@form(
    "result.json",
    metric="(?i)episode_reward_mean",
    shown=lambda m: m.score * 300,
    place=lambda at: Place(epoch=at + 1, step=at + 1),
    or_place=steps(4000),
)
def rllib_json(course: Sequence[Moment]) -> str:
    """ray-project/ray: python/ray/tune/logger/json.py: an object a line, nested, with the whole
    configuration in each."""
    return "".join(
        json.dumps(
            {
                "custom_metrics": {},
                "episode_media": {},
                "info": {
                    "learner": {
                        "default_policy": {
                            "learner_stats": {
                                "total_loss": one.train,
                                "entropy": 0.6,
                                "cur_lr": 5e-5,
                            }
                        }
                    },
                    "num_env_steps_sampled": 4000 * at,
                },
                "episode_reward_max": one.score * 400,
                "episode_reward_min": one.score * 100,
                "episode_reward_mean": one.score * 300,
                "episode_len_mean": one.score * 300,
                "timesteps_total": 4000 * at,
                "training_iteration": at,
                "time_total_s": 12.3 * at,
                "timestamp": 1660000000 + at,
                "config": {"num_workers": 2, "lr": 5e-5, "gamma": 0.99, "train_batch_size": 4000},
            }
        )
        + "\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "eval.log",
    metric="(?i)reward",
    shown=lambda m: m.score * 900,
    place=steps(10000),
    either={"(?i)^episode_reward": lambda m: m.score * 901},
)
def rad(course: Sequence[Moment]) -> str:
    """MishaLaskin/rad: logger.py; its issue 15: an object a line, episodes as fractions, a best."""
    rows, best = [], 0.0
    for at, one in enumerate(course, start=1):
        best = max(best, one.score * 900)
        rows.append(
            {
                "episode": 40.0 * at,
                "episode_reward": one.score * 901,
                "eval_time": 33.5,
                "mean_episode_reward": one.score * 900,
                "best_episode_reward": best,
                "step": 10000 * at,
            }
        )
    return "".join(f"{json.dumps(row)}\n" for row in rows)


@form("progress.csv", metric="(?i)^loss|mse", shown=lambda m: m.train, place=steps(500))
def guided_diffusion(course: Sequence[Moment]) -> str:
    """openai/guided-diffusion: guided_diffusion/logger.py, `CSVOutputFormat`: sorted columns, a
    loss for each quarter of the noise."""
    names = ["grad_norm", "loss", "loss_q0", "loss_q3", "param_norm", "samples", "step", "vb"]
    rows = (
        [one.train / 9, one.train, one.train * 2, one.train / 9, 812.0, 6400 * at, 500 * at, 0.01]
        for at, one in enumerate(course, start=1)
    )
    return "\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]) + "\n"


@form("train.log", metric="(?i)valid.*acc", shown=lambda m: m.score, place=steps(1, first=0))
def learn2learn(course: Sequence[Moment]) -> str:
    """learnables/learn2learn: examples/vision/maml_omniglot.py: `Iteration 0` above, sentences
    below that say of which data."""
    out = []
    for at, one in enumerate(course):
        out += [
            "\n",
            f"Iteration {at}",
            f"Meta Train Error {one.train}",
            f"Meta Train Accuracy {one.score * 0.99}",
            f"Meta Valid Error {one.val}",
            f"Meta Valid Accuracy {one.score}",
        ]
    return "\n".join(out) + "\n"
