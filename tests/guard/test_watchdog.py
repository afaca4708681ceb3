"""The watchdog notices loops that really hang, and leaves healthy ones alone."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ckptdoctor.errors import TrainingStalledError, UsageError
from ckptdoctor.guard.last_value import LastValue
from ckptdoctor.guard.watchdog import HangWatchdog
from tests.costs import until

NAN = float("nan")
TIMEOUT_S = 0.3


class Clock:
    """A clock that goes when the test says so, and no thread that looks at it."""

    now = 100.0

    def beat(self, watchdog: HangWatchdog) -> None:
        watchdog._thread = watchdog._thread or threading.Thread()
        watchdog.beat()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    time_of_its_own = SimpleNamespace(monotonic=lambda: made.now)
    monkeypatch.setattr("ckptdoctor.guard.watchdog.time", time_of_its_own)
    return made


def program(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """A training script of its own, in ``folder``."""
    text = "import logging\nlogging.basicConfig()\n" + textwrap.dedent(code)
    root = Path(__file__).parent.parent.parent
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=100,
        check=False,
        env=os.environ | {"PYTHONPATH": str(root)},
    )


# -- a loop that hangs ---------------------------------------------------------------------------


@pytest.mark.slow
def test_raise_ends_the_wait(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        import os, queue, threading, time
        from ckptdoctor.errors import TrainingStalledError
        from ckptdoctor.guard.watchdog import HangWatchdog

        def in_a_lock():
            lock = threading.Lock()
            with lock:
                lock.acquire()

        def in_a_sleep():
            time.sleep(60)

        def in_a_queue():
            queue.Queue().get()

        def in_a_read():
            os.read(os.pipe()[0], 1)

        def in_a_loop():
            while True:
                pass

        def train(step_that_hangs, watchdog):
            for step in range(10):
                if step == 5:
                    step_that_hangs()
                watchdog.beat(loss=float("nan"))

        for hang in (in_a_lock, in_a_sleep, in_a_queue, in_a_read, in_a_loop):
            try:
                with HangWatchdog(timeout=1, action="raise", file=hang.__name__) as watchdog:
                    train(hang, watchdog)
            except TrainingStalledError as error:
                assert isinstance(error.__cause__, KeyboardInterrupt)
                print(hang.__name__, error)
        """,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == 5
    for line in said:
        name = line.split()[0]
        assert "no sign of life" in line
        assert "after step 5" in line
        stacks = (tmp_path / name).read_text()
        assert f"in {name}" in stacks
        assert "in train" in stacks
        assert "the last step was broken already: loss nan" in stacks
    assert done.stderr.count("training hangs") == 5


