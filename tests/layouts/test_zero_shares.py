"""Shares of ZeRO: each parameter is judged by its name, and padding never."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.formats.pickle.nodes import GlobalRef, Instance
from ckptdoctor.layouts.zero_shares import shape_of
from ckptdoctor.recovery.named import checkpoint_named
from ckptdoctor.report import CheckpointReport
from tests.builders import load, save
from tests.recovery.weights.zero_folders import weights, zero_folder

STATE = "optimizer_state_dict"


def examined(tag: Path) -> CheckpointReport:
    (report,) = examine([checkpoint_named(tag)], Examination(keep_details=True)).checkpoints
    return report


def optimizer(tag: Path, rank: int) -> Path:
    return tag / f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_padding_is_never_judged(ranks: int, tmp_path: Path) -> None:
    tag = tmp_path / "global_step3"
    zero_folder(tag, 3, ranks, padding=math.nan)
    report = examined(tag)
    assert report.verdict is Verdict.HEALTHY
    assert [one.code for one in report.findings if one.severity > Severity.INFO] == []
    assert all(stats.nan == 0 for stats in report.stats.values())


@pytest.mark.parametrize("key", ["fp32", "exp_avg"])
@pytest.mark.one_in(2)
def test_a_nan_is_told_with_the_name_of_the_parameter(key: str, tmp_path: Path) -> None:
    """The first and the last element that each rank has of each parameter."""
    ranks = 2
    places = []
    for rank in range(ranks):
        for group, names in enumerate((list(weights())[:2], list(weights())[2:])):
            start = 0
            for name in names:
                numel = weights()[name].numel()
                each = -(-numel // ranks)
                own = min(each, numel - rank * each)
                places += [(rank, group, name, start + at) for at in {0, own - 1} if own > 0]
                start += each
    for number, (rank, group, name, at) in enumerate(places):
        tag = tmp_path / str(number) / "global_step3"
        zero_folder(tag, 3, ranks, padding=math.nan)
        state = load(optimizer(tag, rank))
        flat = state[STATE]["fp32_flat_groups"][group]
        if key != "fp32":
            flat = state[STATE][STATE]["state"][group][key]
        flat[at] = math.nan
        save(optimizer(tag, rank), state)
        report = examined(tag)
        (finding,) = [one for one in report.findings if one.severity is Severity.ERROR]
        told = f"fp32.{name}" if key == "fp32" else f"state.{name}.{key}"
        assert finding.subject == f"zero_pp_rank_{rank}.{told}"
        assert finding.code == ("CD201" if key == "fp32" else "CD301")
        assert finding.evidence["part"] == optimizer(tag, rank).name
        assert report.verdict is (Verdict.CORRUPT if key == "fp32" else Verdict.SALVAGEABLE)


def test_a_nan_in_a_frozen_parameter_is_corrupt(tmp_path: Path) -> None:
    tag = tmp_path / "global_step3"
    zero_folder(tag, 3, 2, padding=math.nan)
    path = tag / "zero_pp_rank_1_mp_rank_00_model_states.pt"
    model = load(path)
    model["frozen_param_fragments"]["frozen.weight"][3] = math.nan  # the last that is no padding
    save(path, model)
    assert examined(tag).verdict is Verdict.CORRUPT


def test_without_shapes_the_end_alone_may_be_padding(tmp_path: Path) -> None:
    tag = tmp_path / "global_step3"
    zero_folder(tag, 3, 2)
    for path in tag.glob("*model_states.pt"):
        save(path, {k: v for k, v in load(path).items() if k != "param_shapes"})
    state = load(optimizer(tag, 1))
    groups = state[STATE]["fp32_flat_groups"]
    groups[1][-1] = math.nan
    save(optimizer(tag, 1), state)
    assert examined(tag).verdict is Verdict.HEALTHY
    groups[1][-2] = math.nan
    save(optimizer(tag, 1), state)
    assert examined(tag).verdict is Verdict.CORRUPT


def test_shapes_that_do_not_fill_the_groups_hide_nothing(tmp_path: Path) -> None:
    tag = tmp_path / "global_step3"
    zero_folder(tag, 3, 2)
    for path in tag.glob("*model_states.pt"):
        model = load(path)
        model["param_shapes"][0]["emb.weight"] = torch.Size([1, 7])
        save(path, model)
    state = load(optimizer(tag, 0))
    state[STATE]["fp32_flat_groups"][0][-1] = math.nan
    save(optimizer(tag, 0), state)
    (finding,) = [one for one in examined(tag).findings if one.severity is Severity.ERROR]
    assert finding.subject == f"zero_pp_rank_0.{STATE}.fp32_flat_groups.0"


def _sliced(tag: Path, *, left_out: int, padding: int) -> None:
    """Rank 1 of ZeRO 2 with slices, of which the last stops short, and with padded moments."""
    state = load(optimizer(tag, 1))
    own = state[STATE]
    group = own["single_partition_of_fp32_groups"][0]
    flat = torch.cat([group, torch.full((padding,), math.nan)])
    own["base_optimizer_state"]["state"][0]["exp_avg"] = flat
    half = group.numel() // 2
    rest = group.numel() - half - left_out
    own["param_slice_mappings"] = [
        {
            "emb.weight": {"numel": half, "start": 0},
            "out.weight": {"numel": rest, "start": half},
        },
        {},
    ]
    own["group_paddings"] = [padding, 0]
    save(optimizer(tag, 1), state)


def test_the_slices_that_a_file_tells_are_its_parameters(tmp_path: Path) -> None:
    tag = tmp_path / "global_step3"
    zero_folder(tag, 2, 2)
    _sliced(tag, left_out=0, padding=3)
    report = examined(tag)
    assert report.verdict is Verdict.HEALTHY
    assert {"zero_pp_rank_1.fp32.out.weight", "zero_pp_rank_1.state.emb.weight.exp_avg"} <= set(
        report.stats
    )
    assert f"zero_pp_rank_1.{STATE}.single_partition_of_fp32_groups.1" in report.stats


def test_slices_that_leave_out_more_than_padding_are_not_believed(tmp_path: Path) -> None:
    tag = tmp_path / "global_step3"
    zero_folder(tag, 2, 2)
    _sliced(tag, left_out=1, padding=0)
    names = set(examined(tag).stats)
    assert f"zero_pp_rank_1.{STATE}.single_partition_of_fp32_groups.0" in names


def test_where_no_count_of_ranks_is_told_nothing_counts_as_padding(tmp_path: Path) -> None:
    tag = tmp_path / "global_step3"
    zero_folder(tag, 3, 2)
    state = load(optimizer(tag, 0))
    del state[STATE]["partition_count"]
    for at in (0, -1):
        groups = [group.clone() for group in state[STATE]["fp32_flat_groups"]]
        groups[1][at] = math.nan
        save(optimizer(tag, 0), {STATE: state[STATE] | {"fp32_flat_groups": groups}})
        assert examined(tag).verdict is Verdict.CORRUPT, at


def test_a_frozen_parameter_is_whole_where_no_count_of_ranks_is_told(tmp_path: Path) -> None:
    tag = tmp_path / "global_step3"
    zero_folder(tag, 3, 2)
    path = tag / "zero_pp_rank_1_mp_rank_00_model_states.pt"
    model = {key: value for key, value in load(path).items() if key != "dp_world_size"}
    model["frozen_param_fragments"]["frozen.weight"][-1] = math.nan
    save(path, model)
    assert examined(tag).verdict is Verdict.CORRUPT


def test_a_shape_is_read_from_what_a_pickle_may_hold_instead() -> None:
    size = GlobalRef("torch.Size")
    assert shape_of(Instance(size, ((3, 4),))) == (3, 4)
    assert shape_of([3, 4]) == (3, 4)
    for odd in (Instance(size, ()), Instance(size, Instance(size, ())), Instance(size, 7)):
        assert shape_of(odd) == ()
    for none in (7, None, "34", (3, -4), (3, "4"), Instance(size, (7,))):
        assert shape_of(none) is None
