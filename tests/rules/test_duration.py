import pytest

from rules.duration import duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("0s", 0), ("15s", 15), ("1h30m", 5400), ("1m500ms", 60.5), ("1d", 86_400), ("1y2w", 32_745_600)],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["0s", "15s", "1h30m", "1m500ms", "1d", "1y2w"])
def test_a_duration_is_written_as_it_is_read(text: str) -> None:
    assert duration_text(parse_duration(text)) == text


@pytest.mark.parametrize("text", ["", "5", "1.5m", "-1m", "1m1h", "1m1m", "5 m", "m", "5M"])
def test_what_prometheus_does_not_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 1h30m"):
        parse_duration(text)
