from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import CheckpointFiles, Form, PartRole
from ckptdoctor.layouts.frameworks.huggingface import LAYOUT
from tests.builders import save
from tests.each import each
from tests.layouts.folders_of_names import (
    SHARDS,
    claimed,
    claims,
    folder_of,
    prefixes,
    roles,
    said,
    three_shards,
)

OF_TRAINER = (
    *("model.safetensors", "optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state.pth"),
    *("training_args.bin", "config.json", "tokenizer.json"),
)
STATE: dict[str, Any] = {
    "best_metric": 0.8,
    "best_model_checkpoint": "/home/me/out/checkpoint-400",
    "epoch": 1.25,
    "global_step": 500,
    "log_history": [
        {"epoch": 1.0, "step": 400, "eval_accuracy": 0.8, "eval_loss": 0.5},
        {"epoch": 1.25, "step": 500, "loss": 0.4, "grad_norm": 1.0, "learning_rate": 5e-5},
        {"epoch": 1.25, "step": 500, "eval_accuracy": 0.7, "eval_loss": 0.6, "eval_runtime": 2.5},
    ],
}


def of_trainer(path: Path, *names: str, without: tuple[str, ...] = ()) -> CheckpointFiles:
    kept = [name for name in (*OF_TRAINER, *names) if name not in without]
    texts = {} if "trainer_state.json" in without else {"trainer_state.json": STATE}
    return claimed(LAYOUT, folder_of(path / "checkpoint-500", *kept, texts=texts))


def absent(files: CheckpointFiles) -> dict[str, PartRole]:
    return {one.name: one.role for one in files.absent}


