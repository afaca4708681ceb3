"""Collects the tables of plain names.

python -m tests.tables [--write] PACKAGE...   each PACKAGE a folder, as ``site-packages/torch``

Give as many versions of a package as there are at hand, each unpacked in a folder of its own: names
move between versions, and a checkpoint keeps those of the version that wrote it. Nothing of a
package is imported. Without ``--write`` the tables are printed.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from tests.tables.areas import TORCH_AND_NUMPY, Area
from tests.tables.frameworks import FRAMEWORKS
from tests.tables.kinds import Use, use_of
from tests.tables.sources import Sources
from tests.tables.writing import module_text

_TABLES = Path(__file__).parents[2] / "ckptdoctor" / "formats" / "pickle" / "tables"
_AREAS = (*TORCH_AND_NUMPY, *FRAMEWORKS)

Names = dict[Use, dict[str, set[str]]]


def main(arguments: list[str]) -> None:
    """Print or write every table that the packages given have something for."""
    folders = [Path(argument) for argument in arguments if argument != "--write"]
    if not folders:
        raise SystemExit(__doc__)
    collected: dict[str, Names] = {area.table: _named_by_hand(area) for area in _AREAS}
    packages = {folder.name for folder in folders}
    areas = [area for area in _AREAS if area.packages & packages]
    for folder in folders:
        sources = Sources([folder])
        for area in areas:
            collect(area, sources, collected[area.table])
    for area in areas:
        _drop_weaker(collected[area.table])
        text = module_text(area.title, collected[area.table])
        if "--write" in arguments:
            (_TABLES / f"{area.table}.py").write_text(text, encoding="utf-8")
        else:
            print(text)


def _named_by_hand(area: Area) -> Names:
    names: Names = {use: defaultdict(set) for use in Use}
    for use, text in area.more.items():
        module = ""
        for word in text.split():
            if word.endswith(":"):
                module = word[:-1]
            else:
                names[use][module].add(word)
    return names


def collect(area: Area, sources: Sources, names: Names) -> None:
    """Add what an area holds of some sources."""
    for module in sources.modules.values():
        for cls in module.classes.values():
            if area.holds_class(module.name, cls.qualname):
                use = use_of(cls, sources)
                if use is not None:
                    use = area.use_of(module.name, cls.qualname, use)
                    names[use][module.name].add(cls.qualname)
        held = {name for name in module.functions if area.holds_function(module.name, name)}
        if held:
            names[Use.NAMED][area.filed.get(module.name, module.name)] |= held


def _drop_weaker(names: Names) -> None:
    """Leave out what is only stored, where another version builds or calls it."""
    for module in names[Use.NAMED]:
        names[Use.NAMED][module] -= names[Use.BUILT][module] | names[Use.CALLED][module]
    for table in names.values():
        for module in [module for module, qualnames in table.items() if not qualnames]:
            del table[module]


if __name__ == "__main__":
    main(sys.argv[1:])
