"""Every rule: a case that fires, and one that must stay silent."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckptdoctor.diagnose import examine
from ckptdoctor.finding import Finding, Severity
from ckptdoctor.formats import read_checkpoint
from ckptdoctor.recovery import ranked
from ckptdoctor.rules import ALL_RULES, Rule
from ckptdoctor.runs.discover import discover
from ckptdoctor.runs.wish import Wish
from ckptdoctor.survey import survey
from tests.builders import save
from tests.each import each
from tests.postmortem.trained import flip, run_of

NAN, INF = float("nan"), float("inf")


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("id",)


def findings(path: Path) -> list[Finding]:
    """Those of the file, and those of its folder as a run."""
    if path.is_dir():
        report = survey(discover([path.parent]))
    else:
        files = {file for file in path.parent.iterdir() if file.suffix not in (".json", ".log")}
        report = ranked(examine(sorted({path, *files}), wish=Wish()))
    assert not report.crashes
    return [
        *report.findings,
        *(f for r in report.checkpoints if r.path == path for f in r.findings),
    ]


def model(*values: float, **others: Any) -> dict[str, Any]:
    return {"model": {"w": torch.tensor(values)}} | others


def optimizer(**buffers: torch.Tensor) -> dict[str, Any]:
    return {"optimizer": {"state": {0: buffers}, "param_groups": [{"lr": 1e-3, "params": [0]}]}}


def saved(folder: Path, state: object) -> Path:
    return save(folder / "a.pth", state)


def page(folder: Path) -> Path:
    path = folder / "a.pth"
    path.write_text("<html></html>")
    return path


def cut(folder: Path) -> Path:
    path = saved(folder, model(*[1.0] * 100))
    path.write_bytes(path.read_bytes()[:-400])
    return path


def flipped(folder: Path) -> Path:
    path = saved(folder, model(*[1.0] * 64))
    data = bytearray(path.read_bytes())
    at = data.index(torch.ones(64).numpy().tobytes())
    data[at] ^= 1
    path.write_bytes(data)
    return path


def doubled(folder: Path) -> Path:
    path = saved(folder, model(1.0))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a/data/0", b"\0\0\0\0")
    return path


def deep(folder: Path) -> Path:
    nested: list[Any] = []
    for _ in range(300):
        nested = [nested]
    path = folder / "a.pth"
    path.write_bytes(pickle.dumps({"w": np.ones(3), "x": nested}))
    return path


def missing(folder: Path) -> Path:
    return folder / "gone.pth"


def changed_since_restored(folder: Path) -> Path:
    path = saved(folder, model(1.0))
    manifest = {"schema_version": 1, "tool": {"name": "ckptdoctor"}, "file": {"sha256": "0" * 64}}
    Path(f"{path}.json").write_text(json.dumps(manifest))
    return path


def changing(folder: Path) -> Path:
    return saved(folder, model(1.0))


def run(folder: Path, *states: dict[str, Any]) -> Path:
    """A checkpoint for each epoch from 1; the last one's path."""
    for epoch, state in enumerate(states, start=1):
        path = save(folder / f"epoch_{epoch}.pth", {"epoch": epoch} | state)
    return path


