"""Files that change while they are read."""

from __future__ import annotations

import os
from pathlib import Path

from tests.bad_inputs.good import legacy_bytes, safetensors_bytes, zip_bytes
from tests.bad_inputs.kind import Family

__all__ = ["LIVE"]

LIVE = Family("changed while it is read")


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(500))


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _overwrite(path: Path) -> None:
    data = bytearray(path.read_bytes())
    third = len(data) // 3
    data[-third:] = bytes(third)
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(1, 1))


def _replace(path: Path) -> None:
    other = path.with_name("other.tmp")
    other.write_bytes(zip_bytes())
    other.replace(path)


def _delete(path: Path) -> None:
    path.unlink()


@LIVE.kind("CD109", "the file changed while it was read", "salvageable", meddle=_append)
def still_being_written(path: Path) -> None:
    path.write_bytes(zip_bytes()[:1400])


@LIVE.kind("CD109", "changed while it was read", "suspect", 0, meddle=_append, meddles_late=True)
def appended_to_after_its_header_was_read(path: Path) -> None:
    path.write_bytes(zip_bytes())


@LIVE.kind("CD109", "the file changed while it was read", "corrupt", meddle=_cut)
def cut_before_its_header_was_read(path: Path) -> None:
    path.write_bytes(zip_bytes())


@LIVE.kind("CD109", "the file was cut while it was read", "suspect", meddle=_cut, meddles_late=True)
def cut_after_its_header_was_read(path: Path) -> None:
    path.write_bytes(zip_bytes())


@LIVE.kind("CD109", "the file was cut while it was read", "suspect", meddle=_cut, meddles_late=True)
def legacy_cut_after_its_header_was_read(path: Path) -> None:
    path.write_bytes(legacy_bytes())


@LIVE.kind("CD109", "the file was cut while it was read", "suspect", meddle=_cut, meddles_late=True)
def safetensors_cut_after_its_header_was_read(path: Path) -> None:
    path.write_bytes(safetensors_bytes())


@LIVE.kind("CD109", "somebody writes to it", meddle=_empty)
def emptied_before_its_header_was_read(path: Path) -> None:
    path.write_bytes(zip_bytes())


@LIVE.kind("CD109", "may mix two versions", "suspect", meddle=_overwrite, meddles_late=True)
def overwritten_in_place(path: Path) -> None:
    path.write_bytes(zip_bytes())


@LIVE.kind("", "", "healthy", 0, meddle=_replace, meddles_late=True)
def replaced_by_a_rename(path: Path) -> None:
    path.write_bytes(zip_bytes())


@LIVE.kind("", "", "healthy", 0, meddle=_delete, meddles_late=True)
def deleted_after_it_was_opened(path: Path) -> None:
    path.write_bytes(zip_bytes())