class TestTrainer:
    def test_one_checkpoint_with_a_role_for_each_file(self, tmp_path: Path) -> None:
        files = of_trainer(tmp_path)
        assert files.path.name == "checkpoint-500"
        assert files.layout == "huggingface"
        assert not files.problems
        assert roles(files) == {
            "model.safetensors": PartRole.MODEL,
            "optimizer.pt": PartRole.OPTIMIZER,
            "scaler.pt": PartRole.SCALER,
            "scheduler.pt": PartRole.SCHEDULER,
            "rng_state.pth": PartRole.RNG,
            "trainer_state.json": PartRole.STATE,
            "training_args.bin": PartRole.ARGS,
            "config.json": PartRole.ARGS,
            "tokenizer.json": PartRole.ARGS,
        }
        assert files.parts[0].name == "model.safetensors"
        assert not files.absent
        assert not files.problems

    def test_values_of_parts_do_not_meet(self, tmp_path: Path) -> None:
        files = of_trainer(tmp_path, "rng_state_0.pth", "rng_state_1.pth")
        tensors = [part for part in files.parts if part.form is Form.TENSORS]
        assert len({part.prefix for part in tensors}) == len(tensors)
        assert prefixes(files)["model.safetensors"] == ""
        assert prefixes(files)["optimizer.pt"] == "optimizer."

    def test_texts_are_not_read_as_tensors(self, tmp_path: Path) -> None:
        forms = {part.name: part.form for part in of_trainer(tmp_path).parts}
        assert {name for name, form in forms.items() if form is Form.TEXT} == {
            "trainer_state.json",
            "config.json",
            "tokenizer.json",
        }

    def test_the_state_is_written_last(self, tmp_path: Path) -> None:
        assert of_trainer(tmp_path).finished == "trainer_state.json"
        killed = of_trainer(tmp_path / "killed", without=("trainer_state.json",))
        assert killed.finished == "trainer_state.json"

    def test_the_last_random_state_of_a_rank_is_missed_by_those_above_it(
        self, tmp_path: Path
    ) -> None:
        files = of_trainer(tmp_path, "rng_state_0.pth", "rng_state_3.pth")
        assert absent(files) == {"rng_state_1.pth": PartRole.RNG, "rng_state_2.pth": PartRole.RNG}

    def test_no_state_beside_an_optimizer_and_its_schedule(self, tmp_path: Path) -> None:
        files = of_trainer(tmp_path, without=("trainer_state.json",))
        assert absent(files) == {"trainer_state.json": PartRole.STATE}
        assert files.scalars == {"global_step": 500}

    @pytest.mark.parametrize("other", ["scheduler.pt", "training_args.bin", ""])
    def test_an_optimizer_alone_may_be_that_of_a_script(self, other: str, tmp_path: Path) -> None:
        names = ("model.safetensors", "config.json", "optimizer.pt", *([other] if other else []))
        files = claimed(LAYOUT, folder_of(tmp_path / "checkpoint-500", *names))
        assert absent(files) == ({"trainer_state.json": PartRole.STATE} if other else {})

    def test_a_state_that_is_cut(self, tmp_path: Path) -> None:
        path = folder_of(tmp_path / "checkpoint-500", *OF_TRAINER)
        (path / "trainer_state.json").write_text('{"epoch": 1.25, "log_his')
        files = claimed(LAYOUT, path)
        (problem,) = files.problems
        assert problem.severity is Severity.WARNING
        assert problem.evidence == {"part": "trainer_state.json"}
        assert files.scalars == {"global_step": 500}

    @pytest.mark.parametrize("text", ["", '{"model_type": "be'])
    def test_a_configuration_that_is_cut(self, tmp_path: Path, text: str) -> None:
        path = folder_of(tmp_path / "checkpoint-5", "model.safetensors")
        (path / "config.json").write_text(text)
        (problem,) = claimed(LAYOUT, path).problems
        assert problem.severity is Severity.WARNING
        assert problem.evidence == {"part": "config.json"}

    def test_a_state_of_another_step(self, tmp_path: Path) -> None:
        texts = {"trainer_state.json": STATE}
        files = claimed(LAYOUT, folder_of(tmp_path / "checkpoint-600", *OF_TRAINER, texts=texts))
        assert "step 500" in said(files)
        assert files.scalars == {"global_step": 600}

    @pytest.mark.parametrize(
        ("schedule", "is_told"),
        [
            ({"last_epoch": 500}, False),
            ({"last_epoch": 400}, True),
            ({"last_epoch": 3, "num_bad_epochs": 1}, False),
            ({}, False),
        ],
    )
    def test_a_schedule_of_another_step(
        self, tmp_path: Path, schedule: dict[str, int], is_told: bool
    ) -> None:
        path = folder_of(
            tmp_path / "checkpoint-500", "model.safetensors", texts={"trainer_state.json": STATE}
        )
        save(path / "scheduler.pt", schedule)
        assert ("has taken 400 steps" in said(claimed(LAYOUT, path))) == is_told
        (path / "scaler.pt").write_bytes(b"drops steps")
        assert not claimed(LAYOUT, path).problems

    def test_weights_that_are_gone(self, tmp_path: Path) -> None:
        files = of_trainer(tmp_path, without=("model.safetensors",))
        assert absent(files) == {"model.safetensors": PartRole.MODEL}

    def test_an_adapter_that_is_gone(self, tmp_path: Path) -> None:
        names = ("optimizer.pt", "adapter_config.json", "trainer_state.json")
        files = claimed(LAYOUT, folder_of(tmp_path / "checkpoint-1", *names))
        assert absent(files) == {"adapter_model.safetensors": PartRole.MODEL}

    def test_what_a_plugin_saved_is_a_part_that_nobody_needs(self, tmp_path: Path) -> None:
        files = of_trainer(tmp_path, "non_lora_trainables.bin", "mine/extra.pt", "user_content.pt")
        (tmp_path / "checkpoint-500" / "user_content.pt").write_bytes(b"")
        files = claimed(LAYOUT, tmp_path / "checkpoint-500")
        custom = {part.name: part for part in files.parts if part.role is PartRole.CUSTOM}
        assert set(custom) == {"non_lora_trainables.bin", "mine/extra.pt", "user_content.pt"}
        assert not any(part.needed for part in custom.values())
        assert custom["user_content.pt"].form is Form.TEXT

    def test_adapters_of_several_names(self, tmp_path: Path) -> None:
        names = ("adapter_model.safetensors", "adapter_config.json")
        path = folder_of(tmp_path / "checkpoint-1", *names, *(f"judge/{name}" for name in names))
        files = claimed(LAYOUT, path)
        assert roles(files)["judge/adapter_model.safetensors"] is PartRole.MODEL
        assert prefixes(files)["judge/adapter_model.safetensors"] == "judge."


