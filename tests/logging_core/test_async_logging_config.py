"""The section of a component: defaults, variables, and every mistake with its place."""

import logging
from pathlib import Path

import pytest

from logging_core.async_logging.config import AsyncLoggingConfig, AsyncLoggingConfigLoader, level_number
from logging_core.async_logging.config_loader import ConfigLoader
from logging_core.errors import ConfigError

FULL = """\
websocket:
  logging:
    log_level: "INFO"
    queue_max: 10000
    rotate: "interval"
    rotate_sec: 60
    max_bytes: 5000000
    backups: 7
    to_console: true
"""


def load(tmp_path: Path, text: str, **environ: str) -> AsyncLoggingConfig:
    path = tmp_path / "system.yaml"
    path.write_text(text)
    variables = {f"V13__WEBSOCKET__LOGGING__{name}": value for name, value in environ.items()}
    return AsyncLoggingConfigLoader(ConfigLoader(path, environ=variables)).load_config(component="websocket")


@pytest.mark.parametrize("text", ["", "websocket:\n", "websocket:\n  logging:\n", "other: {}\n", FULL])
def test_what_is_not_named_has_its_default(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == AsyncLoggingConfig("INFO", 10_000, "interval", 60, 5_000_000, 7, True)


@pytest.mark.parametrize("text", ["", FULL])
def test_variables_win_with_a_file_and_without(tmp_path: Path, text: str) -> None:
    config = load(
        tmp_path, text, LOG_LEVEL="DEBUG", QUEUE_MAX="20000", ROTATE="size", MAX_BYTES="10000000", TO_CONSOLE="false"
    )
    assert config == AsyncLoggingConfig("DEBUG", 20_000, "size", 60, 10_000_000, 7, False)
    assert config.get_log_level() == logging.DEBUG


def test_every_mistake_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    text = "websocket:\n  logging:\n    log_level: LOUD\n    queue_max: 0\n    rotate_sec: true\n    rotat: size\n"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, ROTATE="daily", BACKUPS="-1", TO_CONSOLE="perhaps")
    path = tmp_path / "system.yaml"
    known = "log_level, queue_max, rotate, rotate_sec, max_bytes, backups, to_console"
    level = "must be a level: DEBUG, INFO, WARNING, ERROR, CRITICAL, or a number, not 'LOUD'"
    assert set(caught.value.mistakes) == {
        f"{path}:3: websocket.logging.log_level: {level}",
        f"{path}:4: websocket.logging.queue_max: must be a whole number of at least 1, not '0'",
        f"{path}:5: websocket.logging.rotate_sec: must be a number of seconds, at least 1, not 'True'",
        f"{path}:6: websocket.logging.rotat: unknown key; there are {known}",
        "V13__WEBSOCKET__LOGGING__ROTATE: must be 'interval' or 'size', not 'daily'",
        "V13__WEBSOCKET__LOGGING__BACKUPS: must be a whole number, 1 to 999, not '-1'",
        "V13__WEBSOCKET__LOGGING__TO_CONSOLE: must be true or false, not 'perhaps'",
    }


def test_a_section_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"system\.yaml:2: websocket\.logging: must be a section"):
        load(tmp_path, "websocket:\n  logging: 5\n")


@pytest.mark.parametrize(
    ("level", "number"), [("INFO", 20), ("warning", 30), ("15", 15), (10, 10), ("WARN", 30), ("CRITICAL", 50)]
)
def test_a_level_is_a_name_or_a_number(level: str | int, number: int) -> None:
    assert AsyncLoggingConfig(level).get_log_level() == number


@pytest.mark.parametrize("level", ["LOUD", "", -1, True, None, 2.5])
def test_what_is_no_level_is_refused(level: object) -> None:
    with pytest.raises(ValueError, match=r"^level: must be a level"):
        level_number(level)  # type: ignore[arg-type]
