"""A headless Chromium, where there is one: a page of a given width, asked over DevTools' pipe."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


class Browser:
    """Speaks the DevTools protocol: JSON, ended by a zero byte, on descriptors 3 and 4."""

    def __init__(self, requests: int, answers: BinaryIO) -> None:
        self._requests, self._answers = requests, answers
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        found = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> Any:
        """The answer to a request; what the page complains of meanwhile is kept."""
        self._number += 1
        request = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            request["sessionId"] = self._session
        os.write(self._requests, json.dumps(request).encode() + b"\0")
        while (message := self._read()).get("id") != self._number:
            self._listen(message)
        assert "error" not in message, message
        return message["result"]

    def show(self, page: Path, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Load the page on a screen of this width, and wait until it is there."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 700,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url=page.as_uri())
        while (message := self._read()).get("method") != "Page.loadEventFired":
            self._listen(message)

    def value(self, expression: str) -> Any:
        """What a piece of JavaScript gives, run from outside the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def photograph(self, target: Path) -> None:
        """The whole page, however long, as PNG."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        target.write_bytes(base64.b64decode(shot["data"]))

    def _read(self) -> dict[str, Any]:
        data = bytearray()
        while (byte := self._answers.read(1)) not in (b"\0", b""):
            data += byte
        assert data, "the browser is gone"
        return dict(json.loads(data))

    def _listen(self, message: dict[str, Any]) -> None:
        if message.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
            self.complaints.append(json.dumps(message["params"]))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own, ended afterwards."""
    assert CHROMIUM is not None
    request_end, requests = os.pipe()
    answers, answer_end = os.pipe()
    flags = "--headless=new --no-sandbox --disable-gpu --hide-scrollbars --remote-debugging-pipe"
    process = subprocess.Popen(
        [
            *("bash", "-c", f'exec "$@" 3<&{request_end} 4>&{answer_end}', "bash"),
            *(CHROMIUM, *flags.split(), f"--user-data-dir={profile}", "about:blank"),
        ],
        pass_fds=(request_end, answer_end),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(request_end)
    os.close(answer_end)
    try:
        with os.fdopen(answers, "rb") as stream:
            yield Browser(requests, stream)
    finally:
        os.close(requests)
        process.kill()
        process.wait()
