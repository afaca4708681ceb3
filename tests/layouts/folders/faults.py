"""Each way in which one part of the newest checkpoint is damaged, and what is then true."""

from __future__ import annotations

import io
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.layouts.folders.tensors import Spot, flip, set_nan, spots
from tests.layouts.folders.truth import COSTS, LOST_WEIGHTS, ODD, SOUND, Kind, Part, Series


class Fault(StrEnum):
    """What befalls a part."""

    DELETED = "deleted"
    NAN = "NaN"
    CUT = "cut"
    SWAPPED = "swapped"
    FLIPPED = "flipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Injury:
    """A fault of a part, and what is true of the series from then on.

    ``words`` are texts of which a finding must hold one: the part's name, or that of the tensor.
    ``verdicts`` are those that the checkpoint may get. ``unseen`` says why nothing can be noticed,
    "" where it can. ``kind`` is what was hit.
    """

    part: Part
    fault: Fault
    kind: Kind
    words: tuple[str, ...]
    verdicts: frozenset[str]
    unseen: str = ""
    tensor: str = ""

    @property
    def name(self) -> str:
        """What a table shows."""
        return f"{self.fault} {self.part.name}" + (f" [{self.tensor}]" if self.tensor else "")


_UNCHECKED = "safetensors keeps no checksum, and the value stays plausible"
_EXCHANGED = "its text fits the series as well as the true one: an older pointer is a resume"


def injuries(series: Series) -> Iterator[Injury]:
    """Every fault of every part that this part can have."""
    for part in series.parts:
        for fault in Fault:
            yield from _of(series, part, fault)


def _of(series: Series, part: Part, fault: Fault) -> Iterator[Injury]:
    unseen = (part.unseen or {}).get(fault.value, "")
    if fault in (Fault.NAN, Fault.FLIPPED):
        yield from _of_tensors(series, part, fault, unseen)
        return
    if fault is Fault.SWAPPED:
        if _exchanged(series, part) == _content(series.root, part, part.path):
            return  # every checkpoint has the same: nothing would change
        if part.kind is Kind.POINTER and not part.sibling:
            unseen = _EXCHANGED
    yield _injury(part, fault, part.worst, _verdicts(series, part, fault), unseen)


def _verdicts(series: Series, part: Part, fault: Fault) -> frozenset[str]:
    if fault is Fault.SWAPPED:
        if part.whole:
            return SOUND | ODD  # it is the checkpoint before under another name
        if part.kind is Kind.POINTER:
            return part.loss
        if part.worst in (Kind.WEIGHTS, Kind.OPTIMIZER, Kind.EMA, Kind.SCALER):
            return ODD | part.loss  # readable, and of another step
        return SOUND | ODD | part.loss  # no tensor is lost
    if fault is Fault.CUT and part.worst is Kind.WEIGHTS:
        # a torch that meets a cut file loads nothing of it, whatever is rescued
        return LOST_WEIGHTS | _beyond_the_middle(series, part)
    return part.loss


def _beyond_the_middle(series: Series, part: Part) -> frozenset[str]:
    with opened(series.root, part) as path:
        middle = path.stat().st_size // 2
        lost = {
            part.kind_of(spot.name)
            for spot in spots(path)
            if spot.at + spot.count * spot.dtype.itemsize > middle
        }
    return frozenset() if Kind.WEIGHTS in lost else frozenset({"salvageable", "suspect"})


def _of_tensors(series: Series, part: Part, fault: Fault, unseen: str) -> Iterator[Injury]:
    found: dict[Kind, Spot] = {}
    with opened(series.root, part) as path:
        safe = path.suffix == ".safetensors"
        for spot in spots(path):
            usable = spot.dtype.is_floating_point and spot.count > 1
            usable = usable or (fault is Fault.FLIPPED and spot.count > 1)
            kind = part.kind_of(spot.name)
            if usable and kind not in found:
                found[kind] = spot
    for kind, spot in found.items():
        if fault is Fault.FLIPPED and safe:
            unseen = _UNCHECKED
        verdicts = COSTS[kind] if kind is not Kind.INDEX else part.loss
        yield _injury(part, fault, kind, verdicts, unseen, tensor=spot.name)


