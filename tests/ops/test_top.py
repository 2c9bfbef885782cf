"""`tenure top` with fixed data: what grew, quantiles, the figures, and frames for terminals of any size."""

import asyncio
import io
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from aiokafka.errors import KafkaConnectionError
from rich.console import Console

from contracts.operations import AlertRaised
from contracts.topics import SERVICES
from ops.alert_board import AlertBoard, Known
from ops.top.figures import latencies, populations, services, topics
from ops.top.parts import Followed
from ops.top.samples import Look, Looks, quantile
from ops.top.sight import ASKING, WATCH, Backlog, Seen, Sight
from ops.top.view import render
from ops.watch.alerts import envelope
from ops.work import Item, Work

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1000)
CONSUMED = "tenure_messages_consumed_total"
_WATCH_PAGE = """
tenure_ready 1.0
tenure_watch_records_total{{outcome="read",topic="payments.events"}} {records}
tenure_watch_records_total{{outcome="not_json",topic="payments.events"}} {garbage}
tenure_watch_rate{{outcome="ok",provider="a",topic="payments.events",type="payments.order-placed.v1"}} 2.0
tenure_watch_rate{{outcome="ok",provider="b",topic="payments.events",type="payments.order-placed.v1"}} 1.0
tenure_watch_rate{{outcome="not_json",provider="-",topic="billing.dlq",type="-"}} 0.25
tenure_watch_latency_seconds_bucket{{le="0.1",stage="payment_to_entitlement"}} {fast}
tenure_watch_latency_seconds_bucket{{le="1.0",stage="payment_to_entitlement"}} {slow}
tenure_watch_latency_seconds_bucket{{le="+Inf",stage="payment_to_entitlement"}} {slow}
tenure_watch_subscriptions{{status="active"}} 33.0
tenure_watch_subscriptions{{status="refund_open"}} 1.0
tenure_watch_lag_seconds{{service="licensing"}} 42.0
"""


def looks(*pages: tuple[float, str]) -> Looks:
    made = Looks()
    for at_s, page in pages:
        made.add(Look.read(page, at_s))
    return made


def watch(*numbers: tuple[float, int, int, int, int]) -> Looks:
    names = ("records", "garbage", "fast", "slow")
    return looks(
        *(
            (at_s, _WATCH_PAGE.format(**dict(zip(names, counts, strict=True))))
            for at_s, *counts in numbers
        )
    )


def service(*numbers: tuple[float, int]) -> Looks:
    page = (
        (
            f'tenure_ready 1.0\n{CONSUMED}{{topic="t.payments.events",'
            'type="payments.order-placed.v1",outcome="done"}} {0}\n'
        )
        .replace("{{", "{")
        .replace("}}", "}")
    )
    return looks(*((at_s, page.replace("{0}", str(count))) for at_s, count in numbers))


def raised(number: int, ago_s: float = 90.0) -> Known:
    data = AlertRaised(
        alert_id=UUID(int=number),
        code="PAID_NOT_ENTITLED",
        sentence=f"Alert {number}: paid, but [bold]nothing was entitled.",
        subscription_id=UUID(int=1000 + number),
        about="x",
        evidence=(),
        suggested_command="tenure access x",
    )
    return Known(data, NOW - timedelta(seconds=ago_s), None)


AWAY = "nobody answers at http://127.0.0.1:8080"
BACKLOG = Backlog(
    Work(
        NOW,
        (
            Item("billing", "outbox", 1234, None, 0),
            Item("billing", "held", 0, None, 3),
            Item("billing", "outbox_dead", 0, None, 2),
            Item("simulator", "outbox", 9, None, 0),
        ),
    ),
    {"billing": 4, "licensing": 0, "notifications": 0},
)


def sight(
    metrics: Mapping[str, Looks | None] | None = None,
    alerts: tuple[Known, ...] = (),
    troubled: str = "",
) -> Sight:
    found = metrics or {}
    seen = {name: found.get(name) for name in (*SERVICES, WATCH)}
    return Sight(
        at=NOW,
        virtual=False,
        prefix="t.",
        metrics={
            name: Seen((one, troubled)) if one else Seen(None, AWAY) for name, one in seen.items()
        },
        lag=Seen({"billing": 0, "licensing": 7, "notifications": 0}),
        backlog=Seen(BACKLOG),
        alerts=Seen(alerts),
    )


FULL = {
    WATCH: watch((0.0, 100, 0, 10, 10), (1.0, 150, 5, 10, 10), (2.0, 200, 10, 60, 110)),
    "billing": service((0.0, 10), (2.0, 30)),
    "licensing": service((0.0, 10), (2.0, 50)),
    "notifications": service((0.0, 0)),
}


