"""Text that must never reach a log, an error or a repr."""


class Secret:
    """A secret string (stream key, access key secret) whose repr hides it.

    Read it with `reveal()`, only where it is compared, sent to its owner or stored.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__
