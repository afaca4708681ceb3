"""``ckptdoctor restore``: a verified clean file to go on from."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.options import (
    JobsOption,
    LogOption,
    LogPatternOption,
    MetricOption,
    ModeOption,
    NoColorOption,
    PathsArgument,
    QuietOption,
    RunOption,
)

if TYPE_CHECKING:
    from ckptdoctor.layouts.files import CheckpointFiles
    from ckptdoctor.recovery.average_choice import Averaging
    from ckptdoctor.recovery.choose import Moment
    from ckptdoctor.recovery.edits import Edits
    from ckptdoctor.recovery.next_step import Asked
    from ckptdoctor.report import Report

__all__ = ["restore"]


class _To(Enum):
    """Another format to write."""

    SAFETENSORS = "safetensors"


class _Format(Enum):
    """How the result is written."""

    TABLE = "table"
    JSON = "json"


def restore(
    paths: PathsArgument = None,
    *,
    epoch: Annotated[
        int | None,
        typer.Option("--epoch", "-e", metavar="N", help="The epoch to go back to.", min=0),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option("--step", metavar="N", help="The step to go back to.", min=0),
    ] = None,
    run: RunOption = "",
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="This checkpoint, a file or a folder, whatever the ranking says.",
        ),
    ] = None,
    average: Annotated[
        str,
        typer.Option(
            metavar="K|A-B",
            help="The mean of the weights of the last K good checkpoints of the run, such as 5, or "
            "of the good ones of the epochs A to B, such as 70-88 (of the steps, where the run "
            "counts steps). All else is that of the newest of them.",
        ),
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="What to write. Default: best_model_clean.pth beside the source, or the folder "
            "best_model_clean beside a folder; with --average best_model_average.",
        ),
    ] = None,
    scale_lr: Annotated[
        float | None,
        typer.Option(metavar="FACTOR", help="Multiply every stored learning rate, such as 0.75."),
    ] = None,
    set_lr: Annotated[
        float | None,
        typer.Option(metavar="LR", help="Store this learning rate; groups keep their proportions."),
    ] = None,
    lr_decay: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR",
            help="Let a stored schedule that multiplies the rate by more than 1 (gamma, factor, "
            "cycle_decay, decay_rate) multiply it by this instead, at most 1.",
        ),
    ] = None,
    reset_optimizer: Annotated[
        bool, typer.Option(help="Drop the optimizer's moments, keep its groups.")
    ] = False,
    weights_only: Annotated[
        bool, typer.Option(help="Keep the model and plain values such as the epoch alone.")
    ] = False,
    strip_prefix: Annotated[
        str, typer.Option(metavar="PREFIX", help="Take this from the names, such as module.")
    ] = "",
    use_ema: Annotated[
        bool, typer.Option(help="Put the averaged weights where the model's are.")
    ] = False,
    graft: Annotated[
        Path | None,
        typer.Option(metavar="DONOR", help="Take the bad tensors, and only those, from DONOR."),
    ] = None,
    reset_bn: Annotated[
        bool, typer.Option(help="Reset the running statistics of normalisation layers.")
    ] = False,
    zero_nonfinite: Annotated[
        bool,
        typer.Option(help="Put 0 in place of NaN and Inf. Needs --unsafe: not to be trusted."),
    ] = False,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Allow --zero-nonfinite.")] = False,
    to: Annotated[_To | None, typer.Option(help="Write the weights alone, in this format.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the destination if it is there.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Say what would be done; write nothing.")
    ] = False,
    fmt: Annotated[
        _Format, typer.Option("--format", "-f", help="How to write the result.")
    ] = _Format.TABLE,
    metric: MetricOption = "",
    mode: ModeOption = None,
    log: LogOption = None,
    log_pattern: LogPatternOption = "",
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
    jobs: JobsOption = None,
) -> int:
    """Write a verified clean checkpoint, best_model_clean.pth, to go on from.

    By default from the best checkpoint there is, with --epoch or --step from the best of that
    moment. A checkpoint that is a folder is copied to a folder. Sources are never changed and
    nothing is overwritten without --force. What is poisoned beside sound weights (optimizer, EMA,
    scaler) is reset or left out, and said.
    """
    from ckptdoctor.cli.failures import plain
    from ckptdoctor.cli.output import note, write_result
    from ckptdoctor.cli.work import examine_paths, wish_of
    from ckptdoctor.errors import RestoreError, SeveralRunsError
    from ckptdoctor.recovery.edits import Edits
    from ckptdoctor.recovery.named import checkpoint_named
    from ckptdoctor.recovery.next_step import Asked
    from ckptdoctor.recovery.restore import restore as restore_file
    from ckptdoctor.runs.absent import why_absent

    moment = _moment(epoch=epoch, step=step, source=source)
    edits = Edits(
        scale_lr=scale_lr,
        set_lr=set_lr,
        lr_decay=lr_decay,
        reset_optimizer=reset_optimizer,
        weights_only=weights_only,
        strip_prefix=strip_prefix,
        use_ema=use_ema,
        graft=graft,
        reset_bn=reset_bn,
        zero_nonfinite=zero_nonfinite,
        to_safetensors=to is _To.SAFETENSORS,
    )
    _check(edits, unsafe=unsafe)
    averaging = _averaging(average, edits, moment, source)
    try:
        if source is None:
            wish = wish_of(log, log_pattern, metric, mode)
            report = examine_paths(paths or [], jobs=jobs, quiet=quiet, wish=wish)
            if report is None:
                return Exit.NOTHING
            asked = Asked(paths=tuple(paths or ()), wish=wish)
            if averaging is not None:
                files, others = _averaged(report, asked, run, averaging, average)
                edits = replace(edits, average=others)
            else:
                files = _chosen(report, asked, run, moment, output, jobs=jobs, quiet=quiet)
        elif not source.exists():
            note(why_absent(source))
            return Exit.NOTHING
        else:
            files = checkpoint_named(source)
        done = restore_file(
            files,
            output or _default(files, edits),
            edits,
            force=force,
            dry_run=dry_run,
            jobs=jobs,
        )
    except (RestoreError, SeveralRunsError) as error:
        for line in error.lines:
            note(line)
        return Exit.REFUSED
    except OSError as error:
        note(f"nothing was written: {plain(error)}")
        return Exit.REFUSED
    if fmt is _Format.JSON:
        from ckptdoctor.render.restored import restore_json

        text = restore_json(done)
    else:
        from ckptdoctor.render.console.screen import Screen
        from ckptdoctor.render.restored import restore_text

        text = restore_text(done, Screen(colour=False if no_color else None))
    write_result(text, None)
    return Exit.OK


def _default(files: CheckpointFiles, edits: Edits) -> Path:
    """What is written where the user does not say."""
    from ckptdoctor.recovery.next_step import average_name, clean_name, makes_folder

    name = average_name if edits.average else clean_name
    suffix = ".safetensors" if edits.to_safetensors else ""
    return name(files.path, suffix, several=makes_folder(files))


def _averaging(
    text: str, edits: Edits, moment: Moment | None, source: Path | None
) -> Averaging | None:
    """What the user wants averaged; None for a copy.

    Raises:
        UsageError: that is no number and no range, or contradicts what else is asked for.
    """
    from ckptdoctor.errors import UsageError
    from ckptdoctor.recovery.average_choice import read_averaging

    if not text:
        return None
    other = {
        "--from": source is not None,
        "--use-ema": edits.use_ema,
        "--graft": edits.graft is not None,
        "--zero-nonfinite": edits.zero_nonfinite,
    }
    for option, given in other.items():
        if given:
            raise UsageError(f"--average and {option} both say which weights: give one of them")
    if moment is None:
        return read_averaging(text)
    return read_averaging(text, until=moment.number, unit=moment.unit)


def _averaged(
    report: Report, asked: Asked, run: str, averaging: Averaging, text: str
) -> tuple[CheckpointFiles, tuple[CheckpointFiles, ...]]:
    """The newest of the checkpoints to average, and the others.

    Raises:
        RestoreError: fewer than two are good.
        SeveralRunsError: several runs are here, and nothing chooses one.
    """
    from ckptdoctor.cli.output import note
    from ckptdoctor.recovery.average_choice import choose_average
    from ckptdoctor.recovery.average_worth import doubt_of
    from ckptdoctor.recovery.named import checkpoint_named
    from ckptdoctor.recovery.one_run import one_run

    more = ["--average", text]
    if averaging.until is not None:
        more += [f"--{averaging.unit}", str(averaging.until)]
    one = one_run(report, run, "restore", asked, more)
    chosen = choose_average(one, averaging)
    for line in (*chosen.notes, doubt_of(one, chosen) if one is not None else ""):
        if line:
            note(line)
    newest, *others = (
        row.files or checkpoint_named(row.path) for row in (chosen.newest, *chosen.others)
    )
    return newest, tuple(others)


def _chosen(
    report: Report,
    asked: Asked,
    run: str,
    moment: Moment | None,
    destination: Path | None,
    *,
    jobs: int | None,
    quiet: bool,
) -> CheckpointFiles:
    """The checkpoint to restore from.

    Raises:
        RestoreError: none is sound; where the user named files, with the sound ones beside them.
        SeveralRunsError: several runs are here, and nothing chooses one.
    """
    from ckptdoctor.cli.output import note
    from ckptdoctor.cli.work import examine_paths
    from ckptdoctor.errors import RestoreError
    from ckptdoctor.recovery.choose import choose, sound_beside
    from ckptdoctor.recovery.named import checkpoint_named
    from ckptdoctor.recovery.one_run import one_run

    more = () if moment is None else (f"--{moment.unit}", str(moment.number))
    beside = [place for place in report.ranking if place.report.run is None]
    try:
        chosen = one_run(report, run, "restore", asked, more)
        place = choose(chosen, moment=moment, destination=destination, beside=beside)
    except RestoreError as error:
        folders = {path.parent for path in asked.paths}
        if moment is not None or len(folders) != 1 or any(path.is_dir() for path in asked.paths):
            raise
        near = examine_paths([*folders], jobs=jobs, quiet=quiet, wish=asked.wish)
        raise RestoreError(
            *error.lines, *(sound_beside(near) if near is not None else ())
        ) from None
    if place.caution:
        note(f"{place.report.path}: {place.caution}")
    return place.report.files or checkpoint_named(place.report.path)  # a part, named alone


def _moment(*, epoch: int | None, step: int | None, source: Path | None) -> Moment | None:
    """The epoch or the step that is asked for.

    Raises:
        UsageError: more than one thing says what to restore.
    """
    from ckptdoctor.errors import UsageError
    from ckptdoctor.recovery.choose import Moment

    asked = {"--epoch": epoch, "--step": step, "--from": source}
    given = [option for option, value in asked.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} both say what to restore: give one of them")
    if epoch is not None:
        return Moment(number=epoch)
    return None if step is None else Moment(number=step, unit="step")


def _check(edits: Edits, *, unsafe: bool) -> None:
    """Refuse what contradicts itself.

    Raises:
        UsageError: it does.
    """
    from ckptdoctor.errors import UsageError

    scale_lr, set_lr = edits.scale_lr, edits.set_lr
    if edits.zero_nonfinite and not unsafe:
        raise UsageError(
            "--zero-nonfinite makes a broken model look whole; if you want that, add --unsafe"
        )
    if edits.weights_only and (scale_lr, set_lr, edits.lr_decay) != (None, None, None):
        raise UsageError("--weights-only keeps no learning rate that could be changed")
    if edits.lr_decay is not None and not 0.0 < edits.lr_decay <= 1.0:
        raise UsageError(f"--lr-decay {edits.lr_decay}: a factor above 0, and at most 1")
    if scale_lr is not None and set_lr is not None:
        raise UsageError("--scale-lr and --set-lr contradict each other: give one of them")
    for name, value in (("--scale-lr", scale_lr), ("--set-lr", set_lr)):
        if value is not None and not 0.0 < value < float("inf"):
            raise UsageError(f"{name} {value}: a learning rate is a positive number")