def walk(*steps: float) -> list[dict[str, Any]]:
    """The states of a model that moves by these parts of its norm, each step another way."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(64, 64, generator=generator)
    states = [{"model": {"w": weight}}]
    for step in steps:
        way = torch.randn(64, 64, generator=generator)
        weight = weight + way * (step * weight.norm() / way.norm())
        states.append({"model": {"w": weight}})
    return states


FIRES: dict[str, Callable[[Path], Path]] = {
    "CD101": page,
    "CD102": cut,
    "CD103": flipped,
    "CD104": doubled,
    "CD105": lambda folder: saved(folder, model(1.0, best=np.float64(0.5))),
    "CD106": lambda folder: saved(folder, model(1.0, x=Evil())),
    "CD107": deep,
    "CD108": missing,
    "CD109": changing,
    "CD110": changed_since_restored,
    "CD201": lambda folder: saved(folder, model(1.0, NAN)),
    "CD202": lambda folder: saved(folder, model(1.0, -INF)),
    "CD203": lambda folder: saved(folder, {"model": {"attn.mask": torch.tensor([0.0, -INF])}}),
    "CD204": lambda folder: saved(folder, model(1.0, -1e30)),
    "CD205": lambda folder: saved(folder, {"model": {"w": torch.full((3, 3), 0.5)}}),
    "CD206": lambda folder: saved(folder, {"model": {"w": torch.tensor([1.0, 65504.0]).half()}}),
    "CD207": lambda folder: saved(folder, {"model": {"bn.running_var": torch.tensor([1.0, -0.1])}}),
    "CD302": lambda folder: saved(folder, model(1.0) | optimizer(exp_avg_sq=torch.tensor([-1e-9]))),
    "CD303": lambda folder: saved(
        folder, {"model": {"w": torch.ones(3, 4)}} | optimizer(exp_avg=torch.ones(5, 4))
    ),
    "CD405": lambda folder: saved(folder, model(1.0, epoch=3, best_iou=NAN)),
    "CD406": lambda folder: save(folder / "epoch_88.pth", model(1.0, epoch=42)),
    "CD407": lambda folder: run(folder, model(1.0), model(1.0)),
    "CD408": lambda folder: run(folder, model(1.0), *[model(NAN)] * 7),
    "CD410": lambda folder: run(folder, *walk(0.1, 0.05, 0.04, 3.0)),
    "CD301": lambda folder: saved(folder, model(1.0) | optimizer(exp_avg_sq=torch.tensor([INF]))),
    "CD304": lambda folder: saved(
        folder, model(1.0, scaler={"scale": torch.tensor(NAN), "growth_factor": 2.0})
    ),
    "CD305": lambda folder: saved(folder, model(1.0, ema={"w": torch.tensor([NAN])})),
}

PLAIN = model(1.0, -2.0, epoch=3, best_iou=0.5) | optimizer(
    exp_avg=torch.zeros(2), exp_avg_sq=torch.ones(2), step=torch.tensor(3.0)
)
SILENT: dict[str, Callable[[Path], Path]] = dict.fromkeys(
    [rule.code for rule in ALL_RULES], lambda folder: saved(folder, PLAIN)
) | {
    "CD105": lambda folder: saved(folder, model(1.0, device=torch.device("cpu"))),
    "CD106": lambda folder: saved(folder, model(1.0, best=np.float64(0.5))),
    "CD107": lambda folder: saved(folder, model(1.0, nested=[[[[[[1]]]]]])),
    "CD201": lambda folder: saved(folder, {"model": {"n": torch.tensor([2**62])}}),
    "CD202": lambda folder: saved(folder, {"model": {"c.upper_bound": torch.tensor(INF)}}),
    "CD203": lambda folder: saved(folder, {"model": {"mask.weight": torch.tensor([NAN])}}),
    "CD204": lambda folder: saved(folder, {"model": {"masked_bias": torch.tensor(-1e30)}}),
    "CD205": lambda folder: saved(folder, {"model": {"bias": torch.zeros(9)}}),
    "CD206": lambda folder: saved(folder, {"model": {"w": torch.tensor([65472.0]).half()}}),
    "CD207": lambda folder: saved(folder, {"model": {"bn.running_var": torch.tensor([0.0, 1e6])}}),
    "CD302": lambda folder: saved(folder, model(1.0) | optimizer(exp_avg=torch.tensor([-1.0]))),
    "CD303": lambda folder: saved(
        folder, {"model": {"w": torch.ones(3, 4)}} | optimizer(exp_avg=torch.ones(3, 4))
    ),
    "CD405": lambda folder: saved(folder, model(1.0, epoch=0, best_iou=0.0, best_loss=INF)),
    "CD406": lambda folder: save(folder / "epoch_88.pth", model(1.0, epoch=87)),
    "CD407": lambda folder: run(folder, model(1.0), model(2.0)),
    "CD408": lambda folder: run(folder, *[model(value) for value in (1.0, 2.0, 3.0, NAN)]),
    "CD410": lambda folder: run(folder, *walk(0.9, 0.5, 0.3, 0.2, 0.4)),
    "CD301": lambda folder: saved(folder, model(NAN)),
    "CD305": lambda folder: saved(folder, model(1.0, ema={"w": torch.tensor([1.0])})),
}


def logged(folder: Path, *rows: str) -> Path:
    """A sound checkpoint beside a log of these lines, the first of them of epoch 81."""
    lines = [f"Epoch {epoch}: {row}\n" for epoch, row in enumerate(rows, start=81)]
    (folder / "train.log").write_text("".join(lines))
    return saved(folder, model(1.0, 2.0, epoch=81))


def folders(folder: Path, *, without: str = "", latest: str = "global_step2") -> Path:
    """The second of two checkpoints that are folders, and a pointer beside them."""
    for step in (1, 2):
        inside = folder / f"global_step{step}"
        inside.mkdir()
        net = {"w": torch.full((4,), float(step))}
        save(inside / "mp_rank_00_model_states.pt", {"module": net, "dp_world_size": 1})
        state = {"state": {0: {"exp_avg": torch.ones(4) * step}}, "param_groups": [{"lr": 0.1}]}
        shard = {"optimizer_state_dict": {"base_optimizer_state": state}}
        save(inside / "zero_pp_rank_0_mp_rank_00_optim_states.pt", shard)
    (folder / "latest").write_text(latest)
    if without:
        (folder / "global_step2" / without).unlink()
    return folder / "global_step2"


FIRES |= {
    "CD111": lambda folder: folders(folder, without="zero_pp_rank_0_mp_rank_00_optim_states.pt"),
    "CD112": lambda folder: folders(folder, latest="global_step3"),
}
SILENT |= {
    "CD111": lambda folder: folders(folder, latest="global_step2"),
    "CD112": lambda folder: folders(folder, latest="global_step2"),
}
SOUND = [f"IoU: {0.5 + at / 1000:.4f} Loss: {0.5 - at / 1000:.4f}" for at in range(12)]
LEVEL = [f"IoU: {0.62 + at % 3 / 500:.4f}" for at in range(12)]
RATED = [f"{row} lr: {2e-3 * 0.7**at:.3e}" for at, row in enumerate(LEVEL)]
TWICE = 2 * 2e-3 * 0.7 ** (len(RATED) - 1)
FIRES |= {
    "CD401": lambda folder: logged(folder, *SOUND, "IoU: 0.50", "IoU: 0.49", "IoU: 0.48"),
    "CD402": lambda folder: logged(folder, *SOUND, "IoU: 0.01"),
    "CD403": lambda folder: logged(folder, *SOUND, "IoU: 0.5 Loss: 15.0"),
    "CD404": lambda folder: logged(folder, *SOUND, "Loss: nan"),
    "CD409": lambda folder: logged(folder, *SOUND, *["IoU: 0.4321 Loss: 0.2143"] * 7),
    "CD411": lambda folder: logged(folder, *RATED, *["IoU: 0.531 lr: 2e-3"] * 2),
    "CD412": lambda folder: logged(folder, *LEVEL, "IoU: 0.531", "IoU: 0.529"),
    "CD413": lambda folder: run_of(folder, flip) / "epoch_9.pth",
}
SILENT |= {
    "CD401": lambda folder: logged(folder, *SOUND, "IoU: 0.510", "IoU: 0.509", "IoU: 0.512"),
    "CD402": lambda folder: logged(folder, *SOUND, "IoU: 0.01", "IoU: 0.52"),
    "CD403": lambda folder: logged(folder, *SOUND, "IoU: 0.5 Loss: 0.9"),
    "CD404": lambda folder: logged(folder, *SOUND),
    "CD409": lambda folder: logged(folder, *SOUND, *["IoU: 0.4321 Loss: 0.2143"] * 4),
    "CD411": lambda folder: logged(folder, *RATED, *[f"IoU: 0.62 lr: {TWICE:.3e}"] * 2),
    "CD412": lambda folder: logged(folder, *LEVEL, "IoU: 0.531", "IoU: 0.529", "IoU: 0.61"),
    "CD413": lambda folder: run_of(folder) / "epoch_9.pth",
}


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.code)
def test_the_rule_fires(rule: type[Rule], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = FIRES[rule.code](tmp_path)
    if rule.code == "CD109":
        touch_while_scanning(path, monkeypatch)
    found = [finding for finding in findings(path) if finding.code == rule.code]
    assert found
    for finding in found:
        assert finding.message
        assert finding.remedy
        assert finding.subject


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.code)
def test_the_rule_stays_silent(rule: type[Rule], tmp_path: Path) -> None:
    assert rule.code not in {f.code for f in findings(SILENT[rule.code](tmp_path))}


def touch_while_scanning(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the file another time of modification once its header was read."""

    def read_then_touch(*args: Any, **how: Any) -> Any:
        found = read_checkpoint(*args, **how)
        os.utime(path, ns=(1, 1))
        return found

    monkeypatch.setattr("ckptdoctor.one_file.read_checkpoint", read_then_touch)


