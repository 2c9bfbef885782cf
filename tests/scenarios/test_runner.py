"""The runner itself: what fails is shown with its difference, and a wrong file with its line."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.__main__ import main
from ops.scenario.instants import parse
from ops.scenario.memory import play_in_memory
from ops.scenario.play import Play
from ops.scenario.reading import InvalidScenario, read

GOOD = """\
name: Paid and cancelled
shows: A year is paid, and cancelled after a hundred days.
rules: [S-37]
provider: online-store
steps:
- upstream: order-placed
- upstream: payment-succeeded
  expect: {status: active, mails: [order-confirmation]}
- at: +100d
  command: cancel
  expect: {auto_renew: off, paid_through: +1y}
"""
START = datetime(2025, 1, 10, 9, tzinfo=UTC)


def file(folder: Path, text: str = GOOD, **changes: str) -> Path:
    """A file with some words of it replaced."""
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "one.yaml"
    path.write_text(text)
    return path


def play(folder: Path, *changes: tuple[str, str]) -> Play:
    """The play of the file with some words replaced."""
    return play_in_memory(read(file(folder, **dict(changes))))


def test_what_holds_has_no_difference(tmp_path: Path) -> None:
    assert play(tmp_path).differences == []


@pytest.mark.parametrize(
    ("old", "new", "field", "expected", "found"),
    [
        ("status: active", "status: grace", "status", "grace", "active"),
        ("auto_renew: off", "auto_renew: on", "auto_renew", "on", "off"),
        ("paid_through: +1y", "paid_through: open", "paid_through", "open", "2026-01-10T09:00:00Z"),
        (
            "[order-confirmation]",
            "[receipt]",
            "mails",
            "receipt",
            "order-confirmation",
        ),
        ("paid_through: +1y", "days_remaining: 264", "days_remaining", "264", "265"),
        ("paid_through: +1y", "access: {+1y: active}", "access at +1y", "active", "expired"),
        (
            "paid_through: +1y",
            "capabilities: [scan]",
            "capabilities at now",
            "scan",
            "cloud_reputation, database_updates, protection, scan",
        ),
        ("paid_through: +1y", "answer: NO_AUTO_RENEWAL", "answer", "NO_AUTO_RENEWAL", "ok"),
        (
            "paid_through: +1y",
            "requests: [charge-requested]",
            "requests",
            "charge-requested",
            "nothing",
        ),
        ("paid_through: +1y", "dead_letters: [far_future]", "dead_letters", "far_future", "none"),
        (
            "paid_through: +1y",
            "events: {billing: {includes: [cancellation-scheduled: {cancel_at: +2y}]}}",
            "events.billing: cancellation-scheduled.cancel_at",
            "2027-01-10T09:00:00Z",
            "2026-01-10T09:00:00Z",
        ),
        (
            "paid_through: +1y",
            "events: {billing: {excludes: [cancellation-scheduled]}}",
            "events.billing",
            "no cancellation-scheduled",
            "subscription-created, period-scheduled, payment-succeeded, cancellation-scheduled",
        ),
        (
            "paid_through: +1y",
            "next_charge_at: +1y-14d",
            "next_charge_at",
            "2025-12-27T09:00:00Z",
            "none",
        ),
        ("paid_through: +1y", "reason: lapsed", "reason", "lapsed", "None"),
        ("paid_through: +1y", "valid_until: open", "valid_until", "open", "2026-01-10T09:00:00Z"),
    ],
)
def test_every_expectation_can_fail(
    tmp_path: Path, old: str, new: str, field: str, expected: str, found: str
) -> None:
    differences = play(tmp_path, (old, new)).differences
    assert [(d.field, d.expected, d.found) for d in differences] == [(field, expected, found)]


def test_a_refusal_that_is_not_expected_fails(tmp_path: Path) -> None:
    differences = play(tmp_path, ("command: cancel", "command: uncancel")).differences
    assert ("answer", "ok", "NOT_CANCELED") in [(d.field, d.expected, d.found) for d in differences]


def test_a_dead_letter_that_is_not_expected_fails(tmp_path: Path) -> None:
    late = ("upstream: payment-succeeded", "upstream: {type: payment-succeeded, occurred: +1d}")
    found = {d.field: d.found for d in play(tmp_path, late).differences}
    assert found["dead_letters"].startswith("time_in_future (billing: ")


def test_a_step_that_refers_to_nothing_stops_the_story(tmp_path: Path) -> None:
    answer = "upstream: {type: payment-succeeded, order: 2, charge: last}"
    (difference,) = play(tmp_path, ("command: cancel", answer)).differences
    assert difference.step == 2
    assert difference.found == "no payments.charge-requested was said before this step"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("status: active", "status: activ", 8, "steps.1.expect.status: Input should be 'not-paid'"),
        ("online-store", "online-stor", 4, "Did you mean online-store?"),
        ("at: +100d", "at: +100days", 9, "steps.2.at: '+100days' is no instant: write 2025-06-01"),
        ("at: +100d", "at: start-1d", 9, "lies before the step before it"),
        ("at: +100d", "down_since: +9d", 9, "down_since needs an at"),
        ("at: +100d", "at: +9d\n  down_since: now", 10, "'now' must lie before this step ('+9d')"),
        ("at: +100d", "at: +9d\n  down_since: -1d", 10, "and not before the step before it"),
        (
            "command: cancel",
            "command: cancle",
            10,
            "does not match any of the expected tags: 'cancel'",
        ),
        ("auto_renew: off", "autorenew: off", 11, "autorenew: this field is not known"),
        (
            "[order-confirmation]",
            "[receit]",
            8,
            "'receit' is not known here. Did you mean receipt?",
        ),
        ("rules: [S-37]", "rules: [S37]", 3, "rules.0: String should match pattern"),
        ("rules: [S-37]\n", "", 1, "rules: Field required"),
        ("provider:", "name: again\nprovider:", 1, "'name' stands here twice"),
        ("steps:", "steps: [", 6, "no valid YAML"),
        ("  command: cancel", "  command: cancel\n  answer: pays", 9, "a step does one thing"),
        ("provider:", "amount: 49,99 EUR\nprovider:", 4, "write it like 49.99 EUR"),
        ("provider:", "policies: nowhere\nprovider:", 0, "no policy pack found"),
    ],
)
def test_a_wrong_file_names_line_field_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    path = file(tmp_path, **{old: new})
    with pytest.raises(InvalidScenario) as raised:
        read(path)
    assert raised.value.exit_code == 2
    place = f"{path}:{line}: " if line else f"{path}: "
    assert str(raised.value).startswith(place)
    assert words in str(raised.value)


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[object, str, str]:
    """Exit status, data and messages of `tenure scenario`."""
    with pytest.raises(SystemExit) as ended:
        main(["scenario", *map(str, arguments)])
    written = capsys.readouterr()
    return ended.value.code or 0, written.out, written.err


def test_the_command_shows_what_failed_with_its_timeline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = command(capsys, file(tmp_path, **{"status: active": "status: grace"}))
    assert code == 1
    assert out.startswith("FAILS one ")
    assert "step 2 (upstream payment-succeeded): status" in out
    assert "expected  grace" in out
    assert "found     active" in out
    assert "subscription-created" in out
    assert "· now" in out
    assert err.startswith("tenure: 0 of 1 scenarios hold (memory, ")


def test_the_command_takes_folders_and_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file(tmp_path)
    code, out, _ = command(capsys, tmp_path)
    assert code == 0
    assert out.splitlines()[0].startswith("ok    one ")
    assert out.splitlines()[-1].startswith("1 of 1 scenarios hold (memory, ")


def test_a_missing_file_is_told_with_a_suggestion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file(tmp_path)
    code, _, err = command(capsys, tmp_path / "onee.yaml")
    assert code == 3
    assert "Did you mean one.yaml?" in err


def test_own_packs_decide(tmp_path: Path) -> None:
    """A provider writes scenarios for its own pack."""
    raw: dict[str, Any] = yaml.safe_load(
        Path("policies/online-store/2020-01-01.yaml").read_text(encoding="utf-8")
    )
    raw |= {"provider_id": "my-store", "grace": "P3D"}
    pack = tmp_path / "packs" / "my-store" / "2020-01-01.yaml"
    pack.parent.mkdir(parents=True)
    pack.write_text(yaml.safe_dump(raw))
    text = GOOD.replace("online-store", "my-store\npolicies: packs\nauto_renew: off").replace(
        "  command: cancel\n  expect: {auto_renew: off, paid_through: +1y}",
        "  expect: {access: {+1y3d-1s: grace, +1y3d: suspended}}",
    )
    known = read(file(tmp_path, text))
    assert known.own_packs
    assert play_in_memory(known).differences == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("start", "2025-01-10T09:00"),
        ("+1y", "2026-01-10T09:00"),
        ("+1y-14d2h", "2025-12-27T07:00"),
        ("+1y-14d+2h", "2025-12-27T11:00"),
        ("+11mo", "2025-12-10T09:00"),
        ("-1mo", "2024-12-10T09:00"),
        ("now-1s", "2025-06-30T23:59:59"),
        ("2025-06-01", "2025-06-01"),
        ("2025-06-01T10:00Z", "2025-06-01T10:00"),
        ("2025-06-01T10:00+02:00 +1w", "2025-06-08T08:00"),
    ],
)
def test_instants(text: str, expected: str) -> None:
    now = datetime(2025, 7, 1, tzinfo=UTC)
    assert parse(text).at(START, now) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "1y", "+1", "+1x", "soon", "2025-13-01", "2025-06-01+1d", "now 1d", 5]
)
def test_no_instants(text: object) -> None:
    with pytest.raises(ValueError, match="is no instant"):
        parse(text)


def test_the_example_of_the_page_holds(tmp_path: Path) -> None:
    page = Path("docs/scenarios.md").read_text(encoding="utf-8")
    (example,) = [
        part.split("```")[0] for part in page.split("```yaml\n")[1:] if part.startswith("name:")
    ]
    assert play_in_memory(read(file(tmp_path, example))).differences == []
