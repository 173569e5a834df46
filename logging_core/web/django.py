"""The whole integration with Django: one line in `MIDDLEWARE`, the first.

    MIDDLEWARE = ["logging_core.web.django.RequestLogging", ...]
    INSTALLED_APPS = ["logging_core.web.django.TocsinConfig", ...]    # logging in management commands, too
    urlpatterns = [path("metrics", logging_core.web.django.metrics), ...]
    handler500 = "logging_core.web.django.server_error"               # errors as JSON

Options are the keys of the setting `TOCSIN`: see django_settings.py. Logging begins by `init_logging` unless the
setting `LOGGING`, or the project itself, has hung a handler of ours on a logger.
"""

import logging
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.apps import AppConfig
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.functional import LazyObject, empty

from logging_core import sanitize
from logging_core.context import LoggingContext
from logging_core.logger import UnifiedLogger, get_logger
from logging_core.web import django_settings, once
from logging_core.web.access import client_address, log_access
from logging_core.web.django_queries import SlowQueries
from logging_core.web.errors import error_body, log_unhandled
from logging_core.web.guest import harmless
from logging_core.web.request_ids import fields_of
from logging_core.web.start import Companions, start_logging
from logging_core.web.streamed_body import StreamedBody, stream_async

_EXCHANGE = "_tocsin"  #: attribute of a request
_CAPTURE = "tocsin.capture"
_project: "Project | None" = None
# Django hangs the request on its own records.
sanitize.STANDS_FOR[HttpRequest] = lambda request: {"method": request.method, "path": request.path}


class Project:
    """What all requests of this process share."""

    def __init__(self, options: django_settings.Options) -> None:
        self.options = options
        self.access: UnifiedLogger = get_logger(f"{options.name}.access")
        self.errors = logging.getLogger(f"{options.name}.errors")
        self.companions = Companions(options.name, options.slow_query_ms, options.resource_interval)
        for name in ("access", "errors", "sql", "system"):  # LOGGING disables what it does not name
            logging.getLogger(f"{options.name}.{name}").disabled = False
        if options.slow_query_ms is not None:
            SlowQueries(logging.getLogger(f"{options.name}.sql"), options.slow_query_ms).watch()
        once.add_once(logging.getLogger("django.request"), once.Once(self.errors))
        got_request_exception.disconnect(dispatch_uid=_CAPTURE)  # of other settings, in tests
        got_request_exception.connect(self.capture, weak=False, dispatch_uid=_CAPTURE)

    @harmless
    def capture(self, request: HttpRequest | None = None, error: BaseException | None = None, **_: object) -> None:
        """Log the exception that nobody handled; Django's own record then goes to its own handlers alone."""
        error = error or sys.exc_info()[1]
        if error is None:
            return
        fields: dict[str, Any] = {}
        if request is not None:
            exchange = getattr(request, _EXCHANGE, None)
            if exchange is not None:
                exchange.error = error
            fields = {
                "method": request.method,
                "path": request.path,
                "endpoint": _endpoint(request),
                "user_id": _user_id(request),
                "request_id": exchange and exchange.request_id,
            }
        log_unhandled(self.errors, error, quiet=self.options.quiet_exceptions, **fields)
        once.mark(error)


def setup_logging() -> Project:
    """Set up logging as the settings say; `RequestLogging` and `TocsinConfig` do it. Twice is once.

    Raises:
        ImproperlyConfigured: `settings.TOCSIN` has a key that nobody knows.
    """
    global _project
    options = django_settings.read()
    start_logging(**options.logging)
    if _project is None or _project.options != options:
        _project = Project(options)
    return _project


class TocsinConfig(AppConfig):  # type: ignore[misc]  # Django ships no types
    """Sets logging up when Django does, for whatever runs without middleware."""

    name = "logging_core.web.django"
    label = "tocsin"
    verbose_name = "Tocsin"

    def ready(self) -> None:
        """After `LOGGING` has been put in force."""
        setup_logging()


class Exchange:
    """One request and its answer."""

    __slots__ = ("error", "fields", "recorded", "request", "started")

    def __init__(self, request: HttpRequest) -> None:
        headers = request.META
        self.fields = fields_of(
            headers.get("HTTP_X_REQUEST_ID"), headers.get("HTTP_TRACEPARENT"), headers.get("HTTP_X_TRACE_ID")
        )
        self.request = request
        self.started = perf_counter()
        self.error: BaseException | None = None
        self.recorded = False

    @property
    def request_id(self) -> str:
        """As it goes back to the client."""
        return self.fields["request_id"]


