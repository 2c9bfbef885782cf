"""The roles of the local database and their generated passwords."""

import json
import os
import secrets
from pathlib import Path

import asyncpg

from devstack.errors import DevstackError

DATABASE = "tenure"
SUPERUSER = "postgres"
MIGRATOR = "tenure_migrator"
SERVICE_ROLES = (
    "tenure_billing",
    "tenure_licensing",
    "tenure_notifications",
    "tenure_ops",
    "tenure_simulator",
    "tenure_reader",
)
ROLES = (MIGRATOR, *SERVICE_ROLES)


def load_passwords(path: Path, *, cluster_exists: bool) -> dict[str, str]:
    """The passwords in `path` (mode 0600), with new ones added for roles that have none.

    Raises DevstackError when the file is lost or unreadable although the database exists.
    """
    passwords: dict[str, str] = {}
    try:
        passwords = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        if cluster_exists:
            raise DevstackError(
                f"{path} with the database passwords is missing or damaged: "
                f"restore it, or delete {path.parent} to start empty."
            ) from error
    missing = {role for role in (SUPERUSER, *ROLES) if role not in passwords}
    if missing:
        passwords.update((role, secrets.token_urlsafe(24)) for role in missing)
        write_private(path, json.dumps(passwords, indent=1) + "\n")
    return passwords


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text`, readable by its owner only, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)  # its mode would survive
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)


async def ensure_roles(
    connection: "asyncpg.Connection[asyncpg.Record]", passwords: dict[str, str]
) -> None:
    """Create the missing roles and the database; safe to repeat after an interrupted start."""
    present = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
    for role in ROLES:
        if role not in present:
            # Role names and url-safe passwords need no escaping; DDL takes no parameters.
            rights = "CREATEDB" if role == MIGRATOR else ""
            await connection.execute(
                f"CREATE ROLE {role} LOGIN {rights} PASSWORD '{passwords[role]}'"
            )
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
        await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {MIGRATOR}")