def lines(what: Sight, width: int, height: int | None) -> list[str]:
    console = Console(width=width, file=io.StringIO(), record=True, highlight=False)
    console.print(render(what, height, "q ends"))
    return console.export_text().splitlines()


def test_a_rate_is_what_grew_between_two_looks() -> None:
    seen = FULL[WATCH]
    assert seen.per_second("tenure_watch_records_total", "topic") == {("payments.events",): 55.0}
    assert seen.per_second("tenure_watch_records_total") == {(): 55.0}
    assert seen.grown("tenure_watch_latency_seconds_bucket", "le") == {
        ("0.1",): 50.0,
        ("1.0",): 100.0,
        ("+Inf",): 100.0,
    }
    assert watch((0.0, 100, 0, 1, 1)).per_second("tenure_watch_records_total") is None


def test_a_rate_looks_back_some_seconds_and_latency_a_minute() -> None:
    seen = watch(*((float(second), 10 * second, 0, 1, 1) for second in range(100)))
    assert seen.span_s == pytest.approx(60.0, abs=1.0)
    burst = watch(*((float(s), 0 if s < 90 else 60, 0, 1, 1) for s in range(100)))
    assert burst.per_second("tenure_watch_records_total") == {(): 0.0}


def test_a_process_that_was_started_anew_counts_from_then_on() -> None:
    seen = watch((0.0, 1000, 0, 50, 50), (1.0, 10, 0, 1, 1))
    assert seen.per_second("tenure_watch_records_total") is None
    seen.add(Look.read(_WATCH_PAGE.format(records=14, garbage=0, fast=1, slow=1), 2.0))
    assert seen.per_second("tenure_watch_records_total") == {(): 4.0}


@pytest.mark.parametrize(
    ("share", "wanted"), [(0.5, 0.1), (0.25, 0.05), (0.75, 0.55), (0.99, 0.982), (1.0, 1.0)]
)
def test_a_quantile_lies_within_its_bucket(share: float, wanted: float) -> None:
    buckets = {"0.1": 50.0, "1.0": 100.0, "+Inf": 100.0}
    assert quantile(share, buckets) == pytest.approx(wanted)


def test_a_quantile_of_nothing_and_beyond_the_last_bound() -> None:
    assert quantile(0.5, {}) is None
    assert quantile(0.5, {"1.0": 0.0, "+Inf": 0.0}) is None
    assert quantile(0.99, {"1.0": 90.0, "+Inf": 100.0}) == math.inf


def test_latency_is_of_the_last_minute_or_else_of_all() -> None:
    first, second = latencies(sight(FULL))
    assert (first.stage, first.count, first.span_s) == ("payment to entitlement", 100, 2.0)
    assert first.p50 == pytest.approx(0.1)
    assert first.p99 == pytest.approx(0.982)
    assert (second.count, second.p50) == (0, None)
    still = watch((0.0, 1, 0, 10, 10), (1.0, 1, 0, 10, 10))
    first, _ = latencies(sight({WATCH: still}))
    assert (first.count, first.span_s) == (10, None)


def test_services_with_their_backlog() -> None:
    billing, licensing, notifications, own = services(sight(FULL))
    assert (billing.read, billing.outbox, billing.held, billing.dead) == (10.0, 1234, 3, 4)
    assert billing.refused == 2
    assert (licensing.read, licensing.lag, licensing.oldest_s) == (20.0, 7, 42.0)
    assert notifications.read is None
    assert (own.name, own.read, own.lag) == (WATCH, 55.0, None)


def test_topics_by_the_watch_and_without_it_by_who_reads_them() -> None:
    (row,) = topics(sight(FULL))
    assert (row.name, row.now, row.minute, row.types) == (
        "payments.events",
        55.0,
        3.0,
        {"order-placed": 3.0},
    )
    (row,) = topics(sight({**FULL, WATCH: None}))
    assert (row.name, row.now, row.minute, row.types) == (
        "payments.events",
        20.0,
        None,
        {"order-placed": 20.0},
    )
    assert populations(sight(FULL)) == {"active": 33, "refund_open": 1}
    assert populations(sight({})) == {}


def test_a_frame_says_everything_in_a_small_terminal() -> None:
    shown = lines(sight(FULL, (raised(1), raised(2, 7200.0))), 80, 24)
    assert len(shown) <= 24
    assert max(map(len, shown)) <= 80
    words = "\n".join(" ".join(line.split()) for line in shown)
    for part in (
        "2026-11-22 12:00:00 UTC (real clock) q ends",
        "billing 10 0 0 – 1,234 3 4 ready",
        "licensing 20 0 7 42 s – – 0 ready",
        "billing: Kafka refuses 2 messages",
        "PAID_NOT_ENTITLED 90 s 00000000 Alert 1: paid, but [bold]nothing was en",
        "PAID_NOT_ENTITLED 2 h 00000000 Alert 2",
        "payment to entitlement 100 ms 910 ms 982 ms 100 the last 2.0 s",
        "33 active 1 refund open",
        "payments.events 55 3.0 order-placed 3.0",
    ):
        assert part in words, words


