"""How licensing's licenses are stored."""

from uuid import UUID

from chassis.aggregate import Aggregate
from contracts.envelope import Envelope
from contracts.errors import Impossible
from contracts.policy import Policies
from services.licensing.domain.decide import decide, next_deadline
from services.licensing.domain.license import STORED, License


def licenses(policies: Policies) -> Aggregate[License]:
    """The aggregate of licensing: how a license is found, decided and stored."""
    return Aggregate(
        table="license",
        empty=lambda id: License(subscription_id=id),
        decode=STORED.validate_json,
        encode=lambda state: STORED.dump_json(state, exclude_none=True).decode(),
        key_of=key_of,
        decide=lambda state, message, now: decide(state, message, policies, now),
        next_deadline=next_deadline,
    )


def key_of(message: Envelope) -> UUID:
    """The subscription that a message of billing is about. Raises Impossible when the subject is no id."""
    try:
        return UUID(message.subject)
    except ValueError:
        raise Impossible("invalid_subject", "The subject is no subscription id.") from None
