from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_saver import save as save_distributed

import ckptdoctor
from ckptdoctor.finding import Verdict
from ckptdoctor.layouts.files import CheckpointFiles, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks import accelerate, huggingface
from ckptdoctor.layouts.layout import Layout
from tests.builders import save
from tests.layouts.folders_of_names import claimed, folder_of, roles

WEIGHTS = {"layer.weight": torch.ones(4, 4), "layer.bias": torch.ones(4)}
MOMENTS = {"state": {f"{name}.exp_avg": one * 0.1 for name, one in WEIGHTS.items()}}
OF_TRAINER = ("scheduler.pt", "rng_state_0.pth", "rng_state_1.pth", "trainer_state.json")
OF_ACCELERATE = ("scheduler.bin", "random_states_0.pkl", "random_states_1.pkl")


def write(path: Path, values: Mapping[str, Any]) -> None:
    """What ``save_fsdp_model`` and ``save_fsdp_optimizer`` of accelerate call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_distributed(dict(values), storage_writer=FileSystemWriter(path), no_dist=True)


def of_fsdp(path: Path, *names: str) -> Path:
    folder_of(path, *names)
    write(path / "pytorch_model_fsdp_0", {"model": WEIGHTS})
    write(path / "optimizer_0", {"optimizer": MOMENTS})
    return path


def absent(files: CheckpointFiles) -> dict[str, PartRole]:
    return {one.name: one.role for one in files.absent}


@pytest.mark.parametrize(
    ("layout", "names"),
    [(huggingface.LAYOUT, OF_TRAINER), (accelerate.LAYOUT, OF_ACCELERATE)],
    ids=["trainer", "accelerate"],
)
class TestFsdp:
    def test_the_parts_in_its_folders(
        self, tmp_path: Path, layout: Layout, names: tuple[str, ...]
    ) -> None:
        files = claimed(layout, of_fsdp(tmp_path / "checkpoint-5", *names))
        found = roles(files)
        assert found["pytorch_model_fsdp_0/__0_0.distcp"] is PartRole.MODEL
        assert found["optimizer_0/__0_0.distcp"] is PartRole.OPTIMIZER
        assert not files.absent
        assert not [name for name, role in found.items() if role is PartRole.CUSTOM]

    def test_a_description_that_is_gone(
        self, tmp_path: Path, layout: Layout, names: tuple[str, ...]
    ) -> None:
        path = of_fsdp(tmp_path / "checkpoint-5", *names)
        (path / "optimizer_0" / ".metadata").unlink()
        assert absent(claimed(layout, path)) == {"optimizer_0/.metadata": PartRole.OPTIMIZER}
        (path / "pytorch_model_fsdp_0" / ".metadata").unlink()
        assert absent(claimed(layout, path)) == {
            "optimizer_0/.metadata": PartRole.OPTIMIZER,
            "pytorch_model_fsdp_0/.metadata": PartRole.MODEL,
        }

    def test_slices_that_are_gone(
        self, tmp_path: Path, layout: Layout, names: tuple[str, ...]
    ) -> None:
        path = of_fsdp(tmp_path / "checkpoint-5", *names)
        (path / "pytorch_model_fsdp_0" / "__0_0.distcp").unlink()
        (lost,) = claimed(layout, path).absent
        assert lost.role is PartRole.MODEL
        assert "model.layer.weight" in lost.tensors


def test_a_second_model_has_names_of_its_own(tmp_path: Path) -> None:
    path = of_fsdp(tmp_path / "state", *OF_ACCELERATE)
    write(path / "pytorch_model_fsdp_1", {"model": WEIGHTS})
    prefixes = {part.name: part.prefix for part in claimed(accelerate.LAYOUT, path).parts}
    assert prefixes["pytorch_model_fsdp_1/__0_0.distcp"] == "pytorch_model_fsdp_1."


def test_a_scan_sees_the_tensors_of_all(tmp_path: Path) -> None:
    path = of_fsdp(tmp_path / "checkpoint-5")
    save(path / "scheduler.bin", {"last_epoch": 5})
    save(path / "random_states_0.pkl", {"step": 0})
    (report,) = ckptdoctor.scan(tmp_path).checkpoints
    assert report.verdict is Verdict.HEALTHY
    assert report.tensors.count == 4

    write(
        path / "optimizer_0",
        {"optimizer": {"state": {"a.exp_avg": torch.tensor([1.0, torch.nan])}}},
    )
    (report,) = ckptdoctor.scan(tmp_path).checkpoints
    assert report.verdict is Verdict.SALVAGEABLE


class TestDeepSpeed:
    def trained(self, path: Path) -> Path:
        ranks = [
            f"global_step500/zero_pp_rank_{rank}_mp_rank_00_optim_states.pt" for rank in (0, 1)
        ]
        folder_of(path, "global_step500/mp_rank_00_model_states.pt", *ranks, "trainer_state.json")
        (path / "latest").write_text("global_step500")
        return path

    def test_the_trainer_under_it(self, tmp_path: Path) -> None:
        files = claimed(huggingface.LAYOUT, self.trained(tmp_path / "checkpoint-500"))
        found = roles(files)
        assert found["global_step500/mp_rank_00_model_states.pt"] is PartRole.MODEL
        rank = "global_step500/zero_pp_rank_1_mp_rank_00_optim_states.pt"
        assert found[rank] is PartRole.OPTIMIZER
        assert "latest" not in found  # a pointer
        assert not files.absent

    def test_names_of_a_run_have_no_step(self, tmp_path: Path) -> None:
        files = claimed(huggingface.LAYOUT, self.trained(tmp_path / "checkpoint-500"))
        names = {part.sibling for part in files.parts if part.name.startswith("global_step")}
        assert names
        assert not any("500" in name for name in names)

    def test_a_pointer_that_is_gone_or_leads_nowhere(self, tmp_path: Path) -> None:
        path = self.trained(tmp_path / "checkpoint-500")
        assert not list(huggingface.LAYOUT.pointers(Folder(path)))
        save(path / "global_step500" / "mp_rank_00_model_states.pt", {"module": WEIGHTS})

        def told() -> str:
            (row,) = ckptdoctor.scan(tmp_path).checkpoints
            return "".join(one.message for one in row.findings if one.code == "CD112")

        assert not told()
        (path / "latest").write_text("global_step600")
        assert "latest says 'global_step600'" in told()
        (path / "latest").unlink()
        assert "latest says nothing" in told()
