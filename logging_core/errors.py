"""What can go wrong while logging is set up; nothing does afterwards."""

from collections.abc import Sequence


class ConfigError(Exception):
    """A configuration cannot be used; the text lists every mistake in it, one a line."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)
