"""The format of a scenario file: who, which rules, and steps in the order of time."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from contracts.payments import TimeZone
from contracts.values import Ref
from ops.scenario.commands import Command
from ops.scenario.expect import Expect
from ops.scenario.instants import When, parse
from ops.scenario.upstream import Upstream
from ops.scenario.upstream_payments import Customer, PlanChanges
from ops.scenario.values import PRICE, Amount, Part, RuleId, Shorthand

Pays = Literal["pays", "declines", "silent"]
Sentence = Annotated[str, StringConstraints(min_length=10, max_length=400)]


class Attempt(Part):
    """One attempt of the payment system to charge, so long after our request."""

    after: Annotated[str, StringConstraints(pattern=r"^([0-9]+[wdhms])+$")]
    outcome: Literal["paid", "declined"]


class Answers(Part):
    """How the world outside answers: what is not given stays as it was."""

    charges: Annotated[
        Pays | tuple[Attempt, ...] | None,
        Field(description="Paid 2 hours after our request; declined three times in a week; never."),
    ] = None
    refunds: Annotated[
        Literal["pays", "fails", "silent"] | None,
        Field(description="Paid back 4 days after our request; refused then; never."),
    ] = None
    mail: Annotated[
        Literal["accepted", "refused", "unknown"] | None,
        Field(description="What the mail server says; `unknown`: the connection breaks."),
    ] = None

    def after(self, before: "Answers") -> "Answers":
        """These answers over earlier ones."""
        return before.model_copy(
            update={name: getattr(self, name) for name in self.model_fields_set}
        )


START = "2025-01-10T09:00Z"
USUAL = Answers(charges="pays", refunds="pays", mail="accepted")
Answering = Annotated[Answers, Shorthand("charges", get_args(Pays))]


class Step(Part):
    """At an instant something happens, something is expected, or both."""

    at: Annotated[When | None, Field(description="Without it: right after the step before.")] = None
    down_since: Annotated[
        When | None,
        Field(
            description="The services were down from then until `at`: nothing was done in between."
        ),
    ] = None
    upstream: Upstream | None = None
    command: Command | None = None
    answer: Answering | None = None
    expect: Expect | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        given = [name for name in ("upstream", "command", "answer") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"a step does one thing, not {' and '.join(given)}: make two of it")
        if not given and self.expect is None:
            raise ValueError("a step needs one of upstream, command, answer, expect")
        if self.down_since and self.at is None:
            raise ValueError("down_since needs an at: when the services were back")
        if self.expect and self.expect.answer and not (self.command or self.upstream):
            raise ValueError("expect.answer belongs to a step with a command")
        return self

    def what(self) -> str:
        """The step in a few words."""
        for name in ("upstream", "command"):
            action: Any = getattr(self, name)
            if action:
                return f"{name} {action.type}"
        return "answer" if self.answer else "expect"


class Scenario(Part):
    """The life of one subscription, and what is expected of it."""

    name: Annotated[str, StringConstraints(min_length=3, max_length=100)]
    shows: Annotated[Sentence, Field(description="What it shows, in one sentence.")]
    rules: Annotated[tuple[RuleId, ...], Field(min_length=1)]
    provider: Annotated[Ref, Field(description="Whose policy pack.")]
    policies: Annotated[
        str | None,
        Field(description="Folder with own packs, <provider>/<date>.yaml, beside the file."),
    ] = None
    start: Annotated[When, Field(description=f"The first instant; {START} unless given.")] = Field(
        default_factory=lambda: parse(START)
    )
    plan: PlanChanges = PlanChanges()
    amount: Amount = PRICE
    auto_renew: bool = True
    billing_tz: TimeZone | None = None
    customer: Customer = Customer()
    answers: Answering = USUAL
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _absolute_start(self) -> Self:
        if self.start.base is None:
            raise ValueError("start must be an instant such as 2025-01-10T09:00Z")
        return self
