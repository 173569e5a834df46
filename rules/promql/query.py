"""A query: parsed, checked for what is evaluated here, and turned into plain nodes that compute values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import promql_parser as parser

from rules.errors import QueryError
from rules.matcher import Matcher, MatchOp
from rules.promql.aggregations import AGGREGATIONS, aggregate
from rules.promql.functions import FUNCTIONS
from rules.promql.operators import ARITHMETIC, COMPARISONS, SETS, Matching, combine
from rules.promql.values import NAME, Sample, Samples, Value, Vector, nameless

LOOKBACK = 300.0  #: seconds that an instant selector looks back, left-open
Node = Callable[[Samples, float], Value]


@dataclass(frozen=True, slots=True)
class Query:
    """A query that can be evaluated at any moment."""

    text: str
    node: Node
    selectors: frozenset[str]  #: names of the metrics that it reads
    reach: float  #: seconds of history, before the moment of evaluation, that it needs

    def evaluate(self, samples: Samples, at: float) -> Value:
        """Its value at a Unix time.

        Raises:
            EvaluationError: the samples do not fit the query, such as two series in one match group.
        """
        return self.node(samples, at)


def compile_query(text: str) -> Query:
    """The query in `text`.

    Raises:
        QueryError: it does not parse, or uses something that is not evaluated, which the message names.
    """
    try:
        tree = parser.parse(text)
    except ValueError as error:
        raise QueryError(f"does not parse: {error}") from error
    compiler = _Compiler()
    node = compiler.node(tree)
    return Query(text, node, frozenset(compiler.names), compiler.reach)


class _Compiler:
    """Turns the parser's tree into nodes, noting what they select."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.reach = 0.0

    def node(self, tree: Any) -> Node:
        match tree:
            case parser.NumberLiteral():
                value = float(tree.val)
                return lambda _samples, _at: value
            case parser.ParenExpr():
                return self.node(tree.expr)
            case parser.UnaryExpr():
                operand = self.node(tree.expr)
                return lambda samples, at: combine("*", -1.0, operand(samples, at), Matching(), as_bool=False)
            case parser.VectorSelector():
                return self._selector(tree)
            case parser.Call():
                return self._call(tree)
            case parser.AggregateExpr():
                return self._aggregation(tree)
            case parser.BinaryExpr():
                return self._operation(tree)
            case _:
                raise _unsupported(_spoken(tree))

    def _selector(self, tree: Any) -> Node:
        # Of what is looked back for, the newest sample alone is used: no history before the moment asked for is needed.
        matchers, offset = self._selection(tree, width=0.0)
        return lambda samples, at: list(samples.latest(matchers, at - offset - LOOKBACK, at - offset))

    def _call(self, tree: Any) -> Node:
        name, arguments = tree.func.name, tree.args
        if name not in FUNCTIONS:
            raise _unsupported(f"{name}()")
        if not isinstance(arguments[0], parser.MatrixSelector):
            raise _unsupported(_spoken(arguments[0]))
        function, width = FUNCTIONS[name], arguments[0].range.total_seconds()
        matchers, offset = self._selection(arguments[0].vector_selector, width)

        def call(samples: Samples, at: float) -> Vector:
            start, end = at - offset - width, at - offset
            found = ((run.labels, function(run, start, end)) for run in samples.runs(matchers, start, end))
            # All have the same name, which _selection saw to: without it they still differ.
            return [Sample(nameless(labels), value) for labels, value in found if value is not None]

        return call

    def _aggregation(self, tree: Any) -> Node:
        operation = str(tree.op)
        if operation not in AGGREGATIONS:
            raise _unsupported(f"{operation}()")
        operand = self.node(tree.expr)
        labels = frozenset(tree.modifier.labels if tree.modifier else ())
        if NAME in labels:
            raise _unsupported(f"grouping by {NAME}")
        drop = tree.modifier is not None and tree.modifier.type == parser.AggModifierType.Without

        # The parser lets no scalar into an aggregation.
        return lambda samples, at: aggregate(operation, labels, cast("Vector", operand(samples, at)), drop=drop)

    def _operation(self, tree: Any) -> Node:
        op = str(tree.op)
        if op not in ARITHMETIC and op not in COMPARISONS and op not in SETS:
            raise _unsupported(op)
        matching, as_bool = _matching(tree.modifier), bool(tree.modifier and tree.modifier.return_bool)
        left, right = self.node(tree.lhs), self.node(tree.rhs)
        return lambda samples, at: combine(op, left(samples, at), right(samples, at), matching, as_bool=as_bool)

    def _selection(self, tree: Any, width: float) -> tuple[Sequence[Matcher], float]:
        """The matchers of a selector and its offset in seconds."""
        if tree.at is not None:
            raise _unsupported("@")
        if tree.matchers.or_matchers:
            raise _unsupported("`or` between matchers")
        matchers = [_matcher(each) for each in tree.matchers.matchers]
        if tree.name:
            matchers.insert(0, Matcher(NAME, MatchOp.EQUAL, tree.name))
        names = [each.value for each in matchers if each.name == NAME and each.op is MatchOp.EQUAL]
        if not names:
            raise _unsupported("a selector without a metric name")
        self.names.update(names)
        offset = tree.offset.total_seconds() if tree.offset else 0.0
        self.reach = max(self.reach, offset + width)
        return tuple(matchers), offset


_MATCH_OPS = {
    "MatchOp.Equal": MatchOp.EQUAL,
    "MatchOp.NotEqual": MatchOp.NOT_EQUAL,
    "MatchOp.Re": MatchOp.REGEX,
    "MatchOp.NotRe": MatchOp.NOT_REGEX,
}


def _matcher(tree: Any) -> Matcher:
    try:
        return Matcher(tree.name, _MATCH_OPS[str(tree.op)], tree.value)
    except ValueError as error:  # RE2 takes it and Python does not
        raise QueryError(f"{error} is not supported yet") from error


def _matching(modifier: Any) -> Matching:
    if modifier is None:
        return Matching()
    if modifier.card == parser.VectorMatchCardinality.ManyToOne:
        raise _unsupported("group_left")
    if modifier.card == parser.VectorMatchCardinality.OneToMany:
        raise _unsupported("group_right")
    if modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None:
        raise _unsupported("fill")
    if modifier.matching is None:
        return Matching()
    labels = frozenset(modifier.matching.labels)
    included = modifier.matching.type == parser.LabelModifierType.Include
    return Matching(on=labels) if included else Matching(ignoring=labels)


def _spoken(tree: Any) -> str:
    """A node's name for people."""
    match tree:
        case parser.SubqueryExpr():
            return "a subquery"
        case parser.MatrixSelector():
            return "a range vector as a result"
        case parser.StringLiteral():
            return "a string"
        case _:
            return type(tree).__name__


def _unsupported(what: str) -> QueryError:
    return QueryError(f"{what} is not supported yet")
