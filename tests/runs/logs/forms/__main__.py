"""What is read of every form, and what falls short.

python -m tests.runs.logs.forms                  each form in each course, and a count
python -m tests.runs.logs.forms nanogpt keras-2  these alone
python -m tests.runs.logs.forms --show nanogpt   the text of a log
python -m tests.runs.logs.forms --not-yet        the table that tests/runs/logs/not_yet.py holds
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.runs.logs.forms import FORMS, CourseKind, make_course
from tests.runs.logs.forms.judge import shortfalls


def main() -> None:
    """Judge, or show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="forms; by default all")
    parser.add_argument("--show", action="store_true", help="print the log of a collapse")
    parser.add_argument("--not-yet", action="store_true", help="print what falls short as a table")
    options = parser.parse_args()
    forms = [form for form in FORMS if not options.names or form.name in options.names]
    if options.show:
        sys.stdout.write(
            "".join(f.write(make_course(CourseKind.STORY, f.name).moments) for f in forms)
        )
        return
    short: dict[CourseKind, list[str]] = {kind: [] for kind in CourseKind}
    with tempfile.TemporaryDirectory() as folder:
        for form in forms:
            for kind in CourseKind:
                bad = shortfalls(form, make_course(kind, form.name), Path(folder))
                if bad:
                    short[kind].append(form.name)
                    if not options.not_yet:
                        print(f"{form.name}, {kind.value}: {'; '.join(bad)}")
    if options.not_yet:
        print(_as_table(short))
        return
    held = [form for form in forms if not any(form.name in names for names in short.values())]
    print(f"{len(held)} of {len(forms)} forms hold in every course; ", end="")
    print(", ".join(f"{kind.value} {len(forms) - len(names)}" for kind, names in short.items()))


def _as_table(short: dict[CourseKind, list[str]]) -> str:
    """Forms that hold in no course first, then those that hold in some."""
    never = set.intersection(*(set(names) for names in short.values()))
    lines = ["_NEVER = frozenset(", '    """', *(f"    {name}" for name in sorted(never))]
    lines += ['    """.split()', ")", "_AT_TIMES: dict[CourseKind, tuple[str, ...]] = {"]
    for kind, names in short.items():
        rest = "".join(f'"{name}", ' for name in sorted(set(names) - never))
        lines.append(f"    CourseKind.{kind.name}: ({rest}),")
    return "\n".join([*lines, "}"])


if __name__ == "__main__":
    main()
