"""What follows from one attempt."""

from datetime import timedelta
from typing import Any, get_args

import pytest

from contracts.notifications import MailKind
from services.notifications.courier import MailServer
from services.notifications.verdicts import (
    BROKEN,
    RETRIES,
    UNKNOWN,
    UNTRIED,
    Attempt,
    Verdict,
    closing,
    of_reply,
)
from tests.domain.notifications.stories import named

REMINDER = Attempt(named("notice"), "renewal-reminder", 1, resent=False)


def test_temporary_failures_are_tried_again_for_five_days() -> None:
    assert [delay // timedelta(minutes=1) for delay in RETRIES[:7]] == [1, 2, 5, 15, 30, 60, 60]
    assert timedelta(days=4, hours=23) < sum(RETRIES, timedelta(0)) < timedelta(days=5, hours=1)


def test_then_the_last_code_is_the_end() -> None:
    last = Attempt(REMINDER.notice_id, "receipt", len(RETRIES) + 1, resent=False)
    closed = closing(last, Verdict("later", 451))
    assert (closed.status, closed.outcome, closed.smtp_code) == ("done", "refused", 451)


def test_a_connection_that_always_breaks_ends_with_a_code_too() -> None:
    last = Attempt(REMINDER.notice_id, "receipt", len(RETRIES) + 1, resent=False)
    report = closing(last, BROKEN).report
    assert report is not None
    assert (report.outcome, report.smtp_code) == ("refused", 421)


@pytest.mark.parametrize(
    ("code", "what"), [(250, "accepted"), (251, "accepted"), (421, "later"), (550, "refused")]
)
def test_replies(code: int, what: str) -> None:
    verdict = of_reply(code)
    assert verdict is not None
    assert verdict.what == what


@pytest.mark.parametrize("code", [-1, 0, 354, 600])
def test_a_reply_that_says_neither_yes_nor_no(code: int) -> None:
    assert of_reply(code) is None


@pytest.mark.parametrize("kind", get_args(MailKind))
def test_an_unknown_end_is_repeated_for_two_kinds_once(kind: MailKind) -> None:
    first = closing(Attempt(REMINDER.notice_id, kind, 1, resent=False), UNKNOWN)
    repeated = kind in ("order-confirmation", "renewal-reminder")
    assert (first.status, first.resent) == (("queued", True) if repeated else ("done", False))
    second = closing(Attempt(REMINDER.notice_id, kind, 2, resent=True), UNKNOWN)
    assert (second.status, second.outcome) == ("done", "unknown")


def test_what_was_not_tried_does_not_count_as_an_attempt() -> None:
    closed = closing(REMINDER, UNTRIED)
    assert (closed.status, closed.attempts, closed.delay) == ("queued", 0, timedelta(0))


def test_each_attempt_is_a_cause_of_its_own() -> None:
    causes = set()
    for number in (1, 2):
        report = closing(Attempt(REMINDER.notice_id, "receipt", number, False), UNKNOWN).report
        assert report is not None
        causes.add(report.cause_id)
    assert len(causes) == 2


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", ("mail.example", 25, "none", None, None)),
        ("smtp://127.0.0.1:11025", ("127.0.0.1", 11025, "none", None, None)),
        ("submission://u%40x:p%2Fw@mail.example", ("mail.example", 587, "starttls", "u@x", "p/w")),
        ("smtps://u:p@mail.example:4650", ("mail.example", 4650, "tls", "u", "p")),
    ],
)
def test_where_mail_is_handed_in(url: str, server: tuple[Any, ...]) -> None:
    read = MailServer.at(url)
    assert (read.host, read.port, read.security, read.username, read.password) == server


@pytest.mark.parametrize("url", ["http://x", "smtp://", "mail.example:25", ""])
def test_other_addresses_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(ValueError, match="smtp://, submission:// or smtps://"):
        MailServer.at(url)