class RequestLogging:
    """Ids, context, access records, metrics and captured errors; under WSGI and under ASGI."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._project = setup_logging()
        try:
            from logging_core.web.metrics import count_request
        except ModuleNotFoundError:
            self._count: Callable[..., None] | None = None  # who asks for `metrics` is told what to install
        else:
            self._count = count_request
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """As Django calls a middleware."""
        exchange = self._begin(request)
        if self._is_async:
            return self._answer(exchange)
        with LoggingContext(**exchange.fields):
            try:
                response: HttpResponse = self._get_response(request)
            except BaseException as error:
                self._died(exchange, error)
                raise
            self._finish(exchange, response)
            return response

    async def _answer(self, exchange: Exchange) -> HttpResponse:
        with LoggingContext(**exchange.fields):
            try:
                response: HttpResponse = await self._get_response(exchange.request)
            except BaseException as error:
                self._died(exchange, error)
                raise
            self._finish(exchange, response)
            return response

    def _begin(self, request: HttpRequest) -> Exchange:
        self._project.companions.start()
        exchange = Exchange(request)
        vars(request).update({_EXCHANGE: exchange, "request_id": exchange.request_id})
        return exchange

    @harmless
    def _finish(self, exchange: Exchange, response: Any) -> None:
        response.headers.setdefault("X-Request-ID", exchange.request_id)
        response.headers.setdefault("X-Response-Time", f"{(perf_counter() - exchange.started) * 1000:.0f}ms")
        if not response.streaming or getattr(response, "file_to_stream", None) is not None:
            self._record(exchange, response.status_code)  # a file: the server may send it by itself
            return

        def at_end(error: BaseException | None) -> None:
            self._streamed(exchange, response.status_code, error)

        stream = stream_async if response.is_async else StreamedBody
        response.streaming_content = stream(response.streaming_content, at_end)

    @harmless
    def _streamed(self, exchange: Exchange, status: int, error: BaseException | None) -> None:
        if isinstance(error, Exception):
            self._project.capture(exchange.request, error)
        self._record(exchange, status)

    @harmless
    def _died(self, exchange: Exchange, error: BaseException) -> None:
        """Nothing was answered: DEBUG_PROPAGATE_EXCEPTIONS, or the server ends."""
        if isinstance(error, Exception) and exchange.error is not error:
            self._project.capture(exchange.request, error)
        self._record(exchange, 500)

    def _record(self, exchange: Exchange, status: int) -> None:
        """Log and count a request, once; those for the metrics are neither."""
        request = exchange.request
        match = request.resolver_match
        if exchange.recorded or (match is not None and match.func is metrics):
            return
        exchange.recorded = True
        duration = perf_counter() - exchange.started
        method, endpoint, user_id, headers = request.method or "", _endpoint(request), _user_id(request), request.META
        if self._count is not None:
            self._count(method, endpoint, status, duration, user_id)
        log_access(
            self._project.access,
            method=method,
            path=request.path,
            endpoint=endpoint,
            status_code=status,
            duration=duration,
            user_id=user_id,
            ip=client_address(
                headers.get("REMOTE_ADDR") or None,
                headers.get("HTTP_X_FORWARDED_FOR"),
                self._project.options.trusted_proxies,
            ),
            user_agent=headers.get("HTTP_USER_AGENT", ""),
            request_id=exchange.request_id,
        )


def _endpoint(request: HttpRequest) -> str | None:
    match = request.resolver_match
    return f"/{match.route}" if match is not None else None


def _user_id(request: HttpRequest) -> Any:
    """`request.current_user_id`, else the key of `request.user`, if somebody has looked him up already."""
    seen = vars(request)
    if seen.get("current_user_id") is not None:
        return seen["current_user_id"]
    user = seen.get("user")
    if isinstance(user, LazyObject):
        user = vars(user)["_wrapped"]
    if user is None or user is empty:
        user = seen.get("_acached_user")  # by `await request.auser()`
    return getattr(user, "pk", None)


def metrics(request: HttpRequest) -> HttpResponse:
    """A view: what Prometheus scrapes.

    Raises:
        ModuleNotFoundError: prometheus-client is missing; the text says how to install it.
    """
    from logging_core.web.metrics import metrics_response

    body, content_type = metrics_response(request.headers.get("Accept", ""))
    return HttpResponse(body, content_type=content_type)


def server_error(request: HttpRequest) -> HttpResponse:
    """A `handler500`: the error as JSON, with no more of it than the request id."""
    exchange = getattr(request, _EXCHANGE, None)
    error = sys.exc_info()[1] or (exchange and exchange.error) or Exception()
    return JsonResponse(error_body(error, exchange and exchange.request_id), status=500)
