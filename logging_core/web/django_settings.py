"""What a Django project says of its logging: `TOCSIN = {...}` in its settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from inspect import signature
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from logging_core.lifecycle import init_logging
from logging_core.web.errors import Quiet


@dataclass(frozen=True)
class Options:
    """The keys of `TOCSIN`; whatever else is in it is for `init_logging`."""

    name: str = ""  #: of the project; its loggers are `<name>.access`, ...; by default what ROOT_URLCONF begins with
    slow_query_ms: float | None = 100  #: statements that take longer are logged; None: none is
    quiet_exceptions: Quiet = ()  #: types, or where to import them from, whose records carry `alert: false`
    trusted_proxies: int = 0  #: how many proxies of our own append to X-Forwarded-For; 0: the client is the peer
    resource_interval: float | None = 60  #: seconds between records of the use of resources; None: there are none
    logging: Mapping[str, Any] = field(default_factory=dict)  #: options of `init_logging`


_OWN = frozenset(each.name for each in fields(Options)) - {"logging"}
_FOR_LOGGING = frozenset(signature(init_logging).parameters)


def read() -> Options:
    """The options of this project.

    Raises:
        ImproperlyConfigured: it says something that nobody knows.
    """
    given: Mapping[str, Any] = getattr(settings, "TOCSIN", {})
    if unknown := sorted(given.keys() - _OWN - _FOR_LOGGING):
        raise ImproperlyConfigured(f"settings.TOCSIN has no {', '.join(map(repr, unknown))}")
    own = {key: value for key, value in given.items() if key in _OWN}
    quiet = tuple(import_string(each) if isinstance(each, str) else each for each in own.get("quiet_exceptions", ()))
    if not all(isinstance(each, type) and issubclass(each, BaseException) for each in quiet):
        raise ImproperlyConfigured("settings.TOCSIN['quiet_exceptions'] are exception types, or where to import them")
    name = own.get("name") or settings.ROOT_URLCONF.partition(".")[0]
    logging = {key: value for key, value in given.items() if key in _FOR_LOGGING}
    return Options(**own | {"name": name, "quiet_exceptions": quiet, "logging": logging})
