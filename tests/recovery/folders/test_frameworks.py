"""Where a copy goes, and what is said to the framework that is to find it."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.layouts.files import CheckpointFiles, Form, Part, PartRole
from ckptdoctor.layouts.registry import LAYOUTS
from ckptdoctor.recovery.folders.frameworks import _FRAMEWORKS, caution_of, placed, taken_as
from tests.each import each

ROOT = Path("run/best_model_clean")


def files_of(layout: str, name: str, part: str = "model.pt", state: str = "") -> CheckpointFiles:
    path = Path("run") / name
    parts = [Part(path=path / part, name=part, role=PartRole.MODEL)]
    if state:
        parts.append(Part(path=path / state, name=state, role=PartRole.STATE, form=Form.TEXT))
    return CheckpointFiles(path=path, layout=layout, parts=tuple(parts))


def test_every_framework_is_one_of_the_layouts() -> None:
    assert set(_FRAMEWORKS) <= {layout.name for layout in LAYOUTS}


@each(
    ("files", "inner", "pointer", "resume"),
    [
        (
            files_of("huggingface", "checkpoint-400", state="trainer_state.json"),
            "",
            None,
            f"Trainer.train(resume_from_checkpoint='{ROOT}')",
        ),
        (  # without the state of a training no Trainer goes on
            files_of("huggingface", "best_model"),
            "",
            None,
            f"from_pretrained('{ROOT}')",
        ),
        (files_of("diffusers", "pipeline"), "", None, f"from_pretrained('{ROOT}')"),
        (
            files_of("deepspeed", "global_step400"),
            "global_step400",
            ("latest", "global_step400"),
            f"engine.load_checkpoint('{ROOT}', tag='global_step400')",
        ),
        (  # Lightning's strategy: the folder itself holds the one with the tag
            files_of("deepspeed", "last.ckpt", "checkpoint/mp_rank_00_model_states.pt"),
            "",
            None,
            f"engine.load_checkpoint('{ROOT}', tag='checkpoint')",
        ),
        (
            files_of("megatron", "iter_0000400"),
            "iter_0000400",
            ("latest_checkpointed_iteration.txt", "400"),
            f"--load {ROOT}",
        ),
        (
            files_of("megatron", "release"),
            "release",
            ("latest_checkpointed_iteration.txt", "release"),
            f"--load {ROOT}",
        ),
        (
            files_of("torch-dcp", "step-400"),
            "step-400",
            None,
            f"dcp.load(state, checkpoint_id='{ROOT / 'step-400'}')",
        ),
        (
            files_of("torch-dcp", "epoch_3"),
            "",
            None,
            f"dcp.load(state, checkpoint_id='{ROOT}')",
        ),
        (
            files_of("speechbrain", "CKPT+2026-01-01+00-00-00"),
            "CKPT+2026-01-01+00-00-00",
            None,
            f"Checkpointer('{ROOT}').recover_if_possible()",
        ),
        (files_of("fairseq", "checkpoint1"), "", None, str(ROOT)),
    ],
)
def test_a_copy_lies_where_its_framework_looks_for_it(
    files: CheckpointFiles, inner: str, pointer: tuple[str, str] | None, resume: str
) -> None:
    found = placed(files, ROOT)
    assert found.inner == inner
    assert found.pointer == pointer
    assert found.resume == resume


def test_scripts_of_diffusers_find_a_checkpoint_by_its_name_in_their_own_folder() -> None:
    assert "copy it there first" in caution_of(files_of("accelerate", "checkpoint-400"))
    assert not caution_of(files_of("accelerate", "epoch_3"))
    assert not caution_of(files_of("huggingface", "checkpoint-400"))


@each(
    ("files", "pointer", "says", "taken"),
    [
        (files_of("huggingface", "checkpoint-400"), "latest", "checkpoint-300", "checkpoint-400"),
        (files_of("deepspeed", "global_step400"), "latest", "global_step400\n", "."),
        (files_of("deepspeed", "global_step400"), "latest", "global_step300", None),
        (files_of("deepspeed", "global_step400"), "of another", "global_step400", None),
        (  # Lightning's strategy: its pointer lies within, and no folder above is asked
            files_of("deepspeed", "last.ckpt", "checkpoint/mp_rank_00_model_states.pt"),
            "latest",
            "global_step300",
            "last.ckpt",
        ),
        (
            files_of("megatron", "iter_0000400"),
            "latest_checkpointed_iteration.txt",
            "400",
            ".",
        ),
    ],
)
def test_the_folder_above_is_named_only_where_the_framework_finds_this_checkpoint_from_there(
    files: CheckpointFiles, pointer: str, says: str, taken: str | None, tmp_path: Path
) -> None:
    path = tmp_path / files.path.name
    path.mkdir()
    (tmp_path / pointer).write_text(says)
    assert taken_as(files, path) == (None if taken is None else tmp_path / taken)