def test_codes_are_unique_and_in_order() -> None:
    codes = [rule.code for rule in ALL_RULES]
    assert codes == sorted(set(codes))


@each(
    "rule",
    ALL_RULES,
)
def test_every_rule_explains_itself(rule: type[Rule]) -> None:
    text = inspect.cleandoc(rule.__doc__ or "")
    title, _, rest = text.partition("\n")
    assert title.endswith(".")
    assert rule.title() == title[:-1]
    assert len(rest.split()) > 20
    said, _, advice = rest.partition("What to do:")
    assert rule.meaning() == said.strip()
    assert rule.remedy().split()[1:] == advice.replace("``", "`").split()[1:]
    assert rule.severity in Severity


def test_the_evidence_names_element_and_counts(tmp_path: Path) -> None:
    state = {"model": {"w": torch.tensor([[1.0, NAN], [INF, NAN]])}}
    (found,) = findings(saved(tmp_path, state))
    assert found.message == "2 of 4 elements are NaN, the first bad one at [0, 1]"
    assert dict(found.evidence) == {
        "nan": 2,
        "posinf": 1,
        "neginf": 0,
        "numel": 4,
        "first_bad_index": [0, 1],
        "dtype": "float32",
        "ema_finite": None,
    }


def test_the_call_of_a_hostile_pickle_is_spelled_out(tmp_path: Path) -> None:
    found = next(f for f in findings(saved(tmp_path, model(x=Evil()))) if f.code == "CD106")
    assert found.message == "calls posix.system('id')"
    assert found.severity is Severity.ERROR


def test_a_checksum_mismatch_names_the_tensor(tmp_path: Path) -> None:
    found = next(f for f in findings(flipped(tmp_path)) if f.code == "CD103")
    assert found.subject == "model.w"
    assert found.severity is Severity.ERROR


def test_files_without_checksums_say_so_as_information(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        path = saved(tmp_path, model(1.0))
    finally:
        torch.serialization.set_crc32_options(True)
    (found,) = findings(path)
    assert (found.code, found.severity) == ("CD103", Severity.INFO)


@pytest.mark.parametrize(("buffer", "effect"), [("exp_avg_sq", "freezes"), ("exp_avg", "poisons")])
def test_what_a_bad_optimizer_does_next(buffer: str, effect: str, tmp_path: Path) -> None:
    bad = INF if buffer == "exp_avg_sq" else NAN
    state = model(1.0) | optimizer(**{buffer: torch.tensor([bad, 1.0])})
    (found,) = findings(saved(tmp_path, state))
    assert effect in found.message
