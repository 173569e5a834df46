import pytest

from rules.matcher import Matcher, MatchOp


@pytest.mark.parametrize(
    ("op", "value", "labels", "matches"),
    [
        ("=", "shop", {"service": "shop"}, True),
        ("=", "shop", {"service": "shops"}, False),
        ("=", "", {}, True),
        ("!=", "", {}, False),
        ("!=", "shop", {"service": "shops"}, True),
        ("=~", "sh.p", {"service": "shop"}, True),
        ("=~", "sho", {"service": "shop"}, False),
        ("=~", "a|shop", {"service": "shop"}, True),
        ("=~", "a|sho", {"service": "shop"}, False),
        ("=~", "a.b", {"service": "a\nb"}, True),
        ("=~", ".*", {}, True),
        ("!~", "sh.*", {"service": "shop"}, False),
        ("!~", "sho", {"service": "shop"}, True),
    ],
)
def test_a_matcher_means_what_it_means_in_prometheus(
    op: str, value: str, labels: dict[str, str], *, matches: bool
) -> None:
    assert Matcher("service", MatchOp(op), value).matches(labels) is matches


def test_a_pattern_that_does_not_compile_is_refused() -> None:
    with pytest.raises(ValueError, match=r'^service=~"\(": missing \), unterminated subpattern'):
        Matcher("service", MatchOp.REGEX, "(")


def test_a_matcher_is_written_as_prometheus_writes_it() -> None:
    assert str(Matcher("path", MatchOp.NOT_EQUAL, 'C:\\a "b"\n')) == r'path!="C:\\a \"b\"\n"'
