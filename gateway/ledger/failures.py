"""What a client of the store raises."""


class StoreError(Exception):
    """The store did not do what it was asked, or did not say so; `word` is the first of its refusal, such as OOM."""

    def __init__(self, message: str, word: str = "") -> None:
        super().__init__(message)
        self.word = word


class StoreGone(StoreError):
    """There is no connection, or it broke before the reply."""


class StoreLate(StoreError):
    """The reply did not come in time."""


def refusal(text: str) -> StoreError:
    """Make an error of a server's words."""
    return StoreError(text, text.partition(" ")[0])
