"""The builders of series say what the frameworks would: the same files, the same keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.layouts.folders import TWINS
from tests.layouts.folders.faults import Fault, copy, inflict, injuries
from tests.layouts.folders.outline import name, outline
from tests.layouts.folders.real import FRAMEWORKS, Framework
from tests.layouts.folders.truth import Kind, Layout, Series

ONE_RANK_MORE = {"rng_state.pth", "rng_state_0.pth", "rng_state_1.pth", "scaler.pt"}
NO_TOKENIZER = {"tokenizer.json", "tokenizer_config.json", "generation_config.json"}
SCALED = {"scaler.pt", "random_states_1.pkl"}
LOOSE = {*ONE_RANK_MORE, *NO_TOKENIZER, *SCALED}
"""What the twins hold and the real runs here do not: two ranks, a scaler, a tokenizer."""

CONFIGURED = ("config.json", "adapter_config.json", "training_args.bin")
"""All settings of a package: the twin has a few of them."""


@pytest.mark.parametrize("layout", TWINS, ids=lambda layout: layout.name)
@pytest.mark.one_in(3)
def test_every_part_has_a_kind_and_faults(layout: Layout, tmp_path: Path) -> None:
    series = layout.build(tmp_path)
    assert len(series.checkpoints) == 3
    assert {part.worst for part in series.parts} & {Kind.WEIGHTS}
    every = list(injuries(series))
    assert {injury.fault for injury in every} == set(Fault)
    assert any(injury.fault is Fault.NAN and injury.kind is Kind.WEIGHTS for injury in every)


@pytest.mark.parametrize("layout", TWINS, ids=lambda layout: layout.name)
@pytest.mark.one_in(15)
def test_a_fault_changes_its_part_alone(layout: Layout, tmp_path: Path) -> None:
    sound = tmp_path / "sound"
    sound.mkdir()
    series = layout.build(sound)
    before = contents(series)
    for at, injury in enumerate(injuries(series)):
        damaged = copy(series, tmp_path / "run")
        inflict(damaged, injury)
        after = contents(damaged)
        changed = {path for path in before if before[path] != after.get(path)}
        if injury.part.kind is Kind.POINTER:
            changed -= {"last_checkpoint"} - {injury.part.path}
        assert changed - {"last_checkpoint"} <= {injury.part.path}, (at, injury.name)
        assert injury.part.path in changed, injury.name


@pytest.mark.parametrize("layout", TWINS, ids=lambda layout: layout.name)
@pytest.mark.one_in(6)
def test_nan_is_what_torch_loads(layout: Layout, tmp_path: Path) -> None:
    sound = tmp_path / "sound"
    sound.mkdir()
    series = layout.build(sound)
    for injury in injuries(series):
        if injury.fault is Fault.NAN and not injury.part.member:
            damaged = copy(series, tmp_path / "run")
            inflict(damaged, injury)
            assert has_nan(damaged.root / injury.part.path), injury.name


def contents(series: Series) -> dict[str, bytes]:
    """Every file of a series."""
    return {
        path.relative_to(series.root).as_posix(): path.read_bytes()
        for path in series.root.rglob("*")
        if path.is_file()
    }


def has_nan(path: Path) -> bool:
    """Whether torch, or safetensors, finds NaN in it."""
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return any(bool(value.isnan().any()) for value in load_file(path).values())
    if path.suffix == ".distcp":
        import io
        import pickle

        whole = path.read_bytes()
        document = pickle.loads((path.parent / ".metadata").read_bytes())
        items = [
            torch.load(io.BytesIO(whole[at.offset : at.offset + at.length]), weights_only=False)
            for at in document.storage_data.values()
            if at.relative_path == path.name
        ]
        return any(isinstance(item, torch.Tensor) and bool(item.isnan().any()) for item in items)
    reader = torch._C.PyTorchFileReader(str(path))
    patterns = [
        torch.full((1,), float("nan"), dtype=kind).view(torch.uint8).numpy().tobytes()
        for kind in (torch.float32, torch.bfloat16)
    ]
    return any(
        reader.get_record(record).startswith(tuple(patterns))
        for record in reader.get_all_records()
        if record.startswith("data/")
    )


@pytest.mark.real
@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.name)
def test_a_twin_is_like_the_real_one(framework: Framework, tmp_path: Path) -> None:
    pytest.importorskip(framework.package)
    folders = tmp_path / "real", tmp_path / "twin"
    for folder in folders:
        folder.mkdir()
    real, twin = framework.train(folders[0]), framework.twin(folders[1])
    ours, theirs = by_name(twin), by_name(real)
    assert {key for key in ours if key not in LOOSE} == {key for key in theirs if key not in LOOSE}
    for key in ours.keys() & theirs.keys():
        if key not in CONFIGURED:
            differing = outlines(ours[key]) ^ outlines(theirs[key])
            assert not differing, (key, sorted(differing)[:12])


def by_name(series: Series) -> dict[str, list[Path]]:
    """The newest's files; what differs by the number of shards or steps falls together."""
    found: dict[str, list[Path]] = {}
    newest = series.checkpoints[-1][0]
    for part in series.parts:
        relative = part.path.removeprefix(f"{newest}/")
        if relative == newest:
            relative = "(the file)"
        found.setdefault(name(relative), []).append(series.root / part.path)
    return found


def outlines(paths: list[Path]) -> set[str]:
    """Of files that fall together: shards."""
    return set().union(*(outline(path) for path in paths))
