"""`tenure dlq` beside running services: refused again, interrupted, and many at once in order."""

import asyncio
import io
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest

from contracts.base import Data
from contracts.commands import Cancel, Uncancel
from contracts.topics import BILLING_COMMANDS, BILLING_EVENTS, PAYMENTS_EVENTS
from contracts.values import subscription_id
from ops.asking import envelope
from ops.broker import Broker
from ops.connection import Stack
from ops.dlq.progress import Progress
from ops.dlq.redriving import Decision, settle
from ops.dlq.selecting import Selection, chosen
from ops.records import read_whole
from ops.sending import Outbound, sender
from ops.tail_lines import understood
from ops.terminal import run
from ops.work import read_now
from tests.ops.orders import order, paid_order
from tests.ops.running import Tenure

pytestmark = pytest.mark.xdist_group("ops")
#: Ten thousand: REDRIVEN=10000 DLQ_CONSECUTIVE_MAX=100000 DLQ_RATIO_MAX=1
REDRIVEN = int(os.environ.get("REDRIVEN", "300"))
#: More dead letters in a row stop the consumer.
IN_A_ROW = int(os.environ.get("DLQ_CONSECUTIVE_MAX", "200")) * 3 // 4
PROVIDER = "online-store"


async def _now(where: Stack) -> datetime:
    async with where.database() as connection:
        return await read_now(connection, virtual=True)


async def _publish(where: Stack, records: list[Outbound]) -> None:
    async with sender(where) as to:
        await to.send_all(records)


def _settled(tenure: Tenure) -> None:
    done = tenure("clock", "advance", "1m")
    assert done.returncode == 0, done.stderr


def _buy(where: Stack, tenure: Tenure, folder: Path, *references: str) -> None:
    now = run(_now(where))
    file = folder / "orders.json"
    file.write_text("".join(paid_order(reference, now) for reference in references))
    done = tenure("publish", str(file))
    assert done.returncode == 0, done.stderr
    _settled(tenure)


def _commands(references: list[str], count: int, now: datetime) -> list[Outbound]:
    """Cancel, uncancel, cancel ... of all references in turn, all under a key that is wrong."""
    made = []
    for number in range(count):
        reference = references[number % len(references)]
        turn = number // len(references)
        data: Data = Uncancel(channel="support") if turn % 2 else Cancel(channel="support")
        subject = subscription_id(PROVIDER, reference)
        message = envelope(subject, PROVIDER, data, str(uuid4()), now)
        made.append(Outbound(BILLING_COMMANDS.name, b"wrong", message.to_json(), ()))
    return made


def _dead(
    where: Stack, tenure: Tenure, folder: Path, references: list[str], count: int
) -> dict[str, list[str]]:
    """Leave so many dead letters, with something good between them; the command ids by subject."""
    _buy(where, tenure, folder, *references)
    records = _commands(references, count, run(_now(where)))
    for start in range(0, count, IN_A_ROW):
        run(_publish(where, records[start : start + IN_A_ROW]))
        _settled(tenure)
        _buy(where, tenure, folder, f"B-{uuid4().hex[:8]}")
    asked = defaultdict(list)
    for record in records:
        message = json.loads(record.value)
        asked[message["subject"]].append(message["id"])
    return dict(asked)


async def _answered(where: Stack, asked: dict[str, list[str]]) -> dict[str, list[str]]:
    """By subject: the commands that billing acted upon, in the order of the events."""
    async with Broker(where) as broker:
        partitions = await broker.partitions([where.topic(BILLING_EVENTS.name)])
        records = await read_whole(broker, partitions)
    told: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for record in records:
        event = understood(record.value)
        if event is not None and event.causationid in asked.get(event.subject, ()):
            told[event.subject][event.sequence or 0] = event.causationid or ""
    return {subject: [id for _, id in sorted(events.items())] for subject, events in told.items()}