@pytest.mark.slow
def test_exit_ends_the_process(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        import time
        from ckptdoctor.guard.watchdog import HangWatchdog
        watchdog = HangWatchdog(timeout=0.3, action="exit", exit_code=42)
        watchdog.beat(loss=0.25, grad_norm=1.5)
        try:
            time.sleep(60)
        finally:
            print("never")
        """,
    )
    assert done.returncode == 42
    assert done.stdout == ""
    stacks = (tmp_path / "hang.txt").read_text()
    assert "last loss 0.25, gradient norm 1.5" in stacks
    assert 'File "<string>", line' in stacks
    assert "training hangs" in done.stderr


@pytest.mark.slow
def test_log_goes_on_and_says_it_once_a_hang(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "hang.txt"
    with HangWatchdog(timeout=TIMEOUT_S, file=file) as watchdog:
        for _ in range(2):
            beats = watchdog._beats
            watchdog.beat(grad_norm=float("inf"))
            until(lambda beats=beats: len(watchdog.alarms) > beats)  # type: ignore[misc]
            time.sleep(2 * TIMEOUT_S)
    assert [alarm.beats for alarm in watchdog.alarms] == [1, 2]
    assert all(alarm.waited_s > TIMEOUT_S for alarm in watchdog.alarms)
    assert caplog.text.count("training hangs") == 2
    assert file.read_text().count("broken already: gradient norm inf") == 2
    assert file.read_text().count("Current thread") == 2
    assert not [thread for thread in threading.enumerate() if "watchdog" in thread.name]


def test_the_interval_is_learned(tmp_path: Path, clock: Clock) -> None:
    watchdog = HangWatchdog(minimum=0.2, factor=10, file=tmp_path / "hang.txt")
    for _ in range(5):
        clock.beat(watchdog)
        clock.now += 0.03
    unknown = watchdog.limit_s
    assert unknown is None  # four intervals are not enough
    clock.beat(watchdog)
    assert watchdog.limit_s == pytest.approx(0.3)
    clock.now += 0.29
    assert watchdog._look() == pytest.approx(0.011)  # when it may be time
    assert watchdog.alarms == []
    clock.now += 0.011
    watchdog._look()
    assert [alarm.beats for alarm in watchdog.alarms] == [6]


def test_a_loop_in_another_thread(tmp_path: Path) -> None:
    caught: list[BaseException] = []

    def train() -> None:
        watchdog = HangWatchdog(timeout=TIMEOUT_S, action="raise", file=tmp_path / "hang.txt")
        try:
            with watchdog:
                watchdog.beat()
                while True:
                    time.sleep(0.01)
        except TrainingStalledError as error:
            caught.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join(60)
    assert len(caught) == 1
    assert "no sign of life" in str(caught[0])


def test_where_interrupts_are_ignored_python_code_is_ended_all_the_same(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with (  # noqa: PT012
            pytest.raises(TrainingStalledError, match="no sign of life"),
            HangWatchdog(timeout=TIMEOUT_S, action="raise", file=tmp_path / "hang.txt") as watchdog,
        ):
            watchdog.beat()
            while True:
                time.sleep(0.01)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_user_who_interrupts_stays_one(tmp_path: Path) -> None:
    with (  # noqa: PT012
        pytest.raises(KeyboardInterrupt),
        HangWatchdog(timeout=60, action="raise", file=tmp_path / "hang.txt") as watchdog,
    ):
        watchdog.beat()
        signal.raise_signal(signal.SIGINT)
    assert watchdog.alarms == []


def test_a_file_that_cannot_be_written_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with HangWatchdog(timeout=TIMEOUT_S, file=tmp_path / "missing" / "hang.txt") as watchdog:
        watchdog.beat(loss=0.5)
        until(lambda: watchdog.alarms)
    assert [alarm.file for alarm in watchdog.alarms] == [None]
    assert "could not be written" in caplog.text
    assert "last loss 0.5" in caplog.text


@pytest.mark.parametrize("interrupts", [signal.default_int_handler, signal.SIG_IGN])
@pytest.mark.one_in(2)
def test_what_hangs_may_hold_the_log(
    interrupts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.signal(signal.SIGINT, interrupts)
    monkeypatch.setattr("ckptdoctor.guard.watchdog._TELL_S", 0.2)
    handler = logging.StreamHandler()
    logger = logging.getLogger("ckptdoctor.guard")
    logger.addHandler(handler)
    handler.acquire()
    try:
        with (  # noqa: PT012
            pytest.raises(TrainingStalledError, match="no sign of life"),
            HangWatchdog(timeout=TIMEOUT_S, action="raise", file=tmp_path / "hang.txt") as watchdog,
        ):
            watchdog.beat()
            while True:
                time.sleep(0.01)
    finally:
        signal.signal(signal.SIGINT, before)
        handler.release()
        logger.removeHandler(handler)
    assert "test_what_hangs_may_hold_the_log" in (tmp_path / "hang.txt").read_text()


# -- a loop that does not ------------------------------------------------------------------------


def test_uneven_steps_are_no_hang(tmp_path: Path, clock: Clock) -> None:
    watchdog = HangWatchdog(minimum=0.5, factor=10, file=tmp_path / "hang.txt")
    for step in range(100):
        clock.beat(watchdog)
        clock.now += 0.3 if step % 33 == 20 else 0.001 + 0.002 * (step % 7)
        watchdog._look()
    assert watchdog.alarms == []
    assert not (tmp_path / "hang.txt").exists()


def test_what_is_slow_now_and_then_makes_it_patient() -> None:
    watchdog = HangWatchdog(minimum=1, factor=10)
    watchdog._intervals.extend([0.1] * 90 + [30.0] + [0.1] * 50)
    assert watchdog.limit_s == 60
    watchdog._intervals.extend([0.1] * 200)
    assert watchdog.limit_s == 1.0
    watchdog._intervals.extend([2.0] * 200)
    assert watchdog.limit_s == 20.0


@pytest.mark.slow
def test_no_alarm_in_a_pause(tmp_path: Path, clock: Clock) -> None:
    watchdog = HangWatchdog(timeout=TIMEOUT_S, file=tmp_path / "hang.txt")
    clock.beat(watchdog)
    with watchdog.pause(), watchdog.pause():
        clock.now += 3 * TIMEOUT_S
        watchdog._look()
        clock.beat(watchdog)  # validation that calls the same code
        clock.now += 3 * TIMEOUT_S
        watchdog._look()
    watchdog._look()
    clock.beat(watchdog)
    watchdog._look()
    assert watchdog.alarms == []
    assert max(watchdog._intervals) < TIMEOUT_S
    clock.now += 3 * TIMEOUT_S
    watchdog._look()
    assert len(watchdog.alarms) == 1


def test_no_alarm_before_the_first_beat_or_after_the_end(tmp_path: Path, clock: Clock) -> None:
    watchdog = HangWatchdog(timeout=TIMEOUT_S, file=tmp_path / "hang.txt")
    watchdog.start()
    thread = watchdog._thread
    assert thread is not None
    clock.now += 2 * TIMEOUT_S
    watchdog._look()
    watchdog.beat()
    watchdog.close()
    clock.now += 2 * TIMEOUT_S
    watchdog.beat()
    watchdog.close()
    assert watchdog._thread is thread
    assert not thread.is_alive()
    assert watchdog.alarms == []


def test_signal_handlers_are_left_alone(tmp_path: Path) -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    with HangWatchdog(timeout=60, action="raise", file=tmp_path / "hang.txt") as watchdog:
        watchdog.beat()
        assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before
        files = os.listdir("/proc/self/fd") if sys.platform == "linux" else []
        watchdog.beat()
        assert files == (os.listdir("/proc/self/fd") if sys.platform == "linux" else [])


def test_it_costs_next_to_nothing(tmp_path: Path) -> None:
    with HangWatchdog(timeout=60, file=tmp_path / "hang.txt") as watchdog:
        watchdog.beat()
        thread = watchdog._thread
        assert thread is not None
        looks: list[float] = []
        real = watchdog._look

        def look() -> float:
            looks.append(0.0)
            return real()

        watchdog._look = look  # type: ignore[method-assign]
        for _ in range(1000):
            watchdog.beat(loss=0.5)
        time.sleep(0.5)
        assert len(looks) <= 1  # it sleeps, however often the loop beats


@pytest.mark.slow
def test_workers_of_a_dataloader(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        import os, threading, time
        import torch
        from torch.utils.data import DataLoader, Dataset
        from ckptdoctor.errors import TrainingStalledError
        from ckptdoctor.guard.watchdog import HangWatchdog

        class Images(Dataset):
            def __len__(self):
                return 40
            def __getitem__(self, index):
                names = [thread.name for thread in threading.enumerate()]
                assert "ckptdoctor-watchdog" not in names, names
                watchdog.beat(loss=float("nan"))  # of no effect in a worker
                if index == 31:
                    time.sleep(600)
                return torch.tensor([float(index)])

        seen = []
        watchdog = HangWatchdog(timeout=8, action="raise")
        try:
            with watchdog:
                watchdog.beat()
                for epoch in range(1):
                    for batch in DataLoader(Images(), batch_size=2, num_workers=2):
                        watchdog.beat(loss=batch.mean())
                        seen.append(len(batch))
        except TrainingStalledError as error:
            print(len(seen), len(watchdog.alarms), error)
        """,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("15 1 no sign of life")
    assert "last loss 28.5" in done.stdout
    assert "_try_get_data" in (tmp_path / "hang.txt").read_text()


# -- values --------------------------------------------------------------------------------------


def test_values_are_copied_when_they_are_given() -> None:
    value, loss = LastValue(), torch.tensor(0.5, requires_grad=True)
    assert value.get() is None
    value.put(loss)
    with torch.no_grad():
        loss.fill_(NAN)
    assert value.get() == 0.5
    value.put(None)
    assert value.get() == 0.5
    value.put(2)
    assert value.get() == 2.0
    value.put(torch.ones((), device="meta"))  # cannot be asked
    assert value.get() == 2.0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_is_not_waited_for() -> None:
    value = LastValue()
    value.put(torch.tensor(0.25, device="cuda"))
    torch.cuda.synchronize()
    assert value.get() == 0.25
    with torch.cuda.stream(torch.cuda.Stream()):  # type: ignore[no-untyped-call]
        torch.cuda._sleep(20_000_000_000)  # type: ignore[no-untyped-call]  # about ten seconds
        slept = torch.cuda.Event()  # type: ignore[no-untyped-call]
        slept.record()
        value.put(torch.full((), NAN, device="cuda"))
        assert value.get() == 0.25
        assert not slept.query()  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    assert value.get() != value.get()  # NaN by now


@pytest.mark.parametrize("options", [{"timeout": 0}, {"factor": -1.0}, {"minimum": 0.0}])
def test_nonsense_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="above zero"):
        HangWatchdog(**options)  # type: ignore[arg-type]


def test_a_watchdog_that_fails_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ckptdoctor.guard.watchdog._NAP_S", 0.05)
    with (
        caplog.at_level(logging.ERROR),
        HangWatchdog(timeout=TIMEOUT_S, file=tmp_path / "hang.txt") as watchdog,
    ):
        real, calls = watchdog._look, iter(range(100))

        def look() -> float:
            if next(calls) == 0:
                raise ZeroDivisionError
            return real()

        monkeypatch.setattr(watchdog, "_look", look)
        watchdog.beat()
        until(lambda: watchdog.alarms)
    assert "the watchdog failed" in caplog.text
    assert len(watchdog.alarms) == 1
