"""What ``restore`` does: which checkpoint is meant, and its clean copy or the mean of several."""

from __future__ import annotations

from dataclasses import field, replace
from pathlib import Path

from ckptdoctor.errors import NothingToExamineError, RestoreError, UsageError
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.average_choice import Averaging, choose_average, read_averaging
from ckptdoctor.recovery.average_worth import doubt_of
from ckptdoctor.recovery.choose import Moment, choose, sound_beside
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.named import checkpoint_named
from ckptdoctor.recovery.next_step import Asked, average_name, clean_name, makes_folder
from ckptdoctor.recovery.one_run import one_run
from ckptdoctor.recovery.restore import Restored
from ckptdoctor.recovery.restore import restore as restore_file
from ckptdoctor.report import Report
from ckptdoctor.runs.absent import why_absent
from ckptdoctor.runs.wish import Wish
from ckptdoctor.sources.descriptors import names_folder
from ckptdoctor.tasks.examine import Examine, Note

__all__ = ["Order", "restore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the user wants restored.

    Attributes:
        paths: where to look; none for the usual places.
        wish: what the user says of metric and logs.
        run: the run that is meant; "" for the only one.
        epoch, step: the moment to go back to; None for the best.
        source: this checkpoint, whatever the ranking says; None for the ranking's.
        average: the checkpoints to average, as ``--average`` takes them; "" for a copy.
        output: what to write; None for the usual name.
        edits: what to change on the way.
        unsafe: whether zeros may stand for NaN.
        force: whether a file that is there may be replaced.
        dry_run: say what would be done, and write nothing.
        jobs: threads of the scan.
    """

    paths: tuple[Path, ...] = ()
    wish: Wish | None = None
    run: str = ""
    epoch: int | None = None
    step: int | None = None
    source: Path | None = None
    average: str = ""
    output: Path | None = None
    edits: Edits = field(default_factory=Edits)
    unsafe: bool = False
    force: bool = False
    dry_run: bool = False
    jobs: int | None = None


def restore(order: Order, examine: Examine, note: Note) -> Restored | None:
    """What was written; None where the paths name nothing.

    Args:
        order: what is wanted.
        examine: asked for the ranking, where no source is named.
        note: told what speaks against what was chosen.

    Raises:
        RestoreError: refused; nothing was written, unless the message says that it was.
        NothingToExamineError: the source is not there.
        SeveralRunsError: several runs are here, and nothing chooses one.
        UsageError: the order contradicts itself.
        OSError: it could not be read or written; the destination is what it was.
    """
    moment = _moment(order)
    edits = order.edits
    _check(edits, unsafe=order.unsafe)
    averaging = _averaging(order, moment)
    if order.source is not None:
        if not order.source.exists():
            raise NothingToExamineError(why_absent(order.source))
        files = checkpoint_named(order.source)
    else:
        report = examine(order.paths, order.wish)
        if report is None:
            return None
        if averaging is not None:
            files, others = _averaged(report, order, averaging, note)
            edits = replace(edits, average=others)
        else:
            files = _chosen(report, order, moment, examine, note)
    destination = _destination(order, files, edits)
    return restore_file(
        files, destination, edits, force=order.force, dry_run=order.dry_run, jobs=order.jobs
    )


def _destination(order: Order, files: CheckpointFiles, edits: Edits) -> Path:
    """What is written; into a folder that is named by URL, under the usual name."""
    usual, named = _default(files, edits), order.output
    if named is None:
        return usual
    return named / usual.name if names_folder(named) else named


def _default(files: CheckpointFiles, edits: Edits) -> Path:
    """What is written where the user does not say."""
    name = average_name if edits.average else clean_name
    suffix = ".safetensors" if edits.to_safetensors else ""
    return name(files.path, suffix, several=makes_folder(files))


def _averaging(order: Order, moment: Moment | None) -> Averaging | None:
    """What the user wants averaged; None for a copy.

    Raises:
        UsageError: that is no number and no range, or contradicts what else is asked for.
    """
    if not order.average:
        return None
    other = {
        "--from": order.source is not None,
        "--use-ema": order.edits.use_ema,
        "--graft": order.edits.graft is not None,
        "--zero-nonfinite": order.edits.zero_nonfinite,
    }
    for option, given in other.items():
        if given:
            raise UsageError(f"--average and {option} both say which weights: give one of them")
    if moment is None:
        return read_averaging(order.average)
    return read_averaging(order.average, until=moment.number, unit=moment.unit)


def _averaged(
    report: Report, order: Order, averaging: Averaging, note: Note
) -> tuple[CheckpointFiles, tuple[CheckpointFiles, ...]]:
    """The newest of the checkpoints to average, and the others.

    Raises:
        RestoreError: fewer than two are good.
        SeveralRunsError: several runs are here, and nothing chooses one.
    """
    more = ["--average", order.average]
    if averaging.until is not None:
        more += [f"--{averaging.unit}", str(averaging.until)]
    one = one_run(report, order.run, "restore", _asked(order), more)
    chosen = choose_average(one, averaging)
    for line in (*chosen.notes, doubt_of(one, chosen) if one is not None else ""):
        if line:
            note(line)
    newest, *others = (
        row.files or checkpoint_named(row.path) for row in (chosen.newest, *chosen.others)
    )
    return newest, tuple(others)


def _chosen(
    report: Report, order: Order, moment: Moment | None, examine: Examine, note: Note
) -> CheckpointFiles:
    """The checkpoint to restore from.

    Raises:
        RestoreError: none is sound; where the user named files, with the sound ones beside them.
        SeveralRunsError: several runs are here, and nothing chooses one.
    """
    asked = _asked(order)
    more = () if moment is None else (f"--{moment.unit}", str(moment.number))
    beside = [place for place in report.ranking if place.report.run is None]
    try:
        chosen = one_run(report, order.run, "restore", asked, more)
        place = choose(chosen, moment=moment, destination=order.output, beside=beside)
    except RestoreError as error:
        folders = {path.parent for path in asked.paths}
        if moment is not None or len(folders) != 1 or any(path.is_dir() for path in asked.paths):
            raise
        near = examine([*folders], asked.wish)
        raise RestoreError(
            *error.lines, *(sound_beside(near) if near is not None else ())
        ) from None
    if place.caution:
        note(f"{place.report.path}: {place.caution}")
    return place.report.files or checkpoint_named(place.report.path)  # a part, named alone


def _asked(order: Order) -> Asked:
    return Asked(paths=order.paths, wish=order.wish)


def _moment(order: Order) -> Moment | None:
    """The epoch or the step that is asked for.

    Raises:
        UsageError: more than one thing says what to restore.
    """
    asked = {"--epoch": order.epoch, "--step": order.step, "--from": order.source}
    given = [option for option, value in asked.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} both say what to restore: give one of them")
    if order.epoch is not None:
        return Moment(number=order.epoch)
    return None if order.step is None else Moment(number=order.step, unit="step")


def _check(edits: Edits, *, unsafe: bool) -> None:
    """Refuse what contradicts itself.

    Raises:
        UsageError: it does.
    """
    scale_lr, set_lr = edits.scale_lr, edits.set_lr
    if edits.zero_nonfinite and not unsafe:
        raise UsageError(
            "--zero-nonfinite makes a broken model look whole; if you want that, add --unsafe"
        )
    if edits.weights_only and {scale_lr, set_lr, edits.lr_decay, edits.warm_up} != {None}:
        raise UsageError("--weights-only keeps no learning rate that could be changed")
    if edits.lr_decay is not None and not 0.0 < edits.lr_decay <= 1.0:
        raise UsageError(f"--lr-decay {edits.lr_decay}: a factor above 0, and at most 1")
    if edits.warm_up is not None and not 0.0 < edits.warm_up < float("inf"):
        raise UsageError(f"--warm-up {edits.warm_up}: a number of epochs above 0")
    if scale_lr is not None and set_lr is not None:
        raise UsageError("--scale-lr and --set-lr contradict each other: give one of them")
    for name, value in (("--scale-lr", scale_lr), ("--set-lr", set_lr)):
        if value is not None and not 0.0 < value < float("inf"):
            raise UsageError(f"{name} {value}: a learning rate is a positive number")
