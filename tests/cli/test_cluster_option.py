"""What ``--cluster`` says of a word that is no address."""

from __future__ import annotations

from pathlib import Path

from tests.bad_inputs.running import called


def test_an_address_that_is_empty_is_an_error(tmp_path: Path) -> None:
    for command in ("scan", "rank", "plan", "autopsy"):
        code, out, err = called(command, tmp_path, "--cluster", "")
        assert (code, out) == (2, "")
        assert "the address of a scheduler is empty; give tcp://host:8786" in err