@pytest.mark.parametrize("count", [0, 1, 5, 500])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 20), (200, 60), (100, 35)])
def test_a_frame_never_grows_beyond_the_terminal(count: int, width: int, height: int) -> None:
    alerts = tuple(raised(number) for number in range(count))
    for metrics in (FULL, {}):
        shown = lines(sight(metrics, alerts), width, height)
        assert len(shown) <= height
        assert max(map(len, shown)) <= width
        assert any("topics" in line for line in shown)
        if count == 500:
            assert any("500×  Alert 0: paid" in line for line in shown)


def test_alerts_that_do_not_fit_share_a_line_and_a_service_comes_first() -> None:
    lagging = raised(0).alert.model_copy(
        update={
            "code": "SERVICE_LAGS",
            "subscription_id": None,
            "about": "licensing",
            "sentence": "licensing is behind.",
        }
    )
    others = [raised(number, 500.0 - number) for number in range(1, 40)]
    alerts = (*others, Known(lagging, NOW, None))
    for height in (24, None):
        shown = [" ".join(line.split()) for line in lines(sight(FULL, alerts), 80, height)]
        at = shown.index("SERVICE_LAGS 0 s licensing licensing is behind.")
        assert shown[at + 1].startswith("PAID_NOT_ENTITLED 8 min 39× Alert 1: paid")
        assert shown[at + 2] in ("", "latency p50 p95 p99 payments of")


def test_what_is_away_is_said_in_its_panel() -> None:
    words = "\n".join(lines(sight({}), 120, None))
    assert f"watch: {AWAY}" in words
    assert f"billing: {AWAY}" in words
    assert "subscriptions  not known: the watch is away" in words
    assert "not known: nobody answers" in words
    assert "none stands" in words
    words = "\n".join(lines(sight(FULL, troubled="database: OSError"), 120, None))
    assert "billing: database: OSError" in words
    assert words.count("not ready") == 4
    one = sight(FULL)
    without = Sight(
        **{
            **vars(one),
            "lag": Seen(None, "Kafka does not answer\nat all"),
            "backlog": Seen(None, "PostgreSQL does not answer"),
            "alerts": Seen(None, "Kafka does not answer"),
        }
    )
    words = "\n".join(lines(without, 120, None))
    assert "lag: Kafka does not answer at all" in words
    assert "outboxes: PostgreSQL does not answer" in words
    assert "none stands" not in words


def test_what_was_not_looked_at_yet_is_no_trouble() -> None:
    one = sight({})
    asked = {name: Seen(None, ASKING) for name in one.metrics}
    parts = {"metrics": asked, "lag": Seen(None, ASKING), "backlog": Seen(None, ASKING)}
    words = "\n".join(lines(Sight(**{**vars(one), **parts}), 120, None))
    assert words.count(ASKING) == 4
    assert "away\n" not in words
    assert f": {ASKING}" not in words


def test_the_board_keeps_what_stands() -> None:
    board = AlertBoard()
    first, second = raised(1).alert, raised(2).alert
    for data in (first, second, first):
        assert isinstance(data, AlertRaised)
        board.hear(envelope(data, "online-store", NOW_MS).to_json())
    board.hear(b"not json")
    board.hear(None)
    assert [known.alert for known in board.standing] == [first, second]
    assert [known.alert for known in board.known] == [first, second]


class Flaky:
    """A part that is away every second time."""

    def __init__(self) -> None:
        self.looks = self.closed = 0

    async def look(self) -> int:
        self.looks += 1
        if self.looks % 2 == 0:
            raise KafkaConnectionError("broker is gone")
        return self.looks

    async def close(self) -> None:
        self.closed += 1
        raise OSError("was not even connected")


async def test_a_part_that_went_away_is_connected_anew_when_it_is_back() -> None:
    part = Flaky()
    followed = Followed(part)
    assert followed.seen == Seen(None, ASKING)
    await followed.look()
    assert followed.seen == Seen(1)
    await followed.look()
    assert followed.seen.value is None
    assert "broker is gone" in followed.seen.trouble
    assert part.closed == 1
    await followed.look()
    assert followed.seen == Seen(3)


async def test_a_part_that_hangs_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(Flaky):
        async def look(self) -> int:
            await asyncio.Event().wait()
            return 0

    monkeypatch.setattr("ops.top.parts._LOOK_S", 0.05)
    followed = Followed(Hanging())
    await followed.look()
    assert followed.seen == Seen(None, "no answer within 0.05 s")
