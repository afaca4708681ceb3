"""Rules that other packages add: classes like ours, with codes that cannot be taken for ours."""

from __future__ import annotations

import functools
import re

from ckptdoctor.finding import Severity
from ckptdoctor.plugins import RULES, plugins_of
from ckptdoctor.rules.base import Rule

__all__ = ["added_rules", "package_of"]

_CODE = re.compile(r"(?!CD)[A-Z]{2,8}[0-9]{3}")


@functools.cache
def added_rules() -> tuple[type[Rule], ...]:
    """The rules of installed packages; what is none of the kind is left out, and says why."""
    found: list[type[Rule]] = []
    codes: set[str] = set()
    for plugin in plugins_of(RULES):
        if plugin.error:
            continue
        given = plugin.value if isinstance(plugin.value, tuple | list) else (plugin.value,)
        for rule in given:
            wrong = _what_is_wrong(rule, codes)
            if wrong:
                plugin.fail(wrong)
            elif isinstance(rule, type) and issubclass(rule, Rule):
                codes.add(rule.code)
                found.append(rule)
    return tuple(found)


def _what_is_wrong(rule: object, codes: set[str]) -> str:
    if not (isinstance(rule, type) and issubclass(rule, Rule)):
        return f"{rule!r} is no rule: name a class that inherits from ckptdoctor.rules.Rule"
    code = getattr(rule, "code", None)
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        return f"{rule.__name__}.code is {code!r}: take two to eight capitals but CD, and 3 digits"
    if code in codes:
        return f"{rule.__name__}: another rule has the code {code}"
    if not isinstance(getattr(rule, "severity", None), Severity):
        return f"{rule.__name__} has no severity"
    if not isinstance(getattr(rule, "label", None), str) or not (rule.__doc__ or "").strip():
        return f"{rule.__name__} has no label, or no docstring: explain shows them"
    return ""


def package_of(rule: type[Rule]) -> str:
    """The package that added a rule, with its version; "" for one of ours."""
    for plugin in plugins_of(RULES):
        given = plugin.value if isinstance(plugin.value, tuple | list) else (plugin.value,)
        if rule in given:
            return plugin.package
    return ""
