"""What a query finds is what a naive filter of decoded lines finds, however the lines are written."""

import json
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.conditions import Condition
from rules.log_query import LEVELS, Query, Selection

BEGIN = datetime(2026, 2, 19, tzinfo=UTC)
TEXTS = [
    "order placed",
    'a "quoted" ERROR',
    "back\\slash",
    "größe/ü",
    "\x1b[31mred",
    "",
    "shop",
    "500",
    "true",
    "null",
    "a\nb",
]
NAMES = ["shop", "shop.api", "shopping", "größe", 'a"b', "urllib3"]


def _moments(seconds: int, form: int) -> str:
    moment = BEGIN + timedelta(microseconds=seconds * 500_000 + form)
    return [
        moment.isoformat(timespec="microseconds"),
        moment.isoformat(sep=" ", timespec="microseconds"),
        moment.isoformat().replace("+00:00", "Z"),
        moment.replace(tzinfo=None).isoformat(),
        (moment + timedelta(hours=2)).isoformat(timespec="microseconds").replace("+00:00", "+02:00"),
        "never",
    ][form]


values = st.one_of(st.sampled_from(TEXTS), st.integers(-2, 600), st.floats(allow_nan=False), st.booleans(), st.none())
records = st.fixed_dictionaries(
    {},
    optional={
        "timestamp": st.builds(_moments, st.integers(0, 20), st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5])),
        "level": st.sampled_from([*LEVELS, "error", "LOUD", 40, 'E"RROR']),
        "logger": st.sampled_from([*NAMES, 7]),
        "service": st.sampled_from(NAMES),
        "channel": st.sampled_from(["audit", "access"]),
        "trace_id": st.sampled_from(["abc-123", "größe", "abc-1234"]),
        "message": st.sampled_from(TEXTS),
        "status_code": values,
        "error": st.fixed_dictionaries(
            {}, optional={"type": st.sampled_from(["KeyError", "ValueError"]), "code": values}
        ),
        "error.type": st.sampled_from(["KeyError"]),
    },
)
lines = st.one_of(
    records.map(orjson.dumps),
    records.map(lambda each: json.dumps(each).encode()),
    records.map(lambda each: orjson.dumps(each) + b" \r"),
    st.sampled_from([b"plain text, no JSON: order placed ERROR", b'{"timestamp":"2026-02-19T', b"[1]", b"", b'"shop"']),
)
conditions = st.builds(
    lambda name, sign, value: Condition.parse(f"{name}{sign}{value}"),
    st.sampled_from(["status_code", "error.type", "error.code", "message", "absent"]),
    st.sampled_from(["=", "!="]),
    st.sampled_from(["500", "KeyError", "true", "null", "order placed", "größe/ü", 'a "quoted" ERROR', "1e2"]),
)
moments = st.builds(lambda seconds: BEGIN + timedelta(seconds=seconds / 2), st.integers(-1, 21))
queries = st.builds(
    Query,
    service=st.none() | st.sampled_from(NAMES),
    channel=st.none() | st.just("audit"),
    level=st.none() | st.sampled_from(list(LEVELS)),
    logger=st.none() | st.sampled_from(NAMES),
    since=st.none() | moments,
    until=st.none() | moments,
    trace=st.none() | st.sampled_from(["abc-123", "größe"]),
    where=st.lists(conditions, max_size=2).map(tuple),
    text=st.none() | st.sampled_from(["order", '"quoted"', "größe", "\x1b", "a\nb", ""]),
)


def _naive(line: bytes, query: Query) -> bool:
    try:
        fields = json.loads(line)
    except ValueError:
        return False
    if not isinstance(fields, dict):
        return False
    try:
        moment = datetime.fromisoformat(fields.get("timestamp", ""))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        moment = None
    if (query.since or query.until) and moment is None:
        return False
    if (query.since and moment < query.since) or (query.until and moment > query.until):
        return False
    level = fields.get("level")
    number = LEVELS.get(level.upper(), 20) if isinstance(level, str) else 20
    logger = fields.get("logger")
    return (
        (not query.level or number >= LEVELS[query.level])
        and query.service in (None, fields.get("service"))
        and query.channel in (None, fields.get("channel"))
        and query.trace in (None, fields.get("trace_id"))
        and (query.logger is None or (isinstance(logger, str) and f"{logger}.".startswith(f"{query.logger}.")))
        and all(each.holds(fields) for each in query.where)
        and (query.text is None or any(query.text in each for each in _texts(fields)))
    )


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    return [value] if isinstance(value, str) else []


@given(stored=st.lists(lines, max_size=30), query=queries)
@settings(max_examples=600, deadline=None)
def test_what_is_found_is_what_a_naive_filter_finds(stored, query):
    found = [each.line for each in Selection(query).of(b"\n".join(stored) + b"\n")]
    assert found == [line for line in stored if line and _naive(line, query)]


def test_lines_that_are_no_records_are_counted_where_they_are_looked_at():
    selection = Selection(Query())
    assert [each.fields for each in selection.of(b'{"a":1}\nTraceback\n\n[1]\n{"torn":')] == [{"a": 1}]
    assert selection.foreign == 3


def test_a_block_without_what_is_asked_for_is_not_decoded():
    selection = Selection(Query(trace="abc"))
    assert list(selection.of(b"no JSON at all\n" * 1000)) == []
    assert selection.foreign == 0


@pytest.mark.parametrize("line", [b'{"x":NaN,"y":"\\ud800"}', b'{"n":' + b"9" * 400 + b"}"])
def test_what_other_encoders_write_is_a_record(line):
    assert [each.line for each in Selection(Query()).of(line)] == [line]


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b'{"n":' + b"9" * 5000 + b"}"])
def test_no_line_is_fatal(line):
    assert len(list(Selection(Query()).of(line))) <= 1


@pytest.mark.parametrize("query", [Query(text="gold"), Query(where=(Condition.parse("a!=1"),))], ids=["text", "where"])
def test_a_line_nested_as_deep_as_can_be_decoded_is_searched(query):
    for opened, closed in (('{"a":', "}"), ("[", "]")):
        line = b'{"a":' + (opened * 1000 + '"gold"' + closed * 1000).encode() + b"}"
        assert [each.line for each in Selection(query).of(line)] == [line]
