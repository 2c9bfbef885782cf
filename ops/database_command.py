"""`tenure db`: apply migrations, and show whether the database is as this version needs it."""

from dataclasses import asdict
from typing import Annotated

from cyclopts import App, Parameter

from ops.connection import find_stack
from ops.database import migrate_all, states
from ops.errors import CheckFailed
from ops.terminal import console, emit, run

app = App(name="db", help="Database migrations: apply, show.")


@app.command
def migrate(
    *,
    simulator: Annotated[
        bool, Parameter(help="Also the tables of the simulated payment system.", negative="")
    ] = False,
) -> None:
    """Apply the migrations that are missing; safe to repeat and to run twice at once."""
    applied = run(migrate_all(find_stack().database_url("MIGRATOR"), simulator=simulator))
    console().print("Nothing to apply." if not applied else f"Applied {applied} files.")


@app.command
def status(*, json: Annotated[bool, Parameter(help="One JSON object per line.")] = False) -> None:
    """Show each schema; exit 4 when one is older or newer than this version."""
    found = run(states(find_stack()))
    for state in found:
        if json:
            emit(asdict(state))
        else:
            console().print(f"{state.name:<15}{state.trouble or 'up to date'}")
    if any(state.trouble for state in found):
        raise CheckFailed("The database is not as this version needs it.")
