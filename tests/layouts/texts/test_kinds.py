"""Which configuration is broken: nothing is built from half a text."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.layouts.files import Form, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.found import Found
from ckptdoctor.layouts.texts.kinds import broken_texts
from tests.layouts.folders_of_names import folder_of


def part(path: Path, name: str, role: PartRole = PartRole.ARGS, form: Form = Form.TEXT) -> Part:
    return Part(path=path / name, name=name, role=role, form=form)


def test_a_configuration_that_is_cut_is_broken_and_no_other_text(tmp_path: Path) -> None:
    path = folder_of(tmp_path, texts={"config.json": {"model_type": "bert"}})
    for name in ("cut.json", "state.json", "tensors.json", "merges.txt"):
        (path / name).write_text('{"model_type": "be')
    parts = (
        part(path, "config.json"),
        part(path, "cut.json"),
        part(path, "merges.txt"),  # no JSON, and never was
        part(path, "state.json", PartRole.STATE),  # its reader says so
        part(path, "tensors.json", form=Form.TENSORS),
    )
    (found,) = broken_texts(Folder(path), Found(parts=parts)).problems
    assert found.evidence == {"part": "cut.json"}
