"""`tenure top`: services, alerts, latency, populations and topics on one screen, every second."""

import io
import re
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console, RenderableType

from ops.connection import Stack, find_stack
from ops.errors import OpsError, WrongUsage
from ops.terminal import console, run
from ops.top.screen import check_terminal, show
from ops.top.stack_sight import StackSight
from ops.top.view import render

_SHORTEST_S, _LONGEST_S = 0.2, 3600.0
_PICTURE_WIDTH = 110
#: A picture loads nothing from elsewhere.
_FONTS = re.compile(r"@font-face \{.*?\}\n", re.DOTALL)


def top(
    *,
    once: Annotated[bool, Parameter(help="Print one frame and end; no terminal needed.")] = False,
    svg: Annotated[
        Path | None, Parameter(help="Write one frame as a picture into this file and end.")
    ] = None,
    interval: Annotated[float, Parameter(help="Seconds between two looks.")] = 1.0,
) -> None:
    """Show rates, lag, latency, populations, outboxes, dead letters and alerts until q or Ctrl-C."""
    if not _SHORTEST_S <= interval <= _LONGEST_S:
        raise WrongUsage(f"--interval is {interval:g}: from {_SHORTEST_S:g} to {_LONGEST_S:g} s.")
    stack = find_stack()
    stack.kafka  # noqa: B018 - says when no stack runs at all
    if svg:
        _write(svg, run(_frame(stack, interval)))
    elif once:
        console().print(run(_frame(stack, interval)))
    else:
        # Not `console()`: the size is the terminal's at each frame, whatever COLUMNS says.
        screen = Console(highlight=False)
        check_terminal(screen)
        run(_live(stack, screen, interval))


async def _frame(stack: Stack, interval_s: float) -> RenderableType:
    async with StackSight(stack) as seeing:
        return render(await seeing.look_twice(interval_s))


async def _live(stack: Stack, screen: Console, interval_s: float) -> None:
    async with StackSight(stack) as seeing:
        await show(seeing, screen, interval_s)


def _write(file: Path, frame: RenderableType) -> None:
    recorded = Console(
        record=True, file=io.StringIO(), width=_PICTURE_WIDTH, force_terminal=True, highlight=False
    )
    recorded.print(frame)
    picture = _FONTS.sub("", recorded.export_svg(title="tenure top", unique_id="top"))
    try:
        file.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise OpsError(f"{file} cannot be written: {error.strerror}.") from None
