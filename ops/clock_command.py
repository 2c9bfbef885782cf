"""`tenure clock`: show and move the virtual clock."""

from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter

from ops.clock import Advance, VirtualClock
from ops.connection import Stack, find_stack
from ops.errors import CheckFailed, WrongUsage
from ops.instants import later, parse_duration, parse_instant
from ops.terminal import console, emit, moment, run, say

app = App(name="clock", help="Show the clock, or move the virtual one.")
_SAY_EVERY = 25

AsJson = Annotated[bool, Parameter(name="--json", help="One JSON object.")]


@app.command
def show(*, json: AsJson = False) -> None:
    """Show which instant the stack believes it is."""
    stack = find_stack()
    now = run(_now(stack)) if stack.virtual else datetime.now(UTC)
    kind = "virtual" if stack.virtual else "real"
    if json:
        emit({"now": now, "clock": kind})
    else:
        console().print(f"{moment(now, seconds=True)} UTC ({kind})")


async def _now(stack: Stack) -> datetime:
    async with VirtualClock(stack, exclusive=False) as clock:
        return await clock.now()


@app.command
def advance(
    duration: Annotated[str | None, Parameter(help="12h, 35d, 3mo, 1y, P7D.")] = None,
    /,
    *,
    to: Annotated[str | None, Parameter(help="An instant instead of a duration.")] = None,
    step: Annotated[
        str | None, Parameter(help="Stop only at multiples, such as 1d: loses the order within.")
    ] = None,
    timeout: Annotated[float, Parameter(help="Seconds to wait at one stop.")] = 30.0,
    json: AsJson = False,
) -> None:
    """Move the virtual clock from deadline to deadline; done when every service has caught up."""
    if (duration is None) == (to is None):
        raise WrongUsage("Say how far, such as `advance 35d`, or where, with --to INSTANT.")
    _tell(run(_advance(find_stack(), duration, to, step, timeout)), json)


@app.command
def jump(
    instant: Annotated[str, Parameter(help="Where to, such as 2026-03-01T12:00Z.")],
    /,
    *,
    timeout: Annotated[float, Parameter(help="Seconds to wait at either end.")] = 30.0,
    json: AsJson = False,
) -> None:
    """Move the virtual clock at once, as if the services had been down: what was due is done late."""
    to = parse_instant(instant)
    _tell(run(_jump(find_stack(), to, timeout)), json)


def _tell(done: Advance, json: bool) -> None:
    """Where the clock is now. Raises CheckFailed when something is stuck."""
    if json:
        stuck = [{"schema": i.schema, "kind": i.kind, "count": i.stuck} for i in done.stuck]
        emit({"now": done.now, "hops": done.hops, "stuck": stuck})
    else:
        stops = "1 stop" if done.hops == 1 else f"{done.hops} stops"
        console().print(f"{moment(done.now, seconds=True)} UTC after {stops}")
    if done.stuck:
        names = ", ".join(f"{i.schema}.{i.kind} ({i.stuck})" for i in done.stuck)
        raise CheckFailed(f"Not waited for, because a person is needed: {names}. See `tenure dlq`.")


async def _jump(stack: Stack, to: datetime, timeout_s: float) -> Advance:
    async with VirtualClock(stack) as clock:
        return await clock.jump(to, timeout_s=timeout_s)


async def _advance(
    stack: Stack, duration: str | None, to: str | None, step: str | None, timeout_s: float
) -> Advance:
    hops = 0

    def on_hop(now: datetime) -> None:
        nonlocal hops
        hops += 1
        if hops % _SAY_EVERY == 0:
            say(f"{moment(now)} ({hops} stops)")

    async with VirtualClock(stack) as clock:
        target = parse_instant(to) if to else later(await clock.now(), duration or "")
        each = parse_duration(step) if step else None
        if to:
            await clock.ensure_set(target)
        return await clock.advance(target, step=each, timeout_s=timeout_s, on_hop=on_hop)
