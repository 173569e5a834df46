"""A rule at a moment -> what it reads: one reading for each alert that its condition holds for."""

from typing import NamedTuple

from rules.errors import EvaluationError
from rules.matcher import Labels
from rules.model import AlertRule
from rules.promql.values import NAME, Sample, Samples, signature, without
from rules.template import render


class Reading(NamedTuple):
    """The condition of a rule holds for these labels."""

    labels: dict[str, str]  #: the series' own, the rule's, and `alertname`
    annotations: dict[str, str]
    value: float


def evaluate(rule: AlertRule, window: Samples, now: float) -> list[Reading]:
    """What the rule reads at a Unix time; an empty list says that its condition holds for nothing.

    Raises:
        EvaluationError: nothing is known; the rule's alerts stay as they are.
    """
    value = rule.query.evaluate(window, now)
    vector = value if isinstance(value, list) else [Sample({}, value)]
    readings = [_reading(rule, sample.labels, sample.value) for sample in vector]
    if len({signature(reading.labels) for reading in readings}) != len(readings):
        raise EvaluationError(f"{rule.name}: two alerts have the same labels")
    return readings


def _reading(rule: AlertRule, series: Labels, value: float) -> Reading:
    labels = without(series, frozenset({NAME}))
    labels |= {name: render(text, series, value) for name, text in rule.labels.items()}
    labels = {name: text for name, text in labels.items() if text} | {"alertname": rule.name}
    return Reading(labels, {name: render(text, series, value) for name, text in rule.annotations.items()}, value)
