"""Alert rules, as they stand after loading: nothing in them can be wrong any more."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rules.promql.query import Query


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alert: what makes it, how long that must hold, and what it says."""

    name: str
    query: Query
    hold: float  #: seconds, the rule's `for`
    labels: Mapping[str, str]  #: templates
    annotations: Mapping[str, str]  #: templates

    @property
    def expr(self) -> str:
        """The query as it is written in the file."""
        return self.query.text

    @property
    def selectors(self) -> frozenset[str]:
        """Names of the metrics that it reads."""
        return self.query.selectors

    @property
    def reach(self) -> float:
        """Seconds of history that it needs."""
        return self.query.reach


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules of one file that are evaluated together."""

    name: str
    file: Path
    interval: float  #: seconds between evaluations, at most; 0 where the file does not say
    rules: tuple[AlertRule, ...]
