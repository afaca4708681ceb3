"""What lies in a folder belongs to one checkpoint, to a pointer, or to itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.layouts.files import CheckpointFiles, Part, PartRole
from ckptdoctor.layouts.find import Claims, claims_in
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.layout import Layout
from tests.layouts.claims import touch


def test_a_pointer_is_taken_and_a_link_is_a_checkpoint_too(tmp_path: Path) -> None:
    touch(tmp_path, ["epoch=3.ckpt"])
    (tmp_path / "latest").write_text("global_step9")
    (tmp_path / "last.ckpt").symlink_to("epoch=4.ckpt")
    claims = Claims()
    assert [*claims_in(Folder(tmp_path), claims)] == []
    assert {one.path.name for one in claims.pointers} == {"latest", "last.ckpt"}
    assert claims.taken == {tmp_path / "latest"}


def test_a_file_belongs_to_the_first_layout_that_claims_it_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard, other = (
        Part(path=tmp_path / name, name=name, role=PartRole.MODEL) for name in ("a.pt", "b.pt")
    )
    twice = CheckpointFiles(path=tmp_path, layout="one", parts=(shard, other, shard))
    layouts = (
        Layout(name="one", claim=lambda _: iter([twice])),
        Layout(name="two", claim=lambda _: iter([CheckpointFiles(path=tmp_path, parts=(other,))])),
    )
    claims = Claims()
    monkeypatch.setattr("ckptdoctor.layouts.find.all_layouts", lambda: layouts)
    (found,) = claims_in(Folder(tmp_path), claims)
    assert sorted(part.name for part in found.parts) == ["a.pt", "b.pt"]
    assert claims.checkpoints == [found]
    assert claims.taken == {shard.path, other.path}
