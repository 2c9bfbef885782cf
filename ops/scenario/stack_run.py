"""Where scenarios run live: on the stack that the environment names, or on one of their own."""

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
from ops.scenario.stack import Progress, Town
from ops.virtual_stack import virtual_stack


async def play_on_stack(
    files: Sequence[ScenarioFile], say: Callable[[str], None], on_stop: Progress = lambda now: None
) -> list[Play]:
    """Live scenarios on the stack that the environment names, or on one of their own.

    Raises WrongUsage for a stack in real time, Unavailable.
    """
    if os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        stack = find_stack()
        if stack.variables.get("IDENTITY_DIGEST_KEY") != DIGEST_KEY:
            raise WrongUsage(f"The stack must run with IDENTITY_DIGEST_KEY='{DIGEST_KEY}'.")
        async with Town(stack, mailbox_of(stack)) as town:
            return await town.live(files, on_stop)
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
