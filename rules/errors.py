"""What can go wrong while rules are read and evaluated."""

from logging_core.errors import ConfigError as ConfigError


class RuleError(Exception):
    """Any failure of `rules`."""


class QueryError(RuleError, ValueError):
    """The query does not parse, or uses what Tocsin does not evaluate; the text says which."""


class TemplateError(RuleError, ValueError):
    """A label or annotation uses what Tocsin does not render; the text names it."""


class EvaluationError(RuleError):
    """A query failed at evaluation; nothing is known about the alerts of its rule."""
