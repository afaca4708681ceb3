"""Commands that take settings: from the command line, the environment, a file."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ckptdoctor.report import Report
    from ckptdoctor.selection.baseline import Baseline
    from ckptdoctor.selection.policy import Policy
    from ckptdoctor.settings.settings import Setting, Settings
    from ckptdoctor.survey import Chronicles

__all__ = [
    "Chooses",
    "Settling",
    "accepts_findings",
    "chronicles_settled",
    "configured",
    "passed_over_words",
    "report_settled",
    "settings_now",
    "shown_path",
]

_CONFIG = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings from this file, not from a ckptdoctor.toml or pyproject.toml above.",
        show_default=False,
    ),
]
_NO_CONFIG = Annotated[bool, typer.Option("--no-config", help="Settings from no file.")]
_SELECT = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        metavar="CODES",
        help="Only findings of these codes count: CD201, CD2, CD2,CD301; repeatable.",
        show_default=False,
    ),
]
_IGNORE = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="CODES",
        help="Findings of these codes do not count; repeatable. Verdicts stay as they are.",
        show_default=False,
    ),
]
_SEVERITY = Annotated[
    list[str] | None,
    typer.Option(
        "--severity",
        metavar="CODE=LEVEL",
        help="How much a code matters: info, warning or error; repeatable.",
        show_default=False,
    ),
]
_BASELINE = Annotated[
    Path | None,
    typer.Option(
        "--baseline",
        metavar="FILE",
        help="Findings that stand in this file are accepted; new ones count.",
        show_default=False,
    ),
]
_WRITE_BASELINE = Annotated[
    Path | None,
    typer.Option(
        "--write-baseline",
        metavar="FILE",
        help="Accept all that is found now, in this file.",
        show_default=False,
    ),
]

_READS = {"config": (_CONFIG, None), "no_config": (_NO_CONFIG, False)}
_JUDGES = {
    "select": (_SELECT, None),
    "ignore": (_IGNORE, None),
    "severity": (_SEVERITY, None),
    "baseline": (_BASELINE, None),
}
_WRITES = {"write_baseline": (_WRITE_BASELINE, None)}
_FORMAT_OF = "scan"
"""The command whose output a setting chooses; the others write fewer formats."""

_TELLS = "config"
"""The command that says where each value comes from, the command line among these places."""
_OWN_VARIABLES = frozenset({"CKPTDOCTOR_BACKEND", "CKPTDOCTOR_CACHE_DIR", "CKPTDOCTOR_DIR"})
"""Variables that others read, and that are no settings."""


class Chooses(Enum):
    """What a command does with findings."""

    NOTHING = 0
    COUNTS = 1
    ACCEPTS = 2


class _Chosen:
    """The settings of the command that runs."""

    settings: Settings | None = None
    write: Path | None = None


def configured(command: Callable[..., int], chooses: Chooses = Chooses.NOTHING) -> Any:
    """A command that takes settings beside its own options.

    Args:
        command: as typer takes it.
        chooses: whether it has options for findings, and writes a baseline.
    """
    own = dict(_READS)
    own |= _JUDGES if chooses is not Chooses.NOTHING else {}
    own |= _WRITES if chooses is Chooses.ACCEPTS else {}

    def run(ctx: typer.Context, **given: Any) -> int:
        extra = {name: given.pop(name) for name in own}
        examined = _examined(given)
        _Chosen.settings, _Chosen.write = None, None
        if command.__name__ == _TELLS or any(extra.values()) or _is_set_elsewhere(examined):
            settings = _settings_of(examined, extra, ctx, given)
            given = _with(given, settings, command.__name__)
            _Chosen.settings, _Chosen.write = settings, extra.get("write_baseline")
        return command(**given)

    signature = inspect.signature(command, eval_str=True)
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in own.items()
    ]
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_ONLY, annotation=typer.Context)
    parameters = [context, *signature.parameters.values(), *more]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _settings_of(
    examined: list[Path],
    extra: Mapping[str, Any],
    ctx: typer.Context,
    given: Mapping[str, Any],
) -> Settings:
    """What is set for a command.

    Args:
        examined: what it was asked to look at.
        extra: the values of the options of this module.
        ctx: of the parser, which knows what stands on the command line.
        given: the values of its own options.

    Raises:
        UsageError: a setting is not known, or of another kind.
    """
    from ckptdoctor.errors import UsageError
    from ckptdoctor.settings.keys import KEYS
    from ckptdoctor.settings.settings import Origin, Setting, settle

    told: dict[str, Setting] = {}
    for key in KEYS:
        if not key.option:
            continue
        if not key.parameter:
            value = extra.get(key.name)
            if not value:
                continue
            words = value if isinstance(value, list) else [str(value)]
            text = ",".join(map(str, words))
            try:
                parsed = key.parse(text) if key.parse is not None else text
            except ValueError as error:
                raise UsageError(f"{key.option}: {error}") from None
        elif key.parameter in given and _is_told(ctx, key.parameter):
            parsed = given[key.parameter]
        else:
            continue
        told[key.name] = Setting(value=parsed, origin=Origin.COMMAND_LINE, where=key.option)
    return settle(
        examined, given=told, named=extra.get("config"), no_file=bool(extra.get("no_config"))
    )


def _is_set_elsewhere(examined: list[Path]) -> bool:
    """Whether a variable or a file may say something: else nothing more is imported."""
    from ckptdoctor.settings.files import find_file

    if any(one.startswith("CKPTDOCTOR_") and one not in _OWN_VARIABLES for one in os.environ):
        return True
    found = find_file(examined)
    return found.path is not None or bool(found.passed_over)


def _is_told(ctx: typer.Context, parameter: str) -> bool:
    source = ctx.get_parameter_source(parameter)
    return source is not None and source.name in ("COMMANDLINE", "PROMPT")


def _examined(given: Mapping[str, Any]) -> list[Path]:
    """What a command was asked to look at: files and folders."""
    from ckptdoctor.runs.discover import default_paths

    named = [*(given.get("paths") or ()), given.get("file"), given.get("folder")]
    named += [given.get("source")] if isinstance(given.get("source"), Path) else []
    return [Path(one) for one in named if one is not None] or default_paths()


def _with(given: dict[str, Any], settings: Settings, name: str) -> dict[str, Any]:
    """The values of a command's options, with those that are set elsewhere."""
    from ckptdoctor.settings.keys import KEYS
    from ckptdoctor.settings.settings import Origin

    for key in KEYS:
        setting = settings.values.get(key.name)
        if setting is None or setting.origin is Origin.COMMAND_LINE:
            continue
        if key.parameter not in given or (key.parameter == "fmt" and name != _FORMAT_OF):
            continue
        given[key.parameter] = _typed(key.parameter, setting, given[key.parameter])
    return given


