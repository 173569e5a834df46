"""init_logging sets everything up, shutdown_logging takes it down, and a mistake is told before anything is changed."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import yaml

from logging_core import (
    ConfigError,
    UnifiedLoggerFactory,
    config_file,
    get_logger,
    init_logging,
    init_logging_from_config,
    legacy,
    lifecycle,
    load_config,
    settings,
    shutdown_logging,
)
from logging_core.fanout import Fanout
from logging_core.line_handler import LineHandler
from logging_core.streams.stream import Keys
from logging_core.testing import capture_records
from tests.waiting import wait_until

DOCUMENTED = {
    "log_level": "INFO", "log_dir": "logs", "queue_size": 10_000, "max_bytes": 10 * 1024 * 1024, "backup_count": 7,
    "console_level": "INFO", "file_level": "DEBUG", "enable_ai_handler": True, "ai_max_bytes": 100 * 1024 * 1024,
    "ai_backup_count": 30,
}  # fmt: skip
EXAMPLE = Path(__file__).parents[2] / "examples/logging.yaml"


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test in a folder of its own, with no variable of ours set and nothing left behind."""
    for variable in settings.VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    yield
    shutdown_logging()


def lines(path: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_the_documented_defaults() -> None:
    chosen, _ = settings.resolve({}, environment={})
    as_given, _ = settings.resolve(DOCUMENTED, environment={})
    assert chosen == as_given


def test_records_go_to_their_files_and_to_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    factory = init_logging(log_level="DEBUG", log_dir="out", console_level="WARNING")
    logger = factory.get_logger("shop.api")
    logger.debug("a detail")
    logger.info("said by the model", channel="ai_responses")
    logging.getLogger("third.party").error("went wrong")
    shutdown_logging()
    assert [record["message"] for record in lines("out/app.log")] == ["a detail", "said by the model", "went wrong"]
    assert [record["message"] for record in lines("out/errors.log")] == ["went wrong"]
    assert [record["message"] for record in lines("out/ai_responses.log")] == ["said by the model"]
    assert "went wrong" in (shown := capsys.readouterr().err)
    assert "detail" not in shown


def test_the_console_goes_on_while_the_files_cannot_be_written_to(capsys: pytest.CaptureFixture[str]) -> None:
    init_logging(log_dir="out")
    Path("out").rename("away")
    Path("out").touch()
    for number in range(3):
        get_logger("a").info(f"record {number}")
        time.sleep(0.05)
    wait_until(lambda: lifecycle.stats()["beside"]["ConsoleSink"]["written"] == 3)
    assert "record 2" in capsys.readouterr().err
    assert lifecycle.stats()["waiting"] == 3
    Path("out").unlink()


def test_shutdown_leaves_the_root_as_it_was_and_may_be_repeated() -> None:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    init_logging(log_level="ERROR")
    assert lifecycle.is_initialized()
    assert root.level == logging.ERROR
    for _ in range(2):
        shutdown_logging()
        assert (root.handlers, root.level) == (handlers, level)
    assert not lifecycle.is_initialized()


def test_setting_up_again_takes_the_place_of_the_first() -> None:
    init_logging(log_dir="first")
    get_logger("a").info("one")
    init_logging(log_dir="second")
    get_logger("a").info("two")
    shutdown_logging()
    assert [record["message"] for record in lines("first/app.log")] == ["one"]
    assert [record["message"] for record in lines("second/app.log")] == ["two"]


def test_setting_up_again_loses_nothing_of_other_threads() -> None:
    ended, counts = threading.Event(), [0] * 3

    def log(thread: int) -> None:
        while not ended.is_set():
            get_logger("a").info("x", place=[thread, counts[thread]])
            counts[thread] += 1
            time.sleep(0.0002)

    def start(number: int) -> None:
        init_logging(log_dir=f"logs{number}", console_level="OFF", queue_size=100_000)

    start(0)
    threads = [threading.Thread(target=log, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 20):
        time.sleep(0.02)
        start(number)
    ended.set()
    for thread in threads:
        thread.join()
    shutdown_logging()
    found = [tuple(record["place"]) for path in Path().glob("logs*/app.log") for record in lines(path)]
    assert sorted(found) == [(thread, number) for thread in range(3) for number in range(counts[thread])]


def test_whoever_takes_the_root_over_ends_it() -> None:
    root = logging.getLogger()
    handlers = list(root.handlers)
    init_logging(console_level="OFF")
    ours = next(each for each in root.handlers if each not in handlers)
    root.removeHandler(ours)
    assert not lifecycle.is_initialized()
    init_logging(console_level="OFF")
    assert lifecycle.is_initialized()
    assert len(root.handlers) == len(handlers) + 1


def test_the_factory_does_the_same() -> None:
    factory = UnifiedLoggerFactory()
    factory.initialize(log_level="INFO", log_dir="logs")
    factory.get_logger("a").info("x")
    factory.shutdown()
    assert len(lines("logs/app.log")) == 1


def test_variables_win_over_the_file_and_arguments_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("logging.yaml").write_text("log_dir: from_file\nqueue_size: 7\nlog_level: ERROR\nfiles: {daily: true}\n")
    monkeypatch.setenv("LOG_DIR", "from_variable")
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    init_logging_from_config("logging.yaml", log_level="INFO", console_level="OFF")
    get_logger("a").info("x")
    shutdown_logging()
    assert len(lines("from_variable/app.log")) == 1
    assert not Path("from_file").exists()


@pytest.mark.parametrize("variable", settings.VARIABLES)
def test_every_variable_counts(variable: str) -> None:
    texts = {"LOG_DIR": "x", "TOCSIN_SERVICE": "x", "REDIS_URL": "redis://x"}
    values = texts | {"LOG_QUEUE_SIZE": "5", "LOG_DESTINATION": "redis"}
    value = values.get(variable, "false" if "USE" in variable or "ENABLE" in variable else "ERROR")
    default, _ = settings.resolve({}, environment={})
    chosen, _ = settings.resolve({}, environment={variable: value})
    key = attrgetter(settings.VARIABLES[variable])
    assert key(chosen) != key(default)
    if variable not in texts:
        with pytest.raises(ConfigError, match=f"^{variable}: "):
            settings.resolve({}, environment={variable: "no such value"})


def test_a_variable_wins_within_a_section_too_and_an_argument_over_it() -> None:
    Path("logging.yaml").write_text("service: filed\nredis: {url: redis://filed, buffer: memory}\n")
    document = config_file.read(Path("logging.yaml"))
    environment = {"TOCSIN_SERVICE": "named", "REDIS_URL": "redis://named"}
    chosen, _ = settings.resolve({}, document, environment)
    assert (chosen.service, chosen.redis.url, chosen.redis.buffer) == ("named", "redis://named", "memory")
    arguments = {"service": "given", "redis": {"url": "redis://given"}}
    chosen, _ = settings.resolve(arguments, document, environment)
    assert (chosen.service, chosen.redis.url) == ("given", "redis://given")
    chosen, _ = settings.resolve({"redis": {"overflow": "block"}}, document, environment)
    assert (chosen.redis.url, chosen.redis.overflow) == ("redis://named", "block")


@pytest.mark.parametrize(("variable", "value"), [("TOCSIN_SERVICE", "../etc"), ("REDIS_URL", "http://x")])
def test_what_only_shows_later_is_told_by_its_variable_too(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"^{variable}: "):
        init_logging(destination="redis", redis={"buffer": "memory"})


def test_the_example_documents_every_key_and_its_default() -> None:
    found = yaml.safe_load(EXAMPLE.read_text())
    assert set(found) == set(settings.KEYS)
    for section, (_, keys) in settings.SECTIONS.items():
        assert set(found[section]) == set(keys)
    as_given, _ = settings.resolve(found, environment={})
    assert as_given == settings.resolve({}, environment={})[0]
    assert load_config(EXAMPLE) == found


def test_every_mistake_in_a_file_is_told_with_its_line_and_key() -> None:
    Path("logging.yaml").write_text(
        "log_level: LOUD\nlog_dri: logs\nfiles:\n  compress: rar\n  daily: maybe\nqueue_size: many\n"
    )
    with pytest.raises(ConfigError) as caught:
        init_logging_from_config("logging.yaml")
    assert str(caught.value).splitlines() == [
        "logging.yaml:1: log_level: is a level such as INFO or 20, not 'LOUD'",
        "logging.yaml:2: log_dri: unknown key",
        "logging.yaml:6: queue_size: is a whole number of at least 1, not 'many'",
        "logging.yaml:4: files.compress: is one of none, gzip, zstd, not 'rar'",
        "logging.yaml:5: files.daily: is true or false, not 'maybe'",
    ]
    assert not lifecycle.is_initialized()
    with pytest.raises(ConfigError, match="no such file"):
        load_config("absent.yaml")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"log_level": "LOUD"}, "log_level: is a level"),
        ({"max_bytes": -1}, "max_bytes: is a whole number"),
        ({"backup_count": 1000}, "backup_count: is a whole number of 1 to 999, not 1000"),
        ({"ai_backup_count": 5000}, "ai_backup_count: is a whole number of 1 to 999, not 5000"),
        ({"files": {"interval": 0.2}}, "files.interval: is at least 1 second, not 0.2"),
        ({"destination": "kafka"}, "destination: is one of files, redis"),
        ({"service": "../etc"}, "service: letters, digits"),
        ({"redaction": {"keyz": ["iban"]}}, "redaction.keyz: unknown key"),
        ({"redaction": {"patterns": "abc"}}, "redaction.patterns: is a list of texts, not 'abc'"),
        ({"redaction": {"keys": "iban"}}, "redaction.keys: is a list of texts, not 'iban'"),
        ({"redaction": {"keys": ["iban", 5]}}, "redaction.keys: is a list of texts"),
        ({"redaction": {"keys": ["iban", "a:b"]}}, r"redaction.keys\[1\]: a key's name is"),
        ({"redaction": {"allow": ["/"]}}, r"redaction.allow\[0\]: a key's name is"),
        ({"redaction": {"patterns": ["IB\\d+", "("]}}, r"redaction.patterns\[1\]: .*'\('"),
        ({"sampling": {"levels": {"DEBUG": 3}}}, "sampling: "),
        ({"files": {"daily": True, "interval": 60}}, "files: daily and interval"),
        ({"destination": "redis", "redis": {"url": "http://x"}}, "redis.url: "),
        ({"log_dir": "/proc/nowhere"}, "log_dir: "),
    ],
)
def test_a_mistake_names_its_argument_and_changes_nothing(arguments: dict[str, Any], said: str) -> None:
    handlers = list(logging.getLogger().handlers)
    with pytest.raises(ConfigError, match=f"^{said}"):
        init_logging(**arguments)
    assert logging.getLogger().handlers == handlers


