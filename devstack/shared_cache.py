"""The folder that all state folders share, safe for several processes at once."""

import asyncio
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

_PROJECT = Path(__file__).resolve().parent.parent
_POLL_S = 0.1


def cache_folder() -> Path:
    """`TENURE_CACHE_DIR`, default `.cache` in the project folder."""
    return Path(os.environ.get("TENURE_CACHE_DIR") or _PROJECT / ".cache").resolve()


@contextmanager
def exclusive(folder: Path, purpose: str) -> Iterator[Path]:
    """A scratch folder inside `folder` for whoever is alone at `purpose`; waits for its turn.

    What a killed predecessor left of the same purpose is removed.
    """
    with _lock_file(folder, purpose) as lock:
        while not _taken(lock.fileno()):
            time.sleep(_POLL_S)
        with _scratch(folder, purpose) as scratch:
            yield scratch


@asynccontextmanager
async def exclusive_async(folder: Path, purpose: str) -> AsyncIterator[Path]:
    """The same, waiting without blocking the event loop."""
    with _lock_file(folder, purpose) as lock:
        while not _taken(lock.fileno()):  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(_POLL_S)
        with _scratch(folder, purpose) as scratch:
            yield scratch


def _lock_file(folder: Path, purpose: str) -> IO[str]:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / f"{purpose}.lock").open("w")


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _scratch(folder: Path, purpose: str) -> Iterator[Path]:
    for leftover in folder.glob(f"{purpose}-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=folder))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