def _typed(parameter: str, setting: Setting, default: object) -> object:
    """A value as the command takes it."""
    from ckptdoctor.cli.options import Mode

    if parameter == "log":
        return setting.paths()
    if parameter == "mode":
        return Mode(setting.value)
    return type(default)(setting.value) if isinstance(default, Enum) else setting.value


def settings_now() -> Settings:
    """The settings of the command that runs."""
    from ckptdoctor.settings.settings import Settings

    return _Chosen.settings or Settings()


# -- what counts ---------------------------------------------------------------------------------


def report_settled(report: Report) -> Report:
    """The report with the findings that count for the command that runs; a baseline is written.

    Raises:
        DestinationError: the baseline cannot be written.
        UsageError: a code is none, or the baseline cannot be read.
    """
    from dataclasses import replace

    settings = _Chosen.settings
    if settings is not None and _Chosen.write is not None:
        report = replace(
            report,
            settings=_file_of(settings),
            notes=(*report.notes, *passed_over_words(settings)),
        )
        return _accepted(report, _policy(settings), _Chosen.write)
    settling = Settling()
    return settling.last(settling.settled(report))


def accepts_findings() -> bool:
    """Whether the command that runs writes a baseline, for which it needs all findings."""
    return _Chosen.write is not None


class Settling:
    """What counts for the command that runs, report by report.

    Raises:
        UsageError: a code is none, or the baseline cannot be read.
    """

    def __init__(self) -> None:
        settings = self._settings = _Chosen.settings
        self._policy = None if settings is None else _policy(settings)
        self._baseline: Baseline | None = None
        path, is_found = (None, False) if settings is None else _baseline(settings)
        if path is not None:
            from ckptdoctor.selection.baseline import read_baseline

            self._baseline = read_baseline(path, is_found=is_found)

    def settled(self, report: Report) -> Report:
        """A report with the findings that count."""
        if self._baseline is not None:
            return self._baseline.settled(report, self._policy or _everything())
        if self._policy is None:
            return report
        from ckptdoctor.selection.policy import settled

        return settled(report, self._policy)

    def last(self, report: Report) -> Report:
        """The last of them, with what is to be said of all."""
        from dataclasses import replace

        settings = self._settings
        if settings is None:
            return report
        stale = () if self._baseline is None else self._baseline.stale_words()
        return replace(
            report,
            settings=_file_of(settings),
            notes=(*report.notes, *passed_over_words(settings), *stale),
        )


def _file_of(settings: Settings) -> str:
    return "" if settings.file is None else shown_path(settings.file)


def chronicles_settled(found: Chronicles) -> Chronicles:
    """The histories with the findings that count for the command that runs."""
    from dataclasses import replace

    from ckptdoctor.report import Report, findings_of

    told = report_settled(Report(runs=found.runs, findings=found.findings, notes=found.notes))
    findings = findings_of(told.runs, several=told.has_several) if told.set_aside else told.findings
    return replace(
        found, runs=told.runs, findings=findings, notes=told.notes, settings=told.settings
    )


def _accepted(report: Report, policy: Policy | None, path: Path) -> Report:
    from ckptdoctor.cli.output import note
    from ckptdoctor.selection.baseline import settled_with, write_baseline

    policy = policy or _everything()
    baseline = write_baseline(report, policy, path)
    note(f"{path}: {len(baseline.entries)} findings are accepted; others fail from now on")
    return settled_with(report, policy, baseline)


def _everything() -> Policy:
    from ckptdoctor.selection.policy import Policy

    return Policy()


def _policy(settings: Settings) -> Policy | None:
    """What is done with findings; None, and nothing imported, where nothing is said of them."""
    if not settings.values.keys() & {"select", "ignore", "severity", "per-path-ignores"}:
        return None
    from ckptdoctor.selection.from_settings import policy_of

    return policy_of(settings)


def _baseline(settings: Settings) -> tuple[Path | None, bool]:
    from ckptdoctor.settings.settings import Origin

    setting = settings.values.get("baseline")
    if setting is None:
        return None, False
    return setting.paths()[0], setting.origin is Origin.FOUND_FILE


def passed_over_words(settings: Settings) -> list[str]:
    """A sentence for each file that was found and is not believed."""
    return [
        f"the settings in {shown_path(path)} are not used: {reason}; if they are yours:  "
        f"--config {shown_path(path)}"
        for path, reason in settings.passed_over
    ]


def shown_path(path: Path) -> str:
    """The path from the current folder."""
    try:
        return os.path.relpath(path) if path.is_absolute() else str(path)
    except (OSError, ValueError):
        return str(path)