def _letters(tenure: Tenure, *options: str) -> list[dict[str, object]]:
    return [
        json.loads(line) for line in tenure("dlq", "list", "--json", *options).stdout.splitlines()
    ]


@pytest.mark.timeout(120 + REDRIVEN // 10)
def test_many_are_sent_back_in_order_and_none_twice(
    tenure: Tenure, where: Stack, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    references = [f"DM-{number}" for number in range(max(20, REDRIVEN // 50))]
    asked = _dead(where, tenure, tmp_path, references, REDRIVEN)
    which = ("--code", "key_mismatch", "--origin", BILLING_COMMANDS.name)
    assert len(_letters(tenure, *which)) == REDRIVEN
    assert len(_letters(tenure, "--subscription", "DM-1")) == len(
        asked[str(subscription_id(PROVIDER, "DM-1"))]
    )
    assert _letters(tenure, *which, "--until", "2000-01-01") == []
    rows = [
        json.loads(line)
        for line in tenure("dlq", "redrive", *which, "--dry-run", "--json").stdout.splitlines()
    ]
    assert {row["type"] for row in rows} == {"billing.cancel.v1", "billing.uncancel.v1"}
    assert sum(row["letters"] for row in rows) == REDRIVEN
    assert {row["refused_again"] for row in rows} == {""}
    asking = tenure("dlq", "redrive", *which, "--who", "Ann")
    assert (asking.returncode, asking.stdout) == (2, "")
    assert "--yes" in asking.stderr
    assert run(_answered(where, asked)) == {}
    began = time.monotonic()
    done = tenure("dlq", "redrive", *which, "--who", "Ann", "--why", "wrong key", "--yes")
    assert done.returncode == 0, done.stderr
    assert f"{REDRIVEN} sent back, settled in " in done.stdout
    record_property("redriven", f"{done.stdout.strip()}; {time.monotonic() - began:.1f} s in all")
    _settled(tenure)
    assert run(_answered(where, asked)) == asked
    again = tenure("dlq", "redrive", *which, "--who", "Ann", "--yes")
    assert again.returncode == 0
    assert "waits" in again.stderr
    told = [json.loads(line) for line in tenure("dlq", "history", "--json").stdout.splitlines()]
    mine = [one for one in told if one["topic"] == BILLING_COMMANDS.name]
    assert len({one["id"] for one in mine}) == len(mine) == REDRIVEN
    assert {(one["who"], one["why"], one["action"]) for one in mine} == {
        ("Ann", "wrong key", "redrive")
    }


def test_a_redrive_can_be_cut_short_and_run_again_even_twice_at_once(
    tenure: Tenure, where: Stack, tmp_path: Path
) -> None:
    asked = _dead(where, tenure, tmp_path, ["DI-1", "DI-2", "DI-3"], 60)
    decision = Decision("redrive", "Bob", None)

    async def cut_short() -> int:
        letters = await chosen(where, (), Selection(code="key_mismatch"))
        began = asyncio.Event()
        seen: list[Progress] = []

        def tell(progress: Progress) -> None:
            seen[:] = [progress]
            began.set()

        first = asyncio.create_task(settle(where, letters, decision, rate=50, tell=tell))
        await began.wait()
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        both = await asyncio.gather(*(settle(where, letters, decision) for _ in range(2)))
        assert all(not done.open and not done.refused for done in both)
        return len(seen[0].sent)

    assert 0 < run(cut_short()) < 60
    _settled(tenure)
    assert run(_answered(where, asked)) == asked
    assert _letters(tenure) == []


def test_a_correction_that_is_refused_is_shown_with_its_attempts(
    tenure: Tenure, where: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = Outbound(PAYMENTS_EVENTS.name, b"DL-1", b'{"half": ', [("traceparent", b"00-ab")])
    run(_publish(where, [bad]))
    _settled(tenure)
    (letter,) = _letters(tenure)
    id = str(letter["id"])
    assert (letter["code"], letter["attempts"], letter["behind"]) == ("not_json", 1, 0)
    assert tenure("dlq", "validate", id).returncode == 4
    wrong = tenure("dlq", "discard", id, "--who", "Ann")
    assert wrong.returncode == 2
    assert "--why" in wrong.stderr
    good = order("DL-1", run(_now(where)))
    body = json.loads(good)
    body["data"]["billing_tz"] = "Mars/Base"
    corrected = tmp_path / "corrected"
    corrected.write_text(json.dumps(body))
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\ncp {corrected} "$1"\n')
    editor.chmod(0o700)
    monkeypatch.setenv("VISUAL", str(editor))
    done = tenure("dlq", "edit", id, "--who", "Ann", "--why", "half a message", "--yes")
    assert done.returncode == 1
    assert '+  "type": "payments.order-placed.v1"' in done.stdout
    assert "unknown_time_zone" in done.stderr
    (letter,) = _letters(tenure)
    assert (letter["id"], letter["code"], letter["attempts"]) == (id, "unknown_time_zone", 2)
    shown = json.loads(tenure("dlq", "show", id, "--json").stdout)
    assert [one["code"] for one in shown["told"]] == ["not_json", "unknown_time_zone"]
    assert json.loads(shown["raw"]) == body
    assert shown["headers"]["origin-traceparent"] == "00-ab"
    assert shown["headers"]["origin-redrive-who"] == "Ann"
    assert "refused 2 times" in tenure("dlq", "explain", id).stdout
    # What is still wrong leaves nothing; an untouched message neither.
    corrected.write_text('{"type": ')
    done = tenure("dlq", "edit", id, "--who", "Ann", "--yes")
    assert done.returncode == 1
    assert "still wrong" in done.stderr
    corrected.write_text(json.dumps(body))
    assert "Nothing was changed" in tenure("dlq", "edit", id, "--who", "Ann", "--yes").stderr
    corrected.write_text(good)
    done = tenure("dlq", "redrive", id, "--who", "Ann", "--file", str(corrected))
    assert done.returncode == 0, done.stderr
    assert f"{id} sent back, settled" in done.stdout
    again = tenure("dlq", "redrive", id, "--who", "Ann")
    assert (again.returncode, again.stdout) == (0, "")
    assert "waits no more" in again.stderr
    told = tenure("dlq", "history").stdout
    assert "redrive, edited" in told
    assert "half a message" in told


def test_what_no_reader_would_take_stays_until_it_is_given_up(
    tenure: Tenure, where: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = order("DL-2", run(_now(where))).encode()
    values = ((b"DL-2", b"{"), (b"nope", good), (b"DL-2", b"{"))
    run(_publish(where, [Outbound(PAYMENTS_EVENTS.name, key, raw, ()) for key, raw in values]))
    _settled(tenure)
    shown = tenure("dlq", "redrive", "--origin", PAYMENTS_EVENTS.name, "--dry-run").stdout
    assert "refused again: not_json" in shown
    assert "Nothing was sent." in shown
    done = tenure("dlq", "redrive", "--origin", PAYMENTS_EVENTS.name, "--who", "Ann", "--yes")
    assert done.returncode == 1
    assert "2 stay" in done.stderr
    assert done.stdout.count("sent back, settled") == 1
    assert {(each["code"], each["attempts"]) for each in _letters(tenure)} == {("not_json", 1)}
    discard = ("dlq", "discard", "--subscription", "DL-2", "--who", "Ann", "--why", "rubbish")
    for answer, status in (("\n", 1), ("y\n", 0)):
        typed = io.StringIO(answer)
        monkeypatch.setattr(typed, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdin", typed)
        done = tenure(*discard)
        assert done.returncode == status, done.stderr
        assert "Discard 2 dead letters? [y/N]" in done.stderr
    assert done.stdout.count("discarded, settled") == 2
    assert _letters(tenure) == []
