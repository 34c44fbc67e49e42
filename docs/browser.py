"""A headless Chromium that opens a page, runs expressions in it and takes its picture.

Put here: the conversation with the browser, over its DevTools protocol
(https://chromedevtools.github.io/devtools-protocol/) on two pipes, so that no port is opened and no
package needed. Keep out: what is asked of a page (`tests/report/`, `pictures.py`).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = [path for name in ("chromium", "google-chrome") if (path := shutil.which(name))][:1]
"""The browser that is installed; none where there is none."""

_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--remote-debugging-pipe",
)  # fmt: skip
_PATIENCE_S = 60


class PageFailed(RuntimeError):
    """An expression threw, or the browser did not answer."""


class Browser:
    """One page of a browser; `complaints` is what its console said."""

    def __init__(self, program: str, profile: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        # The browser reads descriptor 3 and writes 4; a shell can put the pipes there.
        command = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        flags = [*_QUIET, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", command, program, *flags],
            pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "HOME": str(profile.parent)},
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self._said, self._number, self._session, self.complaints = b"", 0, "", []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def open(self, page: Path | str) -> None:
        """Open a file, or an address."""
        address = page if isinstance(page, str) else page.absolute().as_uri()
        self._ask("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def run(self, expression: str) -> Any:
        """Return what an expression of the page's gives, waiting where that is promised."""
        answer = self._ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise PageFailed(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        last = time.monotonic() + _PATIENCE_S
        while not self.run(expression):
            if time.monotonic() > last:
                msg = f"never came true: {expression}"
                raise PageFailed(msg)
            time.sleep(0.05)

    def sized(self, width: int, height: int) -> None:
        """Give the page a width and a height in CSS pixels."""
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def as_if(self, media: str = "", scheme: str = "light") -> None:
        """Show the page as in print, or in a colour scheme."""
        feature = [{"name": "prefers-color-scheme", "value": scheme}]
        self._ask("Emulation.setEmulatedMedia", media=media, features=feature)

    def press(self, key: str, code: int) -> None:
        """Press a key, by its name and its virtual key code."""
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self._ask(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key,
                windowsVirtualKeyCode=code, **(text if kind == "keyDown" else {}),
            )  # fmt: skip

    def picture(self, path: Path, whole: bool = False) -> None:
        """Write a PNG of what is seen, or of the whole page."""
        answer = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def without_policy(self) -> None:
        """Let scripts of a test into pages that are opened from now on."""
        self._ask("Page.setBypassCSP", enabled=True)

    def close(self) -> None:
        """End the browser."""
        os.close(self._out)
        os.close(self._in)
        self._process.wait(_PATIENCE_S)

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {
            "id": self._number, "method": method, "params": parameters,
        }  # fmt: skip
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            self._note(answer)
            if answer.get("id") == self._number:
                if "error" in answer:
                    msg = f"{method}: {answer['error']}"
                    raise PageFailed(msg)
                return dict(answer["result"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._said:
            more = os.read(self._in, 1 << 20)
            if not more:
                msg = "the browser ended"
                raise PageFailed(msg)
            self._said += more
        first, self._said = self._said.split(b"\0", 1)
        return dict(json.loads(first))

    def _note(self, answer: dict[str, Any]) -> None:
        told = answer.get("params", {})
        kind = answer.get("method")
        if kind == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif kind == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])
        elif kind == "Runtime.consoleAPICalled":
            self.complaints.append(" ".join(str(each.get("value")) for each in told["args"]))


@contextmanager
def browser(program: str) -> Iterator[Browser]:
    """Start a browser, and end it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        started = Browser(program, Path(folder) / "profile")
        try:
            yield started
        finally:
            started.close()
