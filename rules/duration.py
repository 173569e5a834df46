"""Durations in Prometheus' grammar: `1h30m`, `500ms`, `0s`, `0`."""

import re

_UNITS = {"y": 365 * 86_400.0, "w": 7 * 86_400.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_GRAMMAR = re.compile("".join(rf"(?:(\d+){unit})?" for unit in _UNITS))


def parse_duration(text: str) -> float:
    """The duration in seconds.

    Raises:
        ValueError: it is not written as Prometheus writes durations: each unit once, the largest first.
    """
    match = _GRAMMAR.fullmatch(text)
    if text == "0":
        return 0.0
    if not text or not match:
        raise ValueError(f"{text!r} is not a duration such as 1h30m")
    return sum(int(count or 0) * seconds for count, seconds in zip(match.groups(), _UNITS.values(), strict=True))


def duration_text(seconds: float) -> str:
    """The duration as Prometheus writes it."""
    left, written = round(seconds * 1000), ""
    for unit, size in _UNITS.items():
        count, left = divmod(left, round(size * 1000))
        written += f"{count}{unit}" if count else ""
    return written or "0s"
