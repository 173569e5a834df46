"""Prometheus' own test suite: every case whose query is supported must give what Prometheus gives."""

import json
import math
import os
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import promql_parser
import pytest

from rules.duration import parse_duration
from rules.errors import EvaluationError, QueryError
from rules.matcher import Labels, Matcher
from rules.promql.query import Query, compile_query
from rules.promql.values import NAME, Run, Sample, Value, signature

DATA = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
STALE = object()
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is absent")


class Series(NamedTuple):
    labels: Labels
    times: list[float]
    values: list[Any]  # float or STALE


class Loads:
    """Samples written out one by one, as the cases' `load` commands say."""

    def __init__(self, loads: list[dict[str, Any]]) -> None:
        self.series = [parsed(line, parse_duration(each["interval"])) for each in loads for line in each["series"]]

    def latest(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[Sample]:
        for series in self._matching(matchers):
            newest = bisect_right(series.times, end) - 1
            if newest >= 0 and series.times[newest] > start and series.values[newest] is not STALE:
                yield Sample(series.labels, series.values[newest])

    def runs(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[Run]:
        for labels, times, values in self._matching(matchers):
            points = [(t, v) for t, v in zip(times, values, strict=True) if start < t <= end and v is not STALE]
            if points:
                reset = sum(a for (_, a), (_, b) in pairwise(points) if b < a)
                yield Run(labels, len(points), *points[0], *points[-1], reset)

    def _matching(self, matchers: Sequence[Matcher]) -> Iterator[Series]:
        return (each for each in self.series if all(matcher.matches(each.labels) for matcher in matchers))


def labels_of(text: str) -> dict[str, str]:
    selector = promql_parser.parse(text)
    labels = {each.name: each.value for each in selector.matchers.matchers}
    return labels | ({NAME: selector.name} if selector.name else {})


def parsed(line: str, interval: float) -> Series:
    name = re.match(r'\s*[\w:.]*\s*(\{(?:[^"}]|"(?:\\.|[^"\\])*")*\})?', line)
    assert name
    values = [value for word in line[name.end() :].split() for value in points(word)]
    kept = [(index * interval, value) for index, value in enumerate(values) if value is not None]
    return Series(labels_of(name.group().strip()), [time for time, _ in kept], [value for _, value in kept])


def points(word: str) -> list[Any]:
    if match := re.fullmatch(r"_(?:x(\d+))?", word):
        return [None] * int(match[1] or 1)
    if word == "stale":
        return [STALE]
    if match := re.fullmatch(r"([-+]?[^x]+?)([-+][\d.]+(?:e[-+]?\d+)?)?x(\d+)", word):
        start, step, times = float(match[1]), float(match[2] or 0), int(match[3])
        return [start + step * index for index in range(times + 1)]
    return [float(word)]


def expected(rows: list[str]) -> float | dict[Any, float]:
    if len(rows) == 1 and re.fullmatch(r"\S+", rows[0]):
        return float(rows[0])
    split = [row.rsplit(None, 1) for row in rows]
    return {signature(labels_of(series) if series != "{}" else {}): float(value) for series, value in split}


def same(found: float, wanted: float) -> bool:
    return math.isclose(found, wanted, rel_tol=1e-6) or (math.isnan(found) and math.isnan(wanted))


def rows() -> list[dict[str, Any]]:
    path = DATA / "promql" / "cases.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def cases() -> list[Any]:
    supported = [row for row in rows() if row["kind"] == "instant" and is_supported(row["query"])]
    return [pytest.param(row, id=f"{row['file']}:{row['line']}-{index}") for index, row in enumerate(supported)]


def is_supported(query: str) -> bool:
    try:
        compile_query(query)
    except QueryError:
        return False
    return True


def check(value: Value, wanted: float | dict[Any, float]) -> None:
    if isinstance(value, float):
        assert isinstance(wanted, float)
        assert same(value, wanted)
        return
    assert isinstance(wanted, dict)
    found = {signature(sample.labels): sample.value for sample in value}
    assert found.keys() == wanted.keys()
    assert all(same(found[key], wanted[key]) for key in wanted), (found, wanted)


@needs_data
@pytest.mark.parametrize("case", cases())
def test_prometheus_gives_the_same(case: dict[str, Any]) -> None:
    query: Query = compile_query(case["query"])
    samples, at = Loads(case["loads"]), parse_duration(case["at"])
    if any(line.startswith("expect fail") for line in case["expect"]) or case["variant"] == "_fail":
        with pytest.raises(EvaluationError):
            query.evaluate(samples, at)
    else:
        check(query.evaluate(samples, at), expected(case["rows"]))


@needs_data
def test_the_part_of_the_suite_that_is_supported_does_not_shrink() -> None:
    print(f"PromQL conformance: {len(cases())} of {len(rows())} cases run")
    assert len(cases()) >= 83
