"""What headers alone tell is what a scan tells as well, in every format and layout."""

from __future__ import annotations

from pathlib import Path

import pytest

import ckptdoctor
from ckptdoctor.errors import UsageError
from tests.bad_inputs.each_format import EACH_FORMAT
from tests.layouts.folders import TWINS


def told(path: Path, *, headers: bool) -> tuple[set[str], list[tuple[object, ...]]]:
    found = ckptdoctor.inspect(path, headers=headers)
    tensors = [(one.tensor.fqn, one.tensor.dtype, one.tensor.shape) for one in found]
    return {one.code for one in found.findings}, sorted(tensors)


def test_of_each_format(tmp_path: Path) -> None:
    for sample in EACH_FORMAT:
        path = tmp_path / f"{sample.name.replace('/', '_')}.pth"
        path.write_bytes(sample.data)
        (codes, tensors), (scanned, every) = (told(path, headers=one) for one in (True, False))
        assert tensors == every, sample.name
        assert codes <= scanned, sample.name


def test_of_checkpoints_of_several_files(tmp_path: Path) -> None:
    tried = 0
    for layout in TWINS[:8]:
        folder = tmp_path / layout.name
        layout.build(folder)
        for one in ckptdoctor.scan(folder).checkpoints:
            if one.files is None or not one.path.is_dir():
                continue
            (codes, tensors), (scanned, every) = (
                told(one.path, headers=how) for how in (True, False)
            )
            assert tensors == every, layout.name
            assert codes <= scanned, layout.name
            tried += 1
    assert tried > 4


def test_parts_are_not_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(EACH_FORMAT[0].data)
    with pytest.raises(UsageError, match="parts"):
        ckptdoctor.inspect(tmp_path / "a.pth", headers=True, parts=["*"])
