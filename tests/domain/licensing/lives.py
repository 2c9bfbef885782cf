"""Random lives of one subscription, as threads of what billing tells: each keeps its own order, no more."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from contracts import billing
from contracts.base import Data
from contracts.policy import Policies
from tests.domain.licensing.tellings import (
    DAY,
    START,
    YEAR,
    Telling,
    Words,
    canceled,
    charge_asked,
    charge_failed,
    charge_paid,
    charge_withdrawn,
    dispute,
    given_back,
    pack,
    pause_ended,
    pause_scheduled,
    pause_started,
    seats,
    shifted,
    taken,
    uncanceled,
)

LAST = START + timedelta(days=2000)
Thread = list[Data]


@dataclass
class Life:
    """Up to three years, and what crossed them."""

    random: Random
    provider: str
    policies: Policies
    threads: list[Thread] = field(default_factory=list)
    paused_until: datetime = START

    def __post_init__(self) -> None:
        words = Words(self.provider, self.random.choice(("update", "update-and-protection")))
        self.first = words.created()
        start, paid = START, START
        for number in range(1, self.random.randint(1, 3) + 1):
            end = start + YEAR
            period = words.period(number, start, end, paid, seats=self.random.randint(1, 9))
            thread: Thread = [period]
            self.threads.append(thread)
            end = self._cross(number, start, end, thread)
            paid = self._day(end - 30 * DAY, end + 50 * DAY)
            start = self._next_start(end, paid)
        for _ in range(self.random.randint(0, 2)):
            self._will()

    def _next_start(self, end: datetime, paid: datetime) -> datetime:
        pack = self.policies.stamped(self.provider, "2020-01-01")
        return max(end, paid) if paid >= end + pack.grace else end

    def _day(self, first: datetime, last: datetime) -> datetime:
        return first + timedelta(hours=self.random.randint(0, int((last - first).days) * 24))

    def _cross(self, number: int, start: datetime, end: datetime, thread: Thread) -> datetime:
        """What happens to a period, and where it ends then."""
        what = self.random.sample(("pause", "dispute", "refund", "charge", "seats", "goodwill"), 3)
        at = self._day(start + DAY, end - 100 * DAY)
        for each in what:
            if each == "pause":
                end = self._pause(number, start, end, at, thread)
            elif each == "dispute":
                self._dispute(number, at + DAY, thread)
            elif each == "refund":
                self._refund(number, self._day(at, end + 20 * DAY), thread)
            elif each == "charge":
                self._charge(number, end)
            elif each == "seats":
                when = self.random.choice((at, end))
                self.threads.append([seats(self.random.randint(1, 9), when, f"seats {number}")])
            else:
                end += 10 * DAY
                thread.append(shifted(number, start, end, "goodwill"))
        return end

    def _pause(
        self, number: int, start: datetime, end: datetime, at: datetime, thread: Thread
    ) -> datetime:
        if at <= self.paused_until:  # one pause at a time
            return end
        name, until = f"pause {number}", at + self.random.randint(1, 90) * DAY
        mode = self.random.choice(("freeze_term", "run_term", "at_period_end"))
        if mode == "at_period_end":
            until = end + self.random.randint(1, 90) * DAY
            told = [pause_scheduled(at, end, until, number, name)]
            if self.random.random() < 0.7:
                told.append(pause_started(end, until, mode, name))
            stop = self._day(at, until)
        else:
            if mode == "run_term":
                at, until = end - 20 * DAY, end + self.random.randint(-10, 40) * DAY
            told = [pause_started(at, until, mode, name)]
            stop = self._day(at, until)
        early = self.random.random() < 0.6
        if early:
            told.append(pause_ended(stop, name))
        if mode == "freeze_term":
            thread.append(shifted(number, start, end + (until - at)))
            end += (stop if early else until) - at
            thread.append(shifted(number, start, end))
        self.threads.append(told)
        self.paused_until = until
        return end

    def _dispute(self, number: int, at: datetime, thread: Thread) -> None:
        id = f"D-{number}"
        told = [dispute(billing.DisputeOpened, at, number, id)]
        outcome = self.random.choice(("open", "won", "lost"))
        if outcome == "won":
            told.append(dispute(billing.DisputeWon, at + 20 * DAY, number, id))
        elif outcome == "lost":
            told.append(dispute(billing.DisputeLost, at + 20 * DAY, number, id))
            thread.append(taken(number, at + 20 * DAY, "chargeback"))
        self.random.shuffle(told)
        self.threads.append(told)

    def _refund(self, number: int, at: datetime, thread: Thread) -> None:
        if any(isinstance(data, billing.PeriodRevoked) for data in thread):
            return
        thread.append(taken(number, at))
        if self.random.random() < 0.4:
            thread.append(given_back(number, at + self.random.randint(1, 40) * DAY))

    def _charge(self, number: int, end: datetime) -> None:
        at, name = end - 14 * DAY, f"charge {number}"
        answered = self._day(at, end + 3 * DAY)
        answer = self.random.choice(
            (
                None,
                charge_failed(answered, number, name),
                charge_failed(answered, number, name, final=False),
                charge_withdrawn(answered, number, name),
                charge_paid(answered, number + 1, name),
            )
        )
        self.threads.append([charge_asked(at, number, name), *([answer] if answer else [])])

    def _will(self) -> None:
        at, name = self._day(START, LAST - 800 * DAY), f"will {len(self.threads)}"
        told = [canceled(at, name)]
        if self.random.random() < 0.5:
            told.append(uncanceled(at + self.random.randint(1, 60) * DAY, name))
        self.threads.append(told)

    def in_some_order(self, random: Random) -> Iterator[Data]:
        """All that is told, the threads mixed at random."""
        left = [list(thread) for thread in self.threads if thread]
        while left:
            thread = random.choice(left)
            yield thread.pop(0)
            left = [thread for thread in left if thread]

    def by_time(self) -> Iterator[Data]:
        """All that is told, as early as its thread allows."""
        left = [list(thread) for thread in self.threads if thread]
        while left:
            thread = min(left, key=lambda t: (t[0].effective_at, t[0].fact_id))  # type: ignore[attr-defined]
            yield thread.pop(0)
            left = [thread for thread in left if thread]

    def told(self, seed: int | None, hurried: bool) -> Telling:
        """The telling in time, or mixed by a seed: all at once after a long stop, or over the years."""
        telling = Telling(self.policies, self.provider).tell(self.first)
        mixed = Random(seed)
        if seed is not None and hurried:
            telling.now = LAST
        for data in self.by_time() if seed is None else self.in_some_order(mixed):
            at: datetime = data.effective_at  # type: ignore[attr-defined]
            if seed is None:
                telling.advance(at)
            elif not hurried:
                telling.advance(max(telling.now, at) + mixed.randint(0, 30) * DAY)
            telling.tell(data)
        return telling.advance(LAST)


def life(seed: int) -> Life:
    """The life that a seed makes, under a pack of its own."""
    random = Random(seed)
    provider = random.choice(("online-store", "isp-classic", "app-store-like"))
    policies = pack(
        provider,
        grace=random.choice((0, 7, 14)) * DAY,
        hold=random.choice((0, 30)) * DAY,
        pause_grace=random.choice((0, 0, 5)) * DAY,
        hold_on_dispute=random.random() < 0.6,
        cancel_in_grace=random.choice(("end_now", "at_grace_end")),
    )
    return Life(random, provider, policies)
