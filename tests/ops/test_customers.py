"""An operator erases a customer: who is meant, the confirmation, the tombstone. Real Kafka and services."""

import io
import json
from uuid import uuid4

import pytest

from contracts.values import customer_id
from tests.ops.orders import EMAIL
from tests.ops.running import Buy, Tenure

pytestmark = [pytest.mark.xdist_group("ops"), pytest.mark.timeout(120)]
_BY = ("--operator", "Kim")


class Typed(io.StringIO):
    """A terminal at which somebody has typed."""

    def isatty(self) -> bool:
        """Somebody is there."""
        return True


def _contacts(tenure: Tenure, id: str) -> list[str | None]:
    """The addresses on customers.contacts about one customer, in order; None is a tombstone."""
    told = tenure("tail", "customers.contacts", "--no-follow", "--unmasked", "--json").stdout
    records = [each for each in map(json.loads, told.splitlines()) if each["key"] == id]
    return [each["message"] and each["message"]["data"]["email"] for each in records]


def test_who_erases_sees_the_tombstone(tenure: Tenure, buy: Buy) -> None:
    buy("E-1")
    id = str(customer_id("online-store", "C-E-1"))
    done = tenure("customers", "erase", "--subscription", "E-1", *_BY, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["customer_id"], told["provider_id"], told["sequence"]) == (id, "online-store", 2)
    assert _contacts(tenure, id) == [EMAIL, None]
    same = ("--id", told["command_id"])
    again = tenure("customers", "erase", "online-store/C-E-1", *_BY, "--yes", "--json", *same)
    assert json.loads(again.stdout) == told
    assert _contacts(tenure, id) == [EMAIL, None]
    once_more = tenure("customers", "erase", id, *_BY, "--yes")
    assert once_more.returncode == 0, once_more.stderr
    assert f"customer {id} of online-store is erased\ntombstone 3 on" in once_more.stdout


def test_nothing_is_erased_without_a_yes(
    tenure: Tenure, buy: Buy, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy("E-2")
    id = str(customer_id("online-store", "C-E-2"))
    unasked = tenure("customers", "erase", "online-store/C-E-2", *_BY)
    assert (unasked.returncode, unasked.stdout) == (2, "")
    assert "--yes" in unasked.stderr
    monkeypatch.setattr("sys.stdin", Typed("\n"))
    declined = tenure("customers", "erase", "online-store/C-E-2", *_BY)
    assert (declined.returncode, declined.stdout) == (1, "")
    assert f"customer {id} of online-store for good?" in declined.stderr
    assert _contacts(tenure, id) == [EMAIL]
    monkeypatch.setattr("sys.stdin", Typed("y\n"))
    assert tenure("customers", "erase", "online-store/C-E-2", *_BY).returncode == 0
    assert _contacts(tenure, id) == [EMAIL, None]


def test_who_is_not_known_yet_is_erased_by_name_only(
    tenure: Tenure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Typed("y\n"))
    named = tenure("customers", "erase", "online-store/C-E-3", *_BY)
    assert named.returncode == 0, named.stderr
    assert "no contact is known" in named.stderr
    stranger = tenure("customers", "erase", str(uuid4()), *_BY, "--yes")
    assert (stranger.returncode, stranger.stdout) == (3, "")
    assert "provider/customer_ref" in stranger.stderr


@pytest.mark.parametrize(
    ("who", "code", "words"),
    [
        ((), 2, "Say who"),
        (("online-store/C-1", "--subscription", "R-1"), 2, "Say who"),
        (("C-1",), 2, "neither a customer_id nor provider/customer_ref"),
        (("online-stroe/C-1",), 3, "Did you mean online-store"),
        (("--subscription", "nobody"), 3, "No subscription"),
    ],
    ids=["nobody", "twice", "no-id", "no-provider", "no-subscription"],
)
def test_who_cannot_be_found_is_said(
    tenure: Tenure, who: tuple[str, ...], code: int, words: str
) -> None:
    done = tenure("customers", "erase", *who, *_BY, "--yes")
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
