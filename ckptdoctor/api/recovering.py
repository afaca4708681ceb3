"""The ways out: ``plan``, ``restore``, ``repair`` and ``autopsy``."""

from __future__ import annotations

from collections.abc import Sequence

from ckptdoctor.api.asking import AnyPath, Examiner, as_result, looks_anew, warn, wish_of
from ckptdoctor.errors import NothingToExamineError, RestoreError
from ckptdoctor.progress import Progress, metered
from ckptdoctor.recovery.added import parse_added
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.repair.repair import repair_file
from ckptdoctor.recovery.rewrite import Request
from ckptdoctor.results.ways import AutopsyReport, PlanReport, RepairReport, RestoreReport
from ckptdoctor.sources import path_of
from ckptdoctor.tasks.autopsy import autopsy as perform
from ckptdoctor.tasks.plan import plan as planned
from ckptdoctor.tasks.restore import Order
from ckptdoctor.tasks.restore import restore as restored

__all__ = ["autopsy", "plan", "repair", "restore"]


@looks_anew
def repair(
    path: AnyPath,
    output: AnyPath | None = None,
    *,
    sha256: str = "",
    accept_odds: bool = False,
    force: bool = False,
    dry_run: bool = False,
    jobs: int | None = None,
) -> RepairReport:
    """A new file with a flipped bit put right: ``ckptdoctor repair``.

    Args:
        path: the damaged file; never changed.
        output: the file to write; None for ``last_repaired.pth`` beside ``last.pth``.
        sha256: of the whole file, where it is known: it decides.
        accept_odds: whether to write what is only likely.
        force: whether a file that is there may be replaced.
        dry_run: say what is wrong, and write nothing; then nothing is raised either where it
            cannot be put right: ``refused`` says why.
        jobs: threads of the scan that verifies.

    Returns:
        What was wrong, how sure it is, and where the new file is; ``sound`` where nothing was.

    Raises:
        RestoreError: refused, and nothing was written: no single bit explains the damage, or other
            damage could look the same, or the destination cannot be written.
        UsageError: ``sha256`` is none.
        OSError: the file cannot be read or written.
    """
    destination = None if output is None else path_of(output)
    done = repair_file(
        path_of(path),
        destination,
        sha256=sha256,
        accept_odds=accept_odds,
        force=force,
        dry_run=dry_run,
        jobs=jobs,
    )
    if done.refused and not dry_run:
        raise RestoreError(*done.refused)
    return as_result(RepairReport, done)


@looks_anew
def restore(
    *paths: AnyPath,
    epoch: int | None = None,
    step: int | None = None,
    run: str = "",
    source: AnyPath | None = None,
    average: str | int = "",
    output: AnyPath | None = None,
    scale_lr: float | None = None,
    set_lr: float | None = None,
    lr_decay: float | None = None,
    warm_up: float | None = None,
    reset_optimizer: bool = False,
    weights_only: bool = False,
    strip_prefix: str = "",
    use_ema: bool = False,
    graft: AnyPath | None = None,
    reset_bn: bool = False,
    zero_nonfinite: bool = False,
    unsafe: bool = False,
    to_safetensors: bool = False,
    force: bool = False,
    dry_run: bool = False,
    logs: Sequence[AnyPath] = (),
    metric: str = "",
    mode: str | None = None,
    log_pattern: str = "",
    jobs: int | None = None,
    progress: Progress | bool | None = None,
) -> RestoreReport:
    """A verified clean checkpoint to go on from, as a new file: ``ckptdoctor restore``.

    Sources are never changed. What speaks against the choice is a warning.

    Args:
        paths: where to look; none for the usual places.
        epoch: to go back to; None for the best.
        step: to go back to; None for the best.
        run: the run that is meant; "" for the only one.
        source: this checkpoint, whatever the ranking says (``--from``).
        average: the mean of the last so many good checkpoints, or of a range such as ``70-88``.
        output: what to write; None for ``best_model_clean.pth`` beside the source.
        scale_lr: a factor for every stored learning rate.
        set_lr: the learning rate to store.
        lr_decay: what a stored schedule that raises the rate multiplies it by instead.
        warm_up: epochs over which the stored schedule rises anew.
        reset_optimizer: drop the optimizer's moments.
        weights_only: keep the model and plain values alone.
        strip_prefix: taken from the names.
        use_ema: put the averaged weights where the model's are.
        graft: take the bad tensors from this checkpoint.
        reset_bn: reset the running statistics of normalisation layers.
        zero_nonfinite: put 0 in place of NaN and Inf; needs ``unsafe``.
        unsafe: allow ``zero_nonfinite``.
        to_safetensors: write the weights alone, in that format.
        force: replace the destination if it is there.
        dry_run: say what would be done, and write nothing.
        logs: training logs beside those that are found.
        metric: the metric to judge by.
        mode: ``max`` or ``min``.
        log_pattern: how to read a line of the logs.
        jobs: threads of the scans.
        progress: as for ``scan``.

    Raises:
        RestoreError: refused, and nothing was written; the message says why and what to do.
        NothingToExamineError: the paths name nothing, or the source is not there.
        UsageError: several runs are here and nothing chooses one, or the request contradicts
            itself; the messages name the options of the command.
        OSError: it could not be read or written; the destination is what it was.
    """
    edits = Edits(
        scale_lr=scale_lr,
        set_lr=set_lr,
        lr_decay=lr_decay,
        warm_up=warm_up,
        reset_optimizer=reset_optimizer,
        weights_only=weights_only,
        strip_prefix=strip_prefix,
        use_ema=use_ema,
        graft=None if graft is None else path_of(graft),
        reset_bn=reset_bn,
        zero_nonfinite=zero_nonfinite,
        to_safetensors=to_safetensors,
    )
    order = Order(
        paths=tuple(path_of(path) for path in paths),
        wish=wish_of(logs, log_pattern, metric, mode),
        run=run,
        epoch=epoch,
        step=step,
        source=None if source is None else path_of(source),
        average=str(average),
        output=None if output is None else path_of(output),
        edits=edits,
        unsafe=unsafe,
        force=force,
        dry_run=dry_run,
        jobs=jobs,
    )
    with metered(progress) as meter:
        done = restored(order, Examiner(jobs, meter), warn)
    if done is None:  # the examiner raises before
        raise NothingToExamineError("there is nothing to restore from")
    return as_result(RestoreReport, done)


