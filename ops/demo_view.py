"""What the demo shows: progress while time flies, then timelines, mails, endings and the verdict."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from contracts import notifications
from contracts.values import subscription_id
from devstack.behaviour import Customer
from devstack.lives import Life
from ops.audit.dossier import Dossier
from ops.audit.run import Report
from ops.audit_view import render
from ops.connection import Stack
from ops.terminal import console, safe


class Progress:
    """A bar over virtual time; without a terminal one line per quarter."""

    def __init__(self, start: datetime, end: datetime) -> None:
        """Nothing is shown yet."""
        self._start, self._span = start, (end - start).total_seconds()
        self._console = Console(stderr=True, highlight=False)
        self._bar = Bar(
            TextColumn("[bold]{task.fields[day]}"),
            BarColumn(bar_width=40),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task("life", total=self._span, day=f"{start:%Y-%m-%d}")
        self._quarter = ""

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop showing."""
        self._bar.stop()

    def at(self, now: datetime) -> None:
        """The clock has moved."""
        done = (now - self._start).total_seconds()
        self._bar.update(self._task, completed=max(done, 0), day=f"{now:%Y-%m-%d}")
        quarter = f"{now.year} quarter {(now.month + 2) // 3}"
        if not self._console.is_terminal and quarter != self._quarter:
            self._quarter = quarter
            self._console.print(f"  living {quarter} ...")

    def tell(self, sentence: str) -> None:
        """Something happened that people should see."""
        self._bar.console.print(safe(f"  {sentence}"))


async def show_timelines(stack: Stack, customers: Sequence[Customer]) -> None:
    """The lives of a few customers, one table each."""
    from ops.timeline import fetch
    from ops.timeline_view import header, table

    out = console()
    for customer in customers:
        life = await fetch(stack, f"{customer.provider_id}/{customer.reference}")
        out.print()
        out.print(header(life.standing))
        out.print(table(life.entries, life.standing))


def show_mails(mails: Sequence[dict[str, Any]], lived: Sequence[Dossier]) -> None:
    """The mails sent, by kind, with one subject each."""
    accepted = [
        message.data
        for dossier in lived
        for message in dossier.notifications
        if isinstance(message.data, notifications.MailAccepted)
    ]
    kinds = Counter(mail.kind for mail in accepted)
    by_id = {mail["MessageID"].split("@")[0]: mail["Subject"] for mail in mails}
    subjects = {mail.kind: by_id.get(str(mail.notice_id), "") for mail in accepted}
    out = Table(title=f"{len(mails)} mails", title_justify="left", box=None, header_style="bold")
    for title in ("kind", "sent", "for example"):
        out.add_column(title, justify="right" if title == "sent" else "left")
    for kind, count in kinds.most_common():
        out.add_row(kind, str(count), safe(subjects[kind]))
    console().print()
    console().print(out)


def show_lives(people: Sequence[Life], lived: Sequence[Dossier]) -> None:
    """How many customers were to end how, and where licensing sees them now."""
    entitlements = {dossier.subscription_id: dossier.entitlement for dossier in lived}
    ends: Counter[tuple[str, str, str]] = Counter()
    for life in people:
        id = subscription_id(life.customer.provider_id, life.customer.reference)
        entitlement = entitlements.get(id)
        state: str = entitlement.state if entitlement else "none"
        ends[life.customer.provider_id, life.ending.replace("_", " "), state] += 1
    out = Table(title="Endings", title_justify="left", box=None, header_style="bold")
    for title in ("provider", "life", "access at the end", "customers"):
        out.add_column(title, justify="right" if title == "customers" else "left")
    for (provider, ending, state), count in sorted(ends.items()):
        out.add_row(provider, ending, state, str(count))
    console().print()
    console().print(out)


def show_closing(
    report: Report,
    lived: Sequence[Dossier],
    mails: int,
    hops: int,
    seconds: tuple[float, float],
) -> None:
    """What was audited, and what was found."""
    out = console()
    set_up_s, lived_s = seconds
    upstream = sum(len(dossier.upstream) for dossier in lived)
    told = sum(len(messages) for dossier in lived for messages in dossier.told.values())
    out.print()
    out.print(
        f"Set up in {set_up_s:.1f} s; fourteen months with {hops} stops of the clock in {lived_s:.1f} s."
    )
    out.print(f"Audit of {upstream} messages from payment systems, {told} of ours, {mails} mails:")
    out.print()
    out.print(render(report))
