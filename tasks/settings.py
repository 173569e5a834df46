"""What an operator can set: one YAML file, overridden by `TOCSIN__SECTION__KEY`, plus the plain names users know."""

import os
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kombu.transport import TRANSPORT_ALIASES
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from logging_core.storage.packing import Compression, format_named
from logging_core.storage.retention import Retention
from logging_core.storage.rotation import DAY, Rotation
from logging_core.streams.connection import Address
from logging_core.streams.stream import DEFAULT_REDIS_URL
from rules import yaml_file
from rules.errors import ConfigError
from rules.yaml_file import Section

DEFAULT_FILE = Path("tocsin.yml")
PREFIX = "TOCSIN__"
SCHEDULE_SCHEMES = ("redis", "rediss", "redis-sentinel")  #: of brokers that can keep beat's schedule too
PLAIN_NAMES = {
    "REDIS_URL": ("redis", "url"),
    "LOG_DIR": ("log_dir",),
    "LOG_LEVEL": ("log_level",),
    "SLACK_WEBHOOK_URL": ("alerts", "slack_webhook_url"),
}


def _redis_url(value: str) -> str:
    """Refuses what no client can be made from; the text of the mistake holds nothing of the URL."""
    if value:
        Address.of(value)
    return value


def _broker_url(value: str) -> str:
    """Checks the form of URLs, with semicolons between them; the text of a mistake holds nothing of their passwords."""
    if value.startswith("redis-sentinel:"):
        return _redis_url(value)
    for url in filter(None, value.split(";")):
        try:
            parts = urlsplit(url)
            good = "://" in url and parts.scheme in TRANSPORT_ALIASES and parts.port != 0
        except ValueError:  # a port that is no number, or half an IPv6 address
            good = False
        if not good:
            raise ValueError("must be a URL of a broker that kombu knows, such as redis://HOST:PORT/0")
    return value


class RedisSettings(Section):
    """Where Redis is, by a URL as in logging_core/streams/connection.py; without one, `tocsin up` starts a server."""

    broker_url: Annotated[str, AfterValidator(_broker_url)] = ""  #: Celery's broker; empty: the same Redis
    url: Annotated[str, AfterValidator(_redis_url)] = ""  #: empty: embedded
    port: int = Field(default=6390, ge=1, le=65535)  #: of the embedded server

    @field_validator("url")
    @classmethod
    def _carries_queues(cls, url: str, checked: ValidationInfo) -> str:
        """Of the fields before it, those without a mistake are known."""
        if url and Address.of(url).is_cluster:
            broker = checked.data.get("broker_url")
            if not broker:
                needed = "Celery's queues and beat's schedule need a Redis that is none"
            elif not broker.startswith(tuple(f"{scheme}:" for scheme in SCHEDULE_SCHEMES)):
                needed = "beat's schedule needs a Redis that is none, and so does redis.broker_url"
            else:
                return url
            raise ValueError(f"is a cluster, and {needed}: set redis.broker_url (TOCSIN__REDIS__BROKER_URL) to one")
        return url


class IngestSettings(Section):
    """The writers: how many, and their pace in seconds."""

    budget: float = Field(default=5.0, gt=0, le=5.0)  #: one run of the ingest task, at most
    block: float = Field(default=0.2, gt=0)  #: one blocking read, at most
    lease: float = Field(default=5.0, gt=1.0)  #: how long a silent writer keeps its shard
    shards: int = Field(default=1, ge=1, le=64)  #: streams, each with a writer of its own
    move_after: float = Field(default=30.0, gt=5.0)  #: a shard whose host is silent for so long goes to another host


