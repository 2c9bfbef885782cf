"""The errors that a pure decision may raise."""


class Impossible(Exception):
    """The message can never be processed; it becomes a dead letter with `code` and `sentence`."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Misconfigured(Exception):
    """What was loaded at the start is wrong or incomplete; the process stops and says so."""