@looks_anew
def plan(
    *paths: AnyPath,
    command: str = "",
    added: Sequence[str] = (),
    run: str = "",
    scale_lr: float | None = None,
    lr_flags: Sequence[str] = (),
    resume_flag: str = "",
    earlier: AnyPath | None = None,
    target: float | None = None,
    logs: Sequence[AnyPath] = (),
    metric: str = "",
    mode: str | None = None,
    log_pattern: str = "",
    jobs: int | None = None,
    progress: Progress | bool | None = None,
) -> PlanReport:
    """How to go on, as commands that are ready to run: ``ckptdoctor plan``.

    Nothing is run and nothing is written. The factors are rules of thumb.

    Args:
        paths: where to look; none for the usual places.
        command: that the run was started with; "" for that in its log or its checkpoint.
        added: what was added before it went wrong, such as ``deep-supervision``.
        run: the run that is meant; "" for the only one.
        scale_lr: a factor for the learning rate, in place of what the evidence asks for.
        lr_flags: the flags of the command that hold a learning rate; none to find them.
        resume_flag: the flag that takes the checkpoint; "" to find it.
        earlier: checkpoints of an earlier run, for option B.
        target: of the metric, to estimate the time to.
        logs: training logs beside those that are found.
        metric: the metric to judge by.
        mode: ``max`` or ``min``.
        log_pattern: how to read a line of the logs.
        jobs: threads of the scans.
        progress: as for ``scan``.

    Raises:
        NothingToExamineError: the paths name nothing.
        UsageError: several runs are here and nothing chooses one, or the command is none.
    """
    request = Request(
        command=command,
        added=parse_added([*added]),
        lr_flags=tuple(lr_flags),
        resume_flag=resume_flag,
        target=target,
        factor=scale_lr,
    )
    with metered(progress) as meter:
        made = planned(
            [path_of(path) for path in paths],
            request,
            Examiner(jobs, meter),
            wish=wish_of(logs, log_pattern, metric, mode),
            run=run,
            earlier=None if earlier is None else path_of(earlier),
        )
    if made is None:  # the examiner raises before
        raise NothingToExamineError("there is nothing to plan from")
    return as_result(PlanReport, made)


@looks_anew
def autopsy(
    *paths: AnyPath,
    run: str = "",
    quick: bool = False,
    target: float | None = None,
    command: str = "",
    logs: Sequence[AnyPath] = (),
    metric: str = "",
    mode: str | None = None,
    log_pattern: str = "",
    jobs: int | None = None,
    progress: Progress | bool | None = None,
) -> AutopsyReport:
    """What happened to a run, in order, and its recovery guide: ``ckptdoctor autopsy``.

    Args:
        paths: where to look; none for the usual places.
        run: the run that is meant; "" for the only one.
        quick: from the few elements that a scan keeps.
        target: of the metric, to estimate the time to.
        command: that the run was started with; "" for that in its log or its checkpoint.
        logs: training logs beside those that are found.
        metric: the metric to judge by.
        mode: ``max`` or ``min``.
        log_pattern: how to read a line of the logs.
        jobs: threads.
        progress: as for ``scan``.

    Raises:
        NothingToExamineError: the paths name nothing, or files that are no run.
        UsageError: several runs are here and nothing chooses one, or the command is none.
    """
    with metered(progress) as meter:
        done = perform(
            [path_of(path) for path in paths],
            Examiner(jobs, meter),
            wish=wish_of(logs, log_pattern, metric, mode),
            run=run,
            quick=quick,
            target=target,
            command=command,
            jobs=jobs,
        )
    if done is None:
        raise NothingToExamineError("there is no run here to look into")
    return as_result(AutopsyReport, done[1])
