"""What logs write as times, and what it means."""

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.layouts import Times

LATEST = datetime(2026, 2, 20, tzinfo=UTC).timestamp()
MOMENT = "2026-02-19T10:30:00"


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-19T10:30:00Z",
        "2026-02-19T10:30:00+00:00",
        "2026-02-19T10:30:00+0000",
        "2026-02-19T12:30:00+02:00",
        "2026-02-19T12:30:00+02",
        "2026-02-19T05:30:00-0500",
        "2026-02-19 10:30:00",
        "2026-02-19 10:30:00 UTC",
        "2026-02-19 10:30:00 GMT",
        "2026-02-19 11:30:00 CET",
        "2026-02-19 05:30:00 EST",
        "2026/02/19 10:30:00",
        "2026.02.19 10:30:00",
        "19/Feb/2026:10:30:00 +0000",
        "19/Feb/2026 10:30:00",
        "19 Feb 2026 10:30:00",
        "19-Feb-2026 10:30:00",
        "Thu Feb 19 10:30:00 2026",
        "Feb 19 10:30:00",
        "Feb 19, 2026 10:30:00 AM",
        "02/19/2026 10:30:00 AM",
        "19/02/2026 10:30:00",
        "26/02/19 10:30:00",
        "260219 10:30:00",
        "260219 103000",
        "20260219 10:30:00",
        "02-19 10:30:00",
        "0219 10:30:00",
        "219 10:30:00",
        "1771497000",
        "1771497000000",
        "1771497000000000",
        "1771497000000000000",
    ],
)
def test_every_spelling_is_the_same_moment(text):
    assert Times(latest=LATEST).text(text) == f"{MOMENT}.000000+00:00"


@pytest.mark.parametrize(
    ("fraction", "microseconds"),
    [(".1", "100000"), (",123", "123000"), (".123456", "123456"), (".123456789", "123456"), (".999999999", "999999")],
)
def test_a_fraction_is_cut_to_microseconds(fraction, microseconds):
    times = Times(latest=LATEST)
    assert times.text(f"2026-02-19 10:30:00{fraction}") == f"{MOMENT}.{microseconds}+00:00"
    assert times.text(f"{MOMENT}{fraction}+00:00") == f"{MOMENT}.{microseconds}+00:00"


def test_a_number_since_1970_may_have_a_fraction():
    assert Times().number(1771497000.123456) == f"{MOMENT}.123456+00:00"
    assert Times().text("1771497000.5") == f"{MOMENT}.500000+00:00"
    assert Times().number(1771497000123456789) == f"{MOMENT}.123456+00:00"


@pytest.mark.parametrize("number", [0, -1, 12.5, 99_999_999, 1e30, math.inf, -math.inf, math.nan, 10**400])
def test_other_numbers_are_no_times(number):
    assert Times().number(number) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-02-30 10:30:00",
        "2026-13-01 10:30:00",
        "2026-02-19 25:30:00",
        "2026-02-19 10:30:00 +99:99",
        "0001-01-01T00:00:00+14:00",
        "Foo 19 10:30:00",
        "Feb 30 10:30:00",
        "2026-02-19",
        "\uff12\uff10\uff12\uff16-02-19 10:30:00",
        "2026-02-19 10:30:00" + " " * 100,
    ],
)
def test_what_never_was_is_no_time(text):
    assert Times(latest=LATEST).text(text) == ""


def test_a_time_without_a_zone_is_of_the_zone_that_is_given():
    times = Times(ZoneInfo("Europe/Berlin"))
    assert times.text("2026-02-19 11:30:00") == f"{MOMENT}.000000+00:00"
    assert times.text("2026-07-19 12:30:00") == "2026-07-19T10:30:00.000000+00:00"
    assert times.text("2026-02-19 10:30:00 UTC") == f"{MOMENT}.000000+00:00"


def test_an_abbreviation_of_several_meanings_is_the_zone_that_is_given():
    assert Times(ZoneInfo("Asia/Shanghai")).text("2026-02-19 18:30:00 CST") == f"{MOMENT}.000000+00:00"
    assert Times(ZoneInfo("America/Chicago")).text("2026-02-19 04:30:00 CST") == f"{MOMENT}.000000+00:00"


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("Feb 20 10:30:00", 2026),  # within a day of the end
        ("Feb 22 10:30:00", 2025),
        ("Dec 31 23:59:59", 2025),
        ("Jan  1 00:00:00", 2026),
        ("Feb 29 10:30:00", 2024),
    ],
)
def test_a_missing_year_is_the_last_one_that_is_not_after_the_log_s_end(text, year):
    assert Times(latest=LATEST).text(text)[:4] == str(year)


def test_a_missing_year_cannot_be_told_without_the_log_s_end():
    assert Times().text("Feb 19 10:30:00") == ""


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_it_agrees_with_iso(naive, minutes):
    moment = naive.replace(tzinfo=UTC)
    elsewhere = moment + timedelta(minutes=minutes)
    offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    text = elsewhere.replace(tzinfo=None).isoformat(timespec="microseconds") + offset
    wanted = moment.isoformat(timespec="microseconds")
    times = Times()
    assert [times.text(text), times.text(text), times.text(wanted)] == [wanted] * 3


@given(st.text(max_size=80), st.binary(max_size=80), st.binary(max_size=12))
def test_nothing_raises(text, second, zone):
    times = Times(latest=LATEST)
    times.text(text)
    assert times.iso(second, None, zone) is not None
