from __future__ import annotations

import math

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.layouts.texts.flat_yaml import flat_yaml
from tests.each import each


@each(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("0.25", 0.25),
        ("1.0e-05", 1e-5),
        ("1e3", 1000.0),
        ("true", True),
        ("null", None),
        (".inf", math.inf),
        ("two words", "two words"),
        ("2024-01-01", "2024-01-01"),
    ],
)
def test_a_value_is_what_pyyaml_makes_of_it(text: str, value: Scalar) -> None:
    assert flat_yaml(f"key: {text}\n") == {"key": value}


def test_nan_is_a_number() -> None:
    value = flat_yaml("loss: .nan\n")["loss"]
    assert isinstance(value, float)
    assert math.isnan(value)


def test_only_what_is_flat_is_read() -> None:
    text = """# yamllint disable
WER: 12.5
best: !!python/object/apply:numpy.core.multiarray.scalar
- &id001 !!python/object/apply:numpy.dtype
  args:
  - f8
end-of-epoch: true
nested:
  inner: 3
list: [1, 2]
unixtime: 1700000000.5
WER: 13.0
"""
    assert flat_yaml(text) == {"WER": 12.5, "end-of-epoch": True, "unixtime": 1700000000.5}
