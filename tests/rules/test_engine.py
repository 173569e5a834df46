from collections.abc import Iterable
from pathlib import Path

import pytest

from rules.engine import Reading, evaluate
from rules.errors import EvaluationError
from rules.loader import load_rules
from rules.model import AlertRule
from rules.promql.query import compile_query
from rules.promql.values import NAME
from rules.series import Counter, Window

NOW = 1_800_000_000
RECORDS = 'log_records_total{level="INFO",logger="api",service="shop"}'
ERRORS = 'log_errors_total{error_type="KeyError",group="abc",service="shop"}'
SHIPPED = {rule.name: rule for group in load_rules() for rule in group.rules}
DEMO = {
    rule.name: rule
    for group in load_rules([Path(__file__).parents[2] / "examples" / "demo-rules.yml"])
    for rule in group.rules
}


def window(now: float = NOW, **history: Iterable[int]) -> Window:
    """The seconds, relative to NOW, in which records and errors were logged, one each."""
    counters: dict[str, list[Counter]] = {}
    for text in (RECORDS, ERRORS):
        counter = Counter(text)
        seconds = sorted(history.get(counter.labels[NAME].split("_")[1], ()))
        for second in seconds:
            counter.total += 1
            counter.grew(NOW + second, 1)
        if seconds:
            counter.born = NOW + seconds[0] - 1
            counters[counter.labels[NAME]] = [counter]
    return Window(counters, now)


def rule(expr: str, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> AlertRule:
    return AlertRule("A", compile_query(expr), 0.0, labels or {}, annotations or {})


def test_a_reading_carries_the_series_and_the_rules_labels_and_rendered_texts() -> None:
    asked = rule("log_errors_total", {"severity": "{{ $labels.error_type }}", "group": ""}, {"summary": "{{ $value }}"})
    assert evaluate(asked, window(errors=[-5, 0]), NOW) == [
        Reading(
            {"alertname": "A", "error_type": "KeyError", "service": "shop", "severity": "KeyError"},
            {"summary": "2"},
            2.0,
        )
    ]


def test_a_scalar_reads_as_one_alert_without_labels() -> None:
    assert evaluate(rule("1 < bool 2"), window(), NOW) == [Reading({"alertname": "A"}, {}, 1.0)]


def test_alerts_with_the_same_labels_are_a_failure() -> None:
    with pytest.raises(EvaluationError, match="A: two alerts have the same labels"):
        evaluate(
            rule(
                "log_errors_total or log_records_total", dict.fromkeys(("level", "logger", "error_type", "group"), "")
            ),
            window(errors=[0], records=[0]),
            NOW,
        )


@pytest.mark.parametrize(
    ("errors", "records", "fires"),
    [
        ([], range(-250, 0), False),
        (range(-5, 0), range(-250, 0), False),  # 2 %
        (range(-50, 0, 2), range(-250, 0), True),  # 10 %
        ([-1], [-3, -2, -1], False),  # a third, but one error is no rate
        (range(-400, -310), range(-600, 0), False),  # long over
    ],
)
def test_high_error_rate_is_a_share_of_the_records(
    errors: Iterable[int], records: Iterable[int], *, fires: bool
) -> None:
    readings = evaluate(SHIPPED["HighErrorRate"], window(errors=errors, records=records), NOW)
    assert [reading.labels for reading in readings] == (
        [{"alertname": "HighErrorRate", "service": "shop", "severity": "critical"}] if fires else []
    )


@pytest.mark.parametrize(
    ("errors", "fires"),
    [([], False), ([0], True), ([-298, 0], True), ([-299, 0], False), ([-1000], False)],
)
def test_a_new_error_group_is_one_that_was_not_there_five_minutes_ago(errors: list[int], *, fires: bool) -> None:
    readings = evaluate(SHIPPED["NewErrorGroup"], window(errors=errors), NOW)
    labels = {"alertname": "NewErrorGroup", "severity": "warning", "service": "shop"}
    assert [reading.labels for reading in readings] == (
        [labels | {"error_type": "KeyError", "group": "abc"}] if fires else []
    )


@pytest.mark.parametrize(
    ("records", "fires"),
    [
        ([], False),
        (range(-600, 0), False),
        (range(-600, -310), True),
        ([-600], True),
        (range(-9000, -3700), True),  # silent for more than an hour, and still so
        ([-86_400 * 3], True),
        ([-86_400, -298], False),
        ([0], False),  # younger than the window
        ([-298], False),
        ([-300], True),
    ],
)
def test_a_service_is_silent_from_five_minutes_without_a_record_until_its_next_one(
    records: Iterable[int], *, fires: bool
) -> None:
    readings = evaluate(SHIPPED["ServiceSilent"], window(records=records), NOW)
    assert [reading.labels["service"] for reading in readings] == (["shop"] if fires else [])


@pytest.mark.parametrize(
    ("name", "history", "fires"),
    [
        ("HighErrorRate", {"errors": range(-6, 1), "records": range(-60, 1)}, True),
        ("HighErrorRate", {"errors": range(-30, -15), "records": range(-60, 1)}, False),
        ("NewErrorGroup", {"errors": [0]}, True),
        ("NewErrorGroup", {"errors": [-11, 0]}, False),
        ("ServiceSilent", {"records": range(-50, -16)}, True),
        ("ServiceSilent", {"records": range(-50, 0)}, False),
        ("ServiceSilent", {"records": [-3600]}, True),
        ("ServiceSilent", {"records": [-13]}, False),
    ],
)
def test_the_demos_rules_tell_the_same_within_seconds(
    name: str, history: dict[str, Iterable[int]], *, fires: bool
) -> None:
    assert bool(evaluate(DEMO[name], window(NOW + 0.4, **history), NOW + 0.4)) is fires


def test_the_first_error_of_a_group_fires_within_its_own_second() -> None:
    (reading,) = evaluate(SHIPPED["NewErrorGroup"], window(NOW + 0.02, errors=[0]), NOW + 0.02)
    assert reading.annotations["summary"] == "shop: new error KeyError"
    assert reading.value == 1.0
