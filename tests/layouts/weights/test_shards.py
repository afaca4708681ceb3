from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.found import Found, Place
from ckptdoctor.layouts.weights.shards import weights_in
from tests.each import each
from tests.layouts.folders_of_names import SHARDS, folder_of, index_of, three_shards

INDEX = "model.safetensors.index.json"


def found(path: Path) -> Found:
    return weights_in(Place(Folder(path)))


def loaded(weights: Found) -> list[str]:
    return [part.name for part in weights.parts if part.role is PartRole.MODEL]


def beside(weights: Found) -> list[str]:
    return [part.name for part in weights.parts if part.role is PartRole.CUSTOM]


class TestWhole:
    def test_shards_with_an_index(self, tmp_path: Path) -> None:
        weights = found(folder_of(tmp_path, *SHARDS, texts={INDEX: three_shards()}))
        assert loaded(weights) == list(SHARDS)
        assert not weights.absent
        assert not weights.problems
        (index,) = weights.indexes
        assert index.nbytes == 12
        assert index.mapped[SHARDS[2]] == ("layers.2.weight",)

    @pytest.mark.parametrize(
        ("shards", "index"),
        [
            ("model.fp16-0000{}-of-00002.safetensors", "model.safetensors.index.fp16.json"),
            ("model-0000{}-of-00002.fp16.safetensors", "model.fp16.safetensors.index.json"),
            ("pytorch_model-0000{}-of-00002.bin", "pytorch_model.bin.index.json"),
            (
                "diffusion_pytorch_model-0000{}-of-00002.safetensors",
                "diffusion_pytorch_model.safetensors.index.json",
            ),
            ("ft-model-0000{}-of-00002.safetensors", "ft-model.safetensors.index.json"),
        ],
    )
    def test_each_spelling(self, tmp_path: Path, shards: str, index: str) -> None:
        names = [shards.format(1), shards.format(2)]
        texts = {index: index_of({name: [name] for name in names})}
        weights = found(folder_of(tmp_path, *names, texts=texts))
        assert loaded(weights) == names
        assert not weights.absent
        assert not weights.problems

    def test_two_forms_of_one_model(self, tmp_path: Path) -> None:
        variants = ("model.bf16.safetensors", "model.fp16.safetensors")
        names = (*variants, "model.safetensors", "pytorch_model.bin")
        weights = found(folder_of(tmp_path, *names))
        assert loaded(weights) == ["model.safetensors"]
        assert sorted(beside(weights)) == [*variants, "pytorch_model.bin"]
        assert len({part.prefix for part in weights.parts}) == 4
        assert not any(part.needed for part in weights.parts[1:])

    def test_a_second_model_of_accelerate(self, tmp_path: Path) -> None:
        weights = found(folder_of(tmp_path, "model.safetensors", "model_1.safetensors"))
        assert {part.name: part.prefix for part in weights.parts} == {
            "model.safetensors": "",
            "model_1.safetensors": "model_1.",
        }
        assert loaded(weights) == ["model.safetensors", "model_1.safetensors"]

    def test_shards_whose_index_has_another_name(self, tmp_path: Path) -> None:
        names = [f"ft-model-0000{number}-of-00002.safetensors" for number in (1, 2)]
        texts = {INDEX: index_of({name: [name] for name in names})}
        weights = found(folder_of(tmp_path, *names, texts=texts))
        assert loaded(weights) == names
        assert len(weights.parts) == 3
        assert not weights.absent

    def test_one_file_that_is_named_like_a_shard(self, tmp_path: Path) -> None:
        weights = found(folder_of(tmp_path, "model-00001-of-00001.bin"))
        assert loaded(weights) == ["model-00001-of-00001.bin"]
        assert not weights.absent


