"""No command runs anything from a file, whatever the file is, and code in a file is told.

``audit`` states what counts; ``proof`` shows that the code is real by loading it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from ckptdoctor.errors import CheckpointError
from ckptdoctor.formats import open_checkpoint
from tests.bad_inputs.audit import COMMANDS, UNPICKLE, Job, Watched, watched
from tests.bad_inputs.bypass.one import Bypass, Loader
from tests.bad_inputs.bypasses import ALL_BYPASSES
from tests.bad_inputs.catalogue import ALL_KINDS
from tests.bad_inputs.good import legacy_bytes, safetensors_bytes, tar_bytes, zip_bytes
from tests.bad_inputs.kind import Kind
from tests.bad_inputs.pickles import CLASSES
from tests.bad_inputs.proof import have_run
from tests.bad_inputs.running import made

CODE, REFUSED = "CD106", 4
_FEW = 14  # every 14th kind is looked at in the quick run, and bypasses by the reader alone
_AS_LONG = "a long frame that ends within a text, in the old format"  # as in a bare pickle: 0.7 s
_OF_PYTHON = (Loader.PICKLE, Loader.ALL, Loader.UNPACKED)
_OF_LIBRARIES = (Loader.TORCH, Loader.NUMPY, Loader.JOBLIB)


def warm(folder: Path) -> list[Path]:
    """Files of every format and of several kinds of damage."""
    contents = {
        "zip.pth": zip_bytes(),
        "cut.pth": zip_bytes()[:1400],
        "legacy.pth": legacy_bytes(),
        "old.pth": tar_bytes(),
        "a.safetensors": safetensors_bytes(),
        "noise.pth": b"x",
        "packed.pth": b"BZhx",
        "packed2.pth": b"\xfd7zXZ\0",
    }
    folder.mkdir()
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in contents]


def place_of(folder: Path, number: int) -> Path:
    place = folder / str(number)
    (place / "out").mkdir(parents=True)
    return place


def job_of(name: str, place: Path, path: Path, commands: tuple[str, ...]) -> Job:
    out, canary = str(place / "out"), str(place / "canary")
    return Job(name=name, path=str(path), out=out, canary=canary, commands=commands)


def jobs_of_bypasses(
    bypasses: Iterable[Bypass], folder: Path, commands: tuple[str, ...]
) -> Iterator[Job]:
    for number, bypass in enumerate(bypasses):
        place = place_of(folder / "bypasses", number)
        path = bypass.build(place, place / "canary")
        yield job_of(bypass.name, place, path, commands)


def jobs_of_kinds(
    kinds: Iterable[Kind], folder: Path, commands: tuple[str, ...] = COMMANDS
) -> Iterator[Job]:
    for number, kind in enumerate(kinds):
        place = place_of(folder / "kinds", number)
        path = None if kind.why_not() else _made_or_none(kind, place)
        if path is not None:
            yield job_of(kind.name, place, path, commands)


def _made_or_none(kind: Kind, place: Path) -> Path | None:
    """The file; None for a kind that cannot be made, which the catalogue's own test tells."""
    try:
        return made(kind, place)
    except Exception:  # noqa: BLE001
        return None


def wrong_with(found: Watched) -> list[str]:
    """What was seen of a file and must not be."""
    wrong = list(found.seen)
    if found.ran:
        wrong.append("the code has run")
    if found.changed:
        wrong.append("the source is not what it was")
    if any(name.endswith(".tmp") for name in found.left):
        wrong.append(f"left behind: {found.left}")
    return [f"{found.name}: {what}" for what in wrong]


def untold(found: Watched) -> list[str]:
    """Why a file that runs code was not treated as one."""
    wrong = [] if CODE in found.codes else [f"{found.name}: only {found.codes} is told"]
    if found.exits["scan"] != 1 or found.exits["restore"] != REFUSED or found.left:
        wrong.append(f"{found.name}: exit codes {found.exits}, left: {found.left}")
    return wrong


