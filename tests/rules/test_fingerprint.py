import time

import pytest

from rules.fingerprint import fingerprint, overflow, template
from rules.record import ErrorInfo, Record


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("order 12345 failed for user_001 after 3.5s", "order <*> failed for <*> after <*>"),
        ("cannot open '/var/log/a b.log'", "cannot open <*>"),
        ("GET /api/orders/7f3a?x=1 took 12ms", "GET <*> took <*>"),
        ("can't connect to db-1.internal:5432", "can't connect to <*>:<*>"),
        ("retry 1/3 id=550e8400-e29b-41d4-a716-446655440000", "retry <*>/<*> id=<*>"),
        ("https://a.b/c?d=e failed", "<*> failed"),
        ("key 'abc' isn't in \"def\"", "key <*> isn't in <*>"),
        (r"C:\temp\x.txt is missing", "<*> is missing"),
        ("read/write\n  failed", "read/write failed"),
        ("word " * 100, ("word " * 100)[:200]),
    ],
)
def test_what_varies_is_replaced(message: str, expected: str) -> None:
    assert template(message) == expected


def record(**fields: object) -> Record:
    return Record(**{"service": "shop", "level": "ERROR", "message": "order 1 failed"} | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (record(message="order 2 failed"), True),
        (record(logger="shop.api"), True),
        (record(service="mail"), False),
        (record(level="CRITICAL"), False),
        (record(error=ErrorInfo(type="KeyError")), False),
        (record(message="order 2 was lost"), False),
    ],
)
def test_errors_are_the_same_by_service_type_and_template(other: Record, *, same: bool) -> None:
    assert (fingerprint(other) == fingerprint(record())) is same


def test_a_group_has_a_short_lasting_id_and_the_exceptions_type() -> None:
    group = fingerprint(record(error=ErrorInfo(type="KeyError")))
    assert group.error_type == "KeyError"
    assert group.id == "c863a56f3211"  # ids are in Redis and in people's messages: a change needs a new VERSION


def test_the_overflow_of_two_services_differs() -> None:
    assert overflow("shop").id != overflow("mail").id


@pytest.mark.parametrize("hostile", ["a" * 1000, "a-" * 500, "'" * 1000, "a://" * 250, '"a' * 500, "é" * 1000])
def test_no_message_takes_long(hostile: str) -> None:
    started = time.perf_counter()
    template(hostile)
    assert time.perf_counter() - started < 0.5
