"""What the command line says of a damaged series, held against the truth about it."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.layouts.folders.faults import Fault, Injury
from tests.layouts.folders.truth import Kind, Series

ORDER = ("healthy", "suspect", "salvageable", "corrupt", "unreadable")


class Shortfall(StrEnum):
    """Kinds of wrong answers."""

    UNNAMED = "damage not named"
    VERDICT = "wrong verdict"
    LAST_GOOD = "wrong last good"
    ALARM = "false alarm"
    CAUTION = "doubts a sound one"
    LISTED = "not three checkpoints"
    CRASH = "crash, or no answer"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What ``scan --format json`` says."""

    code: int
    document: dict[str, Any]
    stderr: str

    @property
    def last_good(self) -> str | None:
        """The path of the last good checkpoint."""
        found = self.document.get("last_good") or {}
        path = found.get("path")
        return None if path is None else str(path)

    @property
    def listed(self) -> dict[str, dict[str, Any]]:
        """Checkpoints by path."""
        return {one["path"]: one for one in self.document.get("checkpoints", [])}

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Every finding: of checkpoints, of runs, of the whole."""
        found = [*self.document.get("findings", [])]
        for one in (*self.document.get("checkpoints", []), *self.document.get("runs", [])):
            found += one.get("findings", [])
        return found


def cli(*arguments: str | Path) -> tuple[int, str, str]:
    """The command line within this process: exit code, standard output and error."""
    from ckptdoctor.__main__ import run

    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return code, texts[0], texts[1]


def scan(folder: Path) -> Answer:
    """What is said of a folder."""
    code, out, err = cli("scan", folder, "--format", "json")
    try:
        document = json.loads(out)
    except ValueError:
        document = {}
    return Answer(code=code, document=document, stderr=err)


Shortfalls = list[tuple[Shortfall, str]]


def judge_healthy(series: Series, answer: Answer) -> Shortfalls:
    """A sound series: three healthy checkpoints, exit 0, the newest is the last good one."""
    found = _listed(series, answer)
    if answer.code != 0:
        found.append((Shortfall.ALARM, f"a healthy series: exit {answer.code}"))
    found += [
        (Shortfall.ALARM, f"a healthy series: {path} is {one['verdict']}: {_texts(one)}")
        for path, one in answer.listed.items()
        if one["verdict"] != "healthy"
    ]
    found += [
        (Shortfall.ALARM, f"a healthy series: {one['code']} {one['message']}")
        for one in answer.findings
        if one["severity"] != "info"
    ]
    if (said := _short(series, answer.last_good)) != series.checkpoints[-1][0]:
        found.append((Shortfall.LAST_GOOD, f"a healthy series: last good {said}"))
    return found


def judge(series: Series, injury: Injury, answer: Answer) -> Shortfalls:
    """A damaged one.

    Of two checkpoints that share a part, either may be the one that has it wrongly: to doubt both
    is no false alarm, and is counted apart.
    """
    found = _listed(series, answer, gone=injury)
    if not answer.document:
        return found
    if not injury.unseen and not _named(series, injury, answer):
        loud = [one for one in answer.findings if one["severity"] != "info"] or answer.findings
        seen = sorted({f"{one['code']} {one['subject']}" for one in loud})
        found.append((Shortfall.UNNAMED, f"only {seen}" if seen else "no finding"))
    verdict = _verdict(series, answer)
    allowed = injury.verdicts | ({"healthy"} if injury.unseen else set())
    if verdict is not None and verdict not in allowed:
        what = Shortfall.VERDICT if not injury.unseen else Shortfall.ALARM
        found.append((what, f"{verdict}, not {' or '.join(sorted(allowed))}"))
    found += _judge_last_good(series, injury, answer, verdict)
    for path, one in answer.listed.items():
        if one["verdict"] != "healthy" and not _is_newest(series, path):
            either = injury.fault is Fault.SWAPPED and one["verdict"] == "suspect"
            either = either and _short(series, path) in series.checkpoints[1]
            what = Shortfall.CAUTION if either else Shortfall.ALARM
            text = f"{_short(series, path)}, untouched, is {one['verdict']}: {_texts(one)}"
            found.append((what, text))
    return found


def _judge_last_good(
    series: Series, injury: Injury, answer: Answer, verdict: str | None
) -> Shortfalls:
    said = _short(series, answer.last_good)
    good = [names[0] for names in series.checkpoints]
    if said not in good:
        return [(Shortfall.LAST_GOOD, f"{said} is no checkpoint of the three")]
    if said == good[0] and injury.fault is not Fault.SWAPPED:
        return [(Shortfall.LAST_GOOD, f"{said}: a newer one is sound")]
    harmless = injury.part.whole and injury.fault is Fault.SWAPPED
    if injury.unseen or harmless:
        return []
    costly = "healthy" not in injury.verdicts
    worse = verdict is not None and verdict != "healthy"
    if said == good[2] and (costly or worse):
        return [(Shortfall.LAST_GOOD, f"{said}, which is damaged ({verdict})")]
    if said == good[1] and injury.kind is Kind.POINTER and not injury.part.sibling:
        return [(Shortfall.LAST_GOOD, f"{said}: only the pointer is wrong")]
    return []


def _listed(series: Series, answer: Answer, *, gone: Injury | None = None) -> Shortfalls:
    if not answer.document or answer.code not in (0, 1):
        lines = answer.stderr.strip().splitlines()
        last = lines[-1] if lines else ""
        return [(Shortfall.CRASH, f"exit {answer.code}: {last}")]
    wanted = list(series.checkpoints)
    alone = len([part for part in series.parts if part.sibling]) == 1
    if gone and gone.part.whole and alone and gone.fault is Fault.DELETED:
        wanted.pop()
    paths = [_short(series, path) for path in answer.listed]
    fits = len(paths) == len(wanted) and all(
        any(path in names for path in paths) for names in wanted
    )
    return [] if fits else [(Shortfall.LISTED, f"{len(paths)}: {' '.join(map(str, paths[-4:]))}")]


def _named(series: Series, injury: Injury, answer: Answer) -> bool:
    if injury.part.whole and any(
        one["findings"] for path, one in answer.listed.items() if _is_newest(series, path)
    ):
        return True  # the checkpoint is the part, and its path names it
    texts = [json.dumps(one, ensure_ascii=False) for one in answer.findings]
    return any(word in text for word in injury.words for text in texts)


def _verdict(series: Series, answer: Answer) -> str | None:
    """Of the newest; where it is listed several times, the worst."""
    found = [one["verdict"] for path, one in answer.listed.items() if _is_newest(series, path)]
    return max(found, key=ORDER.index, default=None)


def _is_newest(series: Series, path: str) -> bool:
    short = _short(series, path) or ""
    newest = series.checkpoints[-1]
    return short in newest or any(short.startswith(f"{name}/") for name in newest)


def _short(series: Series, path: str | None) -> str | None:
    if path is None:
        return None
    found = Path(path)
    root = series.root
    return found.relative_to(root).as_posix() if found.is_relative_to(root) else str(found)


def _texts(one: dict[str, Any]) -> str:
    found = [f for f in one["findings"] if f["severity"] != "info"]
    return "; ".join(f"{f['code']} {f['subject']}: {f['message']}" for f in found[:2])[:200]


def judge_restored(series: Series, injury: Injury, answer: Answer) -> Shortfalls:
    """``restore FOLDER -o NEW``: a sound checkpoint in its own form, or exit 4 and nothing."""
    target = series.root.parent / f"{series.root.name}-restored"
    suffix = Path(series.checkpoints[-1][0]).suffix
    before = series.checkpoints[-2]  # files that lie loose side by side become a folder
    folder = len(before) > 1 or (series.root / before[0]).is_dir()
    if not folder:
        target = target.with_suffix(suffix)
    _remove(target)
    code, _, err = cli("restore", series.root, "-o", target, "--format", "json")
    try:
        if code == 4 and not target.exists():
            return []
        lines = err.strip().splitlines()
        if code != 0 or not target.exists():
            return [(Shortfall.RESTORE, f"exit {code}: {lines[-1] if lines else ''}")]
        if target.is_dir() != folder:
            what = "folder" if target.is_dir() else "file"
            return [(Shortfall.RESTORE, f"a {what} was written")]
        again = scan(target)
        verdicts = [one["verdict"] for one in again.listed.values()]
        if verdicts != ["healthy"] and "healthy" not in injury.verdicts:
            return [(Shortfall.RESTORE, f"what was written is {verdicts}")]
        return []
    finally:
        _remove(target)


def _remove(target: Path) -> None:
    import shutil

    for path in (target, *target.parent.glob(f"{target.name}.*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