class TestMissing:
    def test_a_shard_that_the_index_names(self, tmp_path: Path) -> None:
        texts = {INDEX: three_shards()}
        weights = found(folder_of(tmp_path, SHARDS[0], SHARDS[2], texts=texts))
        (lost,) = weights.absent
        assert lost.name == SHARDS[1]
        assert lost.role is PartRole.MODEL
        assert lost.tensors == ("layers.1.weight",)
        assert lost.because == f"{INDEX} names it"
        assert weights.indexes[0].nbytes is None

    def test_a_number_without_an_index(self, tmp_path: Path) -> None:
        weights = found(folder_of(tmp_path, SHARDS[0], SHARDS[2]))
        lost = {one.name: one.role for one in weights.absent}
        assert lost == {SHARDS[1]: PartRole.MODEL, INDEX: PartRole.STATE}

    @pytest.mark.parametrize(
        "name",
        ["../elsewhere.safetensors", "/etc/passwd", "deep/model.safetensors"],
    )
    def test_an_index_that_names_a_file_elsewhere(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "elsewhere.safetensors").write_bytes(b"tensors")
        texts = {INDEX: index_of({SHARDS[0]: ["a"], name: ["b"]})}
        weights = found(folder_of(tmp_path / "in", SHARDS[0], texts=texts))
        assert loaded(weights) == [SHARDS[0]]
        assert [one.name for one in weights.absent] == [name]

    def test_a_rank_that_wrote_no_slice(self, tmp_path: Path) -> None:
        name = "shard-0000{}-model-00001-of-00001.safetensors"
        weights = found(folder_of(tmp_path, name.format(1), name.format(3)))
        assert [one.name for one in weights.absent] == [name.format(2)]
        assert len({part.prefix for part in weights.parts}) == 2


class TestBrokenIndex:
    @each("text", ["", "{", "[]", '{"weight_map": {}}', '{"weight_map": {"a": 3}}', "[" * 9000])
    def test_with_all_shards_there(self, tmp_path: Path, text: str) -> None:
        folder_of(tmp_path, *SHARDS)
        (tmp_path / INDEX).write_text(text)
        weights = found(tmp_path)
        (problem,) = weights.problems
        assert (problem.code, problem.severity) == ("CD104", Severity.ERROR)
        assert problem.evidence == {"part": INDEX}
        assert loaded(weights) == list(SHARDS)
        assert not weights.absent

    def test_with_shards_in_doubt(self, tmp_path: Path) -> None:
        folder_of(tmp_path, *SHARDS[:2])
        (tmp_path / INDEX).write_text("{")
        weights = found(tmp_path)
        assert weights.problems[0].evidence == {"part": INDEX, "role": "model"}
        assert [one.name for one in weights.absent] == [SHARDS[2]]


class TestLeftOver:
    def test_an_index_of_an_older_save(self, tmp_path: Path) -> None:
        weights = found(folder_of(tmp_path, "model.safetensors", texts={INDEX: three_shards()}))
        assert loaded(weights) == ["model.safetensors"]
        assert not weights.absent
        assert [problem.severity for problem in weights.problems] == [Severity.INFO]

    def test_a_plain_file_beside_shards(self, tmp_path: Path) -> None:
        names = ("model.safetensors", *SHARDS)
        weights = found(folder_of(tmp_path, *names, texts={INDEX: three_shards()}))
        assert loaded(weights) == ["model.safetensors"]
        assert beside(weights) == list(SHARDS)
        assert [problem.severity for problem in weights.problems] == [Severity.WARNING]

    def test_an_index_of_one_file(self, tmp_path: Path) -> None:
        texts = {INDEX: index_of({"model.safetensors": ["a", "b"]})}
        weights = found(folder_of(tmp_path, "model.safetensors", texts=texts))
        assert loaded(weights) == ["model.safetensors"]
        assert not weights.problems

    def test_shards_of_another_save(self, tmp_path: Path) -> None:
        old = "model-00001-of-00002.safetensors"
        weights = found(folder_of(tmp_path, old, *SHARDS, texts={INDEX: three_shards()}))
        assert loaded(weights) == list(SHARDS)
        assert beside(weights) == [old]
        assert not weights.absent
        assert [problem.severity for problem in weights.problems] == [Severity.WARNING]

    @pytest.mark.parametrize(("whole", "part"), [(2, 3), (3, 2)])
    def test_without_an_index_the_save_with_the_fewest_holes(
        self, tmp_path: Path, whole: int, part: int
    ) -> None:
        names = [f"model-{at:05d}-of-{whole:05d}.bin" for at in range(1, whole + 1)]
        left = f"model-00001-of-{part:05d}.bin"
        weights = found(folder_of(tmp_path, *names, left))
        assert (loaded(weights), beside(weights)) == (names, [left])
        assert [one.role for one in weights.absent] == [PartRole.STATE]  # the index

    def test_an_index_of_another_form_without_its_shards(self, tmp_path: Path) -> None:
        weights = found(folder_of(tmp_path, "pytorch_model.bin", texts={INDEX: three_shards()}))
        assert loaded(weights) == ["pytorch_model.bin"]
        assert not weights.absent
