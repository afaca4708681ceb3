"""Many small cases in one test."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import pytest
from _pytest.mark import ParameterSet

__all__ = ["assert_each", "each"]

T = TypeVar("T")
Test = Callable[..., None]

_MOST_SHOWN = 5


def assert_each(cases: Iterable[T], check: Callable[[T], object]) -> None:
    """Fail with every case that fails, each told by its name.

    A parametrised test costs 3 ms beside what it does, and this nothing. It is for cases of one
    kind that share nothing: a case that needs a mark, or a folder that is still empty, is a test of
    its own.

    Args:
        cases: what ``check`` is called with, one at a time; there must be some.
        check: a test of one case.

    Raises:
        BaseExceptionGroup: what the first few failing cases raised, each with a note of its case,
            and the names of the others.
    """
    errors: list[BaseException] = []
    failed: list[str] = []
    count = 0
    for count, case in enumerate(cases, 1):  # noqa: B007  (asked for below)
        try:
            check(case)
        except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:  # noqa: BLE001
            if isinstance(error, pytest.skip.Exception):
                error = AssertionError(f"what may be skipped is a test of its own: {error}")
            failed.append(f"{case!r:.300}")
            error.add_note(f"case: {failed[-1]}")
            errors.append(error)
    assert count, "there are no cases"
    if errors:
        others = "".join(f"\nand {case}" for case in failed[_MOST_SHOWN:])
        message = f"{len(errors)} of {count} cases fail{others}"
        raise BaseExceptionGroup(message, errors[:_MOST_SHOWN])


def each(
    names: str | Sequence[str], cases: Iterable[Any], *, ids: Iterable[str] | None = None
) -> Callable[[Test], Test]:
    """What ``pytest.mark.parametrize`` is, with all cases in one test: see :func:`assert_each`.

    Each case has what pytest gives a test of its own: an empty ``tmp_path``, with nothing beside
    it, a ``monkeypatch`` that is undone, and a ``capsys`` that has read nothing. Whatever else the
    test asks for, its cases share.

    Args:
        names: of the arguments, as a list or with commas between them.
        cases: the values of one argument, or of all in their order; ``pytest.param`` with an id,
            and no mark.
        ids: how they are named where they fail; by default by all of their arguments.
    """
    words = names.replace(",", " ").split() if isinstance(names, str) else [*names]
    is_one = isinstance(names, str) and len(words) == 1
    called = iter(ids) if ids is not None else None
    listed: list[_Case] = []
    for given in cases:
        case = ParameterSet.extract_from(given, force_tuple=is_one)
        assert not case.marks, f"a case with a mark is a test of its own: {case}"
        name = next(called) if called is not None else case.id if isinstance(case.id, str) else None
        values = dict(zip(words, case.values, strict=True))
        listed.append(_Case(len(listed), name, values))

    def decorate(test: Test) -> Test:
        @wraps(test)
        def all_of_them(*self: Any, **fixtures: Any) -> None:
            def check(case: _Case) -> None:
                with _own(fixtures, case.number) as own:
                    test(*self, **own, **case.values)

            assert_each(listed, check)

        signature = inspect.signature(test)
        kept = [asked for asked in signature.parameters.values() if asked.name not in words]
        all_of_them.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return all_of_them

    return decorate


class _Case:
    """The arguments of one, and how it is told."""

    def __init__(self, number: int, name: str | None, values: Mapping[str, Any]) -> None:
        self.number = number
        self.values = values
        self._name = name

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return told if self._name is None else f"{self._name}: {told}"


@contextlib.contextmanager
def _own(fixtures: Mapping[str, Any], number: int) -> Iterator[dict[str, Any]]:
    """The fixtures of one case."""
    own = dict(fixtures)
    with contextlib.ExitStack() as until_it_is_done:
        if "tmp_path" in own:
            # Logs are looked for in the folder above as well.
            own["tmp_path"] = Path(own["tmp_path"]) / str(number) / "case"
            own["tmp_path"].mkdir(parents=True)
        if "monkeypatch" in own:
            own["monkeypatch"] = until_it_is_done.enter_context(pytest.MonkeyPatch.context())
        if "capsys" in own:
            own["capsys"].readouterr()
        yield own
