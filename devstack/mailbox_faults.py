"""Rules that make the mailbox misbehave as real mail servers do."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Stage = Literal["connect", "rcpt", "data", "after_accept"]


class FaultRule(BaseModel):
    """One fault: where it strikes, what it does, for whom, and how often.

    `after_accept` stores the mail first, so the sender cannot know what became of it.
    """

    model_config = ConfigDict(extra="forbid")

    stage: Stage
    action: Literal["reply", "drop", "hang"] = "reply"
    code: int | None = Field(default=None, ge=400, le=599)
    match: str = Field(default="", description="part of a recipient's address; empty = any")
    times: int | None = Field(default=None, ge=0, description="strikes left; null = no end")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.action == "reply" and self.code is None:
            raise ValueError("the action 'reply' needs a code from 400 to 599")
        if self.stage == "connect" and self.match:
            raise ValueError("no recipient is known at 'connect': leave match empty")
        return self


class Faults:
    """The rules in force; the first that fits strikes."""

    def __init__(self) -> None:
        """No rule."""
        self.rules: list[FaultRule] = []

    def strike(self, stage: Stage, recipients: list[str]) -> FaultRule | None:
        """The rule that strikes now (and has one strike less), or None."""
        for rule in self.rules:
            if rule.stage != stage or rule.times == 0:
                continue
            if rule.match and not any(rule.match in recipient for recipient in recipients):
                continue
            if rule.times is not None:
                rule.times -= 1
            return rule
        return None
