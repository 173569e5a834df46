"""Tells what happens as it happens, and waits for it, never for ever."""

import time
from collections.abc import Callable

from examples.demo.news import News, news
from examples.sinks import SlackSink

DEADLINE = 70.0  #: seconds since the start; then nothing is waited for any longer


class Narrator:
    """Speaks in lines that begin with the seconds since the start; what Slack hears is told in between."""

    def __init__(self, slack: SlackSink) -> None:
        self.failures: list[str] = []  #: the stages that did not do their work, and why
        self._slack = slack
        self._started = time.monotonic()
        self._told = 0

    def say(self, text: str) -> None:
        """One line."""
        print(f"[{time.monotonic() - self._started:5.1f} s] {text}", flush=True)

    def fail(self, stage: str, why: str) -> None:
        """A stage did not do its work; the story goes on."""
        self.failures.append(f"{stage}: {why}")
        self.say(f"FAILED {stage}: {why}")

    def until(self, stage: str, reached: Callable[[], object], *, within: float, otherwise: str) -> bool:
        """Wait until it is reached, and whether it was; if it is not `within` so many seconds, the stage has failed."""
        deadline = min(time.monotonic() + within, self._started + DEADLINE)
        while not reached():
            if time.monotonic() > deadline:
                self.fail(stage, otherwise)
                return False
            self.pause(0.1)
        return True

    def pause(self, seconds: float) -> None:
        """Let things happen."""
        time.sleep(seconds)
        self.news()

    def news(self) -> list[News]:
        """All that Slack has heard; what is new is told."""
        heard = news(self._slack.posts)
        for each in heard[self._told :]:
            self.say(f"    Slack: {each}")
        self._told = len(heard)
        return heard
