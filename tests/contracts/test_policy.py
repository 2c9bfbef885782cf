"""Policy packs: those of the house load, versions follow their dates, a wrong pack says what is wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.policy import UnknownPolicy
from policies import FOLDER, InvalidPolicy, load_policies

STORE = FOLDER / "online-store" / "2020-01-01.yaml"


def pack(folder: Path, effective: str = "2020-01-01", **changes: Any) -> Path:
    """Write a pack of the online store with some fields changed; None as a value drops the field."""
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


WRONG = {
    "another word": ({"charge": "by_nobody"}, "field 'charge': Input should be 'by_us' or"),
    "no duration": (
        {"grace": "a week"},
        "field 'grace': Value error, must be an ISO 8601 duration in weeks, days or hours such as P7D",
    ),
    "a month, which has no length": (
        {"grace": "P1M"},
        "field 'grace': Value error, must be an ISO",
    ),
    "a number of days": ({"grace": 7}, "field 'grace': Input should be a valid duration"),
    "a negative duration": (
        {"hold": "-P1D"},
        "field 'hold': Value error, must be an ISO 8601",
    ),
    "a duration of a century": ({"hold": "P40000D"}, "field 'hold': Input should be less than or"),
    "no cancel route": (
        {"cancel_routes": []},
        "field 'cancel_routes': Tuple should have at least 1",
    ),
    "an unknown route": (
        {"cancel_routes": ["fax"]},
        "'cancel_routes.0': Input should be 'account',",
    ),
    "an unknown kind": ({"refundable_kinds": ["gift"]}, "'refundable_kinds.0': Input should be"),
    "a link without https": (
        {"management_url": "http://x"},
        "field 'management_url': String should",
    ),
    "a field that is missing": ({"grace": ...}, "field 'grace': Field required"),
    "an unknown field": ({"gracious": "P7D"}, "unknown field 'gracious'"),
}


@pytest.mark.parametrize(("changes", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_pack_names_file_field_and_what_is_allowed(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    file = pack(tmp_path, **changes)
    with pytest.raises(InvalidPolicy) as refusal:
        load_policies(tmp_path)
    assert str(refusal.value).startswith(f"{file}: ")
    assert sentence in str(refusal.value)


def test_a_pack_stands_where_its_provider_and_date_say(tmp_path: Path) -> None:
    pack(tmp_path).rename(tmp_path / "online-store" / "2021-01-01.yaml")
    with pytest.raises(InvalidPolicy, match=r"must be named online-store/2020-01-01\.yaml"):
        load_policies(tmp_path)


def test_text_that_is_no_yaml_is_said_so(tmp_path: Path) -> None:
    pack(tmp_path).write_text("grace: [")
    with pytest.raises(InvalidPolicy, match="not valid YAML"):
        load_policies(tmp_path)


def test_no_pack_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicy, match="No policy pack found"):
        load_policies(tmp_path)
