"""What the fields of a step are resolved against: the scenario under one reference, and what was said."""

from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from contracts.base import Data
from ops.scenario.instants import Moment

if TYPE_CHECKING:
    from ops.scenario.format import Scenario

D = TypeVar("D", bound=Data)


class StoryError(Exception):
    """A step refers to what was never said, such as `charge: last` without a charge request."""


class Scene(Protocol):
    """A scenario on its way."""

    reference: str
    customer_id: UUID

    @property
    def scenario(self) -> "Scenario":
        """What is played."""

    @property
    def plan(self) -> dict[str, Any]:
        """The scenario's plan as JSON."""

    @property
    def email(self) -> str:
        """The customer's address, unlike any other."""

    def order_id(self, order: int | str) -> str:
        """The id of an order by its number, name or `last`. Raises StoryError."""

    def text(self, moment: Moment) -> str:
        """An instant as messages write it."""

    def last(self, kind: type[D], wanted: UUID | str | None = None) -> D:
        """The latest message of a kind, or the one of the wanted id. Raises StoryError."""

    def refund_id(self, wanted: UUID | str | None) -> str | None:
        """The id of the refund that was asked for last (`last`), the given one, or none."""

    def case_id(self, order: int | str | None) -> UUID:
        """The refund case of an order, or the last one; one that nobody knows when there is none."""

    def purchased_on(self, order: int | str) -> str:
        """The day on which an order was placed, in the time zone of the refund window."""
