import uuid

import pytest

from logging_core import context
from logging_core.web.request_ids import fields_of, new_request_id, parse_traceparent, well_formed

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("text", ["a", "0" * 128, "req-1", "a.b_c:d/e+f=g@h", "5d2c8f1e-7f6b-4d0a-9c3e-1b2a3c4d5e6f"])
def test_what_is_well_formed_is_taken_as_it_is(text):
    assert well_formed(text) == text


@pytest.mark.parametrize(
    "text",
    [None, "", "0" * 129, "a b", "a\n", "a\r\nX-Evil: 1", "ä", "a;b", "<script>", "a\x00", "a,b", '{"a":1}', "\x1b[2J"],
)
def test_what_is_not_well_formed_is_not_taken(text):
    assert well_formed(text) is None


def test_new_ids_are_version_4_uuids_and_all_different():
    ids = [new_request_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    for each in ids:
        parsed = uuid.UUID(each)
        assert (str(parsed), parsed.version, parsed.variant) == (each, 4, uuid.RFC_4122)


@pytest.mark.parametrize("header", [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-01-more"])
def test_a_traceparent_by_the_rules_is_parsed(header):
    assert parse_traceparent(header) == (TRACE, SPAN)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"ff-{TRACE}-{SPAN}-01",  # a version that is forbidden
        f"00-{TRACE}-{SPAN}-01-more",  # version 00 has four parts
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",  # two headers, joined
        f"00-{TRACE}-{SPAN}-01\n",
    ],
)
def test_a_traceparent_that_breaks_the_rules_is_none(header):
    assert parse_traceparent(header) is None


def test_the_trace_id_is_the_best_that_is_known(monkeypatch):
    traceparent = f"00-{TRACE}-{SPAN}-01"
    assert fields_of("r1", traceparent, "t1") == {"request_id": "r1", "trace_id": TRACE, "span_id": SPAN}
    assert fields_of("r1", "nonsense", "t1") == {"request_id": "r1", "trace_id": "t1"}
    assert fields_of("r1", None, "no good") == {"request_id": "r1", "trace_id": "r1"}
    monkeypatch.setattr(context, "span_source", lambda: {"trace_id": "a" * 32, "span_id": "b" * 16})
    assert fields_of("r1", traceparent, "t1") == {"request_id": "r1", "trace_id": "a" * 32, "span_id": "b" * 16}
    monkeypatch.setattr(context, "span_source", lambda: None)
    assert fields_of("r1", traceparent)["trace_id"] == TRACE


def test_a_request_id_that_is_not_well_formed_is_replaced():
    fields = fields_of("bad id\n")
    assert uuid.UUID(fields["request_id"]).version == 4
    assert fields["trace_id"] == fields["request_id"]
