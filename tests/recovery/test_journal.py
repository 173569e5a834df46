"""The journal keeps every attempt that acted, and counts the rest."""

from redis import Redis

from recovery.journal import Entry, Journal
from recovery.model import Cause, Measurement, Outcome, Refusal, Result, Step

ON_EVERY_REDIS = True  # see tests/conftest.py

STEP = Step("clean_cache", "thumbs", Cause("DiskSpace", "shop", "/var/log/app.log", 42))


def entry(attempt: str, outcome: Outcome = Outcome.HEALED) -> Entry:
    result = Result(
        outcome, Measurement(2000, 10), Measurement(900, 1110), "removed 11 files of 1100 bytes; 0 could not be removed"
    )
    return Entry(attempt, STEP, result, started=1771497000.25, duration=0.125)


def test_an_attempt_is_read_as_it_was_written_the_newest_first(redis: Redis) -> None:
    journal = Journal(redis)
    journal.append(entry("first"))
    journal.append(entry("second", Outcome.NOT_HEALED))
    assert journal.entries(10) == [entry("second", Outcome.NOT_HEALED), entry("first")]
    assert journal.entries(1) == [entry("second", Outcome.NOT_HEALED)]
    assert journal.outcomes() == {Outcome.HEALED: 1, Outcome.NOT_HEALED: 1}


def test_what_did_nothing_is_counted_and_not_written(redis: Redis) -> None:
    journal = Journal(redis)
    journal.append(entry("idle", Outcome.NOT_NEEDED))
    for _ in range(3):
        journal.refused(STEP, Refusal.COOLDOWN)
    assert journal.entries(10) == []
    assert journal.outcomes() == {Outcome.NOT_NEEDED: 1}
    assert journal.refusals() == {"cooldown:clean_cache:thumbs": 3}
