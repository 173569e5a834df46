"""What an operator can set: one YAML file, overridden by `TOCSIN__SECTION__KEY`, plus the plain names users know."""

import os
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from logging_core.stream import DEFAULT_REDIS_URL
from rules import yaml_file
from rules.errors import ConfigError
from rules.yaml_file import Section

DEFAULT_FILE = Path("tocsin.yml")
PLAIN_NAMES = {
    "REDIS_URL": ("redis", "url"),
    "LOG_DIR": ("log_dir",),
    "LOG_LEVEL": ("log_level",),
    "SLACK_WEBHOOK_URL": ("alerts", "slack_webhook_url"),
}


class RedisSettings(Section):
    """Where Redis is; without a URL, `tocsin up` starts an embedded server on loopback."""

    url: str = ""  #: empty: embedded
    port: int = Field(default=6390, ge=1, le=65535)  #: of the embedded server
    broker_url: str = ""  #: Celery's broker; empty: the same Redis


class IngestSettings(Section):
    """The writer's pace, in seconds."""

    budget: float = Field(default=5.0, gt=0, le=5.0)  #: one run of the ingest task, at most
    block: float = Field(default=0.2, gt=0)  #: one blocking read, at most
    lease: float = Field(default=5.0, gt=1.0)  #: how long a silent writer keeps its shard


class RuleSettings(Section):
    """Alert rules, in Prometheus' format."""

    files: tuple[Path, ...] = ()  #: empty: the rules that ship with Tocsin
    interval: float = Field(default=15.0, gt=0)  #: evaluated at least this often, seconds


class AlertSettings(Section):
    """Who is told. Without a file, `SLACK_WEBHOOK_URL` serves."""

    config: Path | None = None  #: an alertmanager.yml
    slack_webhook_url: SecretStr = SecretStr("")


class ScanSource(Section):
    """Log files of one origin."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    paths: list[str]  #: globs; `**` goes into folders


class ScanSettings(Section):
    """Scheduled scans of log files."""

    interval: float = Field(default=10.0, gt=0)  #: seconds
    sources: tuple[ScanSource, ...] = ()


class CacheFolder(Section):
    """A folder that `clean_cache` may empty, oldest files first, down to `max_bytes`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    path: Path
    max_bytes: int = Field(ge=0)
    min_age: float = Field(default=60.0, ge=0)  #: seconds; younger files are left alone


class RecoverySettings(Section):
    """What may be healed, and how often."""

    runbooks: tuple[Path, ...] = ()  #: on top of those that ship with Tocsin
    cooldown: float = Field(default=300.0, ge=0)  #: seconds between two runs of one action on one target
    cache_folders: tuple[CacheFolder, ...] = ()


class WebSettings(Section):
    """The web process."""

    host: str = "127.0.0.1"
    port: int = Field(default=8390, ge=1, le=65535)


class Settings(BaseSettings):
    """All settings. `load()` reads them once for a process."""

    model_config = SettingsConfigDict(
        env_prefix="TOCSIN__", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    log_dir: Path = Path("logs")  #: the record files
    data_dir: Path = Path(".tocsin")  #: the embedded Redis, process files
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"  #: of our own processes
    redis: RedisSettings = RedisSettings()
    ingest: IngestSettings = IngestSettings()
    rules: RuleSettings = RuleSettings()
    alerts: AlertSettings = AlertSettings()
    scan: ScanSettings = ScanSettings()
    recovery: RecoverySettings = RecoverySettings()
    web: WebSettings = WebSettings()

    @property
    def embedded(self) -> bool:
        """Whether Redis is ours to start."""
        return not self.redis.url

    @property
    def redis_url(self) -> str:
        """Where records, series and alerts live."""
        return self.redis.url or DEFAULT_REDIS_URL.replace(":6390", f":{self.redis.port}")

    @property
    def broker_url(self) -> str:
        """Where Celery's queues live."""
        return self.redis.broker_url or self.redis_url

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[Any, ...]:
        """Arguments first, then TOCSIN__..., then the plain names, then the file."""
        path = _file()
        named = "TOCSIN_CONFIG" in os.environ
        return (
            init_settings,
            EnvSettingsSource(settings_cls),
            _plain_names,
            lambda: yaml_file.load_mapping(path) if named or path.exists() else {},
        )


def _plain_names() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, keys in PLAIN_NAMES.items():
        if value := os.environ.get(name):
            section = values
            for key in keys[:-1]:
                section = section.setdefault(key, {})
            section[keys[-1]] = value
    return values


@cache
def load() -> Settings:
    """This process's settings.

    Raises:
        ConfigError: naming the file and line, or the environment variable, of every mistake.
    """
    try:
        return Settings()
    except ValidationError as error:
        mistakes = [_mistake(each["loc"], each["msg"]) for each in error.errors(include_url=False)]
        raise ConfigError(mistakes) from None  # the error's own text quotes values, which may be secret
    except SettingsError as error:
        raise ConfigError([str(error)]) from None


def _file() -> Path:
    return Path(os.environ.get("TOCSIN_CONFIG", DEFAULT_FILE))


def _mistake(location: tuple[int | str, ...], message: str) -> str:
    message = "unknown key" if message == "Extra inputs are not permitted" else message.removeprefix("Value error, ")
    for depth in range(len(location), 0, -1):  # a list or a section may be given as JSON in one variable
        variable = "__".join(["TOCSIN", *map(str, location[:depth])]).upper()
        if variable in os.environ:
            return f"{variable}: {message}"
    for variable, keys in PLAIN_NAMES.items():
        if keys == location and os.environ.get(variable):
            return f"{variable}: {message}"
    return yaml_file.read(_file()).mistake(location, message)
