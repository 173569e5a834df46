"""What people were told: the alerts in the messages that arrived at Slack."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from examples.sinks import Post

_ALERT = re.compile(r"^\*(?P<alert>\w+)\* (?P<state>\w+), value", re.MULTILINE)
_ERROR_TYPE = re.compile(r"`error_type=([^`]+)`")


@dataclass(frozen=True, slots=True)
class News:
    """One alert of a message."""

    at: float  #: arrival of the message, Unix seconds
    alert: str
    state: str  #: firing or resolved
    error_type: str  #: empty for alerts about something else

    def __str__(self) -> str:
        about = f" of {self.error_type}" if self.error_type else ""
        return f"{self.alert}{about} {self.state}"


def news(posts: Iterable[Post]) -> list[News]:
    """The alerts of all messages, in the order in which they arrived."""
    return [each for post in posts for each in _of(post)]


def _of(post: Post) -> list[News]:
    text = post.body["attachments"][0]["text"]
    found = list(_ALERT.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [
        News(post.at, match["alert"], match["state"], "".join(_ERROR_TYPE.findall(text, match.start(), end)[:1]))
        for match, end in zip(found, ends, strict=True)
    ]


def new_errors(told: Sequence[News]) -> dict[str, float]:
    """Error type -> when Slack first heard of it, Unix seconds."""
    heard: dict[str, float] = {}
    for each in told:
        if each.alert == "NewErrorGroup" and each.state == "firing":
            heard.setdefault(each.error_type, each.at)
    return heard


def repeated(told: Sequence[News]) -> list[str]:
    """New errors that were announced more than once."""
    times = Counter(str(each) for each in told if each.alert == "NewErrorGroup")
    return [text for text, number in times.items() if number > 1]


def wait_ms(logged: Mapping[str, float], heard: Mapping[str, float]) -> int | None:
    """Median time from the log call to Slack, in milliseconds; None: Slack has heard of nothing."""
    waits = [heard[error_type] - at for error_type, at in logged.items() if error_type in heard]
    return round(median(waits) * 1000) if waits else None
