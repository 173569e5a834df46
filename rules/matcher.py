"""Label matchers with Prometheus' meaning: a missing label equals the empty text; patterns match the whole value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Labels = Mapping[str, str]


class MatchOp(StrEnum):
    """How a matcher compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One `name op "value"`.

    Raises:
        ValueError: the value is no regular expression, where the operator takes one.
    """

    name: str
    op: MatchOp
    value: str
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.op in {MatchOp.REGEX, MatchOp.NOT_REGEX}:
            try:
                pattern = re.compile(self.value, re.DOTALL)
            except re.error as error:
                raise ValueError(f"{self}: {error}") from error
            object.__setattr__(self, "_pattern", pattern)

    def matches(self, labels: Labels) -> bool:
        """Whether the label set satisfies this matcher."""
        value = labels.get(self.name, "")
        same = bool(self._pattern.fullmatch(value)) if self._pattern else value == self.value
        return same is (self.op in {MatchOp.EQUAL, MatchOp.REGEX})

    def __str__(self) -> str:
        return f"{self.name}{self.op}{quoted(self.value)}"


def quoted(value: str) -> str:
    """A label value as Prometheus writes it."""
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'
