"""Who runs PostgreSQL: it refuses to run as root, so root lends it an ordinary user.

A folder or a virtual environment under a closed home (/root is 0700) is out of that user's reach.
Opening those folders to everybody would be worse than the problem, so the child keeps one
capability, CAP_DAC_OVERRIDE, and only when it needs it.
"""

import ctypes
import os
import pwd
import struct
from dataclasses import dataclass
from pathlib import Path

_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Identity:
    """An ordinary user for a child process; `override` lets it pass closed folders."""

    name: str
    uid: int
    gid: int
    override: bool = False


def unprivileged(*paths: Path) -> Identity | None:
    """The user to run as when we are root (None when we are not), able to reach `paths`."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        closed = not all(_reachable(path, entry.pw_uid) for path in paths)
        return Identity(name, entry.pw_uid, entry.pw_gid, override=closed)
    return None


def _reachable(path: Path, uid: int) -> bool:
    return all(
        place.stat().st_mode & 0o001 or place.stat().st_uid == uid
        for place in (path, *path.parents)
        if place.exists()
    )


def become(identity: Identity) -> None:
    """Turn this (forked, root) process into `identity`; for use between fork and exec.

    Raises OSError when the kernel refuses.
    """
    os.setgroups([])
    os.setgid(identity.gid)
    if identity.override:
        # Keeps the capabilities over setuid, and makes access(2) respect them as well: initdb
        # looks for its neighbours with it.
        _check(_libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    os.setuid(identity.uid)
    if identity.override:
        bit = 1 << _CAP_DAC_OVERRIDE
        header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
        # effective, permitted, inheritable for the capabilities 0-31; none of 32-63
        data = struct.pack("6I", bit, bit, bit, 0, 0, 0)
        _check(_libc.capset(header, data))
        _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "the kernel refused CAP_DAC_OVERRIDE")