class TestScalars:
    def test_what_the_state_says(self, tmp_path: Path) -> None:
        assert of_trainer(tmp_path).scalars == {
            "epoch": 1.25,
            "global_step": 500,
            "best_eval_accuracy": 0.8,
            "eval_accuracy": 0.7,
            "eval_loss": 0.6,
        }

    def test_a_best_score_of_which_nothing_says_what_it_is(self, tmp_path: Path) -> None:
        path = folder_of(
            tmp_path / "checkpoint-500",
            "model.safetensors",
            texts={"trainer_state.json": STATE | {"best_metric": 0.9}},
        )
        scalars = claimed(LAYOUT, path).scalars
        assert scalars["best_metric"] == 0.9
        assert "best_eval_accuracy" not in scalars

    def test_the_loss_of_the_training_where_nothing_was_evaluated(self, tmp_path: Path) -> None:
        path = folder_of(
            tmp_path / "checkpoint-500",
            "model.safetensors",
            texts={"trainer_state.json": STATE | {"log_history": STATE["log_history"][:2]}},
        )
        scalars = claimed(LAYOUT, path).scalars
        assert scalars["loss"] == 0.4
        assert not any(name.startswith("eval_") for name in scalars)

    @pytest.mark.parametrize(
        ("loads_best", "names", "step"),
        [(True, (), 400), (False, (), 500), (True, ("optimizer.pt",), 500)],
    )
    def test_what_is_exported_after_the_best_was_loaded_is_of_its_step(
        self, tmp_path: Path, loads_best: bool, names: tuple[str, ...], step: int
    ) -> None:
        texts = {"trainer_state.json": STATE, "config.json": {"model_type": "bert"}}
        path = folder_of(tmp_path / "out", "model.safetensors", *names, texts=texts)
        save(path / "training_args.bin", {"load_best_model_at_end": loads_best})
        scalars = claimed(LAYOUT, path).scalars
        assert scalars["global_step"] == step
        assert scalars["epoch"] == {400: 1.0, 500: 1.25}[step]
        assert scalars["eval_accuracy"] == {400: 0.8, 500: 0.7}[step]

    def test_entries_that_are_none(self, tmp_path: Path) -> None:
        odd = {"epoch": None, "global_step": "500", "best_metric": True, "log_history": [3, None]}
        texts = {"trainer_state.json": odd}
        path = folder_of(tmp_path / "checkpoint-7", "model.safetensors", texts=texts)
        assert claimed(LAYOUT, path).scalars == {"global_step": 7}


