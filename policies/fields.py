"""What a provider can say in a pack: each field's meaning, form, example and the rules that read it."""

from dataclasses import dataclass

_SPAN = "an ISO 8601 duration in weeks, days or hours, from PT0S to P3660D"
_CHANNELS = "a list of account, support, provider"
_ZONE = "an IANA time zone such as Europe/Berlin"


@dataclass(frozen=True)
class Field:
    """One field of a pack; `form` completes the sentence 'must be ...', `example` is as YAML writes it."""

    meaning: str
    form: str
    example: str
    rules: str


FIELDS = {
    "provider_id": Field(
        "The provider's name in messages (`providerid`) and the folder of its packs.",
        "1 to 128 printable characters without spaces",
        "online-store",
        "S-02",
    ),
    "effective_from": Field(
        "The first day (UTC) of this version, and its name. A later version leaves facts of this one as they are.",
        "a date from 2000-01-01 to 2149-12-31 such as 2025-01-01",
        "2025-01-01",
        "S-05, S-14d",
    ),
    "name": Field(
        "The provider's name for people, in mails.",
        "one line of 1 to 200 characters",
        "Online Store",
        "S-02",
    ),
    "management_url": Field(
        "Where customers manage a subscription; `{reference}`, where it stands, becomes its reference. "
        "A page of one address for all is allowed.",
        "an https link of at most 500 printable characters, in which {reference} may stand",
        "https://store.example.com/subscriptions/{reference}",
        "S-04, S-54, S-55",
    ),
    "charge": Field(
        "Who charges renewals: we ask for each (`payments.charge-requested`), or the provider does it by itself.",
        "by_us or by_provider",
        "by_us",
        "S-33, S-34",
    ),
    "renewal_reminder_lead": Field(
        "How long before the end the reminder, or the expiry notice, is sent. Terms under two months get none.",
        _SPAN,
        "P30D",
        "S-52, Q18, Q20",
    ),
    "renewal_charge_lead": Field(
        "How long before the end a renewal is charged by us; shorter than `renewal_reminder_lead`. "
        "A term under two months is charged a quarter of it before its end, if that is later.",
        _SPAN,
        "P14D",
        "S-34, Q18",
    ),
    "reminder_min_notice": Field(
        "How long after the reminder was accepted a charge waits, never past the end; "
        "at most `renewal_reminder_lead` less `renewal_charge_lead`.",
        _SPAN,
        "P7D",
        "Q19",
    ),
    "unproven_reminder": Field(
        "What happens to the charge when no mail server accepted the reminder.",
        "charge or wait",
        "charge",
        "Q19",
    ),
    "grace": Field(
        "How long after an unpaid end everything still works; PT0S: access ends at the end.",
        _SPAN,
        "P7D",
        "S-12, S-13, S-14",
    ),
    "hold": Field(
        "How long after the end and grace a payment still brings the subscription back; PT0S: it expires at once.",
        _SPAN,
        "P30D",
        "T11, T14, T15",
    ),
    "incomplete_ttl": Field(
        "How long an order waits for its first payment.",
        _SPAN,
        "PT23H",
        "T3, Q6",
    ),
    "cancel_routes": Field(
        "Where a cancellation takes effect at once: the account page, our support, the provider's page.",
        f"{_CHANNELS}, with at least one of them",
        "[account, support, provider]",
        "S-49, S-57, S-60",
    ),
    "cancel_in_grace": Field(
        "When access ends after a cancellation in grace or hold.",
        "end_now or at_grace_end",
        "end_now",
        "Q15",
    ),
    "cancel_handover": Field(
        "Where a cancellation can be begun but is finished on the provider's page; nothing of `cancel_routes`.",
        f"{_CHANNELS}, or []",
        "[]",
        "S-59",
    ),
    "cancel_handover_within": Field(
        "How long the provider has to confirm such a cancellation before an operator is told; "
        "PT0S while `cancel_handover` is [].",
        _SPAN,
        "PT0S",
        "S-59",
    ),
    "pause_modes": Field(
        "The pauses offered, the usual one first: `freeze_term` (now; unused time is kept), `run_term` (now; time "
        "runs on), `at_period_end`. []: no pause.",
        "a list of freeze_term, run_term, at_period_end, or []",
        "[at_period_end]",
        "S-03, Q17",
    ),
    "max_pause": Field(
        "The longest pause; PT0S while `pause_modes` is [].",
        _SPAN,
        "P90D",
        "S-03, Q17",
    ),
    "pause_grace": Field(
        "How long after its start a pause leaves everything usable; PT0S while `pause_modes` is [].",
        _SPAN,
        "PT0S",
        "S-03",
    ),
    "settings_changes": Field(
        "What customers can change while the subscription runs. []: nothing.",
        "a list of seats, term, product_id, or []",
        "[seats, term, product_id]",
        "S-01, Q25, Q26",
    ),
    "hold_on_dispute": Field(
        "Whether an open dispute takes access away until it is decided.",
        "true or false",
        "false",
        "T22, Q16",
    ),
    "refund_window": Field(
        "How long after the day of the order a refund can be asked for; the last day counts whole. null: no refunds.",
        "whole days such as P30D, at most P3660D, or null",
        "P30D",
        "S-41, Q13",
    ),
    "refund_tz": Field(
        "The time zone in which the days of the refund window and business days are counted.",
        _ZONE,
        "Europe/Berlin",
        "S-41, S-45, Q13",
    ),
    "refundable_kinds": Field(
        "The payments that can be refunded; [] exactly while `refund_window` is null.",
        "a list of initial, renewal, manual, prepayment, or []",
        "[initial, renewal]",
        "S-42",
    ),
    "billing_tz": Field(
        "The time zone in which months and years are counted when the order names none.",
        _ZONE,
        "UTC",
        "Q21",
    ),
    "holidays": Field(
        "Whose country-wide public holidays are no business days, for thirty years from `effective_from`. "
        "null: weekends alone.",
        "an ISO 3166-1 alpha-2 country code such as DE, or null",
        "DE",
        "S-45",
    ),
}
