"""One running stack per state folder."""

import fcntl
from pathlib import Path
from typing import IO

from devstack.errors import DevstackConfigurationError


class StateLock:
    """An exclusive lock on a folder, freed by the kernel however its holder ends."""

    def __init__(self, state_dir: Path) -> None:
        """Nothing is locked yet."""
        self._path = state_dir / "stack.lock"
        self._file: IO[str] | None = None

    @property
    def held(self) -> bool:
        """Whether we have the lock."""
        return self._file is not None

    def acquire(self) -> None:
        """Take the lock. Raises DevstackConfigurationError when another stack has it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a")
        except OSError as error:
            raise DevstackConfigurationError(
                f"{self._path.parent} cannot be written ({error.strerror}): set TENURE_STATE_DIR "
                "to a folder of yours."
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise DevstackConfigurationError(
                f"{self._path.parent} is in use by another running stack: stop it, or set "
                "TENURE_STATE_DIR to another folder."
            ) from None
        self._file = file

    def release(self) -> None:
        """Give the lock back; does nothing without it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def held_by_another(self) -> bool:
        """Whether some process holds the lock now."""
        try:
            with self._path.open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
