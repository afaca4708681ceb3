"""A command that was answered before is answered again, before the program has imported itself.

Else what it prints is drafted; a note beside it, a file written, or a checkpoint that is not
remembered spoils the draft, and the command is worked through next time as well.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ckptdoctor.cli.draft import drafting
from ckptdoctor.sources import is_url

if TYPE_CHECKING:
    from ckptdoctor.cache.answers import Inquiry

__all__ = ["answered"]

_ANSWERS = (0, 1)
"""Exit codes of a command that came to its end: nothing to report, or something."""


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
    """The exit code; the answer is kept, if it can be given again."""
    from ckptdoctor.cache.answers import Answer, keep_answer
    from ckptdoctor.places import looking, looks_into

    with drafting() as draft, looking() as folders:
        for path in _paths(arguments):
            looks_into(os.path.dirname(os.path.abspath(path)))  # noqa: PTH100, PTH120
        code = work()
    known = draft.known
    if code not in _ANSWERS or draft.spoiled or known is None:
        return code
    if not 0 < known.files == known.of:
        return code
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
    """Whether the user wants all read again, or names what cannot be looked at in passing.

    That is a pattern of ours to expand, or a URL.
    """
    return "--no-cache" in arguments or any(
        (glob.has_magic(one) or is_url(one)) and not os.path.lexists(one)
        for one in (*arguments, os.environ.get("CKPTDOCTOR_DIR", ""))
    )
