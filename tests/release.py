"""What must agree before a release: ``python -m tests.release v1.2.3`` says what does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from ckptdoctor.version import __version__
from tests.address import ROOT, address, is_set


def mistakes(tag: str, *, version: str, changes: str, where: str) -> Iterator[str]:
    """What is wrong with a release, a sentence each.

    Args:
        tag: of the commit.
        version: of the program.
        changes: the change log.
        where: the address of the repository.
    """
    if tag != f"v{version}":
        yield f"the tag is {tag}, the version {version}"
    if f"\n## {version} " not in changes:
        yield f"docs/changelog.md has no section for {version}"
    if not is_set(where):
        yield "the address of the repository is not set in pyproject.toml"


if __name__ == "__main__":
    log = (ROOT / "docs" / "changelog.md").read_text(encoding="utf-8")
    found = [*mistakes(sys.argv[1], version=__version__, changes=log, where=address())]
    for sentence in found:
        print(sentence)
    sys.exit(bool(found))
