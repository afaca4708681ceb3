"""What a setting takes: from TOML its own kind alone, from the environment a text that means it."""

from __future__ import annotations

import pytest

from ckptdoctor.cli.options import FailOn, Format
from ckptdoctor.settings.keys import KEYS, Key
from tests.each import each

BY_NAME = {key.name: key for key in KEYS}
WRONG: dict[str, list[object]] = {
    "select": ["CD2", 3, [1], {"CD2": 1}],
    "ignore": ["CD2", True],
    "severity": ["error", [], {"CD105": "loud"}, {"CD105": 3}],
    "per-path-ignores": [["CD2"], {"old": "CD2"}, {"old": [2]}],
    "baseline": [3, ["a"], True],
    "fail-on": ["warnin", 2, None],
    "format": ["yaml", 1],
    "metric": [3, ["iou"]],
    "mode": ["up", 1],
    "log": ["train.log", [1]],
    "log-pattern": [3],
    "jobs": [0, 257, -1, True, "4", 2.0],
    "quiet": [1, "true"],
    "no-color": ["yes"],
    "no-cache": [0],
}
TEXTS = {
    "select": ("cd2, CD301,", ("cd2", "CD301")),
    "ignore": ("CD2", ("CD2",)),
    "severity": ("CD105=error, CD4 = info", (("CD105", "error"), ("CD4", "info"))),
    "baseline": ("b.json", "b.json"),
    "fail-on": ("never", "never"),
    "format": (" json ", "json"),
    "metric": ("val iou", "val iou"),
    "mode": ("min", "min"),
    "log-pattern": ("a,b=(?P<x>.)", "a,b=(?P<x>.)"),
    "jobs": ("256", 256),
    "quiet": ("Yes", True),
    "no-color": ("0", False),
    "no-cache": ("on", True),
}


def test_every_kind_of_mistake_is_tried() -> None:
    assert WRONG.keys() == BY_NAME.keys()
    variables = {key.name for key in KEYS if key.variable} - {"log"}
    assert TEXTS.keys() == variables


@each("name", WRONG)
def test_a_value_of_another_kind_is_refused(name: str) -> None:
    for value in WRONG[name]:
        with pytest.raises(ValueError, match="takes"):
            BY_NAME[name].read(value)


@each("name", TEXTS)
def test_a_text_of_the_environment_is_read(name: str) -> None:
    text, value = TEXTS[name]
    parse = BY_NAME[name].parse
    assert parse is not None
    assert parse(text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("jobs", "four"),
        ("jobs", "9" * 400),
        ("quiet", "maybe"),
        ("severity", "CD105"),
        ("mode", ""),
    ],
)
def test_a_text_that_means_nothing_is_refused(name: str, text: str) -> None:
    parse = BY_NAME[name].parse
    assert parse is not None
    with pytest.raises(ValueError, match="takes"):
        parse(text)


def test_choices_are_those_of_the_options() -> None:
    def takes(key: Key, words: list[str]) -> bool:
        return all(key.read(word) == word for word in words)

    assert takes(BY_NAME["fail-on"], [one.value for one in FailOn])
    assert takes(BY_NAME["format"], [one.value for one in Format])
