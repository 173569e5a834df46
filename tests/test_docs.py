"""What the README and the pages show is run, on the running stack where it needs one."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.sinks import MailSink, SlackSink
from logging_core import context, load_config, settings, shutdown_logging
from logging_core.buffers.spool import spill_root, spool_root
from logging_core.testing import capture_records
from tests.documents import ROOT, Page, says
from tests.servers import Server
from tests.stack import Stack
from tests.waiting import wait_until

README = Page("README.md")
PAGES = [README, *(Page(f"docs/{path.name}") for path in sorted((ROOT / "docs").glob("*.md")))]


# -- of all pages


@pytest.mark.parametrize("page", PAGES, ids=repr)
def test_what_stands_in_a_block_is_in_its_language(page: Page) -> None:
    for block in page.blocks("python"):
        ast.parse(block)
    for block in page.blocks("yaml"):
        assert yaml.safe_load(block)
    assert all(isinstance(each, dict) for each in page.records)


@pytest.mark.parametrize("page", PAGES, ids=repr)
def test_whatever_a_page_leads_to_is_there(page: Page) -> None:
    folder = (ROOT / page.path).parent
    for link in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", page.text):
        assert (folder / link).exists(), link
    for path in re.findall(r"`((?:docs|docker|examples|benchmarks|logging_core|rules|tests)/[\w./-]*\w)`", page.text):
        assert (ROOT / path).exists(), path
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|^    )make (\w+)", page.text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_architecture_names_every_module_that_is_not_in_a_package() -> None:
    text = Page("docs/architecture.md").text
    for path in (ROOT / "logging_core").iterdir():
        if not path.name.startswith("__"):
            assert f"`{path.name}{'/' if path.is_dir() else ''}`" in text


@pytest.mark.parametrize("page", [page for page in PAGES if page.blocks("python")], ids=repr)
def test_each_page_with_a_program_is_run_by_some_test(page: Page) -> None:
    tests = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    assert any(f'Page("{page.path}")' in text for text in tests)


# -- the README


@pytest.mark.stack
def test_the_python_of_the_readme_does_what_it_says(stack: Stack) -> None:
    environment = os.environ | {"REDIS_URL": stack.redis_url}
    done = subprocess.run([sys.executable, "-c", README.program], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert [line.split(" ", 1)[1][:27] for line in done.stderr.splitlines() if line[:2] == "20"] == [
        "WARNING  shop.api: stock is",
        "ERROR    shop.api: order fa",
    ]
    wait_until((stack.log_dir / "shop/errors.log").exists, what="the files")
    records = [json.loads(line) for line in (stack.log_dir / "shop/app.log").read_text().splitlines()]
    assert [(record["message"], record.get("left")) for record in records] == [
        ("stock is low", 3),
        ("order failed", None),
    ]
    assert [
        json.loads(line)["error"]["type"] for line in (stack.log_dir / "shop/errors.log").read_text().splitlines()
    ] == ["KeyError"]
    wait_until(lambda: any("KeyError" in json.dumps(post.body) for post in stack.slack.posts), what="Slack")


@pytest.mark.stack
def test_the_handler_of_the_page_on_delivery(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", stack.redis_url)
    *flushed, stats = Page("docs/delivery.md").run(tmp_path).splitlines()
    assert flushed == ["True", "True"]
    assert "'accepted': 1, 'shipped': 1, 'waiting': 0, 'dropped': {}" in stats


def test_the_configuration_of_the_readme_has_no_mistakes(tmp_path: Path) -> None:
    secret = tmp_path / "slack"
    secret.write_text("https://hooks.slack.com/services/T0/B0/x")
    files = README.files("yaml")
    assert set(files) == {"tocsin.yml", "rules.yml", "alertmanager.yml"}
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace("/run/secrets/slack", str(secret)))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN", "REDIS_URL"))}
    command = [sys.executable, "-P", "-m", "tocsin", "check-config"]
    done = subprocess.run(command, cwd=tmp_path, env=inherited, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "no mistakes found\n", "")


# -- pages that stand for themselves


def records(pattern: str, folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in folder.glob(pattern) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("program", Page("docs/redaction.md").blocks("python"))
def test_redaction(program: str) -> None:
    exec(compile(program, "docs/redaction.md", "exec"), {})


def test_asynchronous_logging(tmp_path: Path) -> None:
    assert "'drops': 0" in Page("docs/async-logging.md").run(tmp_path)
    [record] = records("logs/order_book.log", tmp_path)
    assert (record["message"], record["spread"]) == ("spread is wide", 12.5)


def test_the_realtime_log(tmp_path: Path) -> None:
    assert "'written': 101" in Page("docs/realtime.md").run(tmp_path)
    assert [record["message"] for record in records("logs/realtime/*.jsonl", tmp_path)] == ["export", "resize"]
    assert len(records("logs/custom/my_app_*.jsonl", tmp_path)) == 101


# -- docs/logging.md

LOGGING = Page("docs/logging.md")
MANY_FIELDS = {"timestamp", "process", "module", "line"}  #: that differ where the page's program runs


def test_logging(tmp_path: Path) -> None:
    shown = LOGGING.run(tmp_path)
    assert shown == "{'trace_id': 'trace-8'}\nshop\n{}\n"
    first, *others = records("logs/app.log", tmp_path)
    (told,) = LOGGING.records
    assert list(told) == list(first)
    assert {**told, **{name: first[name] for name in MANY_FIELDS}} == first
    assert [each["error"]["type"] for each in others if each["message"] == "order failed"] == ["KeyError"] * 2
    counting = [each for each in others if each["message"].startswith("count")]
    assert [(each["trace_id"], each["user_id"], each.get("step")) for each in counting] == [
        ("trace-7", "ann", None),
        ("trace-7", "ann", "second"),
        ("trace-7", "ann", None),
    ]
    assert [each["message"] for each in records("logs/audit.log", tmp_path)] == ["price changed", "price changed back"]


@pytest.mark.parametrize("name", LOGGING.files("yaml"))
def test_each_configuration_of_the_page_on_logging_is_valid(name: str, tmp_path: Path) -> None:
    LOGGING.write(tmp_path)
    assert load_config(tmp_path / name)


def test_the_page_on_logging_names_the_variables_there_are() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| `([\w.]+)` \| (.+) \|$", LOGGING.text, re.MULTILINE)
    assert {variable: key for variable, key, _ in rows} == settings.VARIABLES
    for _, key, default in rows:
        if default.startswith("`"):  # not in words
            assert settings.KEYS[key](default.strip("`")) == getattr(settings.Settings(), key)


def test_what_the_page_says_of_other_loggers_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOG_DIR")
    LOGGING.write(tmp_path)
    names: dict[str, Any] = {"__name__": "shop", "capture_records": capture_records, "context": context}
    exec("from logging_core import *\nlogger = get_logger('shop')", names)
    section = LOGGING.text.partition("## From other loggers")[2]
    ours = [row.split(" | ")[1] for row in section.splitlines() if row.startswith("| ") and "---" not in row]
    codes = [code for cell in ours for code in re.findall(r"`(\w[^`]*\(.*?\))`", cell)]
    assert len(codes) > 20
    try:
        for code in codes:
            exec(code, names)
    finally:
        shutdown_logging()
        context.clear()


# -- docs/lifecycle.md

LIFE = Page("docs/lifecycle.md")


@pytest.fixture
def own_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server of its own, whose spools are nobody else's."""
    with Server(tmp_path / "redis") as server:
        monkeypatch.setenv("REDIS_URL", server.url)
        yield server.url
    for root in (spool_root(server.url), spill_root(server.url)):
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.stack
def test_the_life_of_a_record(own_redis: str, tmp_path: Path) -> None:
    def step(name: str) -> bool:
        return says(LIFE.output_of(name), LIFE.run(tmp_path, name))

    assert LIFE.run(tmp_path, "shop.py") == ""
    assert step("in_the_spool.py")
    assert step("in_the_stream.py")
    with SlackSink() as slack, MailSink() as mail:
        stack = Stack(tmp_path, slack=slack, mail=mail, extra={"REDIS_URL": own_redis})
        try:
            stack.read_until("ready in")
            wait_until(lambda: slack.posts and mail.mails, what="Slack and e-mail")
            assert step("in_the_files.py")
            assert step("in_redis.py")
            wait_until(lambda: LIFE.run(tmp_path, "in_the_alerts.py").count("delivered") == 2, what="their record")
            said = LIFE.run(tmp_path, "in_the_alerts.py").splitlines()
            shown = [line for line in said if "/email/" not in line and "WriterStalled" not in line]  # a busy machine
            assert says(LIFE.output_of("in_the_alerts.py"), "\n".join(shown))
            (told,) = LIFE.records
            (attachment,) = slack.posts[0].body["attachments"]
            assert all(says(text, attachment[name]) for name, text in told.items())
            account = LIFE.blocks("text")[-1]
            _, status, _ = stack.run("status")
            assert says(account, "\n".join(line.rstrip() for line in status.splitlines()[: len(account.splitlines())]))
            wait_until(lambda: not any(spool_root(own_redis).glob("*/*.segment")), what="the end of the spool")
        finally:
            stack.up.send_signal(signal.SIGTERM)
            stack.ended()
