"""What docs/export.md shows is run: its Python against real receivers, its configuration."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from logging_core.export.settings import handlers
from logging_core.record import Encoder
from tests.documents import Page
from tests.receivers import Collector, Elasticsearch, Loki, Sentry

PAGE = Page("docs/export.md")


def test_its_python_does_what_it_says() -> None:
    with Loki() as loki, Elasticsearch() as elasticsearch, Sentry() as sentry, Collector() as collector:
        shown = {
            "http://loki:3100": loki.url,
            "https://elasticsearch:9200": elasticsearch.url,
            "https://key@sentry.example.com/42": sentry.dsn,
            "http://collector:4318": collector.url,
        }
        program = PAGE.program
        for name, real in shown.items():
            assert name in program
            program = program.replace(name, real)
        # Each `handler = ...` after the first is hung on the loggers too, and one record goes to all.
        program = re.sub(
            r"^(handler = .*)$", r"\1\nlogging.getLogger().addHandler(handler)", program, flags=re.MULTILINE
        )
        program += "\nlogging.getLogger('shop.api').error('failed')\n"
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=os.environ
        )
        assert (done.returncode, done.stderr) == (0, "")
        flushed, stats = done.stdout.splitlines()
        assert (flushed, "'written': 1" in stats) == ("True", True)
        assert loki.messages == ["stock is low", "failed"]
        assert loki.streams[0][0] == {"service": "shop", "level": "WARNING", "env": "production"}
        assert elasticsearch.messages == ["failed"]
        assert collector.messages == ["failed"]
        (event,) = sentry.events  # the SDK's, since it runs
        assert (event["tags"]["service"], event["logentry"]["message"]) == ("shop", "failed")


def test_its_configuration_has_no_mistakes(tmp_path: Path) -> None:
    (text,) = PAGE.blocks("yaml")
    (tmp_path / "elasticsearch").write_text("key\n")
    (tmp_path / "sentry").write_text("https://key@sentry.example.com/42\n")
    made = handlers(yaml.safe_load(text.replace("/run/secrets", str(tmp_path)))["export"], Encoder("shop"), pytest.fail)
    assert len(made) == 4
    for handler in made:
        handler.close()
