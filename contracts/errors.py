"""The one error that a pure decision may raise."""


class Impossible(Exception):
    """The message can never be processed; it becomes a dead letter with `code` and `sentence`."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