def test_the_bypasses_are_many_and_told_apart() -> None:
    assert len(ALL_BYPASSES) >= 600
    assert len({bypass.name for bypass in ALL_BYPASSES}) == len(ALL_BYPASSES)
    assert {bypass.loader for bypass in ALL_BYPASSES} == set(Loader)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Watched]]:
    """Some of the bad files, the unusual classes, and a bypass that is unpickled."""
    folder = tmp_path_factory.mktemp("quick")
    plain = [bypass for bypass in ALL_BYPASSES if bypass.name == "os.system"]
    jobs = {
        "kinds": jobs_of_kinds(ALL_KINDS[::_FEW], folder),
        "classes": jobs_of_kinds(CLASSES, folder / "classes", ("scan",)),
        "unpickled": jobs_of_bypasses(plain, folder / "unpickled", (UNPICKLE,)),
    }
    listed = [(group, job) for group, some in jobs.items() for job in some]
    found = watched([job for _, job in listed], warm(folder / "warm"))
    groups: dict[str, list[Watched]] = {group: [] for group in jobs}
    for (group, _), one in zip(listed, found, strict=True):
        groups[group].append(one)
    return groups


@pytest.mark.slow
def test_none_of_all_bypasses_runs_and_each_is_told(tmp_path: Path) -> None:
    jobs = list(jobs_of_bypasses(ALL_BYPASSES, tmp_path, ("scan", "restore")))
    found = watched(jobs, warm(tmp_path / "warm"))
    assert len(found) == len(ALL_BYPASSES)
    assert [what for one in found for what in wrong_with(one)] == []
    assert [what for one in found for what in untold(one)] == []


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_the_reader_tells_the_code_of_every_bypass(tmp_path: Path) -> None:
    untold = []
    quick = [bypass for bypass in ALL_BYPASSES if bypass.name != _AS_LONG]
    assert len(quick) == len(ALL_BYPASSES) - 1
    for number, bypass in enumerate(quick):
        place = place_of(tmp_path, number)
        path = bypass.build(place, place / "canary")
        try:
            checkpoint = open_checkpoint(path)
            told = bool(checkpoint.calls) or any(use.runs_code for use in checkpoint.globals)
        except CheckpointError as error:
            told = bool(error.runs)
        if not told:
            untold.append(bypass.name)
    assert untold == []


def test_bad_files_run_nothing_and_stay_as_they_are(quick: dict[str, list[Watched]]) -> None:
    assert len(quick["kinds"]) > 20
    assert [what for one in quick["kinds"] for what in wrong_with(one)] == []


def test_unusual_classes_are_no_code(quick: dict[str, list[Watched]]) -> None:
    assert len(quick["classes"]) > 20
    assert [one.name for one in quick["classes"] if CODE in one.codes] == []


def test_the_watch_would_have_seen_it(quick: dict[str, list[Watched]]) -> None:
    """The same file given to ``pickle`` while the hook watches."""
    (found,) = quick["unpickled"]
    assert found.ran
    assert any("pickle.find_class" in event for event in found.seen)
    assert any("os.system" in event for event in found.seen)


@pytest.mark.slow
def test_no_command_runs_a_bypass(tmp_path: Path) -> None:
    jobs = list(jobs_of_bypasses(ALL_BYPASSES, tmp_path, COMMANDS))
    found = watched(jobs, warm(tmp_path / "warm"))
    assert len(found) == len(ALL_BYPASSES)
    assert [what for one in found for what in wrong_with(one)] == []


@pytest.mark.slow
@pytest.mark.parametrize("start", range(4))
def test_every_bad_file_runs_nothing_and_stays_as_it_is(start: int, tmp_path: Path) -> None:
    found = watched(list(jobs_of_kinds(ALL_KINDS[start::4], tmp_path)), warm(tmp_path / "warm"))
    assert len(found) > 40
    assert [what for one in found for what in wrong_with(one)] == []


@pytest.mark.slow
def test_a_few_of_the_canaries_are_real(tmp_path: Path) -> None:
    few = [bypass for bypass in ALL_BYPASSES if bypass.loader is Loader.PICKLE][::9]
    assert len(few) >= 10
    assert have_run(few, tmp_path) == {bypass.name for bypass in few}


@pytest.mark.slow
@pytest.mark.parametrize("loaders", [_OF_PYTHON, _OF_LIBRARIES], ids=["python", "libraries"])
def test_every_canary_is_real(loaders: tuple[Loader, ...], tmp_path: Path) -> None:
    all_of_them = [bypass for bypass in ALL_BYPASSES if bypass.loader in loaders]
    assert len(all_of_them) >= 30
    assert have_run(all_of_them, tmp_path) == {bypass.name for bypass in all_of_them}
