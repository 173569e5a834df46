"""Whatever a record holds, it becomes one line of JSON, and what had to be changed is marked."""

from hypothesis import HealthCheck, given, settings

from logging_core.record import Encoder
from tests.hostile import Parts, mistakes, record_parts


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(record_parts())
def test_a_hostile_record_is_one_line_that_says_what_was_changed(parts: Parts) -> None:
    line = Encoder("shop").encode(parts.record("known"))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert mistakes(parts, line, "shop") == []