def _injury(
    part: Part, fault: Fault, kind: Kind, verdicts: frozenset[str], unseen: str, tensor: str = ""
) -> Injury:
    own = Path(part.member or part.path).name
    above = Path(part.path).parent
    within = part.sibling and above.name == Path(part.sibling).parent.name
    words = [f"{above.name}/{own}" if within and _common(own) else own]
    if tensor:
        words.append(tensor)
    if part.whole and fault is Fault.DELETED:
        words.append(f"{part.path.partition('/')[0]}")  # the checkpoint is gone with it
    if kind is Kind.TEXT and not unseen:
        unseen = "a text for people, or one that a resume does without"
    return Injury(
        part=part,
        fault=fault,
        kind=kind,
        words=tuple(words),
        verdicts=verdicts,
        unseen=unseen,
        tensor=tensor,
    )


def _common(name: str) -> bool:
    """Whether several parts of one checkpoint bear this name, in folders of their own."""
    return name in ("config.json", "diffusion_pytorch_model.safetensors", "model_optim_rng.pt") or (
        name in ("distrib_optim.pt", "fp32.pt", "exp_avg.pt", "exp_avg_sq.pt", ".metadata")
    )


def inflict(series: Series, injury: Injury) -> None:
    """Damage the folder."""
    part, fault = injury.part, injury.fault
    if fault is Fault.DELETED:
        _delete(series.root, part)
        return
    with opened(series.root, part, changed=True) as path:
        if fault is Fault.CUT:
            content = path.read_bytes()
            path.write_bytes(content[: len(content) // 2])
        elif fault is Fault.SWAPPED:
            path.write_bytes(_exchanged(series, part))
        else:
            spot = next(one for one in spots(path) if one.name == injury.tensor and one.count > 1)
            (set_nan if fault is Fault.NAN else flip)(path, spot)


def _exchanged(series: Series, part: Part) -> bytes:
    """What the checkpoint before has in its place; the same bytes where nothing has."""
    if part.sibling:
        return _content(series.root, part, part.sibling)
    if part.kind is Kind.POINTER:
        return _pointed_back(series, part)
    return _content(series.root, part, part.path)


def _pointed_back(series: Series, part: Part) -> bytes:
    """A pointer's text with the last number in it made that of the checkpoint before."""
    before = re.findall(r"\d+", series.checkpoints[-2][0])[-1]
    text = (series.root / part.path).read_text()
    number = re.findall(r"\d+", text)[-1]
    head, _, tail = text.rpartition(number)
    return f"{head}{before}{tail}".encode()


def _content(root: Path, part: Part, path: str) -> bytes:
    if not part.member:
        return (root / path).read_bytes()
    return _members(root / path)[part.member]


def _delete(root: Path, part: Part) -> None:
    if not part.member:
        (root / part.path).unlink()
        return
    members = _members(root / part.path)
    del members[part.member]
    _pack(root / part.path, members)


@contextmanager
def opened(root: Path, part: Part, *, changed: bool = False) -> Iterator[Path]:
    """The part as a file of its own; put back into its archive where it is ``changed``."""
    whole = root / part.path
    if not part.member:
        yield whole
        return
    members = _members(whole)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(part.member).name
        path.write_bytes(members[part.member])
        yield path
        if changed:
            members[part.member] = path.read_bytes()
            _pack(whole, members)


def _members(path: Path) -> dict[str, bytes]:
    """An archive's members in their order; they are Stable-Baselines3's or NeMo's."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            handle = tar.extractfile(member)
            if handle is not None:
                found[member.name] = handle.read()
    return found


def _pack(path: Path, members: dict[str, bytes]) -> None:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name), content)
        return
    with tarfile.open(path, "w:") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def copy(series: Series, to: Path) -> Series:
    """The series in another folder; what lies there is replaced."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(series.root, to)
    for path in to.iterdir():  # a pointer may hold the whole path
        if path.is_file() and path.name.startswith("last"):
            text = path.read_text()
            path.write_text(text.replace(str(series.root), str(to)))
    return Series(root=to, checkpoints=series.checkpoints, parts=series.parts)
