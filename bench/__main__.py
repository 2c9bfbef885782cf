"""`python -m bench`: floor, Tenure and a Faust agent one after the other on one embedded stack."""

import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.types import NonNegativeInt
from cyclopts.validators import Number
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.bare_mail import bare_mails_per_s
from bench.load import LateError
from bench.measures import Measured, first_stage, whole
from bench.peers import FAUST, FLOOR, TENURE, running
from bench.report import show
from bench.results import Results
from bench.scale import Scale
from bench.workers import WorkerEnded
from devstack.errors import DevstackError
from devstack.ports import Ports
from devstack.stack import EmbeddedStack
from ops.errors import OpsError
from ops.terminal import run

_RESULTS = Path(__file__).resolve().parent / "results"
app = App(name="bench", help=__doc__, version_flags=())


@app.default
def bench(
    *,
    orders: Annotated[
        NonNegativeInt,
        Parameter(help="Paid orders in the burst.", validator=Number(gte=10, lte=100_000)),
    ] = 20_000,
    quick: Annotated[bool, Parameter(help="Short: tries the harness, measures nothing.")] = False,
    profile: Annotated[
        bool, Parameter(help="Run Tenure alone under a profiler; its tables go to the folder.")
    ] = False,
    results: Annotated[Path, Parameter(help="The folder of the result file.")] = _RESULTS,
) -> int:
    """Measure, print the table, write the result file."""
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    # New topics have no leader for a moment; the clients ask again.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    scale = Scale.of(orders, quick=quick)
    try:
        if profile:
            run(_profile(scale, results, console))
            return 0
        measured = run(_measure(scale, quick=quick, console=console))
    except (DevstackError, LateError, OpsError, TimeoutError, WorkerEnded) as error:
        console.print(f"The measurement broke off: {error}", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; everything is stopped.")
        return 130
    show(measured, console)
    console.print(f"Written to {measured.write(results)}")
    return 0


async def _measure(scale: Scale, *, quick: bool, console: Console) -> Results:
    began = time.monotonic()
    with _folder() as state, _progress(console) as progress:
        async with _stack(Path(state), console) as stack:
            async with running(FLOOR, stack, scale.partitions) as peer:
                floor = await whole(peer, scale, progress, None)
            async with running(TENURE, stack, scale.partitions) as peer:
                tenure = await whole(peer, scale, progress, stack.mailbox)
            size = int((await stack.mailbox.messages(limit=1))[0]["Size"])
            bare = await bare_mails_per_s(stack.mailbox, scale.orders, size)
            async with running(FAUST, stack, scale.partitions) as peer:
                faust = await first_stage(peer, scale, progress)
    seconds = round(time.monotonic() - began, 1)
    return Results(scale, quick, floor, tenure, faust, bare, size, seconds)


async def _profile(scale: Scale, folder: Path, console: Console) -> Measured:
    with _folder() as state, _progress(console) as progress:
        async with (
            _stack(Path(state), console) as stack,
            running(TENURE, stack, scale.partitions, profiled=folder) as peer,
        ):
            return await whole(peer, scale, progress, stack.mailbox)


def _folder() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="tenure-bench-", ignore_cleanup_errors=True)
    # Under root the database works as another user, who must be able to pass through.
    os.chmod(folder.name, 0o711)
    return folder


def _stack(state: Path, console: Console) -> EmbeddedStack:
    return EmbeddedStack(state, Ports.free(), say=console.print)


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console)


if __name__ == "__main__":
    sys.exit(app())
