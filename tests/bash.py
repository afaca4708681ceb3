"""What a real shell makes of a command: the oracle of all that is printed to be copied."""

from __future__ import annotations

import os
import subprocess

__all__ = ["programs_of", "words_of"]


def words_of(command: str, *, shell: str = "bash") -> list[str]:
    """The words of a command whose program is ``python``, as that program would get them."""
    script = f"python() {{ printf '%s\\0' python \"$@\"; }}\n{command}"
    done = subprocess.run([shell, "-c", script], capture_output=True, check=True, timeout=60)
    return [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]


def programs_of(command: str, *, shell: str = "bash") -> list[list[str]]:
    """Each call of ``ckptdoctor`` and of ``python`` in a command, as words; both succeed."""
    tell = "{ printf '%s\\0' $(($# + 1)) NAME \"$@\"; }"
    script = "\n".join(
        [*(f"{name}() {tell.replace('NAME', name)}" for name in ("ckptdoctor", "python")), command]
    )
    done = subprocess.run([shell, "-c", script], capture_output=True, check=True, timeout=60)
    told = [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]
    programs = []
    while told:
        count = int(told[0])
        programs.append(told[1 : count + 1])
        told = told[count + 1 :]
    return programs
