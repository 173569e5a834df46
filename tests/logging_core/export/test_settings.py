"""`export:` of a configuration file."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from logging_core.config_file import dotted
from logging_core.export.elasticsearch import ElasticsearchSink
from logging_core.export.loki import LokiSink
from logging_core.export.settings import handlers
from logging_core.record import Encoder
from tests.receivers import Elasticsearch, Loki


def mistakes_in(export: Any) -> list[str]:
    found: list[str] = []
    assert handlers(export, Encoder("shop"), lambda place, what: found.append(f"{dotted(place)}: {what}")) == []
    return found


def test_each_exporter_that_is_named_becomes_a_handler(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sesame\n")
    with Loki() as loki, Elasticsearch() as elasticsearch:
        made = handlers(
            {
                "loki": {"url": loki.url, "labels": {"env": "test"}, "level": "WARNING"},
                "elasticsearch": {"url": elasticsearch.url, "api_key_file": str(tmp_path / "key")},
            },
            Encoder("shop"),
            pytest.fail,
        )
        assert [type(handler.sink) for handler in made] == [LokiSink, ElasticsearchSink]
        logger = logging.Logger("shop.api")  # noqa: LOG001
        for handler in made:
            logger.addHandler(handler)
        logger.info("for one")
        logger.warning("for both")
        for handler in made:
            assert handler.flush(20)
            handler.close()
        assert loki.messages == ["for both"]
        assert elasticsearch.messages == ["for one", "for both"]
        assert elasticsearch.requests[0].headers["Authorization"] == "ApiKey sesame"


URL = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("export", "mistakes"),
    [
        ({"lokki": {}}, ["lokki: unknown; there are loki, elasticsearch, sentry, opentelemetry"]),
        ({"loki": URL}, ["loki: must be a mapping"]),
        ({"loki": {}, "sentry": {}}, ["loki.url: is missing", "sentry.dsn: is missing"]),
        ({"loki": {"url": 3100, "tenant": 7}}, ["loki.url: must be a text", "loki.tenant: must be a text"]),
        ({"loki": {"url": URL, "logger_label": "yes"}}, ["loki.logger_label: must be true or false"]),
        ({"loki": {"url": URL, "labels": {"a": 1}}}, ["loki.labels: must be a mapping of texts"]),
        (
            {"loki": {"url": URL, "labels": {"a-b": "c"}}},
            ["loki.labels.a-b: letters, digits and '_', and no digit nor"],
        ),
        ({"loki": {"url": URL, "labels": {"level": "c"}}}, ["loki.labels.level: is the record's own"]),
        ({"loki": {"url": URL, "labels": {"a": ""}}}, ["loki.labels.a: must not be empty"]),
        ({"loki": {"url": URL, "labels": dict.fromkeys("abcdefghijklm", "x")}}, ["loki.labels: at most 12, not 13"]),
        ({"loki": {"url": "loki:3100"}}, ["loki.url: must be an http or https URL"]),
        ({"loki": {"url": "http://loki:port"}}, ["loki.url: must be an http or https URL"]),
        (
            {"loki": {"url": URL, "ca_file": "/nowhere.pem"}},
            ["loki.ca_file: cannot read certificates from /nowhere.pem"],
        ),
        ({"loki": {"url": URL, "headers": {"X Y": "z"}}}, ["loki.headers: 'X Y' is no name of a header"]),
        ({"loki": {"url": URL, "headers": {"X": "a\r\nb"}}}, ["loki.headers.X: must be one line of ASCII"]),
        ({"loki": {"url": URL, "level": "LOUD"}}, ["loki.level: 'LOUD' is no level"]),
        ({"loki": {"url": URL, "max_records": 0}}, ["loki: max_records is at least 1"]),
        ({"loki": {"url": URL, "max_records": True}}, ["loki.max_records: must be a whole number"]),
        ({"loki": {"url_file": "/nowhere"}}, ["loki.url_file: cannot read /nowhere: No such file"]),
        ({"loki": {"url": URL, "url_file": "/dev/null"}}, ["loki.url_file: url is given twice"]),
        ({"elasticsearch": {"url": URL, "index": "App"}}, ["elasticsearch.index: lower-case letters"]),
        ({"elasticsearch": {"url": URL, "api_key": "a", "username": "b"}}, ["elasticsearch.api_key: is given beside"]),
        ({"sentry": {"dsn": "https://sentry.io/1"}}, ["sentry.dsn: must be as Sentry shows it"]),
        (
            {"sentry": {"dsn": "https://k@sentry.io/1", "event_level": "LOUD"}},
            ["sentry.event_level: 'LOUD' is no level"],
        ),
        ({"opentelemetry": {"url": "grpc://x"}}, ["opentelemetry.url: must be an http or https URL"]),
    ],
)
def test_a_mistake_is_named_with_its_key(export: Any, mistakes: list[str]) -> None:
    for said, expected in zip(mistakes_in(export), mistakes, strict=True):
        assert said.startswith(expected)


def test_an_unknown_key_is_named_with_those_there_are() -> None:
    (said,) = mistakes_in({"loki": {"url": URL, "ulr": "x"}})
    assert re.fullmatch(r"loki\.ulr: unknown; there are url, labels, .*level, max_records", said)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("loki", {"url": "http://shop:sesame@"}),
        ("loki", {"url": "http://shop:sesame@loki:port"}),
        ("loki", {"url": URL, "password": ["sesame"]}),
        ("loki", {"url": URL, "headers": {"Authorization": "sesame\n"}}),
        ("sentry", {"dsn": "https://sesame@sentry.io/none"}),
        ("sentry", {"dsn": "sesame"}),
    ],
)
def test_no_mistake_shows_a_secret(name: str, settings: dict[str, Any]) -> None:
    (said,) = mistakes_in({name: settings})
    assert "sesame" not in said
