from collections.abc import Callable, Iterator

import pytest

from examples.sinks import MailSink, SlackSink
from logging_core.streams.stream import Change, shard_key
from rules.series import growth, series_text
from tasks import dispatch, evaluate, settings, wiring
from tasks.app import app

CACHED = (
    dispatch.routed_receivers,
    evaluate._delivery,
    evaluate._groups,
    evaluate._pace,
    evaluate._rules,
    evaluate._metrics,
    evaluate._series,
)


@pytest.fixture
def slack() -> Iterator[SlackSink]:
    with SlackSink() as sink:
        yield sink


@pytest.fixture
def mail() -> Iterator[MailSink]:
    with MailSink() as sink:
        yield sink


@pytest.fixture
def configured(monkeypatch, tmp_path) -> Iterator[Callable[..., None]]:
    """Configures this process: an alertmanager.yml and a rule file, as texts."""

    def configure(*, alertmanager: str = "", rules: str = "") -> None:
        given = settings.load()
        changes: dict[str, object] = {}
        for section, text in (("alerts", alertmanager), ("rules", rules)):
            file = tmp_path / f"{section}.yml"
            file.write_text(text)
            key, value = ("config", file) if section == "alerts" else ("files", [file])
            if text:
                changes[section] = getattr(given, section).model_copy(update={key: value})
        changed = given.model_copy(update=changes)
        monkeypatch.setattr(settings, "load", lambda: changed)

    for function in CACHED:
        function.cache_clear()
    yield configure
    for function in CACHED:
        function.cache_clear()


@pytest.fixture
def broker_away() -> Iterator[Callable[[], None]]:
    """Takes the broker away; calling it brings it back."""
    kept = app.conf.broker_url

    def turn(url: str) -> None:
        app.conf.broker_url = url
        app._after_fork()  # the pooled connections are forgotten

    turn("redis://127.0.0.1:1/0")
    yield lambda: turn(kept)
    turn(kept)


@pytest.fixture
def alertmanager(slack, mail) -> str:
    """A route to the Slack and the mail server of this test."""
    return f"""\
route: {{receiver: ops}}
receivers:
- name: ops
  slack_configs: [{{api_url: '{slack.url}', send_resolved: true}}]
  email_configs: [{{to: ops@example.org, from: tocsin@example.org, smarthost: '{mail.smarthost}', require_tls: false}}]
"""


@pytest.fixture
def count_errors(redis) -> Callable[..., list[Change]]:
    """Counts errors as a commit does, now."""

    def count(number: int, **labels: str) -> list[Change]:
        changes = growth({(series_text("log_errors_total", labels), int(wiring.now())): number})
        for change in changes:
            if change.op == "min":
                redis.hsetnx(shard_key(0, change.key), change.field, change.value)
            else:
                redis.hincrbyfloat(shard_key(0, change.key), change.field, float(change.value))
        return changes

    return count