def test_a_file_that_is_a_symbolic_link_is_refused_with_what_to_do() -> None:
    Path("logs").mkdir()
    Path("logs/app.log").symlink_to("/dev/stdout")
    with pytest.raises(ConfigError, match=r"^log_dir: logs/app.log: symbolic links are not followed; .* console_level"):
        init_logging()


def test_through_redis_is_one_option_away(redis: Any, redis_server: str, tmp_path: Path) -> None:
    init_logging(destination="redis", redis={"url": redis_server, "buffer": "memory"}, service="shop")
    get_logger("shop.api").info("x", user_id="u")
    handler = next(each for each in logging.getLogger().handlers if isinstance(each, Fanout))
    assert handler.flush(10)
    shutdown_logging()
    assert not (tmp_path / "logs").exists()
    wait_until(lambda: redis.keys("*stream*"), what="the record in the stream")


def test_switched_off_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_UNIFIED_LOGGING", "false")
    handlers = list(logging.getLogger().handlers)
    init_logging()
    assert logging.getLogger().handlers == handlers
    assert not Path("logs").exists()


@pytest.mark.parametrize(("switch", "kind"), [("true", "UnifiedLogger"), ("false", "Logger"), ("", "UnifiedLogger")])
def test_the_facade_switches(switch: str, kind: str) -> None:
    program = (
        "from logging_core import app_logger, api_logger; print(type(app_logger).__name__, type(api_logger).__name__)"
    )
    environment = os.environ | {"USE_UNIFIED_LOGGING": switch}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [kind] * 2


