"""Policy packs: those of the house load, versions follow their dates, a wrong pack says what is wrong."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import process_time
from typing import Any

import pytest
import yaml

from contracts.policy import ProviderPolicy, UnknownPolicy
from policies import FOLDER, InvalidPolicy, load_policies, read_pack
from policies.fields import FIELDS

STORE = FOLDER / "online-store" / "2020-01-01.yaml"


def pack(folder: Path, effective: str = "2020-01-01", **changes: Any) -> Path:
    """Write a pack of the online store with some fields changed; `...` as a value drops the field."""
    fields = yaml.safe_load(STORE.read_text()) | {"effective_from": effective} | changes
    file = folder / "online-store" / f"{effective}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.safe_dump({k: v for k, v in fields.items() if v is not ...}))
    return file


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_packs_of_the_house_load() -> None:
    policies = load_policies()
    assert set(policies.packs) == {
        file.name for file in FOLDER.iterdir() if list(file.glob("*.yaml"))
    }
    store = policies.stamped("online-store", "2020-01-01")
    assert (store.grace, store.hold) == (timedelta(days=7), timedelta(days=30))
    assert store.link("R-1001") == "https://store.example.com/subscriptions/R-1001"


def test_the_version_in_force_follows_the_date(tmp_path: Path) -> None:
    for effective in ("2025-07-01", "2020-01-01", "2025-01-01"):
        pack(tmp_path, effective)
    policies = load_policies(tmp_path)

    def version(at: str) -> str:
        return policies.in_force("online-store", utc(at)).version

    assert version("2019-01-01T00:00") == "2020-01-01"
    assert version("2024-12-31T23:59:59.999999") == "2020-01-01"
    assert version("2025-01-01T00:00") == "2025-01-01"
    assert version("2025-06-30T23:59") == "2025-01-01"
    assert version("2099-01-01T00:00") == "2025-07-01"


def test_an_unknown_provider_or_version_is_said_so() -> None:
    policies = load_policies()
    assert policies.knows("online-store")
    assert not policies.knows("nobody")
    with pytest.raises(UnknownPolicy, match="provider 'nobody'"):
        policies.in_force("nobody", utc("2025-01-01"))
    with pytest.raises(UnknownPolicy, match="version '2021-01-01' of provider 'online-store'"):
        policies.stamped("online-store", "2021-01-01")


SPAN = "must be an ISO 8601 duration in weeks, days or hours"
WRONG = {
    "another word": ({"charge": "by_nobody"}, "charge", "by_us or by_provider"),
    "no duration": ({"grace": "a week"}, "grace", f"{SPAN} such as P7D"),
    "a month, which has no length": ({"grace": "P1M"}, "grace", f"{SPAN} such as P7D"),
    "a number of days": ({"grace": 7}, "grace", f"{SPAN}, from PT0S to P3660D, not 7"),
    "a negative duration": ({"hold": "-P1D"}, "hold", SPAN),
    "a duration of a century": (
        {"hold": "P40000D"},
        "hold",
        f'{SPAN}, from PT0S to P3660D, not "P4',
    ),
    "no cancel route": ({"cancel_routes": []}, "cancel_routes", "at least one of them, not []"),
    "an unknown route": ({"cancel_routes": ["fax"]}, "cancel_routes", "account, support, provider"),
    "an unknown kind": (
        {"refundable_kinds": ["gift"]},
        "refundable_kinds",
        'initial, renewal, manual, prepayment, or [], not "gift"',
    ),
    "a link without https": ({"management_url": "http://x"}, "management_url", "an https link"),
    "a link with another place": (
        {"management_url": "https://x/{id}"},
        "management_url",
        "no braces but those of {reference}",
    ),
    "a field that is missing": (
        {"grace": ...},
        "grace",
        "is missing; write it such as `grace: P7D`",
    ),
    "an unknown field": ({"gracious": "P7D"}, "gracious", "is no field of a pack"),
    "a misspelt field": ({"hodl": "P7D"}, "hodl", "did you mean 'hold'?"),
    "what only the loader fills in": (
        {"holiday_dates": []},
        "holiday_dates",
        "is no field of a pack",
    ),
    "a day that does not exist": (
        {"effective_from": "2025-02-30"},
        "effective_from",
        "must be a date",
    ),
    "a date before all messages": (
        {"effective_from": "1999-12-31"},
        "effective_from",
        "from 2000-01",
    ),
    "an unknown time zone": ({"refund_tz": "Europe/Berln"}, "refund_tz", "IANA time zone"),
    "an unknown billing time zone": ({"billing_tz": "Mars/Base"}, "billing_tz", "IANA time zone"),
    "an unknown country": (
        {"holidays": "XX"},
        "holidays",
        'country code such as DE, or null, not "XX"',
    ),
    "a country in words": ({"holidays": "Germany"}, "holidays", "alpha-2 country code such as DE"),
    "a value twice": (
        {"cancel_routes": ["account", "support", "account"]},
        "cancel_routes",
        "must name each value once; account is named again",
    ),
    "a kind twice": ({"refundable_kinds": ["initial"] * 2}, "refundable_kinds", "each value once"),
    "a pause twice": ({"pause_modes": ["run_term"] * 2}, "pause_modes", "each value once"),
    "a setting twice": ({"settings_changes": ["term"] * 2}, "settings_changes", "each value once"),
    "a charge with the reminder": (
        {"renewal_charge_lead": "P30D"},
        "renewal_charge_lead",
        "must be shorter than renewal_reminder_lead",
    ),
    "a notice longer than there is time": (
        {"reminder_min_notice": "P17D"},
        "reminder_min_notice",
        "renewal_reminder_lead less renewal_charge_lead: at most P16D",
    ),
    "a handover of a channel that is taken here": (
        {"cancel_handover": ["support"], "cancel_handover_within": "P3D"},
        "cancel_handover",
        "must not name what cancel_routes names: support",
    ),
    "a handover twice": (
        {
            "cancel_routes": ["provider"],
            "cancel_handover": ["account", "account"],
            "cancel_handover_within": "P3D",
        },
        "cancel_handover",
        "each value once",
    ),
    "a handover without time": (
        {"cancel_routes": ["provider"], "cancel_handover": ["account"]},
        "cancel_handover_within",
        "must be longer than PT0S while cancel_handover is not empty",
    ),
    "time for no handover": (
        {"cancel_handover_within": "P3D"},
        "cancel_handover_within",
        "must be PT0S while cancel_handover is []",
    ),
    "a pause without length": (
        {"max_pause": "PT0S"},
        "max_pause",
        "must be longer than PT0S while pause_modes is not empty",
    ),
    "a length of no pause": (
        {"pause_modes": []},
        "max_pause",
        "must be PT0S while pause_modes is []",
    ),
    "access in no pause": (
        {"pause_modes": [], "max_pause": "PT0S", "pause_grace": "P1D"},
        "pause_grace",
        "must be PT0S while pause_modes is []",
    ),
    "refunds of nothing": (
        {"refundable_kinds": []},
        "refundable_kinds",
        "must name at least one kind while there is a refund_window",
    ),
    "kinds without refunds": (
        {"refund_window": None},
        "refundable_kinds",
        "must be [] while refund_window is null",
    ),
    "half a day of refunds": (
        {"refund_window": "PT36H"},
        "refund_window",
        "whole days such as P30D",
    ),
    "no day of refunds": ({"refund_window": "PT0S"}, "refund_window", "null for no refunds"),
}


@pytest.mark.parametrize(("changes", "field", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_pack_names_file_field_and_what_is_allowed(
    tmp_path: Path, changes: dict[str, Any], field: str, sentence: str
) -> None:
    file = pack(tmp_path, **changes)
    with pytest.raises(InvalidPolicy) as refusal:
        read_pack(file)
    (fault,) = refusal.value.faults
    assert (fault.file, fault.field) == (file, field)
    assert sentence in fault.sentence
    assert str(refusal.value) == f"{file}: field '{field}': {fault.sentence}"


RIGHT: dict[str, dict[str, Any]] = {
    "one page for all customers": {"management_url": "https://x.example.com/login"},
    "the reminder just in time": {"reminder_min_notice": "P16D"},
    "a handover": {
        "cancel_routes": ["provider"],
        "cancel_handover": ["support", "account"],
        "cancel_handover_within": "PT1H",
    },
    "no pause": {"pause_modes": [], "max_pause": "PT0S", "pause_grace": "PT0S"},
    "no refund": {"refund_window": None, "refundable_kinds": []},
    "a week of refunds": {"refund_window": "P1W"},
    "no holidays": {"holidays": None},
}


@pytest.mark.parametrize("changes", RIGHT.values(), ids=RIGHT)
def test_fields_that_fit_each_other_are_right(tmp_path: Path, changes: dict[str, Any]) -> None:
    read = read_pack(pack(tmp_path, **changes)).model_dump(mode="json")
    assert {name: read[name] for name in changes} == changes | (
        {"refund_window": "P7D"} if changes.get("refund_window") == "P1W" else {}
    )


def test_all_faults_of_all_packs_are_found_at_once(tmp_path: Path) -> None:
    first = pack(tmp_path, "2025-01-01", grace="P1M", hold=..., refund_tz="Nowhere", more=1)
    second = pack(tmp_path, "2026-01-01", name="")
    with pytest.raises(InvalidPolicy) as refusal:
        load_policies(tmp_path)
    assert [(fault.file, fault.field) for fault in refusal.value.faults] == [
        (first, "more"),
        (first, "grace"),
        (first, "hold"),
        (first, "refund_tz"),
        (second, "name"),
    ]
    assert str(refusal.value).endswith("(and 4 more: `tenure policy check` lists them)")


def test_a_pack_stands_where_its_provider_and_date_say(tmp_path: Path) -> None:
    pack(tmp_path).rename(tmp_path / "online-store" / "2021-01-01.yaml")
    with pytest.raises(InvalidPolicy, match=r"must be named online-store/2020-01-01\.yaml"):
        load_policies(tmp_path)


def test_a_pack_with_another_ending_is_not_passed_over(tmp_path: Path) -> None:
    pack(tmp_path, "2025-01-01")
    pack(tmp_path).rename(tmp_path / "online-store" / "2020-01-01.yml")
    with pytest.raises(InvalidPolicy, match=r"must be named online-store/2020-01-01\.yaml"):
        load_policies(tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"grace: [", "not valid YAML"),
        (b"grace: P7D\nhold: P1D\ngrace: P8D\n", "'grace' is given twice"),
        (b"[a, b]", "one field per line such as `grace: P7D`"),
        (b"\xff\xfe\x00", "not valid YAML"),
        (b"name: &name [*name]", "plain values and lists only"),
        (b"[" * 5000, "not valid YAML"),
        (b"", "field 'provider_id': is missing; write it such as `provider_id: online-store`"),
    ],
    ids=["open", "twice", "a list", "no text", "circular", "deep", "empty"],
)
def test_text_that_is_no_pack_is_said_so(tmp_path: Path, text: bytes, sentence: str) -> None:
    file = pack(tmp_path)
    file.write_bytes(text)
    with pytest.raises(InvalidPolicy) as refusal:
        read_pack(file)
    assert str(refusal.value).startswith(f"{file}: ")
    assert sentence in str(refusal.value)


def test_no_pack_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicy, match="no policy pack found"):
        load_policies(tmp_path)


def test_norway_is_a_country_without_quotes_too(tmp_path: Path) -> None:
    file = pack(tmp_path)
    file.write_text(file.read_text().replace("holidays: DE", "holidays: NO"))
    assert date(2025, 5, 17) in read_pack(file).holiday_dates


def test_the_loader_fills_in_the_holidays(tmp_path: Path) -> None:
    german = read_pack(pack(tmp_path, "2024-01-01")).holiday_dates
    assert {date(2024, 10, 3), date(2025, 4, 21), date(2053, 12, 25)} <= german
    assert not {date(2025, 7, 4), date(2023, 12, 25), date(2025, 10, 4)} & german
    american = read_pack(pack(tmp_path, "2024-01-01", holidays="US")).holiday_dates
    assert date(2025, 7, 4) in american
    assert date(2025, 10, 3) not in american
    assert read_pack(pack(tmp_path, holidays=None)).holiday_dates == frozenset()


def test_holidays_are_quick_to_load(tmp_path: Path) -> None:
    read_pack(pack(tmp_path, holidays="AT"))  # the library itself, once per process
    spent = []
    for year in ("2020-01-01", "2021-01-01", "2022-01-01"):  # each computed anew
        file = pack(tmp_path, year, holidays="AT")
        begun = process_time()
        read_pack(file)
        spent.append(process_time() - begun)
    assert min(spent) < 0.1


FIELD_NAMES = set(ProviderPolicy.model_fields) - {"holiday_dates"}


def test_every_field_is_explained_and_its_example_is_right(tmp_path: Path) -> None:
    assert set(FIELDS) == FIELD_NAMES
    file = tmp_path / "mine.yaml"
    file.write_text("".join(f"{name}: {field.example}\n" for name, field in FIELDS.items()))
    assert read_pack(file).name == "Online Store"


def test_every_allowed_word_is_told() -> None:
    properties = ProviderPolicy.model_json_schema()["properties"]
    told = 0
    for name in FIELD_NAMES:
        allowed = properties[name].get("enum", properties[name].get("items", {}).get("enum", ()))
        told += len(allowed)
        assert [word for word in allowed if word not in FIELDS[name].form] == []
    assert told >= 20


@pytest.mark.parametrize("service", ["billing", "licensing", "notifications"])
@pytest.mark.timeout(60)
def test_a_service_with_a_wrong_pack_ends_with_78(tmp_path: Path, service: str) -> None:
    here = tmp_path / "policies"
    shutil.copytree(FOLDER, here, ignore=shutil.ignore_patterns("__pycache__"))
    file = pack(here, charge="by_nobody")
    nowhere = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}"],
        cwd=tmp_path,  # its room `policies` comes before ours
        env={**os.environ, **nowhere, "PYTHONPATH": str(FOLDER.parent)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == (
        f"Configuration error: {file}: field 'charge': must be by_us or by_provider, "
        'not "by_nobody"\n'
    )


def test_a_reference_cannot_change_where_the_link_leads() -> None:
    store = load_policies().stamped("online-store", "2020-01-01")
    assert store.link("a/../b?c#d") == (
        "https://store.example.com/subscriptions/a%2F..%2Fb%3Fc%23d"
    )
