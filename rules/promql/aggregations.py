"""Aggregation over the elements of a vector."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

from rules.promql.values import NAME, Sample, Signature, Vector, signature, without


def _sum(values: Sequence[float]) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # beyond what a float holds, or opposite infinities
        return sum(values)


AGGREGATIONS: dict[str, Callable[[Sequence[float]], float]] = {"count": len, "sum": _sum}


def aggregate(operation: str, labels: frozenset[str], vector: Vector, *, drop: bool) -> Vector:
    """The vector grouped by `labels`, or by all others where `drop`."""
    groups: defaultdict[Signature, list[float]] = defaultdict(list)
    for sample in vector:
        if drop:
            kept = without(sample.labels, labels | {NAME})
        else:
            kept = {name: value for name, value in sample.labels.items() if name in labels}
        groups[signature(kept)].append(sample.value)
    combine = AGGREGATIONS[operation]
    return [Sample(dict(key), float(combine(values))) for key, values in groups.items()]