class TestWhatIsACheckpoint:
    def test_a_save_that_wrote_nothing_is_one_without_weights(self, tmp_path: Path) -> None:
        path = tmp_path / "checkpoint-500"
        path.mkdir()
        assert absent(claimed(LAYOUT, path)) == {"model.safetensors": PartRole.MODEL}
        (path / "tokenizer.json").write_text("{}")
        assert not claims(LAYOUT, path)

    @pytest.mark.parametrize(
        "names",
        [
            ("model.safetensors",),
            ("pytorch_model.bin",),
            ("adapter_model.safetensors",),
            ("optimizer.pt", "scheduler.pt"),
        ],
    )
    def test_a_folder_with_a_step_in_its_name(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        assert claims(LAYOUT, folder_of(tmp_path / "checkpoint-500", *names))

    @pytest.mark.parametrize(
        "names",
        [
            ("model.safetensors", "other.pth"),
            ("training_args.bin",),
            ("trainer_state.json",),
            ("optimizer.pt", "model_best.pth"),
            ("model.old.safetensors",),
        ],
    )
    def test_a_folder_that_holds_something_else(
        self, tmp_path: Path, names: tuple[str, ...]
    ) -> None:
        path = folder_of(tmp_path / "weights", *names, texts={"config.json": {"model_type": "a"}})
        assert not claims(LAYOUT, path)

    def test_a_file_of_weights_is_no_folder_checkpoint(self, tmp_path: Path) -> None:
        assert not claims(LAYOUT, folder_of(tmp_path / "weights", "model.safetensors"))

    def test_a_configuration_of_something_else(self, tmp_path: Path) -> None:
        texts = {"config.json": {"lr": 0.1}}
        assert not claims(LAYOUT, folder_of(tmp_path / "a", "model.safetensors", texts=texts))

    def test_an_exported_model(self, tmp_path: Path) -> None:
        texts = {"config.json": {"architectures": ["Bert"], "model_type": "bert"}}
        files = claimed(LAYOUT, folder_of(tmp_path / "final", "model.safetensors", texts=texts))
        assert set(roles(files)) == {"model.safetensors", "config.json"}
        assert not files.scalars

    def test_a_run_with_a_model_at_its_root(self, tmp_path: Path) -> None:
        of_trainer(tmp_path)
        folder_of(tmp_path, *OF_TRAINER, texts={"trainer_state.json": STATE})
        files = claimed(LAYOUT, tmp_path)
        assert not [name for name in roles(files) if "/" in name]
        assert files.scalars["epoch"] == 1.25

    def test_a_step_folder_of_another_framework(self, tmp_path: Path) -> None:
        assert not claims(LAYOUT, folder_of(tmp_path / "checkpoint-500", "weights.pth"))

    def test_a_state_of_accelerate(self, tmp_path: Path) -> None:
        names = ("model.safetensors", "optimizer.bin", "random_states_0.pkl")
        assert not claims(LAYOUT, folder_of(tmp_path / "checkpoint-500", *names))


class TestModules:
    def test_modules_of_sentence_transformers(self, tmp_path: Path) -> None:
        path = folder_of(
            tmp_path / "final",
            *("model.safetensors", "2_Dense/model.safetensors", "2_Dense/config.json"),
            "checkpoint-5/model.safetensors",
        )
        folder_of(path, texts={"config.json": {"model_type": "bert"}})
        (path / "modules.json").write_text(
            '[{"idx": 0, "path": ""}, {"idx": 2, "path": "2_Dense"}]'
        )
        files = claimed(LAYOUT, path)
        assert prefixes(files)["2_Dense/model.safetensors"] == "2_Dense."
        assert not [name for name in roles(files) if name.startswith("checkpoint-5")]

    def test_shards_are_read_by_their_index(self, tmp_path: Path) -> None:
        index = "model.safetensors.index.json"
        path = folder_of(tmp_path / "checkpoint-4", *SHARDS, texts={index: three_shards()})
        files = claimed(LAYOUT, path)
        assert [part.name for part in files.parts] == [*SHARDS, index]
        assert not said(files)


class TestStepsOfTorchtitan:
    SLICES = tuple(f"sharded/shard-0000{rank}-model-00001-of-00001.safetensors" for rank in (1, 2))

    def test_slices_of_ranks(self, tmp_path: Path) -> None:
        names = [name.removeprefix("sharded/") for name in self.SLICES]
        files = claimed(LAYOUT, folder_of(tmp_path / "step-10", *names))
        assert set(roles(files).values()) == {PartRole.MODEL}
        assert len(set(prefixes(files).values())) == 2

    def test_slices_that_were_not_put_together(self, tmp_path: Path) -> None:
        files = claimed(LAYOUT, folder_of(tmp_path / "step-10", *self.SLICES))
        assert roles(files) == dict.fromkeys(self.SLICES, PartRole.MODEL)

    def test_slices_beside_what_was_made_of_them(self, tmp_path: Path) -> None:
        index = {"model.safetensors.index.json": three_shards()}
        files = claimed(LAYOUT, folder_of(tmp_path / "step-10", *self.SLICES, *SHARDS, texts=index))
        assert {roles(files)[name] for name in SHARDS} == {PartRole.MODEL}
        assert {roles(files)[name] for name in self.SLICES} == {PartRole.CUSTOM}
        assert not files.absent


@each(
    "names",
    [
        ("model_5.safetensors", "model_10.safetensors", "model_15.safetensors"),
        ("model_0005.safetensors", "model_0010.safetensors"),
        ("pytorch_model_1.bin", "pytorch_model_2.bin"),
        ("model_0.safetensors", "model_1.safetensors", "model_2.safetensors"),
        ("model.safetensors", "model_5.safetensors", "model_10.safetensors"),
    ],
)
def test_models_numbered_by_epochs_are_no_parts_of_one_checkpoint(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    assert not claims(LAYOUT, folder_of(tmp_path, *names))


def test_models_numbered_as_accelerate_does_are_parts_of_one_checkpoint(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, *(f"model{at}.safetensors" for at in ("", "_1", "_2")))
    assert len(claimed(LAYOUT, folder).parts) == 3
