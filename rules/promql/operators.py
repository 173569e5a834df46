"""Binary operators between scalars and vectors, as Prometheus matches and labels them."""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

from rules.errors import EvaluationError
from rules.matcher import Labels
from rules.promql.values import NAME, Sample, Signature, Value, Vector, distinct, nameless, signature, without


def _divide(left: float, right: float) -> float:
    if right:
        return left / right
    return math.copysign(math.inf, left) * math.copysign(1.0, right) if left and not math.isnan(left) else math.nan


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
}
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
SETS = frozenset({"and", "or", "unless"})


@dataclass(frozen=True, slots=True)
class Matching:
    """Which labels say that two elements belong together: those `on`, else all but those `ignoring`."""

    on: frozenset[str] | None = None
    ignoring: frozenset[str] = frozenset()

    def labels(self, labels: Labels) -> dict[str, str]:
        """The labels that count, never the metric's name unless it is asked for."""
        if self.on is None:
            return without(labels, self.ignoring | {NAME})
        return {name: value for name, value in labels.items() if name in self.on}

    def key(self, labels: Labels) -> Signature:
        """Equal for elements that belong together."""
        return signature(self.labels(labels))

    def kept(self, labels: Labels) -> dict[str, str]:
        """What the result of a comparison keeps of its left element."""
        return without(labels, self.ignoring) if self.on is None else self.labels(labels)


def combine(op: str, left: Value, right: Value, matching: Matching, *, as_bool: bool) -> Value:
    """`left op right`; with `as_bool`, comparisons give 0 or 1 and do not filter.

    Raises:
        EvaluationError: more than one element on either side belongs to the same group.
    """
    if isinstance(left, list):
        if isinstance(right, list):
            return _between_vectors(op, left, right, matching, as_bool=as_bool)
        return _with_scalar(op, left, right, as_bool=as_bool, scalar_first=False)
    if isinstance(right, list):
        return _with_scalar(op, right, left, as_bool=as_bool, scalar_first=True)
    return ARITHMETIC[op](left, right) if op in ARITHMETIC else float(COMPARISONS[op](left, right))


def _between_vectors(op: str, left: Vector, right: Vector, matching: Matching, *, as_bool: bool) -> Vector:
    if op in SETS:
        return _SET_OPERATIONS[op](left, right, matching)
    return _one_to_one(op, left, right, matching, as_bool=as_bool)


def _with_scalar(op: str, vector: Vector, scalar: float, *, as_bool: bool, scalar_first: bool) -> Vector:
    operation = ARITHMETIC.get(op) or COMPARISONS[op]
    results = [operation(scalar, each.value) if scalar_first else operation(each.value, scalar) for each in vector]
    if op in COMPARISONS and not as_bool:
        return [sample for sample, holds in zip(vector, results, strict=True) if holds]
    pairs = zip(vector, results, strict=True)
    return distinct([Sample(nameless(sample.labels), float(result)) for sample, result in pairs])


def _one_to_one(op: str, left: Vector, right: Vector, matching: Matching, *, as_bool: bool) -> Vector:
    others = _by_key(right, matching, "right")
    pairs = [(sample, others[key]) for key, sample in _by_key(left, matching, "left").items() if key in others]
    if op in COMPARISONS and not as_bool:
        kept = [mine for mine, other in pairs if COMPARISONS[op](mine.value, other.value)]
        return [Sample(matching.kept(mine.labels), mine.value) for mine in kept]
    operation = ARITHMETIC.get(op) or COMPARISONS[op]
    return [Sample(matching.labels(mine.labels), float(operation(mine.value, other.value))) for mine, other in pairs]


def _by_key(vector: Vector, matching: Matching, side: str) -> dict[Signature, Sample]:
    found: dict[Signature, Sample] = {}
    for sample in vector:
        key = matching.key(sample.labels)
        if key in found:
            raise EvaluationError(f"found duplicate series for the match group {dict(key)} on the {side} hand-side")
        found[key] = sample
    return found


def _keys(vector: Vector, matching: Matching) -> set[Signature]:
    return {matching.key(sample.labels) for sample in vector}


def _and(left: Vector, right: Vector, matching: Matching) -> Vector:
    keys = _keys(right, matching)
    return [sample for sample in left if matching.key(sample.labels) in keys]


def _unless(left: Vector, right: Vector, matching: Matching) -> Vector:
    keys = _keys(right, matching)
    return [sample for sample in left if matching.key(sample.labels) not in keys]


def _or(left: Vector, right: Vector, matching: Matching) -> Vector:
    return left + _unless(right, left, matching)


_SET_OPERATIONS = {"and": _and, "or": _or, "unless": _unless}
