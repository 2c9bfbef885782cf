"""How an explanation looks: what works, the rules in sentences, and the facts with the events that told them."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ledger.access import Access
from ops.access_view import answer, why
from ops.explanation import Explanation
from ops.phrases import short_type
from ops.terminal import moment, safe


def render(explanation: Explanation) -> RenderableType:
    """The explanation below a timeline; ids whole, to be copied."""
    found, asked = explanation.access, moment(explanation.standing.now)
    if found is None:
        return Text(f"\nwhy there is no access as of {asked} UTC: nothing was paid by then.")
    head = Text(f"\nwhy access is {found.state} as of {asked} UTC", style="bold")
    return Group(head, answer(found), Text(), why(found), Text(), _causes(explanation, found))


def _causes(explanation: Explanation, found: Access) -> Table:
    out = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(4):
        out.add_column(overflow="fold")
    for cause in found.causes:
        fact_id = Text(str(cause.fact_id), style="dim")
        out.add_row(moment(cause.at), Text(cause.kind.replace("_", " ")), "fact", fact_id)
        events = explanation.events(cause)
        for entry in events:
            kind = Text(short_type(entry.message.type), style="cyan")
            out.add_row("", kind, entry.topic, safe(entry.message.id))
        if not events:
            out.add_row("", "told by messages that the topics keep no more", "", "")
    return out