class FileSettings(Section):
    """The record files: when one is sealed, what becomes of it, and how long it is kept."""

    max_bytes: int = Field(default=100 * 1024 * 1024, ge=1)  #: sealed at this size: `app.log` becomes `app.log.1`
    interval: float | None = Field(
        default=None, ge=1
    )  #: seconds; sealed when a period ends too, counted from 1970, UTC
    daily: bool = False  #: sealed at midnight too, UTC
    backups: int = Field(default=7, ge=1, le=999)  #: sealed files that are kept of each; the oldest goes
    max_age: float | None = Field(default=None, gt=0)  #: seconds since its last line, after which a sealed file goes
    max_total_bytes: int | None = Field(default=None, ge=1)  #: of a service's folder; the oldest sealed files go
    compress: Compression = "gzip"  #: of sealed files

    @field_validator("compress")
    @classmethod
    def _is_installed(cls, name: Compression) -> Compression:
        if name != "none":
            format_named(name)
        return name

    @model_validator(mode="after")
    def _has_one_period(self) -> "FileSettings":
        if self.daily and self.interval is not None:
            raise ValueError("daily and interval: only one of them")
        return self

    @property
    def rotation(self) -> Rotation:
        """When a file is sealed."""
        return Rotation(self.max_bytes, self.backups, DAY if self.daily else self.interval)

    @property
    def retention(self) -> Retention:
        """What is kept of a service's sealed files."""
        return Retention(self.max_age, self.max_total_bytes)


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
    timezone: str = "UTC"  #: of times in them that name none, as `Europe/Berlin`

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"no time zone is called {name!r}") from None
        return name


def _of_different_names(named: tuple[Any, ...]) -> tuple[Any, ...]:
    """Names are what positions, cooldowns and permissions go by: two of one name would be one."""
    names = [each.name for each in named]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"name repeated: {', '.join(repeated)}")
    return named


class ScanSettings(Section):
    """Scheduled scans of log files."""

    interval: float = Field(default=10.0, gt=0)  #: seconds
    sources: Annotated[tuple[ScanSource, ...], AfterValidator(_of_different_names)] = ()


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
    cache_folders: Annotated[tuple[CacheFolder, ...], AfterValidator(_of_different_names)] = ()


class WatchdogSettings(Section):
    """When a worker that takes no more tasks ends itself, for its supervisor to start it again; in seconds."""

    canary: float = Field(default=5.0, gt=0)  #: between two canaries
    patience: float = Field(default=45.0, gt=0)  #: without one, though it could have come

    @model_validator(mode="after")
    def _outlasts_canaries(self) -> "WatchdogSettings":
        if self.patience < 3 * self.canary:
            raise ValueError("patience must be at least three times canary")
        return self


class WebSettings(Section):
    """The web process."""

    host: str = "127.0.0.1"
    port: int = Field(default=8390, ge=1, le=65535)


class Settings(BaseSettings):
    """All settings. `load()` reads them once for a process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    log_dir: Path = Path("logs")  #: the record files
    data_dir: Path = Path(".tocsin")  #: the embedded Redis, process files
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
    ] = "INFO"  #: of our own processes
    redis: RedisSettings = RedisSettings()
    ingest: IngestSettings = IngestSettings()
    files: FileSettings = FileSettings()
    rules: RuleSettings = RuleSettings()
    alerts: AlertSettings = AlertSettings()
    scan: ScanSettings = ScanSettings()
    recovery: RecoverySettings = RecoverySettings()
    watchdog: WatchdogSettings = WatchdogSettings()
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
        """Where Celery's queues live; tasks/broker.py says it in Celery's words."""
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
    if unknown := [name for name in sorted(os.environ) if name.upper().startswith(PREFIX) and not _is_known(name)]:
        raise ConfigError([f"{name}: unknown key" for name in unknown])
    try:
        return Settings()
    except ValidationError as error:
        mistakes = [_mistake(each["loc"], each["msg"]) for each in error.errors(include_url=False)]
        raise ConfigError(mistakes) from None  # the error's own text quotes values, which may be secret
    except SettingsError as error:
        raise ConfigError([_not_json(str(error))]) from None


def _is_known(variable: str) -> bool:
    """Whether a variable names a setting; pydantic passes over those that name none."""
    model: Any = Settings
    for key in variable.lower().removeprefix(PREFIX.lower()).split("__"):
        known = getattr(model, "model_fields", {})
        if key not in known:
            return False
        model = known[key].annotation
    return True


def _file() -> Path:
    return Path(os.environ.get("TOCSIN_CONFIG", DEFAULT_FILE))


def _not_json(said: str) -> str:
    """What pydantic says of a variable that it could not parse names the section alone."""
    found = re.search(r'field "(\w+)"', said)
    prefix = f"{PREFIX}{found[1]}".upper() if found else PREFIX
    names = sorted(name for name in os.environ if name.upper().startswith(prefix))
    return f"{' or '.join(names)}: a list or a section is given as JSON"


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
