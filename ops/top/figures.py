"""The figures on the screen, from what was seen of the parts. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts.topics import SERVICES, TOPICS
from ops.phrases import short_type
from ops.top.samples import Counts, Looks, quantile
from ops.top.sight import ASKING, WATCH, Seen, Sight

_RECORDS, _RATE = "tenure_watch_records_total", "tenure_watch_rate"
_CONSUMED, _PUBLISHED = "tenure_messages_consumed_total", "tenure_messages_published_total"
_LATENCY = "tenure_watch_latency_seconds"
_STAGES = {
    "payment_to_entitlement": "payment to entitlement",
    "payment_to_mail": "payment to mail",
}
_ORDINARY = ("ok", "done")


@dataclass(frozen=True)
class ServiceRow:
    """One service or the watch; None is not known. `oldest_s`: the age of its oldest unread record."""

    name: str
    state: str
    detail: str
    read: float | None
    told: float | None
    lag: int | None = None
    oldest_s: float | None = None
    outbox: int | None = None
    held: int | None = None
    dead: int | None = None
    refused: int = 0


@dataclass
class TopicRow:
    """Records per second of one topic now and in the last full minute, and by type."""

    name: str
    now: float | None = None
    minute: float | None = None
    types: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Latency:
    """Seconds of one stage, over the last `span_s` or, None, since the watch started."""

    stage: str
    count: int
    span_s: float | None
    p50: float | None
    p95: float | None
    p99: float | None


def services(sight: Sight) -> Iterator[ServiceRow]:
    """The services, then the watch."""
    watch = sight.looks(WATCH)
    oldest = watch.newest.by("tenure_watch_lag_seconds", "service") if watch else {}
    for name in SERVICES:
        looks = sight.looks(name)
        tasks = _tasks(sight, name)
        yield ServiceRow(
            name,
            *_state(sight.metrics[name]),
            read=_sum(looks.per_second(_CONSUMED) if looks else None),
            told=_sum(looks.per_second(_PUBLISHED) if looks else None),
            lag=sight.lag.value[name] if sight.lag.value else None,
            oldest_s=oldest.get((name,)),
            outbox=tasks.get("outbox"),
            held=tasks.get("held"),
            dead=sight.backlog.value.dead_letters.get(name) if sight.backlog.value else None,
            refused=tasks.get("outbox_dead", 0),
        )
    read = _sum(watch.per_second(_RECORDS) if watch else None)
    told = _sum(watch.per_second("tenure_watch_alerts_raised_total") if watch else None)
    yield ServiceRow(WATCH, *_state(sight.metrics[WATCH]), read=read, told=told)


def _state(seen: Seen[tuple[Looks, str]]) -> tuple[str, str]:
    if seen.value is None:
        return (ASKING, "") if seen.trouble == ASKING else ("away", seen.trouble)
    return ("not ready", seen.value[1]) if seen.value[1] else ("ready", "")


def _tasks(sight: Sight, schema: str) -> dict[str, int]:
    if sight.backlog.value is None:
        return {}
    items = sight.backlog.value.work.items
    return {item.kind: item.pending + item.stuck for item in items if item.schema == schema}


def _sum(counts: Counts | None) -> float | None:
    return None if counts is None else sum(counts.values())


def topics(sight: Sight) -> list[TopicRow]:
    """The topics that carry something, by the watch; without it what the services read of them."""
    rows = {topic.name: TopicRow(topic.name) for topic in TOPICS}
    watch = sight.looks(WATCH)
    written = _by_watch(rows, watch) if watch else _by_services(rows, sight)
    return [rows[name] for name in rows if name in written]


def _by_watch(rows: Mapping[str, TopicRow], watch: Looks) -> set[str]:
    now = watch.per_second(_RECORDS, "topic")
    ever = watch.newest.by(_RECORDS, "topic")
    minute = watch.newest.by(_RATE, "topic")
    for (name,) in ever:
        if name in rows:
            rows[name].now = None if now is None else now.get((name,), 0.0)
            rows[name].minute = minute.get((name,), 0.0)
    _add_types(rows, watch.newest.by(_RATE, "topic", "type", "outcome"))
    return {name for (name,) in ever}


def _by_services(rows: Mapping[str, TopicRow], sight: Sight) -> set[str]:
    seen: dict[tuple[str, ...], float] = defaultdict(float)
    for service in SERVICES:
        looks = sight.looks(service)
        counts = looks and looks.per_second(_CONSUMED, "topic", "type", "outcome")
        for (topic, type, outcome), rate in (counts or {}).items():
            # A record counts once, however many services read it.
            key = (topic.removeprefix(sight.prefix), type, outcome)
            seen[key] = max(seen[key], rate)
    by_topic: dict[str, float] = defaultdict(float)
    for (topic, *_), rate in seen.items():
        by_topic[topic] += rate
    for topic, rate in by_topic.items():
        if topic in rows:
            rows[topic].now = rate
    _add_types(rows, seen)
    return set(by_topic)


def _add_types(rows: Mapping[str, TopicRow], rates: Counts) -> None:
    """The types of each topic with their rates, the most frequent first."""
    for (topic, type, outcome), rate in sorted(rates.items(), key=lambda each: -each[1]):
        if rate > 0 and topic in rows:
            words = [short_type(type)] if type != "-" else []
            words += [outcome] if outcome not in _ORDINARY else []
            name = " ".join(words) or "raw"
            types = rows[topic].types
            types[name] = types.get(name, 0.0) + rate


def latencies(sight: Sight) -> list[Latency]:
    """From payment to entitlement and to mail, of the last minute where anything was paid in it."""
    watch = sight.looks(WATCH)
    if watch is None:
        return []
    return [_latency(watch, stage, name) for stage, name in _STAGES.items()]


def _latency(watch: Looks, stage: str, name: str) -> Latency:
    lately = watch.grown(f"{_LATENCY}_bucket", "le", stage=stage)
    ever = watch.newest.by(f"{_LATENCY}_bucket", "le", stage=stage)
    recent = any(lately.values())
    buckets = {bound: count for (bound,), count in (lately if recent else ever).items()}
    return Latency(
        name,
        round(max(buckets.values(), default=0)),
        watch.span_s if recent else None,
        *(quantile(share, buckets) for share in (0.5, 0.95, 0.99)),
    )


def populations(sight: Sight) -> dict[str, int]:
    """How many subscriptions there are by status; empty without the watch."""
    watch = sight.looks(WATCH)
    sizes = watch.newest.by("tenure_watch_subscriptions", "status") if watch else {}
    return {status: round(size) for (status,), size in sizes.items()}
