"""The ways things fail, each with its own consequence.

TransientError      the world is away: back off, readiness off, never a dead letter
PoisonMessage       this message can never work: a dead letter
ConfigurationError  the setup is wrong: exit 78 with one line
DeadLetterLimit     too many dead letters: stop consuming, stay alive, page a person
LostClaim           somebody else took the work over: roll back quietly
"""


class TransientError(Exception):
    """The world is away for a while; the same work is done again."""


class PoisonMessage(Exception):
    """A message that can never be processed: `code` is stable, `sentence` is for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class ConfigurationError(Exception):
    """The setup is wrong; the text says which part and what to do."""


class DeadLetterLimit(Exception):
    """So many dead letters that something else must be wrong; consuming stops."""


class LostClaim(Exception):
    """Somebody else took the work over; nothing is written."""
