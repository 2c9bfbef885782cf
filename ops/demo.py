"""`tenure demo`: fourteen months of life on the real stack and a virtual clock, then the audit."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import asyncpg
from cyclopts import Parameter

from devstack.errors import DevstackError
from devstack.lives import START, Ending, Life, lives
from devstack.mailbox import Mailbox
from devstack.payments import add_customers
from ops.audit.dossier import Dossier
from ops.audit.gather import by_notice
from ops.audit.run import audit
from ops.clock import VirtualClock
from ops.connection import Stack, state_dir
from ops.demo_acts import DIGEST_KEY, carry_out
from ops.demo_view import Progress, show_closing, show_lives, show_mails, show_timelines
from ops.errors import CheckFailed, Unavailable
from ops.terminal import run as run_to_end
from ops.terminal import say
from ops.virtual_stack import virtual_stack
from policies import load_policies

_END = START + timedelta(days=425)
#: Whose timelines are printed: the first customer of each kind.
_SHOWN: tuple[Ending, ...] = ("renews", "lapses", "refunds_renewal", "pauses", "disputes")


def run(
    *,
    customers: Annotated[int, Parameter(help="How many customers live.")] = 36,
    keep: Annotated[
        bool, Parameter(help="Leave the stack running afterwards, until Ctrl-C.")
    ] = False,
) -> None:
    """Live fourteen months of subscriptions in under a minute, then audit every service and topic."""
    try:
        violations = run_to_end(_demo(state_dir() / "demo", customers, keep))
    except DevstackError as error:
        raise Unavailable(str(error)) from None
    if violations:
        raise CheckFailed(f"The audit found {violations} violations.")


async def _demo(folder: Path, count: int, keep: bool) -> int:
    began = time.monotonic()
    people = lives(count)
    first = START - timedelta(hours=1)
    async with virtual_stack(folder, first, digest_key=DIGEST_KEY, say=say) as own:
        stack = own.stack
        await _plan(stack.database_url("SIMULATOR"), people)
        set_up_s = time.monotonic() - began
        hops = await _live(stack, people)
        lived_s = time.monotonic() - began - set_up_s
        violations = await _judge(stack, people, own.mailbox, hops, (set_up_s, lived_s))
        if keep:
            say(f"Still running: TENURE_STATE_DIR={folder} tenure status. Ctrl-C stops it.")
            await asyncio.Event().wait()
    return violations


async def _plan(database_url: str, people: list[Life]) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await add_customers(connection, [life.customer for life in people])
    finally:
        await connection.close()


async def _live(stack: Stack, people: list[Life]) -> int:
    """Let the clock visit every deadline up to the end; people act on the way. Returns the hops."""
    hops = 0
    acts = sorted((act for life in people for act in life.acts), key=lambda act: act.at)
    by_reference = {life.customer.reference: life for life in people}
    async with VirtualClock(stack) as clock:
        with Progress(START, _END) as progress:
            for act in acts:
                hops += await _advance(clock, act.at, progress.at)
                progress.tell(await carry_out(stack, act, by_reference[act.reference].customer))
            hops += await _advance(clock, _END, progress.at)
    return hops


async def _advance(clock: VirtualClock, to: datetime, on_hop: Callable[[datetime], None]) -> int:
    done = await clock.advance(to, on_hop=on_hop)
    if done.stuck:
        raise CheckFailed(f"Work is stuck: {', '.join(item.kind for item in done.stuck)}.")
    return done.hops


async def _judge(
    stack: Stack, people: list[Life], mailbox: Mailbox, hops: int, seconds: tuple[float, float]
) -> int:
    mails = await mailbox.messages(limit=await mailbox.count() or 1)
    lived: list[Dossier] = []
    report = await audit(
        stack,
        load_policies(),
        copies=by_notice(mail["MessageID"] for mail in mails),
        on_judged=lambda dossier, done, total: lived.append(dossier),
    )
    shown = {life.ending: life.customer for life in reversed(people)}
    await show_timelines(stack, [shown[ending] for ending in _SHOWN if ending in shown])
    show_mails(mails, lived)
    show_lives(people, lived)
    show_closing(report, lived, len(mails), hops, seconds)
    return report.violations + report.moving
