"""The functions over ranges, with Prometheus' extrapolation (`extrapolatedRate` in its promql/functions.go)."""

from collections.abc import Callable

from rules.promql.values import Run

RangeFunction = Callable[[Run, float, float], float | None]


def increase(run: Run, start: float, end: float) -> float | None:
    """How much a counter grew in (start, end], extrapolated to its borders; None for fewer than two samples."""
    if run.size < 2:
        return None
    sampled = run.last_time - run.first_time
    gained = run.last - run.first + run.reset
    spacing = sampled / (run.size - 1)
    before = _reach(run.first_time - start, spacing)
    if gained > 0 and run.first >= 0:  # a counter is not extrapolated to below zero
        before = min(before, sampled * run.first / gained)
    after = _reach(end - run.last_time, spacing)
    return gained * (sampled + before + after) / sampled


def rate(run: Run, start: float, end: float) -> float | None:
    """`increase`, a second."""
    grown = increase(run, start, end)
    return None if grown is None else grown / (end - start)


FUNCTIONS: dict[str, RangeFunction] = {"increase": increase, "rate": rate}


def _reach(gap: float, spacing: float) -> float:
    """How far to extrapolate over a gap: over all of it if a sample was hardly missed, else half a spacing."""
    return gap if gap < spacing * 1.1 else spacing / 2
