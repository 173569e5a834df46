"""`alertmanager.yml`: Alertmanager's own format, as far as it is supported; any other key is refused by name.

The defaults are Alertmanager's (https://prometheus.io/docs/alerting/latest/configuration/).
"""

from collections.abc import Iterator
from email.utils import getaddresses
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from rules.errors import ConfigError
from rules.yaml_file import Section, load_as

Location = tuple[str | int, ...]
Mistake = tuple[Location, str]  #: where, and what is wrong

MAX_PORT = 65_535


def is_http_url(text: str) -> bool:
    """Whether something can be posted there."""
    try:
        url = urlsplit(text)
        return url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:  # a port that is no number, or half an IPv6 address
        return False


def _http_url(value: SecretStr) -> SecretStr:
    if not is_http_url(value.get_secret_value()):
        raise ValueError("must be an http or https URL")
    return value


def _host_and_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= MAX_PORT:
        raise ValueError("must be HOST:PORT")
    return value


def _mailboxes(value: str) -> str:
    if not all(address for _, address in getaddresses([value])):
        raise ValueError("must be mailboxes, with commas between them")
    return value


def _no_template(value: str) -> str:
    if "{{" in value:
        raise ValueError("templates are not supported yet")
    return value


SecretUrl = Annotated[SecretStr, AfterValidator(_http_url)]
Smarthost = Annotated[str, AfterValidator(_host_and_port)]
Text = Annotated[str, AfterValidator(_no_template)]


class Global(Section):
    """What receivers inherit."""

    slack_api_url: SecretUrl | None = None
    slack_api_url_file: Path | None = None
    smtp_smarthost: Smarthost | None = None
    smtp_from: str | None = None
    smtp_hello: str = "localhost"
    smtp_auth_username: str | None = None
    smtp_auth_password: SecretStr | None = None
    smtp_auth_password_file: Path | None = None
    smtp_require_tls: bool = True


class Route(Section):
    """The one route: every alert goes to this receiver."""

    receiver: str


class SlackConfig(Section):
    """A Slack incoming webhook."""

    api_url: SecretUrl | None = None
    api_url_file: Path | None = None
    channel: Text | None = None
    username: Text | None = None
    icon_emoji: Text | None = None
    send_resolved: bool = False


class EmailConfig(Section):
    """A mailbox, or several, with commas between them."""

    to: Annotated[Text, AfterValidator(_mailboxes)] = Field(min_length=1)
    sender: Text | None = Field(default=None, alias="from")
    smarthost: Smarthost | None = None
    hello: str | None = None
    auth_username: str | None = None
    auth_password: SecretStr | None = None
    auth_password_file: Path | None = None
    require_tls: bool | None = None
    send_resolved: bool = False
    headers: dict[str, Text] = Field(default_factory=dict)

    @field_validator("headers")
    @classmethod
    def _plain_names(cls, headers: dict[str, str]) -> dict[str, str]:
        for name in headers:
            if not name.isascii() or not name.replace("-", "").isalnum():
                raise ValueError(f"{name!r} is no name of a header")
        return headers


class ReceiverConfig(Section):
    """A name, and where its notifications go."""

    name: str = Field(min_length=1)
    slack_configs: tuple[SlackConfig, ...] = ()
    email_configs: tuple[EmailConfig, ...] = ()


class Config(Section):
    """The whole file."""

    defaults: Global = Field(default=Global(), alias="global")
    route: Route
    receivers: tuple[ReceiverConfig, ...]

    @model_validator(mode="wrap")
    @classmethod
    def _without_secrets(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Reports every mistake without what was written there, which may be a secret."""
        try:
            config = handler(data)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            raise _invalid([(each["loc"], _wording(each["type"], each["msg"])) for each in found]) from None
        if mistakes := [*_mistakes(config)]:
            raise _invalid(mistakes)
        return config

    @property
    def routed(self) -> ReceiverConfig:
        """The receiver that the route names."""
        return next(each for each in self.receivers if each.name == self.route.receiver)


def load(path: Path) -> Config:
    """The configuration in this file.

    Raises:
        rules.errors.ConfigError: listing every mistake, one a line, as `FILE:LINE: key.path: what is wrong`.
    """
    return load_as(path, Config)


def for_webhook(url: SecretStr) -> Config:
    """The configuration that `SLACK_WEBHOOK_URL` stands for: everything, with its end, to one Slack channel.

    Raises:
        rules.errors.ConfigError: where it is no URL.
    """
    try:
        _http_url(url)
    except ValueError as error:
        raise ConfigError([f"SLACK_WEBHOOK_URL: {error}"]) from None
    slack = {"api_url": url, "send_resolved": True}
    return Config.model_validate(
        {"route": {"receiver": "slack"}, "receivers": [{"name": "slack", "slack_configs": [slack]}]}
    )


def _wording(kind: str, message: str) -> str:
    own = {"extra_forbidden": "not supported yet", "missing": "missing"}
    return own.get(kind, message.removeprefix("Value error, "))


def _invalid(mistakes: list[Mistake]) -> ValidationError:
    details = [
        InitErrorDetails(
            type=PydanticCustomError("alertmanager", "{wording}", {"wording": wording}), loc=at, input=None
        )
        for at, wording in mistakes
    ]
    return ValidationError.from_exception_data("Config", details)


def _mistakes(config: Config) -> Iterator[Mistake]:
    names = [receiver.name for receiver in config.receivers]
    if config.route.receiver not in names:
        yield ("route", "receiver"), f"no receiver is named {config.route.receiver!r}"
    defaults = config.defaults
    yield from _both(("global",), "slack_api_url", defaults.slack_api_url, defaults.slack_api_url_file)
    yield from _both(("global",), "smtp_auth_password", defaults.smtp_auth_password, defaults.smtp_auth_password_file)
    for index, receiver in enumerate(config.receivers):
        at: Location = ("receivers", index)
        if receiver.name in names[:index]:
            yield (*at, "name"), f"another receiver is named {receiver.name!r}"
        for number, slack in enumerate(receiver.slack_configs):
            yield from _slack_mistakes((*at, "slack_configs", number), slack, defaults)
        for number, email in enumerate(receiver.email_configs):
            yield from _email_mistakes((*at, "email_configs", number), email, defaults)


def _slack_mistakes(at: Location, slack: SlackConfig, defaults: Global) -> Iterator[Mistake]:
    yield from _both(at, "api_url", slack.api_url, slack.api_url_file)
    if not (slack.api_url or slack.api_url_file or defaults.slack_api_url or defaults.slack_api_url_file):
        yield at, "no api_url, and no global slack_api_url"


def _email_mistakes(at: Location, email: EmailConfig, defaults: Global) -> Iterator[Mistake]:
    yield from _both(at, "auth_password", email.auth_password, email.auth_password_file)
    if not (email.smarthost or defaults.smtp_smarthost):
        yield at, "no smarthost, and no global smtp_smarthost"
    if not (email.sender or defaults.smtp_from):
        yield at, "no from, and no global smtp_from"


def _both(at: Location, key: str, value: SecretStr | None, file: Path | None) -> Iterator[Mistake]:
    if value and file:
        yield (*at, key), f"{key} and {key}_file exclude each other"