def test_a_switch_that_is_none_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_UNIFIED_LOGGING", "disabled")
    with pytest.raises(ConfigError, match=r"^USE_UNIFIED_LOGGING: is true or false"):
        legacy.app_logger  # noqa: B018


def test_what_is_captured_is_what_is_written() -> None:
    init_logging(log_level="INFO", service="shop", console_level="OFF", redaction={"keys": ["iban"]}, call_site=False)
    with capture_records() as records:
        get_logger("a").info("x", iban="DE02", password="hunter22")
    shutdown_logging()
    assert records == lines("logs/app.log")
    assert (records[0]["service"], records[0]["iban"]) == ("shop", "[redacted]")
    with capture_records() as records:
        get_logger("a").info("x", iban="DE02", password="hunter22")
    assert (records[0]["service"], records[0]["iban"], records[0]["password"]) == ("test", "DE02", "[redacted]")


def test_what_waits_is_written_at_exit() -> None:
    program = """
import threading
from logging_core import get_logger, init_logging
init_logging(console_level="OFF")
for number in range(5000):
    get_logger("a").info("record", number=number)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert [record["number"] for record in lines("logs/app.log")] == list(range(5000))


def test_what_else_is_secret_can_be_said() -> None:
    init_logging(
        console_level="OFF",
        redaction={"keys": ["iban"], "patterns": [r"CUST-\d+"], "allow": ["session_id"], "placeholder": "***"},
    )
    get_logger("shop").info("of CUST-42, password=hunter2", iban="DE02", session_id="s1")
    shutdown_logging()
    (record,) = lines("logs/app.log")
    assert (record["message"], record["iban"], record["session_id"]) == ("of ***, password=***", "***", "s1")


def test_a_mistake_in_redaction_is_told_with_its_line() -> None:
    Path("logging.yaml").write_text("redaction:\n  patterns:\n    - 'a+'\n    - '('\n")
    with pytest.raises(ConfigError, match=r"^logging.yaml:4: redaction.patterns\[1\]: "):
        init_logging_from_config("logging.yaml")


def test_what_is_said_of_records_counts_wherever_they_go(redis: Any, redis_server: str) -> None:
    init_logging(
        destination="redis",
        console_level="OFF",
        call_site=False,
        redaction={"enabled": False},
        redis={"url": redis_server, "buffer": "memory"},
    )
    (handler,) = (each for each in logging.getLogger().handlers if isinstance(each, LineHandler))
    get_logger("shop").info("password=hunter22")
    assert handler.flush(10)
    ((_, fields),) = redis.xrange(Keys().stream)
    record = json.loads(fields[b"body"])
    assert record["message"] == "password=hunter22"
    assert "line" not in record


def test_what_sampling_drops_is_counted_by_its_rule() -> None:
    init_logging(log_level="DEBUG", console_level="OFF", sampling={"levels": {"DEBUG": 0.0}})
    for _ in range(3):
        get_logger("shop").debug("a detail")
    get_logger("shop").info("kept")
    assert lifecycle.stats()["sampled"] == {"level:DEBUG": 3}
    shutdown_logging()
    assert [record["message"] for record in lines("logs/app.log")] == ["kept"]
