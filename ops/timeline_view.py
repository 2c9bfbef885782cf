"""How a timeline looks: a header with the standing, then one row per instant."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from rich.table import Table
from rich.text import Text

from ops.masking import masked
from ops.phrases import money, phrase, short_type
from ops.standing import Standing, status_of
from ops.terminal import moment, safe
from ops.timeline import LANES, Entry

_COLOURS = {
    "active": "green",
    "grace": "yellow",
    "paused": "yellow",
    "hold": "red",
    "expired": "red",
}
_Row = tuple[datetime, list[Text], str | None]
_LANE_COLOURS = {"money": "green", "periods": "cyan", "access": "magenta", "mail": "yellow"}
_AHEAD_SHOWN = 4
#: From upstream, to show whose word it is.
_SPEAKERS = {"payments.events": "← ", "payments.requests": "→ ", "billing.commands": "! "}


def header(standing: Standing) -> Text:
    """Who it is, status now, paid through, renewal, next charge."""
    known = standing.known
    text = Text(f"{known.provider_id}/{known.reference}", style="bold")
    text.append(f"  {known.id}\n", style="dim")
    stage = standing.stage
    text.append(standing.status, style=f"bold {_COLOURS.get(stage.status if stage else '', '')}")
    if stage:
        text.append(f" since {moment(stage.anchor)}")
    through = "for ever" if standing.unlimited else moment(standing.paid_through) or "nothing"
    text.append(f"   paid through {through}")
    text.append(f"   auto-renew {'on' if standing.auto_renew else 'off'}")
    text.append(f"   next charge {_charge(standing)}")
    asked = "as of" if standing.clock else "now"
    text.append(f"   {asked} {moment(standing.now)} UTC\n", style="dim")
    return text


def _charge(standing: Standing) -> str:
    charge = standing.next_charge
    if charge is None:
        return "none"
    if charge.requested:
        return f"{money(charge.amount)} requested"
    when = f"on {moment(charge.at)}" if charge.at else f"before {moment(standing.paid_through)}"
    return f"{money(charge.amount)} {when}"


def table(entries: Sequence[Entry], standing: Standing) -> Table:
    """One row per instant, one column per lane; what lies ahead is dim."""
    out = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    out.add_column("time (UTC)", no_wrap=True, style="dim")
    for lane in LANES:
        out.add_column(lane, style=_LANE_COLOURS[lane], overflow="fold")
    rows = [*_told(entries), *_marks(standing), *_ahead(standing)]
    # Where the instants are the same: what was told, then the mark, then what is foreseen.
    for at, cells, style in sorted(rows, key=lambda row: row[0]):
        out.add_row(moment(at), *cells, style=style)
    return out


def _told(entries: Sequence[Entry]) -> Iterator[_Row]:
    for at, group in groupby(entries, key=lambda entry: entry.at.replace(second=0, microsecond=0)):
        yield at, _cells(list(group)), None


def _marks(standing: Standing) -> Iterator[_Row]:
    if standing.clock is None or standing.clock <= standing.now:
        yield standing.clock or standing.now, _row(0, "· now"), "dim"
    if standing.clock:
        yield standing.now, _row(0, "· as of"), "dim"


def _ahead(standing: Standing) -> Iterator[_Row]:
    for stage in standing.ahead[:_AHEAD_SHOWN]:
        yield stage.start, _row(2, f"{status_of(stage)}, if nothing happens"), "dim"


def _row(lane: int, words: str) -> list[Text]:
    return [Text(words if position == lane else "") for position in range(len(LANES))]


def _cells(entries: Sequence[Entry]) -> list[Text]:
    return [
        Text("\n").join(safe(_words(entry)) for entry in entries if entry.lane == lane)
        for lane in LANES
    ]


def _words(entry: Entry) -> str:
    said = phrase(masked(entry.message.data))
    name = _SPEAKERS.get(entry.topic, "") + short_type(entry.message.type)
    return f"{name}: {said}" if said else name
