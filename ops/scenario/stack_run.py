"""Where scenarios run live: on the stack that the environment names, or on stacks of their own."""

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from devstack.errors import DevstackError
from devstack.mailbox import Mailbox
from ops.connection import Stack, find_stack, state_dir
from ops.errors import Unavailable, WrongUsage
from ops.scenario.commands import DIGEST_KEY
from ops.scenario.play import Play
from ops.scenario.reading import ScenarioFile
from ops.scenario.sessions import apart, sessions
from ops.scenario.stack import Progress, Town
from ops.virtual_stack import virtual_stack


async def play_on_stack(
    files: Sequence[ScenarioFile], say: Callable[[str], None], on_stop: Progress = lambda now: None
) -> list[Play]:
    """Live scenarios on the stack that the environment names, or on one of their own for each session.

    Raises WrongUsage for a stack in real time, or for one stack and scenarios that need several;
    Unavailable.
    """
    groups = sessions(files)
    if os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        stack = find_stack()
        if stack.variables.get("IDENTITY_DIGEST_KEY") != DIGEST_KEY:
            raise WrongUsage(f"The stack must run with IDENTITY_DIGEST_KEY='{DIGEST_KEY}'.")
        if len(groups) > 1:
            raise WrongUsage(_apart(groups))
        async with Town(stack, mailbox_of(stack)) as town:
            return await town.live(files, on_stop)
    return [play for group in groups for play in await _on_own_stack(group, say, on_stop)]


def _apart(groups: Sequence[Sequence[ScenarioFile]]) -> str:
    """Why scenarios cannot live on one clock."""
    one = groups[1][0]
    other = next(file for file in groups[0] if apart(file, one))
    return (
        f"{one.path} and {other.path} cannot share a clock: one lives while the other's services "
        "are down. Run them apart, or without KAFKA_BOOTSTRAP_SERVERS."
    )


async def _on_own_stack(
    files: Sequence[ScenarioFile], say: Callable[[str], None], on_stop: Progress
) -> list[Play]:
    first = min(Play(file, "").start for file in files) - timedelta(hours=1)
    folder = state_dir() / "scenarios"
    try:
        async with (
            virtual_stack(folder, first, digest_key=DIGEST_KEY, say=say) as own,
            Town(own.stack, own.mailbox) as town,
        ):
            return await town.live(files, on_stop)
    except DevstackError as error:
        raise Unavailable(str(error)) from None


def mailbox_of(stack: Stack) -> Mailbox:
    """The mailbox of a stack, by its address. Raises WrongUsage when there is none."""
    url = stack.variables.get("MAILBOX_URL")
    if not url:
        raise WrongUsage("MAILBOX_URL must name the mailbox that takes the mails of the stack.")
    return Mailbox(state_dir(), 0, urlsplit(url).port or 0)
