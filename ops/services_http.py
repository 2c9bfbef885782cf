"""Asking a service over HTTP: whether it is ready, and what it counted."""

import asyncio
import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from ops.errors import Unavailable

# A proxy of the surroundings must not see requests to this machine itself.
_OPENER = build_opener(ProxyHandler({}))


async def get(url: str, timeout_s: float = 2.0) -> tuple[int, Any]:
    """Status and decoded JSON (None when it is none) of a GET; status 0 when nobody answers."""
    status, body = await asyncio.to_thread(_get, url, timeout_s)
    return status, _decoded(body)


async def get_metrics(url: str, timeout_s: float = 2.0) -> str:
    """What the service at an address shows on /metrics. Raises Unavailable when it does not."""
    status, body = await asyncio.to_thread(_get, f"{url}/metrics", timeout_s)
    if status != 200:
        raise Unavailable(f"nobody answers at {url}" if status == 0 else f"{url} says {status}")
    return body.decode(errors="replace")


def _get(url: str, timeout_s: float) -> tuple[int, bytes]:
    try:
        with _OPENER.open(url, timeout=timeout_s) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()
    except (HTTPException, OSError):
        return 0, b""


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
