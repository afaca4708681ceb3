"""Flips single bits of checkpoints and puts them right; damages others, and counts false repairs.

    python -m tests.benchmarks.bit_repair            1,000 flips and 10,000 damages: ten minutes
    python -m tests.benchmarks.bit_repair --quick    a tenth of it: half a minute
    python -m tests.benchmarks.bit_repair --packed   compressed records alone: a minute
    python -m tests.benchmarks.bit_repair --cost     what a parity costs, alone: a minute
    python -m tests.benchmarks.bit_repair --write    and puts the tables into docs/repair.md

Records of 1 byte to 16 MB, as many of each size on a logarithmic scale, of weights, moments and
integers; and the compressed ones of a TorchScript file. The exit code is 1 if a flip is not found,
if what is written is not what was there before, or if anything is written that was damaged
otherwise.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save as save_safetensors

from ckptdoctor.formats import opened
from ckptdoctor.recovery.repair.flip import Certainty, Repaired
from ckptdoctor.recovery.repair.lost import find_damage
from ckptdoctor.recovery.repair.repair import repair_file
from ckptdoctor.recovery.repair.witness import Digest, sha256_of_source
from tests.benchmarks import parity_cost
from tests.benchmarks.bit_repair_samples import PACKED, Sample, packed_samples, samples
from tests.benchmarks.page import find_place, markdown, put
from tests.builders import save

PAGE = Path(__file__).parents[2] / "docs" / "repair.md"
FLIPS, DAMAGES = 1_000, 10_000
PACKED_FLIPS, PACKED_DAMAGES = 300, 900
PAGE_NBYTES, SECTOR_NBYTES = 4096, 512


@dataclass(frozen=True, slots=True)
class Looked:
    """What repairing a file would do.

    Attributes:
        result: what is wrong.
        sha256: of what would be written; "" where nothing would.
        data: that itself.
    """

    result: Repaired
    sha256: str
    data: bytes


def same_contents(found: Looked, one: Sample) -> bool:
    """Whether all that was packed is there, where other bits may mean the same copy."""
    if one.kind != PACKED or not found.sha256:
        return False
    now, was = (zipfile.ZipFile(io.BytesIO(data)) for data in (found.data, one.data))
    with now, was:
        names = was.namelist()
        return now.namelist() == names and all(now.read(name) == was.read(name) for name in names)


def looked_at(path: Path, digests: tuple[Digest, ...] = (), *, accept: bool = False) -> Looked:
    """What repairing a file would do, with its bytes as they would be written."""
    empty = Repaired(source=path, destination=path.with_name("repaired.pth"))
    with opened(path) as file:
        found = find_damage(file, empty, digests, accept_odds=accept)
        sha256 = "" if found.view is None else sha256_of_source(found.view)
        view = b"" if found.view is None else found.view.read(0, found.view.nbytes)
        return Looked(found.result, sha256, view)


# -- single bits ---------------------------------------------------------------------------------


def flip_place(one: Sample, chance: random.Random) -> tuple[str, int]:
    """Where a bit is flipped: mostly in the large record, else anywhere in the file."""
    if chance.random() < 0.8:
        return "record", one.start + chance.randrange(one.nbytes)
    outside = len(one.data) - one.nbytes
    at = chance.randrange(outside)
    return "elsewhere", at if at < one.start else at + one.nbytes


def flips(
    pool: list[Sample], folder: Path, count: int, chance: random.Random
) -> Counter[tuple[str, str]]:
    """Single bits flipped, by where and what became of them."""
    tally: Counter[tuple[str, str]] = Counter()
    path, out = folder / "flipped.pth", folder / "repaired.pth"
    for _ in range(count):
        one = chance.choice(pool)
        where, at = flip_place(one, chance)
        path.write_bytes(changed(one.data, {at: 1 << chance.randrange(8)}))
        plain = looked_at(path)
        known = looked_at(path, (Digest(one.sha256, "the bench"),))
        tally[where, "all"] += 1
        tally[where, "found"] += bool(plain.result.flips)
        tally[where, "sha256"] += known.sha256 == one.sha256
        accept = plain.result.certainty is Certainty.LIKELY
        done = repair_file(path, out, accept_odds=accept, force=True)
        tally[where, "odds" if accept else "alone"] += done.sha256 == one.sha256
        tally[where, "wrong"] += done.written and done.sha256 != one.sha256
        if not done.written:
            print(f"refused: {where} {one.kind} {one.nbytes}: {done.refused}", file=sys.stderr)
    return tally


def packed_flips(
    pool: list[Sample], folder: Path, count: int, chance: random.Random
) -> Counter[tuple[str, str]]:
    """Single bits of compressed records flipped: what became of them."""
    tally: Counter[tuple[str, str]] = Counter()
    path = folder / "flipped.pt"
    for _ in range(count):
        one = chance.choices(pool, weights=[one.nbytes for one in pool])[0]
        at = one.start + chance.randrange(one.nbytes)
        path.write_bytes(changed(one.data, {at: 1 << chance.randrange(8)}))
        plain = looked_at(path)
        if plain.result.sound:
            continue  # behind the last code, or a copy of the same from elsewhere
        known = looked_at(path, (Digest(one.sha256, "the bench"),))
        tally["packed", "all"] += 1
        tally["packed", "found"] += bool(plain.result.flips) or "single bits" in str(plain.result)
        tally["packed", "sha256"] += known.sha256 == one.sha256
        tally["packed", "alone"] += plain.sha256 == one.sha256
        tally["packed", "wrong"] += plain.sha256 not in ("", one.sha256)
    return tally


def changed(data: bytes, masks: dict[int, int]) -> bytes:
    """The bytes with some bits the other way round."""
    new = bytearray(data)
    for at, mask in masks.items():
        new[at] ^= mask
    return bytes(new)


# -- other damage --------------------------------------------------------------------------------


def several_bits(one: Sample, chance: random.Random) -> bytes:
    """2 to 64 bits of one record."""
    most = 8 * one.nbytes
    wanted = min(most, max(2, round(2 ** chance.uniform(1, 6))))
    new = bytearray(one.data)
    for number in chance.sample(range(most), wanted):
        new[one.start + number // 8] ^= 1 << number % 8
    return bytes(new)


def two_bits(one: Sample, chance: random.Random) -> bytes:
    """Two bits of one record."""
    new = bytearray(one.data)
    for number in chance.sample(range(8 * one.nbytes), 2):
        new[one.start + number // 8] ^= 1 << number % 8
    return bytes(new)


def burst(one: Sample, chance: random.Random) -> bytes:
    """2 to 4096 bytes of chance, anywhere in the file."""
    size = min(len(one.data), round(2 ** chance.uniform(1, 12)))
    at = chance.randrange(len(one.data) - size + 1)
    return one.data[:at] + chance.randbytes(size) + one.data[at + size :]


def burst_in_record(one: Sample, chance: random.Random) -> bytes:
    """2 to 4096 bytes of chance in one record."""
    size = min(one.nbytes, round(2 ** chance.uniform(1, 12)))
    at = one.start + chance.randrange(one.nbytes - size + 1)
    return one.data[:at] + chance.randbytes(size) + one.data[at + size :]


def zero_page(one: Sample, chance: random.Random) -> bytes:
    """A sector or a page of zeros, where the file system puts them."""
    return _page(one, chance, bytes)


def other_page(one: Sample, chance: random.Random) -> bytes:
    """A sector or a page of another place of the file."""
    at = chance.randrange(len(one.data))
    return _page(one, chance, lambda size: one.data[at : at + size].ljust(size, b"\xff"))


def _page(one: Sample, chance: random.Random, filled: Callable[[int], bytes]) -> bytes:
    size = chance.choice((SECTOR_NBYTES, PAGE_NBYTES))
    at = chance.randrange(0, len(one.data), size)
    end = min(len(one.data), at + size)
    return one.data[:at] + filled(end - at)[: end - at] + one.data[end:]


DAMAGE = {
    "two bits of a record": two_bits,
    "2 to 64 bits of a record": several_bits,
    "a burst of 2 to 4096 bytes in a record": burst_in_record,
    "a burst of 2 to 4096 bytes anywhere": burst,
    "a page or a sector of zeros": zero_page,
    "a page or a sector from elsewhere": other_page,
}


PACKED_DAMAGE = {
    "two bits of a compressed record": two_bits,
    "2 to 64 bits of a compressed record": several_bits,
    "a burst of 2 to 4096 bytes in a compressed record": burst_in_record,
}


def damages(
    pool: list[Sample],
    folder: Path,
    count: int,
    chance: random.Random,
    kinds: Mapping[str, Callable[[Sample, random.Random], bytes]] = DAMAGE,
) -> Counter[tuple[str, str]]:
    """Other damage, by its kind and what became of it."""
    tally: Counter[tuple[str, str]] = Counter()
    path = folder / "damaged.pth"
    large = [one for one in pool if one.nbytes > 1]
    for number in range(count):
        name = list(kinds)[number % len(kinds)]
        one = chance.choice(large)
        data = kinds[name](one, chance)
        if data == one.data:
            tally[name, "none"] += 1
            continue
        path.write_bytes(data)
        found = looked_at(path)
        likely = found.result.certainty is Certainty.LIKELY
        right = "right" if found.sha256 == one.sha256 or same_contents(found, one) else "false"
        outcome = right if found.sha256 else "refused"
        if outcome == "refused" and found.result.sound:
            outcome = "unseen"
        tally[name, outcome] += 1
        if outcome == "refused" and likely and is_offered(found.result):
            tally[name, "offered"] += looked_at(path, accept=True).sha256 != one.sha256
        if outcome == "false":
            print(f"{outcome}: {name}, {one.kind}, {one.nbytes}: {found.result}", file=sys.stderr)
    return tally


def is_offered(result: Repaired) -> bool:
    """Whether it would be written with ``--accept-odds``."""
    return any("--accept-odds" in line for line in result.refused)


# -- other formats -------------------------------------------------------------------------------


def without_checksums(folder: Path) -> list[list[str]]:
    """What is said of a flipped bit where nothing is stored to see it by."""
    state = {"weight": torch.randn(64, 64)}
    legacy = save(folder / "legacy.pth", state, _use_new_zipfile_serialization=False)
    plain = folder / "plain.safetensors"
    plain.write_bytes(save_safetensors(state))
    rows = []
    for path in (legacy, plain):
        data = path.read_bytes()
        path.write_bytes(changed(data, {len(data) - 100: 64}))
        rows.append([path.stem, looked_at(path).result.refused[0].partition(": ")[2]])
    return rows


# -- the page ------------------------------------------------------------------------------------


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--packed", action="store_true", help="compressed records alone")
    parser.add_argument("--cost", action="store_true", help="what a parity costs, alone")
    options = parser.parse_args()
    if options.write:
        find_place(PAGE, "flips")
        find_place(PAGE, "damages")
        find_place(PAGE, "cost")
    share = 10 if options.quick else 1
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.cost:
            return cost_alone(folder, write=options.write)
        if options.packed:
            single, other = of_packed(folder, share, options.seed)
            print(flips_table(single), damages_table(other), sep="\n\n")
            return failed(single, other)
        pool = samples(folder)
        start = time.perf_counter()
        single = flips(pool, folder, FLIPS // share, chance)
        between = time.perf_counter()
        other = damages(pool, folder, DAMAGES // share, chance)
        more = of_packed(folder, share, options.seed)
        single, other = single + more[0], other + more[1]
        end = time.perf_counter()
        refusing = without_checksums(folder)
        cost = parity_cost.table(
            folder, parity_cost.NBYTES // share, 3 if options.quick else parity_cost.ROUNDS
        )
    tables = flips_table(single), damages_table(other), cost
    print(*tables, markdown(("format", "what is said"), refusing), sep="\n\n")
    print(f"\n{between - start:.0f} s for the flips, {end - between:.0f} s for the damages")
    if options.write:
        put(PAGE, "flips", tables[0])
        put(PAGE, "damages", tables[1])
        put(PAGE, "cost", tables[2])
    return failed(single, other)


def of_packed(
    folder: Path, share: int, seed: int
) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """Compressed records: single bits, and other damage."""
    pool, chance = packed_samples(folder), random.Random(seed)
    return (
        packed_flips(pool, folder, PACKED_FLIPS // share, chance),
        damages(pool, folder, PACKED_DAMAGES // share, chance, PACKED_DAMAGE),
    )


def failed(single: Counter[tuple[str, str]], other: Counter[tuple[str, str]]) -> int:
    """1 where a flip was not found, or anything is written that was not there before."""
    places = "record", "elsewhere", "packed"
    lost = sum(single[where, "all"] - single[where, "sha256"] for where in places)
    wrong = sum(many for (_, what), many in single.items() if what == "wrong")
    return 1 if lost or wrong or sum(m for (_, what), m in other.items() if what == "false") else 0


def cost_alone(folder: Path, *, write: bool) -> int:
    """The last table alone."""
    table = parity_cost.table(folder, parity_cost.NBYTES, parity_cost.ROUNDS)
    print(table)
    if write:
        put(PAGE, "cost", table)
    return 0


def flips_table(tally: Counter[tuple[str, str]]) -> str:
    """Single bits."""
    head = (
        *("the bit is in", "flips", "found", "written by what the file tells"),
        *("written with --accept-odds", "of either identical", "identical with --sha256"),
    )
    rows = []
    for where, words in (
        ("record", "a record of 1 B to 16 MB"),
        ("elsewhere", "another record, a header"),
        ("packed", "a compressed record of TorchScript"),
    ):
        count = {what: tally[where, what] for what in ("all", "found", "alone", "odds", "sha256")}
        rows.append(
            [
                *(words, f"{count['all']:,}", f"{count['found']:,}", f"{count['alone']:,}"),
                *(
                    f"{count['odds']:,}",
                    f"{count['alone'] + count['odds']:,}",
                    f"{count['sha256']:,}",
                ),
            ]
        )
    return markdown(head, rows)


def damages_table(tally: Counter[tuple[str, str]]) -> str:
    """Other damage."""
    head = (
        *("damage", "files", "refused", "one bit in fact, put right", "written and wrong"),
        *("in padding that nobody reads", "would be wrong with --accept-odds"),
    )
    rows = []
    for name in (*DAMAGE, *PACKED_DAMAGE):
        count = {w: tally[name, w] for w in ("refused", "right", "false", "unseen", "offered")}
        files = sum(count[what] for what in ("refused", "right", "false", "unseen"))
        rows.append(
            [
                *(name, f"{files:,}", f"{count['refused']:,}", f"{count['right']:,}"),
                *(f"{count['false']:,}", f"{count['unseen']:,}", f"{count['offered']:,}"),
            ]
        )
    return markdown(head, rows)


if __name__ == "__main__":
    sys.exit(main())
