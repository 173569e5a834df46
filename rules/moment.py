"""Moments as people write them: `2026-02-19T10:30`, `10m` ago, `yesterday`."""

from datetime import UTC, datetime, timedelta

from rules.duration import parse_duration


def parse_moment(text: str, now: datetime) -> datetime:
    """The moment in UTC: ISO 8601 (without an offset it is UTC), so long before `now`, or when a day began.

    Raises:
        ValueError: it is none of these.
    """
    if text in ("today", "yesterday"):
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - timedelta(days=text == "yesterday")
    try:
        return now.astimezone(UTC) - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        known = "2026-02-19T10:30 (UTC), 10m, 2h or 3d (ago), today, yesterday"
        raise ValueError(f"{text!r} is no moment; known are {known}") from None


def sortable(moment: datetime) -> str:
    """A moment as a text of fixed width, in UTC: texts compare as the moments do."""
    if moment.tzinfo:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds")
