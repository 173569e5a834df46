"""Failures that can be told apart, so that each of them is known to be counted once."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from redis import Redis

from rules.error_groups import ErrorGroups

_LETTERS = "bcdfghjklmnpqrstvwxz"


def word(number: int) -> str:
    """A number without digits, since what differs in digits alone is one group."""
    letters = ""
    while number or len(letters) < 3:
        number, rest = divmod(number, len(_LETTERS))
        letters = _LETTERS[rest] + letters
    return letters


def failure(number: int) -> bytes:
    """A record of one line that fails, in a group of its own."""
    return f"2026-02-19 10:30:00,123 - shop - ERROR - {word(number)}: request timed out\n".encode()


def quiet(count: int) -> bytes:
    """Records that are no failures."""
    return b"2026-02-19 10:30:00,124 - shop - INFO - all is well with the order of the customer\n" * count


def write(path: Path, numbers: Iterable[int], between: int = 0) -> None:
    """Append these failures, with quiet records before each."""
    with path.open("ab") as file:
        for number in numbers:
            file.write(quiet(between) + failure(number))


def counted(redis: Redis) -> Counter[str]:
    """How often each failure was counted, by its word."""
    return Counter({each.template.partition(":")[0]: each.count for each in ErrorGroups(redis).top(10_000)})


def once(numbers: Iterable[int]) -> Counter[str]:
    """What `counted` should say."""
    return Counter(word(number) for number in numbers)
