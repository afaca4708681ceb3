"""Names that files have and shells stumble over."""

from __future__ import annotations

__all__ = ["ODD_NAMES", "SEEN_BY_EVERY_SHELL"]

_SEEN = """
plain
a b
a  b   c
it's
"double"
'single'
'"both"'
a'b"c`d
back\\slash
\\
ends\\
$HOME
$(touch pwned)
`touch pwned`
${x}
a$b
~
~root
a~b
*
a*b?c
[red]bold[ red]
[a-z]
{a,b}
!
!!
a!b
#
#comment
a#b
&
a&b
a;touch pwned
a|b
a>b
<a>
(a)
=ls
a=b
%1
^a^b
@file
+x
,
:
::error title=forged::you were had
##[error]forged
-
--
-x
--help
--from
-rf
-o out
.hidden folder
...
a%0Ab
<script>alert(1)<b>
&amp;
|cell|
```
_slanted_ *bold* **x**
https:forged.example
@everyone #1
été
日本語
эпоха
עברית
عربي
😀
👍🏽
x:y:z
null
"""

_UNSEEN = (
    *(" leading", "trailing ", " ", "tab\there", "new\nline", "\n", "ends\n"),
    *("a\n::error title=forged::you were had", "a\r\n::warning::b", "a\n  ::error::x"),
    *("carriage\rreturn", "\x1b[31mred\x1b[0m", "bell\x07", "\x01\x02\x7f", "null\x1f1"),
    *("a'\n'b", "a\n\\n", "$x\n`y`!", "-\n", "\u202egnp.exe", "a\u2066b\u2069", "zero\u200bwidth"),
    *("no\xa0break", "next\x85line", "para\u2029graph", "👩\u200d👩\u200d👧", "tag\U000e0041"),
    *("noncharacter\ufdd0", "private\ue000", "e\u0301 combined", "\u0301first", "soft\xadhyphen"),
    *("latin\udce9", "\udcff\udcfe", "a\udc80b\nc", "\udce2\udc82", "\udcffA0"),
    *("x" * 120 + " " + "y" * 100, "long " * 40),
)

SEEN_BY_EVERY_SHELL = [name for name in _SEEN.split("\n") if name]
"""Those that any POSIX shell can be told."""

ODD_NAMES = [*SEEN_BY_EVERY_SHELL, *_UNSEEN]
"""All of them; for bash and zsh."""
