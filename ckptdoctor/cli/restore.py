"""``ckptdoctor restore``: a verified clean file to go on from."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

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
    warm_up: Annotated[
        float | None,
        typer.Option(
            metavar="EPOCHS",
            help="Let the stored schedule rise anew over so many epochs, from a tenth of the rate "
            "(OneCycleLR, CyclicLR, SequentialLR, timm's).",
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
    from ckptdoctor.cli.work import examining, wish_of
    from ckptdoctor.errors import NothingToExamineError, RestoreError, SeveralRunsError
    from ckptdoctor.recovery.edits import Edits
    from ckptdoctor.tasks.restore import Order
    from ckptdoctor.tasks.restore import restore as restore_as_asked

    edits = Edits(
        scale_lr=scale_lr,
        set_lr=set_lr,
        lr_decay=lr_decay,
        warm_up=warm_up,
        reset_optimizer=reset_optimizer,
        weights_only=weights_only,
        strip_prefix=strip_prefix,
        use_ema=use_ema,
        graft=graft,
        reset_bn=reset_bn,
        zero_nonfinite=zero_nonfinite,
        to_safetensors=to is _To.SAFETENSORS,
    )
    order = Order(
        paths=tuple(paths or ()),
        wish=wish_of(log, log_pattern, metric, mode),
        run=run,
        epoch=epoch,
        step=step,
        source=source,
        average=average,
        output=output,
        edits=edits,
        unsafe=unsafe,
        force=force,
        dry_run=dry_run,
        jobs=jobs,
    )
    try:
        done = restore_as_asked(order, examining(jobs=jobs, quiet=quiet), note)
    except NothingToExamineError:
        raise
    except (RestoreError, SeveralRunsError) as error:
        for line in error.lines:
            note(line)
        return Exit.REFUSED
    except OSError as error:
        note(f"nothing was written: {plain(error)}")
        return Exit.REFUSED
    if done is None:
        return Exit.NOTHING
    if fmt is _Format.JSON:
        from ckptdoctor.render.restored import restore_json

        text = restore_json(done)
    else:
        from ckptdoctor.render.console.screen import Screen
        from ckptdoctor.render.restored import restore_text

        text = restore_text(done, Screen(colour=False if no_color else None))
    write_result(text, None)
    return Exit.OK
