"""The mailbox of the local stack: it takes every mail and shows it, and can fail on request.

`python -m devstack.mailbox --state DIR --smtp-port N --http-port M` is the process; `Mailbox`
starts and stops that process and asks it questions.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

from devstack.errors import DevstackError
from devstack.ports import HOST, Ports, refuse_foreign
from devstack.processes import Child, spawn, wait_for_predecessor

_READY_POLL_S = 0.02
_ANSWER_TIMEOUT_S = 30.0
_MODULE = "devstack.mailbox"


def _python_path() -> str:
    # The child finds this very package, wherever we were started and however we were installed.
    inherited = os.environ.get("PYTHONPATH")
    ours = str(Path(__file__).resolve().parent.parent)
    return f"{ours}{os.pathsep}{inherited}" if inherited else ours


class Mailbox:
    """A mailbox whose mails live in `<state_dir>/mailbox`."""

    def __init__(self, state_dir: Path, smtp_port: int, http_port: int) -> None:
        """Nothing is started yet."""
        self.smtp_port = smtp_port
        self.http_port = http_port
        self._state = state_dir.resolve()
        self._child: Child | None = None
        # A proxy of the surroundings must not see requests to this machine itself.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def url(self) -> str:
        """The address of its HTTP side, without a slash at the end."""
        return f"http://{HOST}:{self.http_port}"

    @property
    def pid(self) -> int | None:
        """Process id of the running mailbox, or None."""
        return self._child.pid if self._child is not None and self._child.running() else None

    async def start(self, timeout_s: float = 20.0) -> None:
        """Start and wait until it answers. Raises DevstackError when a port is taken."""
        if self.pid is not None:
            return
        await wait_for_predecessor("Mailbox", _MODULE, str(self._state))
        await refuse_foreign("smtp", self.smtp_port)
        await refuse_foreign("mailbox", self.http_port)
        self._child = spawn(
            "Mailbox",
            [
                sys.executable,
                "-m",
                _MODULE,
                "--state",
                self._state,
                "--smtp-port",
                str(self.smtp_port),
                "--http-port",
                str(self.http_port),
            ],
            log_path=self._state / "logs" / "mailbox.log",
            death_signal=signal.SIGKILL,  # nothing is lost by it: see MailStore
            env={**os.environ, "PYTHONPATH": _python_path()},
        )
        await self._wait_until_ready(self._child, time.monotonic() + timeout_s)

    async def _wait_until_ready(self, child: Child, end: float) -> None:
        while True:
            try:
                await self._request("GET", "/readyz", parse=False)
                if child.running():
                    return
            except OSError:
                pass
            if not child.running() or time.monotonic() > end:
                await self.stop()
                raise DevstackError(f"The mailbox did not become ready: {child.tail()}")
            await asyncio.sleep(_READY_POLL_S)

    async def stop(self, sig: int = signal.SIGTERM, timeout_s: float = 10.0) -> None:
        """Stop with `sig` (SIGKILL = crash); by force after `timeout_s` seconds."""
        if self._child is not None:
            await self._child.stop(sig, timeout_s)
            self._child = None

    async def count(self) -> int:
        """How many mails there are."""
        return int((await self._request("GET", "/api/v1/messages?limit=1"))["total"])

    async def messages(self, limit: int = 50, start: int = 0) -> list[dict[str, Any]]:
        """The newest mails as summaries, newest first."""
        query = urlencode({"limit": limit, "start": start})
        found: list[dict[str, Any]] = (await self._request("GET", f"/api/v1/messages?{query}"))[
            "messages"
        ]
        return found

    async def search(self, query: str, limit: int = 50) -> list[dict[str, Any]]:
        """The summaries that fit `query` (`subject:`, `to:`, `from:`, `message-id:`, words)."""
        path = f"/api/v1/search?{urlencode({'query': query, 'limit': limit})}"
        found: list[dict[str, Any]] = (await self._request("GET", path))["messages"]
        return found

    async def message(self, mail_id: str) -> dict[str, Any]:
        """One mail with `Text` and `HTML`. Raises DevstackError for an unknown id."""
        mail: dict[str, Any] = await self._request("GET", f"/api/v1/message/{mail_id}")
        return mail

    async def clear(self) -> None:
        """Forget every mail."""
        await self._request("DELETE", "/api/v1/messages", parse=False)

    async def set_faults(self, rules: Sequence[Mapping[str, object]]) -> None:
        """Replace the fault rules (none: an honest mailbox). Raises DevstackError for bad ones."""
        await self._request("PUT", "/faults", [dict(rule) for rule in rules])

    async def faults(self) -> list[dict[str, Any]]:
        """The fault rules with their remaining strikes."""
        rules: list[dict[str, Any]] = await self._request("GET", "/faults")
        return rules

    async def _request(
        self, method: str, path: str, body: object = None, *, parse: bool = True
    ) -> Any:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )

        def ask() -> bytes:
            with self._opener.open(request, timeout=_ANSWER_TIMEOUT_S) as answer:
                return bytes(answer.read())

        try:
            content = await asyncio.to_thread(ask)
        except HTTPError as error:
            raise DevstackError(
                f"The mailbox refused {method} {path}: {error.code} "
                f"{error.read().decode(errors='replace')[:500]}"
            ) from error
        return json.loads(content) if parse else content


def main() -> None:
    """Run the mailbox in this process until SIGTERM or SIGINT."""
    defaults = Ports()
    parser = argparse.ArgumentParser(prog="python -m devstack.mailbox", description=__doc__)
    parser.add_argument("--state", type=Path, default=Path(".data"))
    parser.add_argument("--smtp-port", type=int, default=defaults.smtp)
    parser.add_argument("--http-port", type=int, default=defaults.mailbox)
    options = parser.parse_args()
    # Imported here: the client side above must not pay for a web framework.
    import uvloop

    from devstack.mailbox_server import serve

    try:
        uvloop.run(serve(options.state, options.smtp_port, options.http_port))
    except DevstackError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
