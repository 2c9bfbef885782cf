"""How the answer of `tenure access` looks: the state, what works, until when, and why."""

from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ledger.access import Access
from ops.phrases import works
from ops.subscriptions import Known
from ops.terminal import moment

#: Every rule that an answer can name, in a sentence for the person who asks.
SENTENCES: dict[str, str] = {
    "S-01": "The order fixes what may be used and on how many devices.",
    "S-03": "The provider offers pauses.",
    "S-07": "What stops working follows from the type of the subscription.",
    "S-10": "After the end it is used again once it is paid again.",
    "S-12": "The provider offers grace after an unpaid end.",
    "S-13": "In grace everything works as before.",
    "S-14": "The provider offers no grace: access ends at the end itself.",
    "S-14b": "Paid in grace it goes on from the old end, paid later it begins anew.",
    "S-14c": "What was cancelled gets no grace.",
    "S-14e": "A refund in grace or hold ends access at once.",
    "S-33": "Automatic renewal goes on until it is cancelled.",
    "S-35": "The next period is paid already and has not begun.",
    "S-37": "Cancelled: access lasts to the end of what is paid.",
    "S-46": "The refund failed, so what it took away counts again.",
    "S-47": "A refund of the running period ends access at once.",
    "S-48": "The renewal was paid back before it began, so nothing follows.",
    "Q7": "The renewal charge is unanswered: access is kept for up to 24 hours.",
    "Q8": "Nothing was paid until the last day.",
    "Q9": "The refunded period was the latest one.",
    "Q15": "Cancelled after the end: what was left of grace or hold is over.",
    "Q16": "The bank took the money back.",
    "Q17": "The provider says what a pause leaves usable, and it wins over an end.",
    "T2": "A paid period runs.",
    "T8": "The next paid period followed without a gap.",
    "T9": "Renewal was off when the period ended.",
    "T10": "The period ended unpaid.",
    "T11": "The period ended unpaid, and no grace is offered.",
    "T12": "It was paid during grace.",
    "T13": "Grace passed unpaid.",
    "T15": "Grace and hold passed unpaid.",
    "T18": "The running period was taken away.",
    "T19": "The period that would follow was taken away.",
    "T21": "The period counts again.",
    "T22": "The money of the period is disputed at the bank.",
    "T23": "It is paused.",
    "T24": "It pauses since the end of the period.",
    "T26": "The period ended during the pause.",
}
_COLOURS = {"active": "green", "grace": "yellow"}


def render(known: Known, asked: datetime, found: Access | None) -> RenderableType:
    """The whole answer; ids whole, to be copied."""
    head = Text(f"{known.provider_id}/{known.reference}", style="bold")
    head.append(f"  {known.id}\n", style="dim")
    if found is None:
        head.append("nothing paid yet", style="bold red")
        head.append(f"   as of {moment(asked)} UTC\n", style="dim")
        return head
    head.append(found.state, style=f"bold {_COLOURS.get(found.state, 'red')}")
    head.append(f" since {moment(found.since)}")
    head.append(f"   as of {moment(asked)} UTC\n", style="dim")
    return Group(head, answer(found), Text("\nwhy", style="bold"), why(found), _facts(found))


def answer(found: Access) -> Table:
    """What works, until when, on how many devices, and what is paid."""
    out = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    out.add_row("works", works(found.capabilities))
    out.add_row("until", _until(found))
    out.add_row("seats", str(found.seats))
    out.add_row("paid through", _paid(found))
    if found.renewal_pending:
        out.add_row("renewal", "charge unanswered")
    out.add_row("policy", found.policy_version)
    return out


def _until(found: Access) -> str:
    if found.valid_until:
        return f"{moment(found.valid_until)}, if nothing happens"
    if found.state in ("active", "grace"):
        return "without end"
    return "the dispute is decided" if found.state == "suspended" else "it is paid again"


def _paid(found: Access) -> str:
    if found.days_remaining is None:
        return "for ever"
    if found.paid_through is None:
        return "nothing"
    days = "1 day" if found.days_remaining == 1 else f"{found.days_remaining} days"
    return f"{moment(found.paid_through)}, {days} left"


def why(found: Access) -> Table:
    """The rules that it follows from, the most telling first, each in a sentence."""
    out = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for rule in found.rules:
        out.add_row(Text(rule, style="cyan"), SENTENCES[rule])
    return out


def _facts(found: Access) -> Table:
    out = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for cause in found.causes:
        fact_id = Text(str(cause.fact_id), style="dim")
        out.add_row(moment(cause.at), cause.kind.replace("_", " "), fact_id)
    return out
