"""The address of the repository: it is set in pyproject.toml, and all that names it agrees.

Until it is set, pages show what works without one: a wheel, a submodule, a hook of one's own. No
reader is given a line that cannot work. ``python -m tests.docs`` writes either kind.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACEHOLDER = "OWNER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Lines of pages that depend on the address.

    Attributes:
        without: as they are while there is none.
        having: as they are with one; ``URL`` and ``OWNER/NAME`` are filled in.
    """

    without: str
    having: str


PASSAGES = (
    Passage(
        without="""\
!pip install -q /content/ckptdoctor-*.whl  # on Kaggle: /kaggle/input/*/ckptdoctor-*.whl
```

The wheel takes 1.4 MB. `python3 -m pip wheel --no-deps -w wheels .` makes it in a clone of this
repository; upload it to Colab, or attach it in Kaggle as a data set.
""",
        having="""\
!pip install -q git+URL
```
""",
    ),
    Passage(
        without="""\
        uses: ./ckptdoctor/.github/actions/scan # this repository, there as a submodule
""",
        having="""\
        uses: OWNER/NAME/.github/actions/scan@COMMIT
""",
    ),
    Passage(
        without="""\
  - repo: local
    hooks:
      - id: ckptdoctor-scan-system
        name: ckptdoctor scan
        entry: ckptdoctor scan
        args: ["--"]
        language: system
        files: '(\\.(pth|pt|ckpt|jit|safetensors)(\\.tar)?|(pytorch|adapter)_model[^/]*\\.bin)$'
        require_serial: true
""",
        having="""\
  - repo: URL
    rev: COMMIT
    hooks:
      - id: ckptdoctor-scan-system
""",
    ),
)
PAGES = tuple(ROOT / name for name in ("README.md", "docs/ci.md", "docs/notebooks.md"))
"""Where they stand."""


def address() -> str:
    """``https://github.com/OWNER/ckptdoctor`` until somebody sets it."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        urls = tomllib.load(file)["project"]["urls"]
    return str(urls["Repository"])


def is_set(url: str) -> bool:
    """Whether an address leads somewhere."""
    return f"/{PLACEHOLDER}/" not in url


def with_address(text: str, url: str) -> str:
    """A page as it is with an address, or while there is none."""
    for one in PASSAGES:
        name = "/".join(url.split("/")[-2:])
        having = one.having.replace("URL", url).replace("OWNER/NAME", name)
        known = re.escape(one.having)
        known = known.replace("URL", r"https://[\w./-]+").replace("OWNER/NAME", r"[\w.-]+/[\w.-]+")
        new = (having if is_set(url) else one.without).replace("\\", r"\\")
        text = re.sub(f"{re.escape(one.without)}|{known}", new, text)
    return text
