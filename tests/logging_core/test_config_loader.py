"""An application's YAML file, and the variables that replace its keys."""

from pathlib import Path

import pytest

from logging_core.async_logging.config_loader import ConfigLoader
from logging_core.errors import ConfigError

SYSTEM = """\
websocket:
  logging:
    queue_max: 10000
    to_console: true
    ratio: 0.5
    Rotate: interval
    hosts: [a, b]
  empty:
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "system.yaml"
    path.write_text(SYSTEM)
    return path


def loader(path: Path, **environ: str) -> ConfigLoader:
    return ConfigLoader(path, environ={name.replace("W__", "V13__WEBSOCKET__"): text for name, text in environ.items()})


def test_a_dotted_key_names_a_value_or_a_section(path: Path) -> None:
    config = loader(path)
    assert config.get("websocket.logging.queue_max") == 10000
    assert config.get("websocket.logging")["hosts"] == ["a", "b"]
    assert config.get("websocket.nothing", {}) == {}
    assert config.get("websocket.empty", {}) == {}
    assert config.get("nothing.at.all") is None


def test_what_is_got_may_be_changed_by_whoever_got_it(path: Path) -> None:
    config = loader(path)
    config.get("websocket.logging")["queue_max"] = 1
    assert config.get("websocket.logging.queue_max") == 10000


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("W__LOGGING__QUEUE_MAX", "20000", "websocket.logging.queue_max", 20000),
        ("W__LOGGING__TO_CONSOLE", "off", "websocket.logging.to_console", False),
        ("W__LOGGING__RATIO", "1", "websocket.logging.ratio", 1.0),
        ("W__LOGGING__ROTATE", "size", "websocket.logging.Rotate", "size"),
        ("W__LOGGING__PASSWORD", "0123", "websocket.logging.password", "0123"),
        ("W__EMPTY__DEEP__KEY", "x", "websocket.empty.deep.key", "x"),
        ("V13__NEW", "x", "new", "x"),
    ],
)
def test_a_variable_replaces_a_value_by_one_of_its_type(
    path: Path, variable: str, text: str, key: str, value: object
) -> None:
    got = loader(path, **{variable: text}).get(key)
    assert got == value
    assert type(got) is type(value)


def test_a_variable_that_replaces_nothing_is_of_the_type_of_the_default_asked_with(path: Path) -> None:
    config = loader(path, W__NEW="7")
    assert config.get("websocket.new") == "7"
    assert config.get("websocket.new", 1) == 7
    with pytest.raises(ConfigError, match="V13__WEBSOCKET__NEW: must be true or false, not '7'"):
        config.get("websocket.new", False)


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("W__LOGGING__QUEUE_MAX", "many", "must be a whole number, not 'many'"),
        ("W__LOGGING__TO_CONSOLE", "maybe", "must be true or false, not 'maybe'"),
        ("W__LOGGING__RATIO", "half", "must be a number, not 'half'"),
        ("W__LOGGING__QUEUE_MAX__DEEPER", "1", "websocket.logging.queue_max is a value, not a section"),
        ("W__LOGGING", "1", "websocket.logging is a section, not a value"),
        ("W__LOGGING__HOSTS", "c", "websocket.logging.hosts is a list, not a value"),
        ("W____X", "1", "names no key: SECTION__KEY is what follows the prefix"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(path: Path, variable: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loader(path, **{variable: text})
    assert caught.value.mistakes == (f"{variable.replace('W__', 'V13__WEBSOCKET__')}: {message}",)


def test_the_prefix_is_the_applications_own(path: Path) -> None:
    environ = {"SHOP__APP__WEBSOCKET__LOGGING__QUEUE_MAX": "5", "V13__WEBSOCKET__LOGGING__QUEUE_MAX": "6", "SHOP": "x"}
    assert ConfigLoader(path, "SHOP__APP", environ=environ).get("websocket.logging.queue_max") == 5


def test_the_default_file_need_not_be_there_a_named_one_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ConfigLoader().get("websocket.logging", {}) == {}
    with pytest.raises(ConfigError, match=r"^other\.yaml: no such file$"):
        ConfigLoader("other.yaml")
    (tmp_path / "config").mkdir()
    (tmp_path / "config/system.yaml").write_text(SYSTEM)
    assert ConfigLoader().get("websocket.logging.queue_max") == 10000


def test_the_variables_of_the_process_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V13__WEBSOCKET__LOGGING__QUEUE_MAX", "20000")
    assert ConfigLoader(path).get("websocket.logging.queue_max") == 20000


def test_a_value_is_no_section(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"system\.yaml:3: websocket\.logging\.queue_max: must be a section"):
        loader(path).get("websocket.logging.queue_max.deeper")
