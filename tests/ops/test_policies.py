"""`tenure policy`: packs in words, checked, compared; every field has words, every change one sentence."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.policy import ProviderPolicy
from ops.__main__ import main
from ops.policy_phrases import both, span
from ops.policy_words import WORDS, changes
from policies import FOLDER, load_policies
from policies.fields import FIELDS

STORE = load_policies().packs["online-store"][0]
DAY = timedelta(days=1)
CHANNELS = ("account", "support", "provider")


def days(count: int) -> timedelta:
    return count * DAY


def some_of(*values: str, at_least: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    """Any of the values, each once, in any order."""
    chosen = st.lists(st.sampled_from(values), unique=True, min_size=at_least)
    return chosen.map(tuple)


@st.composite
def packs(draw: st.DrawFn) -> ProviderPolicy:
    """Any valid pack; few distinct values each, so that two of them also agree."""

    def one(*values: Any) -> Any:
        return draw(st.sampled_from(values))

    def length_if(offered: object) -> timedelta:
        return one(DAY, timedelta(hours=23), days(90)) if offered else timedelta(0)

    charge_lead, spare = one(timedelta(0), days(14)), one(DAY, days(16))
    routes = draw(some_of(*CHANNELS, at_least=1))
    handover = draw(some_of(*(set(CHANNELS) - set(routes)))) if len(routes) < 3 else ()
    pauses = draw(some_of("freeze_term", "run_term", "at_period_end"))
    kinds = draw(some_of("initial", "renewal", "manual", "prepayment"))
    return ProviderPolicy(
        provider_id=one("shop", "isp"),
        effective_from=one(date(2025, 1, 1), date(2026, 1, 1)),
        name=one("Shop", "Net"),
        management_url=one("https://a.example.com", "https://b.example.com/{reference}"),
        charge=one("by_us", "by_provider"),
        renewal_reminder_lead=charge_lead + spare,
        renewal_charge_lead=charge_lead,
        reminder_min_notice=one(timedelta(0), DAY, spare),
        unproven_reminder=one("charge", "wait"),
        grace=one(timedelta(0), DAY, timedelta(days=7, hours=12)),
        hold=one(timedelta(0), days(30), days(60)),
        incomplete_ttl=one(timedelta(0), timedelta(hours=23), days(3)),
        cancel_routes=routes,
        cancel_in_grace=one("end_now", "at_grace_end"),
        cancel_handover=handover,
        cancel_handover_within=length_if(handover),
        pause_modes=pauses,
        max_pause=length_if(pauses),
        pause_grace=one(timedelta(0), DAY) if pauses else timedelta(0),
        settings_changes=draw(some_of("seats", "term", "product_id")),
        hold_on_dispute=one(True, False),
        refund_window=one(days(14), days(30)) if kinds else None,
        refund_tz=one("UTC", "Europe/Berlin"),
        refundable_kinds=kinds,
        billing_tz=one("UTC", "Europe/Berlin"),
        holidays=one(None, "DE", "US"),
    )


@given(packs())
def test_a_pack_does_not_differ_from_itself(pack: ProviderPolicy) -> None:
    assert changes(pack, pack.model_copy()) == []


@given(packs(), packs())
def test_every_field_that_differs_gets_exactly_one_sentence(
    a: ProviderPolicy, b: ProviderPolicy
) -> None:
    told = changes(a, b)
    assert [change.field for change in told] == [
        name for name in FIELDS if getattr(a, name) != getattr(b, name)
    ]
    for change, back in zip(told, changes(b, a), strict=True):
        sentence = change.sentence
        assert sentence[0].isupper()
        assert not sentence.endswith(".")
        assert not any(mark in sentence.replace("{reference}", "") for mark in ("{", "\n", "None"))
        assert len(sentence) > 20
        assert sentence != back.sentence or "which changes nothing" in sentence


@given(packs())
def test_every_field_says_something(pack: ProviderPolicy) -> None:
    for name, words in WORDS.items():
        said = words.says(getattr(pack, name))
        assert said.strip() == said != ""
        assert "None" not in said
        assert "{}" not in said


def test_no_field_is_without_words() -> None:
    fields = [name for name in ProviderPolicy.model_fields if name != "holiday_dates"]
    assert list(WORDS) == list(FIELDS) == fields
    labels = [words.label for words in WORDS.values()]
    assert len(set(labels)) == len(labels)


NONE = timedelta(0)
#: By field: from, to, and what is said.
SENTENCES: dict[str, list[tuple[Any, Any, str]]] = {
    "provider_id": [("a", "b", "The provider is b instead of a")],
    "effective_from": [
        (
            date(2020, 1, 1),
            date(2025, 1, 1),
            "The version is in force from 2025-01-01 instead of 2020-01-01",
        )
    ],
    "name": [("A", "B", "Customers read the name B instead of A")],
    "management_url": [
        ("https://a", "https://b", "The management link is https://b instead of https://a")
    ],
    "charge": [
        (
            "by_us",
            "by_provider",
            "The provider charges renewals by itself; we no longer ask for them",
        ),
        (
            "by_provider",
            "by_us",
            "We ask for renewal charges, which the provider no longer makes by itself",
        ),
    ],
    "renewal_reminder_lead": [
        (days(30), days(20), "The renewal reminder is sent 20 days instead of 30 before the end")
    ],
    "renewal_charge_lead": [
        (days(14), DAY, "A renewal is charged 1 day instead of 14 before the end"),
        (days(14), NONE, "A renewal is charged at the end and no longer before it"),
        (NONE, DAY, "A renewal is charged 1 day before the end instead of at the end"),
    ],
    "reminder_min_notice": [
        (days(7), days(3), "A charge waits 3 days instead of 7 after the reminder was accepted"),
        (days(7), NONE, "A charge may follow the reminder at once"),
        (NONE, days(7), "A charge waits until 7 days after the reminder was accepted"),
    ],
    "unproven_reminder": [
        (
            "charge",
            "wait",
            "A renewal charge waits when no mail server accepted its reminder",
        ),
        (
            "wait",
            "charge",
            "A renewal is charged even when no mail server accepted its reminder",
        ),
    ],
    "grace": [
        (days(7), days(14), "A failed renewal keeps access 14 days instead of 7"),
        (days(7), NONE, "A failed renewal no longer keeps access: there is no grace"),
        (NONE, days(7), "A failed renewal keeps access for 7 days, where there was no grace"),
    ],
    "hold": [
        (
            days(30),
            days(60),
            "After grace a payment brings the subscription back for 60 days instead of 30",
        ),
        (days(30), NONE, "After grace the subscription expires at once: there is no hold"),
        (
            NONE,
            days(30),
            "After grace a payment brings the subscription back for 30 days, where there was no hold",
        ),
    ],
    "incomplete_ttl": [
        (
            timedelta(hours=23),
            days(3),
            "An order waits 3 days instead of 23 hours for its first payment",
        ),
        (DAY, NONE, "An order no longer waits for its first payment"),
        (NONE, DAY, "An order waits 1 day for its first payment, where it did not wait"),
    ],
    "cancel_routes": [
        (
            ("account",),
            ("account", "support"),
            "A cancellation also takes effect at once through our support",
        ),
        (
            ("account", "provider"),
            ("account",),
            "A cancellation no longer takes effect at once on the provider's page",
        ),
        (
            ("account",),
            ("support", "provider"),
            "A cancellation also takes effect at once through our support and on the provider's page; "
            "a cancellation no longer takes effect at once on the account page",
        ),
        (
            ("account", "support"),
            ("support", "account"),
            "Cancellation: listed in another order, which changes nothing",
        ),
    ],
    "cancel_in_grace": [
        (
            "end_now",
            "at_grace_end",
            "A cancellation in grace ends access at the end of grace and no longer at once",
        ),
        (
            "at_grace_end",
            "end_now",
            "A cancellation in grace ends access at once and no longer at the end of grace",
        ),
    ],
    "cancel_handover": [
        (
            (),
            ("account",),
            "A cancellation begun on the account page is now finished on the provider's page",
        ),
        (("account",), (), "No cancellation is handed over to the provider's page any more"),
        (
            ("account", "support"),
            ("support",),
            "A cancellation begun on the account page is no longer handed over to the provider's page",
        ),
    ],
    "cancel_handover_within": [
        (
            days(7),
            days(3),
            "The provider has 3 days instead of 7 to confirm a cancellation handed over",
        ),
        (NONE, days(3), "The provider has 3 days to confirm a cancellation handed over"),
        (days(3), NONE, "The provider has no cancellation to confirm any more"),
    ],
    "pause_modes": [
        (("run_term",), (), "Customers can no longer pause"),
        ((), ("run_term",), "Customers can now pause at once while paid time runs on"),
        (
            ("run_term",),
            ("run_term", "freeze_term"),
            "Customers can also pause at once with unused time kept",
        ),
        (
            ("run_term", "at_period_end"),
            ("at_period_end", "run_term"),
            "A pause without a wish begins from the end of the current period instead of at once while "
            "paid time runs on",
        ),
    ],
    "max_pause": [
        (days(90), days(30), "A pause lasts at most 30 days instead of 90"),
        (NONE, days(90), "A pause lasts at most 90 days, where there was none"),
        (days(90), NONE, "There is no longest pause any more"),
    ],
    "pause_grace": [
        (days(1), days(3), "A pause leaves everything usable for 3 days instead of 1"),
        (
            NONE,
            days(3),
            "A pause leaves everything usable for 3 days after its start, where access ended at once",
        ),
        (days(3), NONE, "A pause takes access away at once"),
    ],
    "settings_changes": [
        ((), ("seats",), "Customers can now change the number of seats"),
        (("seats", "term"), ("term",), "Customers can no longer change the number of seats"),
        (("term",), ("term", "product_id"), "Customers can also change the product"),
        (("seats",), (), "Customers can no longer change settings"),
    ],
    "hold_on_dispute": [
        (False, True, "An open dispute takes access away until it is decided"),
        (True, False, "An open dispute no longer takes access away"),
    ],
    "refund_window": [
        (days(30), days(14), "A refund can be asked for 14 days instead of 30 after the order"),
        (days(30), None, "Customers can no longer ask for a refund"),
        (
            None,
            days(14),
            "A refund can be asked for until 14 days after the order, where there was none",
        ),
    ],
    "refund_tz": [
        ("UTC", "Europe/Berlin", "The days of refunds are counted in Europe/Berlin instead of UTC")
    ],
    "refundable_kinds": [
        (("initial",), ("initial", "manual"), "A refund is also possible for manual renewals"),
        (
            ("initial", "renewal"),
            ("initial",),
            "A refund is no longer possible for automatic renewals",
        ),
        (
            (),
            ("initial", "renewal"),
            "A refund is possible for first payments and automatic renewals",
        ),
        (("prepayment",), (), "A refund is possible for no payment any more"),
    ],
    "billing_tz": [
        (
            "UTC",
            "Asia/Tokyo",
            "Months and years are counted in Asia/Tokyo instead of UTC, when the order names no time zone",
        )
    ],
    "holidays": [
        ("DE", "US", "Business days leave out holidays in US instead of holidays in DE"),
        ("DE", None, "Business days leave out no holidays instead of holidays in DE"),
    ],
}


def test_the_sentences_of_every_field() -> None:
    assert set(SENTENCES) == set(WORDS)
    for name, cases in SENTENCES.items():
        for old, new, sentence in cases:
            before, after = (STORE.model_copy(update={name: each}) for each in (old, new))
            (change,) = changes(before, after)
            assert (change.field, change.sentence) == (name, sentence)


def test_durations_in_words() -> None:
    assert (
        span(timedelta(days=1, hours=2, minutes=1, seconds=5)) == "1 day 2 hours 1 minute 5 seconds"
    )
    assert both(timedelta(hours=12), DAY) == "1 day instead of 12 hours"
    assert both(days(7), timedelta(hours=12)) == "12 hours instead of 7 days"


class Ran:
    """What a command line did: its exit code and what it wrote."""

    def __init__(self, *arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.code: object = 0
        try:
            main(["policy", *arguments])
        except SystemExit as ended:
            self.code = ended.code or 0
        written = capsys.readouterr()
        self.out, self.err = written.out, written.err

    @property
    def records(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


def pack_file(folder: Path, name: str = "mine.yaml", **fields: str) -> Path:
    """A pack of the examples with some fields changed; an empty text leaves a field out."""
    told = {field: guide.example for field, guide in FIELDS.items()} | fields
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{field}: {text}\n" for field, text in told.items() if text))
    return file


def test_list_says_which_version_is_in_force(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    today = datetime.now(UTC).date()
    for effective in (date(2020, 1, 1), today - 2 * DAY, today + 2 * DAY):
        pack_file(tmp_path, f"online-store/{effective}.yaml", effective_from=effective.isoformat())
    policies = load_policies(tmp_path)
    monkeypatch.setattr("ops.policy_command.load_policies", lambda: policies)
    records = Ran("list", "--json", capsys=capsys).records
    assert [record["in_force"] for record in records] == [False, True, False]
    assert records[0] == {
        "provider": "online-store",
        "version": "2020-01-01",
        "name": "Online Store",
        "in_force": False,
    }
    lines = Ran("list", capsys=capsys).out.splitlines()
    assert [("today" in line) for line in lines] == [False, False, True, False]
    assert (
        Ran("show", "online-store", capsys=capsys)
        .out.splitlines()[1]
        .startswith(f"In force: from {today - 2 * DAY} ")
    )


def test_list_names_the_packs_of_the_house(capsys: pytest.CaptureFixture[str]) -> None:
    records = Ran("list", "--json", capsys=capsys).records
    assert {record["provider"] for record in records} == set(load_policies().packs)


def test_show_says_every_field_with_its_rules(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Ran("show", "online-store", "--version", "2020-01-01", capsys=capsys).out.splitlines()
    assert len(lines) == len(FIELDS)
    assert "Grace: 7 days after the end with unchanged functionality (S-12, S-13, S-14)" in lines
    assert lines == Ran("show", "online-store@2020-01-01", capsys=capsys).out.splitlines()
    assert (
        lines
        == Ran("show", str(FOLDER / "online-store/2020-01-01.yaml"), capsys=capsys).out.splitlines()
    )
    (record,) = Ran("show", "ksc-like", "--json", capsys=capsys).records
    grace = next(field for field in record["fields"] if field["field"] == "grace")
    assert grace == {
        "field": "grace",
        "value": "PT0S",
        "label": "Grace",
        "words": "none: access ends with what is paid",
        "rules": "S-12, S-13, S-14",
    }


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "online-stor"), 3, "Did you mean online-store?"),
        (("show", "online-store", "--version", "2021-01-01"), 3, "there is 2020-01-01"),
        (("show", "missing.yaml"), 3, "There is no file missing.yaml"),
        (("diff", "online-store", "nobody"), 3, "There is no provider 'nobody'"),
        (("check", "missing"), 3, "There is no file or folder missing"),
    ],
)
def test_a_pack_that_is_not_there_is_said_so(
    arguments: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(*arguments, capsys=capsys)
    assert (ran.code, ran.out) == (code, "")
    assert words in " ".join(ran.err.split())


def test_check_says_all_that_is_wrong_with_an_example(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = pack_file(tmp_path, grace="", hold="P1M", charge="nobody")
    ran = Ran("check", str(file), capsys=capsys)
    assert ran.code == 4
    assert ran.out.splitlines() == [
        f"{file}: field 'charge': must be by_us or by_provider, not \"nobody\"",
        f"{file}: field 'grace': is missing; write it such as `grace: P7D`",
        f"{file}: field 'hold': must be an ISO 8601 duration in weeks, days or hours such as P7D or PT23H",
    ]
    assert ran.err == "tenure: 3 faults in 1 of 1 packs.\n"
    (record,) = Ran("check", "--json", str(file), capsys=capsys).records
    assert (record["file"], record["right"]) == (str(file), False)
    assert [fault["field"] for fault in record["faults"]] == ["charge", "grace", "hold"]


def test_check_takes_a_draft_by_itself_and_judges_a_folder_as_services_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draft = pack_file(tmp_path / "packs", "online-store/draft.yaml")
    ran = Ran("check", str(draft), capsys=capsys)
    assert (ran.code, ran.out) == (0, f"{draft}: right (online-store, version 2025-01-01)\n")
    for folder in (draft.parent.parent, draft.parent):
        ran = Ran("check", str(folder), capsys=capsys)
        assert ran.code == 4
        assert ran.out == f"{draft}: must be named online-store/2025-01-01.yaml\n"
    draft.rename(draft.parent / "2025-01-01.yaml")
    (record,) = Ran("check", "--json", str(draft.parent), capsys=capsys).records
    assert (record["right"], record["faults"]) == (True, [])
    empty = Ran("check", str(tmp_path), capsys=capsys)
    assert (empty.code, empty.out) == (3, "")


def test_the_packs_of_the_house_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran("check", str(FOLDER), capsys=capsys)
    assert ran.code == 0
    assert len(ran.out.splitlines()) == len(list(FOLDER.glob("*/*.yaml")))


def test_diff_says_what_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = pack_file(
        tmp_path, grace="P14D", pause_modes="[]", max_pause="PT0S", effective_from="2020-01-01"
    )
    ran = Ran("diff", "online-store@2020-01-01", str(changed), capsys=capsys)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "A failed renewal keeps access 14 days instead of 7 (grace)",
        "Customers can no longer pause (pause_modes)",
        "There is no longest pause any more (max_pause)",
    ]
    first, *_ = Ran("diff", "online-store", str(changed), "--json", capsys=capsys).records
    assert first == {
        "field": "grace",
        "old": "P7D",
        "new": "P14D",
        "sentence": "A failed renewal keeps access 14 days instead of 7",
    }
    same = Ran("diff", "online-store", "online-store@2020-01-01", capsys=capsys)
    assert (same.code, same.out, same.err) == (0, "", "")


def test_diff_does_not_compare_a_wrong_pack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = pack_file(tmp_path, grace="P1M")
    ran = Ran("diff", "online-store", str(file), capsys=capsys)
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.startswith(f"tenure: {file}: field 'grace': must be an ISO 8601 duration")


def table_row(name: str) -> str:
    """How docs/policies.md tells a field."""
    field = FIELDS[name]
    return f"| `{name}` | {field.meaning} | {field.form} | {field.rules} |"


def test_the_page_tells_every_field_and_a_whole_pack() -> None:
    page = (FOLDER.parent / "docs" / "policies.md").read_text()
    told = [line for line in page.splitlines() if line.startswith("| `")]
    assert told == [table_row(name) for name in FIELDS]
    assert "".join(f"{name}: {field.example}\n" for name, field in FIELDS.items()) in page
