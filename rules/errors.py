"""What can go wrong while rules are read and evaluated."""

from collections.abc import Sequence


class RuleError(Exception):
    """Any failure of `rules`."""


class ConfigError(RuleError):
    """A file cannot be used; the text lists every mistake in it, one a line."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


class QueryError(RuleError, ValueError):
    """The query does not parse, or uses what Tocsin does not evaluate; the text says which."""


class TemplateError(RuleError, ValueError):
    """A label or annotation uses what Tocsin does not render; the text names it."""


class EvaluationError(RuleError):
    """A query failed at evaluation; nothing is known about the alerts of its rule."""
