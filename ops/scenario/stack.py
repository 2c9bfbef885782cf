"""The engine on the live stack: scenarios at once, each under its own reference, on one clock."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from uuid import uuid4

from devstack.mailbox import Mailbox
from ops.clock import Advance, VirtualClock
from ops.connection import Stack
from ops.errors import CheckFailed, WrongUsage
from ops.offsets import payment_system, reads
from ops.quiet import Quiet
from ops.recording import Recording
from ops.scenario.format import USUAL, Answers, Step
from ops.scenario.judging import close, judge
from ops.scenario.outside import behaviour
from ops.scenario.play import Dead, Play
from ops.scenario.reading import ScenarioFile
from ops.scenario.scene import StoryError
from ops.scenario.sending import Letter, letters
from ops.scenario.stack_sight import sights
from ops.sending import Sender, sender

_PATIENCE_S = 60.0
_HEADERS = (("content-type", b"application/cloudevents+json"),)
_CUSTOMER = """
insert into simulator.customer (reference, provider_id, behaviour) values ($1, $2, $3)
on conflict (reference) do update set behaviour = excluded.behaviour
"""
#: What the payment system tells during a downtime is told when the services have caught up.
_HOLD = """
with held as (select id, due_at from simulator.publication where due_at <= $1 for update)
update simulator.publication p set due_at = $1 + interval '1 day'
from held where p.id = held.id returning p.id, held.due_at
"""
_TELL = """
with told as (
    update simulator.publication p set due_at = held.due_at
    from unnest($1::bigint[], $2::timestamptz[]) as held (id, due_at)
    where p.id = held.id returning p.id
)
select pg_notify('tenure_clock', count(*)::text) from told
"""
_FAULTS: dict[str | None, dict[str, object]] = {
    "refused": {"stage": "rcpt", "action": "reply", "code": 550},
    "unknown": {"stage": "after_accept", "action": "drop"},
}
_SILENT = Answers(charges="silent", refunds="silent")
#: A step of a play, by its number.
Turn = tuple[Play, int, Step]
Progress = Callable[[datetime], None]


class Town:
    """`async with Town(stack, mailbox) as town: plays = await town.live(files)`."""

    def __init__(self, stack: Stack, mailbox: Mailbox) -> None:
        """Nothing is connected yet."""
        self._stack = stack
        self._mailbox = mailbox
        self._recording = Recording(stack)
        self._quiet = Quiet(stack, reads(stack) | payment_system(stack))
        self._clock = VirtualClock(stack, self._quiet)
        self._open = AsyncExitStack()
        self._answers: dict[str, Answers] = {}
        #: At how many instants the clock stopped.
        self.hops = 0

    async def __aenter__(self) -> "Town":
        """Connect to everything. Raises Unavailable, TryAgain."""
        async with AsyncExitStack() as opening:
            for part in (self._recording, self._quiet, self._clock):
                await opening.enter_async_context(part)
            self._sender: Sender = await opening.enter_async_context(sender(self._stack))
            self._reader = await opening.enter_async_context(self._stack.database())
            self._simulator = await opening.enter_async_context(self._stack.database("SIMULATOR"))
            self._open = opening.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Disconnect; faults of the mailbox are taken back."""
        if any(answers.mail in _FAULTS for answers in self._answers.values()):
            await self._mailbox.set_faults(())
        await self._open.aclose()

    async def live(
        self, files: Sequence[ScenarioFile], on_stop: Progress = lambda now: None
    ) -> list[Play]:
        """Visit the instants of all scenarios of one session in order; the differences are in the plays.

        Raises WrongUsage when the clock is already past a start, NotQuiet.
        """
        plays = [Play(file, _reference(file)) for file in files]
        now = await self._clock.now()
        late = next((play for play in plays if play.start < now), None)
        if late:
            raise WrongUsage(
                f"{late.file.path} starts at {late.start:%Y-%m-%d %H:%M}, but the clock of this "
                f"stack shows {now:%Y-%m-%d %H:%M} already: it needs a fresh stack."
            )
        for play in plays:
            await self._answer(play, play.scenario.answers.after(USUAL))
        for instant, rounds in _plan(plays):
            downtimes = (play.down_since(step, instant) for play, _, step in rounds[0])
            since = min((since for since in downtimes if since), default=None)
            self._moved(await self._clock.advance(since or instant, timeout_s=_PATIENCE_S))
            if since:
                await self._oversleep(instant)
            on_stop(instant)
            for turns in rounds:
                await self._round(instant, turns)
        for play in plays:
            close(play, len(play.scenario.steps) - 1)
        return plays

    def _moved(self, done: Advance) -> None:
        self.hops += done.hops
        if done.stuck:
            raise CheckFailed(f"Work is stuck: {', '.join(i.kind for i in done.stuck)}.")

    async def _oversleep(self, instant: datetime) -> None:
        """The services are down until `instant`; then they catch up, then they read what they were told."""
        held = await self._simulator.fetch(_HOLD, instant)
        self._moved(await self._clock.jump(instant, timeout_s=_PATIENCE_S))
        await self._simulator.execute(
            _TELL, [row["id"] for row in held], [row["due_at"] for row in held]
        )
        await self._quiet.wait(_PATIENCE_S)

    async def _round(self, instant: datetime, turns: Sequence[Turn]) -> None:
        """One step of each of some plays at one instant: done, waited for, judged."""
        turns = [turn for turn in turns if not turn[0].broken]
        # What was said on the way here: steps refer to it.
        await self._hear(play for play, *_ in turns)
        sending = []
        for play, number, step in turns:
            play.now = instant
            if step.answer:
                await self._answer(play, step.answer)
            try:
                sending.append(self._send(letters(play, number, step)))
            except StoryError as error:
                play.stop(number, str(error))
        await asyncio.gather(*sending)
        if any(step.upstream or step.command for _, _, step in turns):
            await self._quiet.wait(_PATIENCE_S)
            await self._hear(play for play, *_ in turns)
        seen = await sights(self._reader, [play for play, *_ in turns], instant)
        for play, number, step in turns:
            if not play.broken:
                judge(play, number, step, seen[play.id])
            if number == len(play.scenario.steps) - 1:
                # Nobody looks any more: it must not renew for as long as others live.
                await self._answer(play, _SILENT)

    async def _send(self, records: Iterable[Letter]) -> None:
        for one in records:
            await self._sender.send(one.topic, one.key.encode(), one.value, _HEADERS)

    async def _hear(self, plays: Iterable[Play]) -> None:
        await self._recording.read_on()
        for play in plays:
            play.hear(self._recording.messages(play.id))
            play.hear(self._recording.messages(play.reference))
            play.hear(self._recording.messages(play.customer_id))
            known = {play.reference, str(play.id)}
            play.dead = [
                Dead(letter.code, letter.error, letter.origin.service)
                for letter in self._recording.dead_letters
                if (letter.key or b"").decode() in known
            ]

    async def _answer(self, play: Play, answers: Answers) -> None:
        """From now on the payment system and the mail server answer this play so."""
        before = self._answers.get(play.reference, USUAL)
        now = self._answers[play.reference] = answers.after(before)
        given = json.dumps(behaviour(now).to_json())
        await self._simulator.execute(_CUSTOMER, play.reference, play.scenario.provider, given)
        if now.mail != before.mail:
            await self._mailbox.set_faults(
                [
                    {**_FAULTS[answers.mail], "match": reference.lower()}
                    for reference, answers in self._answers.items()
                    if answers.mail in _FAULTS
                ]
            )


def _reference(file: ScenarioFile) -> str:
    stem = "".join(char for char in file.path.stem if char.isascii() and char.isalnum())
    return f"{stem[:20]}-{uuid4().hex[:8]}"


def _plan(plays: Sequence[Play]) -> list[tuple[datetime, list[list[Turn]]]]:
    """By instant, in order: the first step there of every play, then the second ones, and so on."""
    found: dict[datetime, dict[str, list[Turn]]] = defaultdict(lambda: defaultdict(list))
    for play in plays:
        for number, instant, step in play.steps():
            found[instant][play.reference].append((play, number, step))
    plan = []
    for instant in sorted(found):
        turns = found[instant].values()
        longest = max(len(own) for own in turns)
        rounds = [[own[i] for own in turns if i < len(own)] for i in range(longest)]
        plan.append((instant, rounds))
    return plan
