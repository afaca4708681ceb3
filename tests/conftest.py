"""For all tests: torch uses one thread, few examples are tried, and nothing is remembered.

The tests' tensors are too small to share out; and the user's own cache is none of theirs. Python's
bytecode is kept for the many processes that tests start: where the environment says that none is to
be written, in pytest's cache, so that nothing is written beside the sources.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # for processes that tests start: before torch

import pytest

from tests.crashes import look, note_crashes

note_crashes()


# A hook and no fixture: that of a session, too, costs every test a tenth of what pytest takes.
@pytest.hookimpl(wrapper=True)
def pytest_runtestloop() -> Iterator[Any]:
    """A cache for the session, and none used: a test that is about remembering says so.

    And nothing is synced: no test sees a power cut. That it is asked for, and when, tests watch.
    It took a tenth of the time of the tests that write.
    """
    with (
        TemporaryDirectory(prefix="ckptdoctor-tests-") as folder,
        pytest.MonkeyPatch.context() as own,
    ):
        own.setenv("CKPTDOCTOR_CACHE_DIR", str(Path(folder) / "cache"))
        own.setenv("CKPTDOCTOR_NO_CACHE", "1")
        for name in ("fsync", "fdatasync"):
            own.setattr(os, name, _looked_at)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[Any]:
    """Fails the test in which a rule failed by itself, or in whose fixtures."""
    result = yield
    look()
    return result


def _looked_at(file: Any) -> None:
    """Refuses what is closed, as a system does that is asked to sync it."""
    os.fstat(file if isinstance(file, int) else file.fileno())


@pytest.fixture(
    params=[pytest.param(13, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]
)
def stride(request: pytest.FixtureRequest) -> int:
    """Of the places of a file that a test goes through, which are tried: each 13th, or all."""
    return int(request.param)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Workers that take a stretch each, and of another's when done.

    Handed out a few at a time, the tests of one module go to every worker, and each of them makes
    what its fixtures make, and starts the processes that commands are forked of.
    """
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--share",
        metavar="N/M",
        help="of tests that are slow or real, but for fuzz and one_in, one in M; others for each N",
    )


def _leave_one_in(items: list[pytest.Item]) -> None:
    """Of the cases of a test that says ``one_in(N)``, mark all but one in N as slow."""
    seen = Counter[str]()
    for item in items:
        one_in = item.get_closest_marker("one_in")
        if one_in is None or item.get_closest_marker("slow"):
            continue
        test = item.nodeid.partition("[")[0]
        if seen[test] % one_in.args[0]:
            item.add_marker(pytest.mark.slow)
        seen[test] += 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _leave_one_in(items)
    asked = config.getoption("share")
    if not asked:
        return
    number, of = map(int, asked.split("/"))
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        may_wait = bool(marks & {"slow", "real"}) and not marks & {"fuzz", "hypothesis", "one_in"}
        is_due = (zlib.crc32(item.nodeid.encode("utf-8", "replace")) - number) % of == 0
        (left if may_wait and not is_due else kept).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


def pytest_collection(session: pytest.Session) -> None:
    """Have the collector wait: of what is made here, all stays. That took a quarter of its time."""
    gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have the collector pass over what stays: ten thousand tests, and torch.

    Looking through them again and again took a tenth of the time of all tests.
    """
    gc.enable()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def pytest_configure(config: pytest.Config) -> None:
    """Import torch and Hypothesis, once their bytecode is kept, in whatever runs tests.

    Who hands them out to workers needs neither, and every worker waits for it. This is called
    after pytest's cache is there, and before Hypothesis looks for the profile that is asked for.
    """
    _keep_bytecode(config)
    hands_out = config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput")
    if not hands_out or config.getoption("--hypothesis-profile"):
        _profiles_of_hypothesis()
        _prepare_torch()


def _keep_bytecode(config: pytest.Config) -> None:
    if not sys.dont_write_bytecode or not config.pluginmanager.has_plugin("cacheprovider"):
        return
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(config.cache.mkdir("bytecode"))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix


def _profiles_of_hypothesis() -> None:
    """The same few examples each time for whoever waits; CI asks for many, at random.

    Neither holds a clock against an example: beside others, it takes as long as it gets.
    """
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "many", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    many = settings.get_profile("many")
    settings.register_profile("few", many, derandomize=True, max_examples=25)
    settings.load_profile("few")


def _prepare_torch() -> None:
    """One thread, and loggers that hand on what they are told.

    There are sixty that do not; pytest puts its handlers on each of them, six times a test.
    """
    import torch

    torch.set_num_threads(1)
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("torch") and isinstance(logger, logging.Logger):
            logger.propagate = True
