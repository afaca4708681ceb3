"""Lines out of bytes, however they were written."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import resource
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.logs import unpacking
from ckptdoctor.runs.logs.encoding import LogText
from ckptdoctor.runs.logs.unpacking import PACKED_SUFFIXES
from tests.each import each

LINES = [f"Epoch {n}: loss 0.{n:04d} — Genauigkeit 0,{n}".encode() for n in range(2000)]
TEXT = b"\n".join(LINES).decode()
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def text_of(raw: bytes) -> LogText:
    return LogText(io.BytesIO(raw))


def lines_of(raw: bytes) -> list[bytes]:
    return list(text_of(raw).lines())


@each("end", ["\n", "\r\n", "\r\r\n"])
@each(
    ("encoding", "bom", "name"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", codecs.BOM_UTF8, "utf-8 with BOM"),
        ("utf-16-le", codecs.BOM_UTF16_LE, "utf-16-le"),
        ("utf-16-be", codecs.BOM_UTF16_BE, "utf-16-be"),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-16-be", b"", "utf-16-be"),
        ("cp1252", b"", "latin-1"),
    ],
)
def test_the_same_lines_from_every_encoding(encoding: str, bom: bytes, name: str, end: str) -> None:
    text = text_of(bom + TEXT.replace("\n", end).encode(encoding))
    assert list(text.lines()) == LINES
    assert text.name == name


@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("gb18030", "第1轮 损失：0.5 验证准确率：0.25"),
        ("cp932", "エポック 1: 損失 0.5 検証精度 0.25"),
        ("cp949", "에폭 1: 손실 0.5 검증 정확도 0.25"),
    ],
)
def test_windows_in_east_asia_is_told_by_the_words_of_a_training(encoding: str, line: str) -> None:
    text = text_of(f"{line}\nEpoch 2\n".encode(encoding) * 50)
    assert set(text.lines()) == {line.encode(), b"Epoch 2"}
    assert text.name == encoding


def test_eastern_bytes_that_say_nothing_of_a_training_are_no_reason_to_guess() -> None:
    assert text_of("été à 0.5\n".encode("cp1252") * 9).name == "utf-8"
    text = text_of("été à 0.5\n".encode("cp1252") * 9)
    assert set(text.lines()) == {"été à 0.5".encode()}
    assert text.name == "latin-1"


def test_bytes_that_windows_has_no_letter_for_are_latin_1() -> None:
    assert lines_of(b"Epoch 1: \x81 0.5\n") == ["Epoch 1: \x81 0.5".encode()]


def test_utf_8_stays_where_one_line_is_none() -> None:
    assert lines_of("█ 1\n".encode() + b"caf\xe9 2\n") == ["█ 1".encode(), "café 2".encode()]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("odd", ["", "x"])
def test_another_shell_added_8_bit_text_to_utf_16(encoding: str, odd: str) -> None:
    parts = ["Epoch 1: loss 0.5\r\n", f"Epoch 2: loss 0.4{odd} █\r\n", "Epoch 3: loss 0.3\r\n"]
    raw = "\ufeff".encode(encoding) + parts[0].encode(encoding) + parts[1].encode()
    wanted = [part.strip().encode() for part in parts]
    assert lines_of(raw) == wanted[:2]
    assert lines_of(raw + parts[2].encode(encoding)) == wanted


def test_utf_16_that_was_added_to_8_bit_text() -> None:
    more = "Epoch 2: loss 0.4\r\n".encode("utf-16-le")
    assert lines_of(b"Epoch 1: loss 0.5\r\n" * 20 + more)[-1] == b"Epoch 2: loss 0.4"


def test_letters_of_two_line_feeds_are_no_line_end() -> None:
    text = "损失 0.5 \u0a00\u0a0a\u000a\u0a00 0.4"  # bytes 0a 00 at odd places
    raw = codecs.BOM_UTF16_LE + text.encode("utf-16-le")
    assert lines_of(raw) == [line.encode() for line in text.split("\n")]


def test_nothing_is_left_of_what_a_crash_never_wrote() -> None:
    raw = b"Epoch 1: loss 0.5\n" + bytes(5_000_000) + b"\nEpoch 2: loss 0.4\n"
    assert lines_of(raw) == [b"Epoch 1: loss 0.5", b"", b"Epoch 2: loss 0.4"]


def test_a_bar_stays_one_line_and_one_without_end_is_cut() -> None:
    bar = b"\r".join(b"Epoch 1: %d/100000" % n for n in range(200_000))
    lines = lines_of(bar + b"\r\nEpoch 2: loss 0.4\n")
    assert b"".join(lines[:-1]).endswith(b"Epoch 1: 199999/100000")
    assert lines[-1] == b"Epoch 2: loss 0.4"
    assert max(map(len, lines)) <= 2 << 20
    long = lines_of(b"x" * 9_000_000 + b"\nEpoch 2: loss 0.4\n")
    assert len(long) == 2
    assert len(long[0]) < 3 << 20


def test_the_head_comes_again() -> None:
    text = text_of(b"\n".join(LINES))
    assert text.head(100) == b"\n".join(LINES)[:100]
    assert text.head(7) == b"\n".join(LINES)[:7]
    assert list(text.lines()) == LINES
    assert text_of(b"{}").whole(9) == b"{}"
    assert text_of(b"x" * 3_000_000).whole(5) == b"x" * 5
    assert text_of(gzip.compress(b"x" * 100)).whole(80) == b"x" * 10


@pytest.mark.parametrize("kind", PACKERS)
def test_what_is_packed_is_unpacked(kind: str) -> None:
    pack = PACKERS[kind]
    utf16 = text_of(pack(TEXT.encode("utf-16")))
    assert list(utf16.lines()) == LINES
    assert (utf16.name, utf16.trouble, utf16.is_plain) == (f"{kind}, utf-16-le", "", False)
    half = len(LINES) // 2  # as `gzip >>` leaves it
    twice = pack(b"\n".join(LINES[:half]) + b"\n") + pack(b"\n".join(LINES[half:]))
    assert lines_of(twice) == LINES
    assert lines_of(pack(b"\n".join(LINES)) + b"\0" * 100) == LINES


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.one_in(3)
def test_of_a_cut_or_damaged_archive_what_can_be_read_is(kind: str) -> None:
    lines = [f"Epoch {n}: {n * n % 99991 / 7}".encode() for n in range(100_000)]
    packed = bytearray(PACKERS[kind](b"\n".join(lines)))
    cut = text_of(bytes(packed[: len(packed) // 2]))
    found = list(cut.lines())
    assert len(lines) > len(found) > len(lines) // 4
    assert found[:-1] == lines[: len(found) - 1]
    assert cut.trouble == f"the {kind} archive ends in the middle"
    packed[len(packed) // 2 :] = b"\xff" * 5000
    damaged = text_of(bytes(packed))
    assert list(damaged.lines())[:1000] == lines[:1000]
    assert damaged.trouble


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.one_in(3)
def test_a_bomb_costs_no_memory(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_NEVER_A_BOMB_NBYTES", 30_000_000)
    bomb = PACKERS[kind](b"x" * 60_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    text = text_of(bomb)
    assert len(list(text.lines())) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
    assert "not read on" in text.trouble


def test_an_archive_that_this_python_cannot_unpack_says_so() -> None:
    text = text_of(codecs.decode("28b52ffd", "hex") + b"x" * 50)
    assert list(text.lines()) == []
    assert "zstd" in text.trouble


def test_suffixes_are_those_of_the_kinds() -> None:
    assert PACKED_SUFFIXES == (".gz", ".bz2", ".xz", ".zst")


@given(st.binary(max_size=400), st.sampled_from([b"", *PACKERS]), st.integers(0, 400))
def test_no_bytes_are_fatal(raw: bytes, kind: str, cut: int) -> None:
    packed = PACKERS[kind](raw)[:cut] if kind else raw
    for line in lines_of(packed):
        line.decode()
        assert b"\n" not in line


@given(st.text(max_size=200).filter(lambda text: "\0" not in text and "\ufeff" not in text))
def test_text_with_a_mark_comes_back_from_utf_16(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    wanted = [line.rstrip("\r").encode() for line in text.split("\n")]
    raw = codecs.BOM_UTF16_LE + text.encode("utf-16-le")
    assert [line for line in lines_of(raw) if line] == [line for line in wanted if line]
