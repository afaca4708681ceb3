"""What ``plan``, ``restore``, ``repair`` and ``autopsy`` return: the ways out of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.postmortem.document import Autopsy, Section
from ckptdoctor.recovery.draft import Action
from ckptdoctor.recovery.option import Option
from ckptdoctor.recovery.plan import Plan
from ckptdoctor.recovery.repair.flip import Repaired
from ckptdoctor.recovery.restored import Restored
from ckptdoctor.results.result import Result, named_one

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ckptdoctor.render.html.blocks import Block

__all__ = ["AutopsyReport", "PlanReport", "RepairReport", "RestoreReport"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PlanReport(Result, Plan):
    """The ways to go on; it is iterated over, and ``plan["A"]`` is one of them."""

    def __repr__(self) -> str:
        from ckptdoctor.render.text import printable

        said = [f"{option.name}: {printable(option.title)}" for option in self.options]
        return f"<PlanReport: {'; '.join(said) or 'nothing to go on from'}>"

    def __len__(self) -> int:
        return len(self.options)

    def __iter__(self) -> Iterator[Option]:
        return iter(self.options)

    def __getitem__(self, name: str) -> Option:
        return named_one(name, {option.name: [option] for option in self.options}, "option")

    @property
    def recommended(self) -> Option | None:
        """The one to take; None where there is none."""
        return next((option for option in self.options if option.recommended), None)

    def _json(self) -> str:
        from ckptdoctor.render.machine.plan import plan_json

        return plan_json(self)

    def _columns(self) -> list[str]:
        return ["name", "title", "recommended", "epoch", "command"]

    def _records(self) -> list[dict[str, Any]]:
        return [{name: getattr(one, name) for name in self._columns()} for one in self.options]

    def _title(self) -> str:
        return "How to go on"

    def _blocks(self) -> Iterable[Block]:
        from ckptdoctor.render.html.small import plan_blocks

        return plan_blocks(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RestoreReport(Result, Restored):
    """What was written; it is iterated over: what was done, in order."""

    def __repr__(self) -> str:
        from ckptdoctor.render.text import printable

        said = "wrote" if self.verified else "would write"
        where = f"{printable(self.destination)} from {printable(self.source)}"
        return f"<RestoreReport: {said} {where}>"

    def __len__(self) -> int:
        return len(self.actions)

    def __iter__(self) -> Iterator[Action]:
        return iter(self.actions)

    def __getitem__(self, name: str) -> Action:
        known: dict[str, list[Action]] = {}
        for action in self.actions:
            known.setdefault(action.name, []).append(action)
        return named_one(name, known, "action")

    def _json(self) -> str:
        from ckptdoctor.render.restored import restore_json

        return restore_json(self)

    def _columns(self) -> list[str]:
        return ["name", "message", "notice"]

    def _records(self) -> list[dict[str, Any]]:
        return [{name: getattr(one, name) for name in self._columns()} for one in self.actions]

    def _title(self) -> str:
        from ckptdoctor.render.wording import brief

        return brief(self.destination.name, 200)

    def _blocks(self) -> Iterable[Block]:
        from ckptdoctor.render.html.small import restored_blocks

        return restored_blocks(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport(Result, Repaired):
    """What was wrong in a file, and the file in which it is right."""

    def _json(self) -> str:
        from ckptdoctor.render.repaired import repaired_json

        return repaired_json(self)

    def _columns(self) -> Sequence[str]:
        return list(self._records()[0]) if self.flips else ()

    def _records(self) -> list[dict[str, Any]]:
        return [dict(one) for one in self.to_dict()["flips"]]

    def _title(self) -> str:
        from ckptdoctor.render.wording import brief

        return brief(self.source.name, 200)

    def _blocks(self) -> Iterable[Block]:
        from ckptdoctor.render.html.small import repaired_blocks

        return repaired_blocks(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AutopsyReport(Result, Autopsy):
    """What happened to a run; it is iterated over: the sections, by their keys as well.

    The data frame has the tensors that left their past, the first ones first.
    """

    def __repr__(self) -> str:
        from ckptdoctor.render.text import printable

        return f"<AutopsyReport: {printable(self.name)}: {printable(self.headline)}>"

    def __str__(self) -> str:
        return self.to_markdown()

    def __len__(self) -> int:
        return len(self.sections)

    def __iter__(self) -> Iterator[Section]:
        return iter(self.sections)

    def __getitem__(self, name: str) -> Section:
        return named_one(name, {one.key: [one] for one in self.sections}, "section")

    def to_markdown(self) -> str:
        """What ``--format markdown`` writes: the recovery guide of this run."""
        from ckptdoctor.render.machine.autopsy import autopsy_markdown

        return autopsy_markdown(self)

    def to_html(self) -> str:
        """What ``--format html`` writes."""
        from ckptdoctor.render.html.autopsy import autopsy_html

        return autopsy_html(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """The metric over the run, by matplotlib.

        Args:
            ax: to draw into; None for new ones.

        Raises:
            ModuleNotFoundError: matplotlib is not installed; the message says how to.
        """
        from ckptdoctor.results.plots import plot_history

        return plot_history(self.history, ax)

    def _json(self) -> str:
        from ckptdoctor.render.machine.autopsy import autopsy_json

        return autopsy_json(self)

    def _columns(self) -> list[str]:
        return ["tensor", "words"]

    def _records(self) -> list[dict[str, Any]]:
        return [{"tensor": one.name, "words": one.words} for one in self.worst]

    def _title(self) -> str:
        return f"Autopsy of {self.name}"

    def _blocks(self) -> Iterable[Block]:
        from ckptdoctor.render.html.small import autopsy_blocks

        return autopsy_blocks(self)
