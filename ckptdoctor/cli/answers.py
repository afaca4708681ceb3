"""A command that was answered before is answered again, before the program has imported itself.

What the command prints is drafted meanwhile; a note beside it, a file written, or a checkpoint that
is not remembered spoils the draft, and the command is worked through next time as well.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ckptdoctor.cache.answers import Inquiry
    from ckptdoctor.cache.memory import Recall

__all__ = ["answered", "rests_upon", "spoil", "wrote"]


class _Draft:
    """An answer in the making.

    Attributes:
        texts: what was printed.
        known: the files that it rests upon; None where nobody said.
        quiet: whether the user wants no word about what was remembered.
        spoiled: whether it cannot be given again.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.known: Recall | None = None
        self.quiet = False
        self.spoiled = False


_draft: _Draft | None = None


def answered(arguments: Sequence[str], work: Callable[[], int]) -> int:
    """The exit code of a command, whose answer is given again where it would be the same.

    Args:
        arguments: the command.
        work: what works it through.
    """
    from ckptdoctor.cache.answers import answer_to, inquiry

    asked = None if _cannot_be_followed(arguments) else inquiry(arguments)
    if asked is None:
        return work()
    answer = answer_to(asked)
    if answer is None:
        return _drafted(asked, arguments, work)
    from ckptdoctor.cli.output import write_result
    from ckptdoctor.cli.recall import say_recall

    if not answer.quiet:
        say_recall(answer.files, answer.files, answer.oldest, answer.newest)
    write_result(answer.text, None)
    return answer.code


def _drafted(asked: Inquiry, arguments: Sequence[str], work: Callable[[], int]) -> int:
    global _draft  # noqa: PLW0603  (those who print know nothing of who listens)
    from ckptdoctor.places import looking, looks_into

    draft = _draft = _Draft()
    try:
        with looking() as folders:
            for path in _paths(arguments):
                looks_into(os.path.dirname(os.path.abspath(path)))  # noqa: PTH100, PTH120
            code = work()
    finally:
        _draft = None
    known = draft.known
    if known is None or draft.spoiled or not 0 < known.files == known.of:
        return code
    from ckptdoctor.cache.answers import Answer, keep_answer

    answer = Answer(
        code=code,
        text="".join(draft.texts),
        files=known.files,
        oldest=known.oldest,
        newest=known.newest,
        quiet=draft.quiet,
    )
    keep_answer(asked, folders, answer)
    return code


def _paths(arguments: Sequence[str]) -> Iterator[str]:
    """What may be a path among the arguments."""
    for argument in arguments:
        yield from (one for one in (argument, argument.partition("=")[2]) if os.path.lexists(one))


def _cannot_be_followed(arguments: Sequence[str]) -> bool:
    """Whether the user wants all read again, or names paths by a pattern of ours to expand."""
    return "--no-cache" in arguments or any(
        glob.has_magic(one) and not os.path.lexists(one) for one in arguments
    )


def wrote(text: str) -> None:
    """Told of what is printed."""
    if _draft is not None:
        _draft.texts.append(text)


def spoil() -> None:
    """Told of whatever a command does beside printing its answer."""
    if _draft is not None:
        _draft.spoiled = True


def rests_upon(known: Recall, *, quiet: bool) -> None:
    """Told of the files whose results an answer rests upon."""
    if _draft is not None:
        _draft.spoiled |= _draft.known is not None  # twice: two answers in one
        _draft.known, _draft.quiet = known, quiet
