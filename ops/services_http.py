"""Asking a service over HTTP whether it is ready."""

import asyncio
import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

# A proxy of the surroundings must not see requests to this machine itself.
_OPENER = build_opener(ProxyHandler({}))


async def get(url: str, timeout_s: float = 2.0) -> tuple[int, Any]:
    """Status and decoded JSON (None when it is none) of a GET; status 0 when nobody answers."""
    return await asyncio.to_thread(_get, url, timeout_s)


def _get(url: str, timeout_s: float) -> tuple[int, Any]:
    try:
        with _OPENER.open(url, timeout=timeout_s) as answer:
            return answer.status, _decoded(answer.read())
    except HTTPError as error:
        return error.code, _decoded(error.read())
    except (URLError, OSError):
        return 0, None


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
