"""One store in the mirror: what of it may be listed, what the user named, what was looked into."""

from __future__ import annotations

import os
from dataclasses import field

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.sources.store import Store
from ckptdoctor.sources.urls import redacted

__all__ = ["Mount"]

_TOPS = {"s3": 1, "s3a": 1, "gs": 1, "gcs": 1, "az": 1, "abfs": 1, "abfss": 1, "adl": 1, "hf": 2}
"""How many names of a path are no folder that may be listed: buckets, users and their models."""


@dataclass(slots=True)
class Mount:
    """One store in the mirror.

    Attributes:
        store: it.
        folder: where it lies in the mirror.
        prefix, suffix: what stands before and behind a path in its URL.
        lead: what stands before a path where the store is asked.
        query: of the only file in it, where its URL has one.
        named: paths that the user named.
        folders: those of them that a web server is to list.
        filled: folders that were looked into.
        listed: those of them that their store gave a list of.
        skimmed: those of them whose files were not asked for their sizes.
        trouble: why something cannot be looked at, by path.
        given: files that somebody else has listed, who told what they are.
        whole: folders that are listed with all below them, whenever somebody says so.
    """

    store: Store
    folder: str
    prefix: str
    suffix: str
    lead: str
    query: str = ""
    named: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    filled: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    skimmed: set[str] = field(default_factory=set)
    trouble: dict[str, OSError] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)

    def forget(self) -> None:
        """Forget what was seen; what the user named is kept."""
        for seen in (self.filled, self.listed, self.skimmed, self.trouble, self.given):
            seen.clear()

    def url(self, below: str) -> str:
        """What a path is shown as: no key is in it."""
        return redacted(f"{self.prefix}{below}{self.query}{self.suffix}")

    def full_url(self, below: str) -> str:
        """What opens a path; it may hold keys, and is never shown."""
        return f"{self.prefix}{below}{self.query}{self.suffix}"

    def at(self, below: str) -> str:
        """A path as the store is asked for it."""
        return f"{self.lead}{below}{self.query}"

    def is_listable(self, below: str) -> bool:
        """Whether a folder may be listed: of a web server those named so, and what lies beside."""
        if self.store.is_http:
            return self.is_inside(below) or self.is_near(below)
        if self.lead or self.suffix:
            return True
        return bool(below) * (below.count("/") + 1) >= _TOPS.get(self.store.protocol, 0)

    def top(self, below: str) -> str:
        """The bucket that a path lies in, or what else a store calls that; "" where it has none."""
        if self.store.is_http or self.lead or self.suffix:
            return ""
        return "/".join(below.split("/")[: _TOPS.get(self.store.protocol, 0)])

    def lacks(self, below: str) -> bool:
        """Whether a folder is in no list of the folder that it would lie in: nobody need ask.

        What the user names may be younger than that list.
        """
        at = below
        while at:
            above = at.rpartition("/")[0]
            if above in self.filled and above in self.listed:
                is_there = os.path.isdir(f"{self.folder}/{at}")  # noqa: PTH112
                return not (is_there or any(f"{one}/".startswith(f"{at}/") for one in self.named))
            at = above
        return False

    def is_whole(self, below: str) -> bool:
        """Whether a folder is listed only when somebody says so."""
        return any(f"{below}/".startswith(f"{one}/") for one in self.whole)

    def is_inside(self, below: str) -> bool:
        """Whether a path is a folder that the user named, or lies in one."""
        return any(below == one or below.startswith(f"{one}/") for one in self.folders)

    def is_beside(self, below: str) -> bool:
        """Whether a folder of a web server is no one's that the user named, nor that above one."""
        above = {one.rpartition("/")[0] for one in self.folders}
        return self.store.is_http and not self.is_inside(below) and below not in above

    def is_near(self, below: str) -> bool:
        """Whether a folder is the one above a folder that the user named, or lies in that."""
        above = {one.rpartition("/")[0] for one in self.folders}
        return any(below == one or below.startswith(f"{one}/") for one in above if one)
