"""The weights of a checkpoint of several files in one safetensors file, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ckptdoctor.checkpoint import Role
from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Severity
from ckptdoctor.formats.open_file import opened
from ckptdoctor.layouts.files import Form
from ckptdoctor.manifest import FileNote, digest_of, manifest_path, manifest_text, sha256_of
from ckptdoctor.recovery.draft import Action
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.folders.part_draft import PartView
from ckptdoctor.recovery.notes import is_trusted, publish_noted, scale_of
from ckptdoctor.recovery.publish import check_space, temporary_beside
from ckptdoctor.recovery.restored import Restored
from ckptdoctor.recovery.source import copied_from
from ckptdoctor.recovery.to_safetensors import WEIGHTS_ALONE, write_named
from ckptdoctor.recovery.weights.boxes import box_weights
from ckptdoctor.recovery.weights.of_parts import part_weights
from ckptdoctor.recovery.weights.weight import Weight
from ckptdoctor.recovery.weights.zero import is_zero, zero_weights
from ckptdoctor.report import CheckpointReport

__all__ = ["consolidate", "weights_of"]


def weights_of(
    report: CheckpointReport, views: Sequence[PartView], edits: Edits
) -> tuple[Weight, ...]:
    """Every weight of a checkpoint, whole, by the name that ``load_state_dict`` knows.

    Raises:
        RestoreError: they cannot be put together, or something else was asked for as well.
    """
    allowed = Edits(
        to_safetensors=True,
        weights_only=edits.weights_only,
        reset_optimizer=edits.reset_optimizer,
        strip_prefix=edits.strip_prefix,
    )
    if edits != allowed:
        raise RestoreError(
            f"{report.path}: --to safetensors writes the weights of a folder as they are: make "
            "the other changes in a copy of the folder first"
        )
    weights = _found(report, views)
    if not weights:
        raise RestoreError(f"{report.path}: it holds no weights")
    return _stripped(report, weights, edits.strip_prefix)


def _found(report: CheckpointReport, views: Sequence[PartView]) -> tuple[Weight, ...]:
    if is_zero(views):
        return tuple(zero_weights(report, views))
    whole = [view for view in views if view.report.part.form is not Form.DCP]
    return (*box_weights(report, views), *part_weights(report, whole))


def _stripped(
    report: CheckpointReport, weights: tuple[Weight, ...], prefix: str
) -> tuple[Weight, ...]:
    if not prefix:
        return weights
    if not any(weight.name.startswith(prefix) for weight in weights):
        raise RestoreError(f"{report.path}: no name of a weight begins with {prefix!r}")
    return tuple(
        replace(weight, name=weight.name.removeprefix(prefix) or weight.name) for weight in weights
    )


def consolidate(
    report: CheckpointReport,
    views: Sequence[PartView],
    destination: Path,
    edits: Edits,
    *,
    force: bool,
    dry_run: bool,
) -> Restored:
    """Write the weights of a checkpoint to one file, read it back, compare, and publish it.

    Args:
        report: of the checkpoint; its weights are sound.
        views: its parts that could be read.
        destination: the file.
        edits: what the user wants.
        force: whether a file that is there may be replaced.
        dry_run: say what would be done, and write nothing.

    Raises:
        RestoreError: it cannot be done; nothing was written.
        PlacedError: the file is there and whole, and something failed after that.
        OSError: it could not be read or written.
    """
    weights = weights_of(report, views, edits)
    actions = [WEIGHTS_ALONE]
    if edits.strip_prefix:
        actions.insert(0, Action(name="strip-prefix", message=f"names lost {edits.strip_prefix!r}"))
    sha256, manifest = "", None
    if not dry_run:
        check_space(destination.parent, sum(weight.nbytes for weight in weights))
        sha256, manifest = _written(report, views, weights, actions, destination, force=force)
    return Restored(
        source=report.path,
        destination=destination,
        epoch=report.metadata.epoch,
        actions=tuple(actions),
        verified=not dry_run,
        sha256=sha256,
        manifest=manifest,
    )


def _written(
    report: CheckpointReport,
    views: Sequence[PartView],
    weights: Sequence[Weight],
    actions: Sequence[Action],
    destination: Path,
    *,
    force: bool,
) -> tuple[str, Path]:
    scalars = {} if report.checkpoint is None else report.checkpoint.scalars
    with temporary_beside(destination, None) as (path, out):
        write_named(weights, scalars, out)
        _scan(path)
        sha256 = sha256_of(out.fileno())
        copied = copied_from(report)
        text = manifest_text(
            source=report.path,
            source_sha256=_digest(views),
            destination=destination,
            sha256=sha256,
            nbytes=os.fstat(out.fileno()).st_size,
            epoch=report.metadata.epoch,
            actions=[asdict(action) for action in actions],
            trusted=is_trusted(report, actions),
            origin=None if copied is None else copied.source,
            scale=scale_of(copied, actions),
        )
        publish_noted(path, out, destination, text, force=force)
    return sha256, manifest_path(destination)


def _scan(path: Path) -> None:
    (report,) = examine([path], Examination()).checkpoints
    bad = [finding for finding in report.findings if finding.severity is Severity.ERROR]
    if bad:
        raise RestoreError(
            "what was written is not sound, and was not kept: "
            f"{bad[0].code} {bad[0].subject}: {bad[0].message}"
        )


def _digest(views: Sequence[PartView]) -> str:
    """What the files hash to that the weights come from."""
    notes = []
    for view in views:
        if Role.MODEL in view.roles():
            with opened(view.report.part.path) as file:
                sha256 = sha256_of(file.fd)
            name = view.report.part.name
            notes.append(FileNote(name=name, nbytes=view.report.nbytes, sha256=sha256))
    return digest_of(notes)
