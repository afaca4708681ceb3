"""Every output of ``scan`` for a report, and reports that bring out what may go wrong in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.finding import Evidence, Finding, Severity, Verdict
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.metadata import Mode
from ckptdoctor.recovery import ranked
from ckptdoctor.recovery.next_step import Asked
from ckptdoctor.render.html.report import scan_html
from ckptdoctor.render.machine.as_json import scan_json
from ckptdoctor.render.machine.csv_table import scan_csv
from ckptdoctor.render.machine.github import scan_github
from ckptdoctor.render.machine.jsonl import scan_jsonl
from ckptdoctor.render.machine.junit import scan_junit
from ckptdoctor.render.machine.markdown import scan_markdown
from ckptdoctor.render.machine.sarif import scan_sarif
from ckptdoctor.report import (
    CheckpointReport,
    Crash,
    Report,
    RunReport,
    TensorTotals,
    findings_of,
)
from ckptdoctor.runs.member import Member
from ckptdoctor.runs.metric import Choice
from ckptdoctor.runs.run import LogAside, Run
from tests.reports import metric, report, score, with_last_good

WRITERS: Mapping[str, Callable[[Report], str]] = {
    "json": scan_json,
    "jsonl": scan_jsonl,
    "csv": scan_csv,
    "md": scan_markdown,
    "sarif": lambda found: scan_sarif(found, exit_code=exit_code(found)),
    "xml": lambda found: scan_junit(found, threshold=Severity.ERROR),
    "github": scan_github,
    "html": scan_html,
}

HOSTILE = (
    "\"quoted\" and 'quoted' \\",
    "<script>alert(1)</script><b>&amp;",
    "</title></style><img src=x onerror=alert(1)>",
    "a|b||c",
    "line\nfeed\r\ntab\t",
    "\x1b[31mred\x1b[2J\x07",
    "\u202egnp.exe\u2066\u200b",
    "lone \udcff byte, nul \x00, next line \x85\u2028, noncharacter \uffff",
    "]]><!-- --><?xml?>",
    "=cmd|' /C calc'!A0",
    "::error::forged",
    "%0A::error file=x::forged",
    "##[error]forged",
    "@everyone see #1 at https://forged.example/ and www.forged.example",
    "`code` *bold* _slanted_ [link](javascript:alert(1)) ~~gone~~ $x$",
    "{{ 7 * 7 }}{% raw %}",
)
ALL_HOSTILE = " ".join(HOSTILE)
ODD_RUN = "<b>|`*_[x](y) \x1b[2J\u202e::error::x %0A {{ 7 * 7 }} @all ]]>"
"""The name of a folder, and so of a run: every character that a file system takes but a slash."""


def finding(
    code: str,
    message: str,
    subject: str = "file",
    severity: Severity = Severity.ERROR,
    remedy: str = "",
    **evidence: Evidence,
) -> Finding:
    """A finding as a rule would make it."""
    return Finding(
        code=code,
        severity=severity,
        subject=subject,
        message=message,
        evidence=evidence,
        remedy=remedy,
    )


def exit_code(found: Report) -> int:
    """What ``scan`` exits with, told once more in as few words as possible."""
    if not found.checkpoints:
        return 3
    return 70 if found.crashes else int(found.worst() is Severity.ERROR)


def collapse() -> Report:
    """The usual story: a best epoch, a decline, NaN, and a file that is no checkpoint."""
    nan = [
        finding("CD201", "432 of 432 elements are NaN", f"model.{n}.weight", remedy="use another")
        for n in range(5)
    ]
    poisoned = finding("CD301", "16 NaN in 16 elements", "optimizer.state.0.exp_avg")
    stale = finding("CD405", "best_iou is that of epoch 88", "best_iou", Severity.INFO, since=88)
    page = finding("CD101", "an HTML page (404 Not Found)", remedy="download it again")
    backup = finding("CD408", "the newest healthy one lies 8 behind", "run", Severity.WARNING)
    fell = finding("CD402", "iou collapsed from 0.6413 at epoch 88 to 0.0022 at epoch 98", "run")
    broken = report("checkpoints/epoch_98.pth", 98, score(0.0022), Verdict.CORRUPT)
    broken = replace(
        broken,
        findings=(*nan, poisoned, stale),
        tensors=TensorTotals(count=46, scanned=46, nbytes=9000, nan=12345, inf=1),
    )
    rows = (
        report("checkpoints/epoch_85.pth", 85, score(0.6408)),
        report("checkpoints/epoch_88.pth", 88, score(0.6413)),
        report("checkpoints/epoch_90.pth", 90, score(0.6345), Verdict.SUSPECT),
        broken,
        report("checkpoints/epoch_101.pth", 101, score(float("nan"))),
        replace(
            report("checkpoints/x.pth", verdict=Verdict.UNREADABLE, tensors=0), findings=(page,)
        ),
    )
    asked = Asked(paths=(Path("checkpoints"),))
    return with_last_good(Report(checkpoints=rows, findings=(fell, backup)), asked)


def hostile() -> Report:
    """Every name, key and message from the files is an attack on some format."""
    wild = tuple(
        finding("CD201", text, text, severity, remedy=text, key=text)
        for text, severity in zip(HOSTILE, [Severity.ERROR, Severity.INFO] * 8, strict=True)
    )
    rows = tuple(
        replace(
            report(_file(text), epoch, metric(float(epoch), name=text), Verdict.CORRUPT),
            findings=(wild[epoch],),
        )
        for epoch, text in enumerate(HOSTILE)
    )
    good = report(_file(ALL_HOSTILE), 99, metric(99.0, name=HOSTILE[0]))
    crash = Crash(rule="Broken", path=rows[5].path, error=f"Traceback\n  x\n{ALL_HOSTILE}")
    found = _one_run((*rows, good), ALL_HOSTILE, Asked(paths=(good.path,)))
    return replace(found, crashes=(crash,), notes=HOSTILE)


def _one_run(rows: Sequence[CheckpointReport], name: str, asked: Asked) -> Report:
    """The rows as a run, whatever they are called; with a finding about it."""
    members = tuple(Member(path=row.path, metadata=row.metadata) for row in rows)
    choice = Choice(name=HOSTILE[0], mode=Mode.MAX, bests=frozenset(HOSTILE))
    run = Run(name=name, members=members, placed=len(members), choice=choice)
    one = RunReport(
        run=run,
        checkpoints=tuple(replace(row, run=name) for row in rows),
        findings=(finding("CD408", ALL_HOSTILE, ALL_HOSTILE, Severity.WARNING),),
    )
    return ranked(Report(checkpoints=one.checkpoints, runs=(one,)), asked)


def _file(text: str) -> str:
    """The text as a name: anything but the byte zero."""
    return text.replace("\0", "") + ".pth"


def runs() -> Report:
    """Two runs of which one collapsed, a copy of ours, a file beside, and logs not believed."""
    rows = (
        *(report(f"runs/plain/epoch_{n}.pth", n, score(0.6 + n / 100)) for n in range(1, 4)),
        *(report(f"runs/{ODD_RUN}/epoch_{n}.pth", n, score(0.5 + n / 100)) for n in range(1, 4)),
        report(f"runs/{ODD_RUN}/epoch_4.pth", 4, score(0.01), Verdict.CORRUPT, codes=("CD201",)),
        replace(
            report(f"runs/{ODD_RUN}/best_model_clean.pth", 3, score(0.53)),
            restored=RestoredFrom(
                source=Path(f"runs/{ODD_RUN}/epoch_3.pth"),
                epoch=3,
                scale=0.75,
                set_lr=None,
                actions=("scale-lr",),
            ),
        ),
        report(f"runs/{ODD_RUN}/imagenet.pth", verdict=Verdict.UNREADABLE, codes=("CD101",)),
    )
    found = with_last_good(Report(checkpoints=rows))
    odd, plain = sorted(found.runs, key=lambda run: run.name == "plain")
    collapsed = finding("CD402", "iou collapsed from 0.53 to 0.01", "run")
    log = LogAside(path=Path("runs/other.log"), reason="tells other values")
    told = replace(
        odd, findings=(collapsed,), run=replace(odd.run, aside=(log,)), next="ckptdoctor plan runs"
    )
    plain = replace(
        plain,
        run=replace(plain.run, history=replace(plain.history, logs=(Path("runs/plain.log"),))),
    )
    both = (told, plain)
    beside = [place for place in found.ranking if place.report.run is None]
    return replace(
        found,
        runs=both,
        ranking=(*told.ranking, *plain.ranking, *beside),
        checkpoints=(*told.checkpoints, *plain.checkpoints, *found.strays),
        findings=findings_of(both),
        notes=(f"{odd.name}: runs/other.log was set aside: it tells other values",),
    )


def healthy() -> Report:
    """One sound checkpoint with no metric, by its absolute path."""
    return with_last_good(Report(checkpoints=(report("/data/model.safetensors"),)))


CASES: Mapping[str, Callable[[], Report]] = {
    "collapse": collapse,
    "hostile": hostile,
    "runs": runs,
    "healthy": healthy,
    "empty": Report,
}
LONG = Path("x" * 100_000 + ".pth")
"""A name longer than any that a file system takes."""
