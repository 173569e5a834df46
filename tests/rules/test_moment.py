from datetime import UTC, datetime

import pytest

from rules.moment import parse_moment, sortable

NOW = datetime(2026, 2, 19, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-02-18", "2026-02-18T00:00:00.000000"),
        ("2026-02-18T09:00", "2026-02-18T09:00:00.000000"),
        ("2026-02-18 09:00:01.5", "2026-02-18T09:00:01.500000"),
        ("2026-02-18T09:00Z", "2026-02-18T09:00:00.000000"),
        ("2026-02-18T09:00+02:00", "2026-02-18T07:00:00.000000"),
        ("10m", "2026-02-19T10:20:00.000000"),
        ("1h30m", "2026-02-19T09:00:00.000000"),
        ("3d", "2026-02-16T10:30:00.000000"),
        ("today", "2026-02-19T00:00:00.000000"),
        ("yesterday", "2026-02-18T00:00:00.000000"),
    ],
)
def test_a_moment_is_read_as_people_write_it(text, wanted):
    assert sortable(parse_moment(text, NOW)) == wanted


@pytest.mark.parametrize(
    "text", ["", "10", "soon", "10 minutes", "-5m", "2026-02-30", "99999999999y", "0001-01-01T00:00+14:00"]
)
def test_what_is_none_is_refused_and_the_known_forms_are_named(text):
    with pytest.raises(ValueError, match="is no moment; known are 2026-02-19T10:30"):
        parse_moment(text, NOW)
