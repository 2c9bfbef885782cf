"""What a step expects: status, access, money, mails and messages, each compared with what is found."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from contracts import billing, licensing, notifications, payments
from contracts.base import Data
from contracts.licensing import EntitlementState, ExpiryReason
from contracts.notifications import MailKind
from ops.scenario.instants import When
from ops.scenario.values import NowOr, Part
from ops.terminal import suggestion

Status = Literal["not-paid", "active", "grace", "hold", "paused", "expired"]
#: The state of the entitlement; `none` before anything was paid.
State = Literal[EntitlementState, "none"]
Capability = Literal["database_updates", "cloud_reputation", "protection", "scan"]


class Wanted(Part):
    """One message: its name, and fields that it must carry; `any`: is set, `none`: is not."""

    name: str
    fields: dict[str, Any] = Field(default_factory=dict)


class Told(Part):
    """What was said since the last expectation of it: exactly this in order, or among other things."""

    exactly: tuple[Wanted, ...] | None = None
    includes: tuple[Wanted, ...] = ()
    excludes: tuple[Wanted, ...] = ()


def _by_name(kinds: tuple[type[Data], ...]) -> dict[str, type[Data] | None]:
    return {kind.TYPE.split(".")[1]: kind for kind in kinds}


def _told(known: Mapping[str, type[Data] | None]) -> Any:
    """A `Told` of these names; a list alone is meant exactly."""

    def wanted(item: Any) -> dict[str, Any]:
        name, fields = next(iter(item.items())) if isinstance(item, dict) and item else (item, {})
        if not isinstance(name, str) or name not in known:
            raise ValueError(f"'{name}' is not known here.{suggestion(str(name), known)}")
        kind = known[name]
        if isinstance(item, dict) and (len(item) != 1 or not isinstance(fields, dict) or not kind):
            raise ValueError(f"write '{name}' alone, or with its fields as a mapping")
        for field in fields:
            if kind and field not in kind.model_fields:
                raise ValueError(
                    f"'{name}' has no field '{field}'.{suggestion(field, kind.model_fields)}"
                )
        return {"name": name, "fields": fields}

    def expand(value: Any) -> Any:
        lists = {"exactly": value} if isinstance(value, list) else value
        if not isinstance(lists, dict):
            raise ValueError("write a list, or a mapping with `includes` or `excludes`")
        return {
            key: [wanted(item) for item in items] if isinstance(items, list) else items
            for key, items in lists.items()
        }

    return Annotated[Told, BeforeValidator(expand), WithJsonSchema(_schema(known))]


def _schema(known: Mapping[str, type[Data] | None]) -> dict[str, Any]:
    options: list[dict[str, Any]] = [{"enum": sorted(known)}]
    if any(known.values()):
        one = {"type": "object", "minProperties": 1, "maxProperties": 1}
        fields = {"type": "object"}
        options.append(
            {**one, "propertyNames": {"enum": sorted(known)}, "additionalProperties": fields}
        )
    items = {"type": "array", "items": {"anyOf": options}}
    among = {"includes": items, "excludes": items}
    either = {"type": "object", "properties": among, "additionalProperties": False}
    return {"anyOf": [items, either]}


#: Why a message became a dead letter, such as `far_future` or `invalid_field`.
DeadCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]*$")]
_BILLING: Any = _told(_by_name(billing.EVENTS))
_LICENSING: Any = _told(_by_name(licensing.EVENTS))
_NOTIFICATIONS: Any = _told(_by_name(notifications.EVENTS))
_REQUESTS: Any = _told(_by_name(payments.TO_UPSTREAM))
_MAILS: Any = _told(dict.fromkeys(get_args(MailKind)))


class Events(Part):
    """Messages of our services by topic."""

    billing: _BILLING | None = None
    licensing: _LICENSING | None = None
    notifications: _NOTIFICATIONS | None = None


def _capabilities(value: Any) -> Any:
    names = get_args(Capability)
    return {"all": names, "none": ()}.get(value, value) if isinstance(value, str) else value


Capabilities = Annotated[
    frozenset[Capability],
    BeforeValidator(_capabilities),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["all", "none"]},
                {"type": "array", "items": {"enum": list(get_args(Capability))}},
            ]
        }
    ),
]


class Expect(Part):
    """What must be found after a step; `mails`, `events`, `requests`: since they were last expected."""

    status: Status | None = None
    reason: Annotated[ExpiryReason | None, Field(description="Why it expired.")] = None
    access: Annotated[dict[When, State], NowOr()] | None = None
    capabilities: Annotated[dict[When, Capabilities], NowOr()] | None = None
    valid_until: Annotated[
        When | Literal["open", "none"] | None,
        Field(
            description="When the access of now ends if nothing happens.",
            union_mode="left_to_right",
        ),
    ] = None
    paid_through: Annotated[
        Literal["open", "nothing"] | When | None, Field(union_mode="left_to_right")
    ] = None
    days_remaining: int | Literal["unlimited"] | None = None
    seats: Annotated[dict[When, int], NowOr()] | None = None
    auto_renew: bool | None = None
    next_charge_at: Annotated[
        Literal["none", "asked"] | When | None,
        Field(
            description="When we will ask for the renewal; `asked`: unanswered yet.",
            union_mode="left_to_right",
        ),
    ] = None
    mails: _MAILS | None = None
    events: Events | None = None
    requests: _REQUESTS | None = None
    dead_letters: tuple[DeadCode, ...] | None = None
    answer: Annotated[
        str | None,
        StringConstraints(pattern=r"^(ok|[A-Z][A-Z0-9_]*)$"),
        Field(description="Of a command: `ok`, or the code of its refusal."),
    ] = None
