import pytest

from rules.errors import QueryError
from rules.promql.query import compile_query


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("histogram_quantile(0.9, a)", "histogram_quantile() is not supported yet"),
        ("topk(2, a)", "topk() is not supported yet"),
        ("a % 2", "% is not supported yet"),
        ("a * on (x) group_left (y) b", "group_left is not supported yet"),
        ("a * on (x) group_right b", "group_right is not supported yet"),
        ("a @ 5", "@ is not supported yet"),
        ("rate(a[5m:1m])", "a subquery is not supported yet"),
        ("a[5m]", "a range vector as a result is not supported yet"),
        ('"text"', "a string is not supported yet"),
        ('{__name__=~"a.*"}', "a selector without a metric name is not supported yet"),
        ('a{b="1" or c="2"}', "`or` between matchers is not supported yet"),
        ("sum by (__name__) (a)", "grouping by __name__ is not supported yet"),
        ("sum(a", "does not parse: unclosed left parenthesis"),
        ("rate(a)", "does not parse: expected type matrix in call to function 'rate', got vector"),
    ],
)
def test_what_is_not_evaluated_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(QueryError) as raised:
        compile_query(text)
    assert str(raised.value) == message


def test_a_pattern_that_only_prometheus_understands_is_refused() -> None:
    with pytest.raises(QueryError, match="is not supported yet"):
        compile_query('a{b=~"x(?i)y"}')


def test_a_query_knows_what_it_reads_and_how_far_back() -> None:
    query = compile_query("rate(a[5m] offset 10m) > 0 and b")
    assert query.selectors == {"a", "b"}
    assert query.reach == 900
