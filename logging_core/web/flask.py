"""The whole integration with Flask, in one call: `setup_logging(app)`.

It is in three places of a request, so that the order in which the application sets itself up does not matter:

    around `app.wsgi_app`     ids in and out, the context's fields, the access record, X-Response-Time, metrics
    before `before_request`   `g.request_id`; which Flask request this is
    after `after_request`     the JSON answer to an error that nobody handled; bodies that are made while they are sent

and it listens for the signal that Flask sends of exceptions that no handler of the application takes.
"""

import logging
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import orjson
from flask import Flask, Response, g, got_request_exception, request
from flask.logging import default_handler
from werkzeug.exceptions import InternalServerError

from logging_core import context
from logging_core.context import LoggingContext
from logging_core.logger import get_logger
from logging_core.web.access import client_address, log_access
from logging_core.web.errors import Quiet, error_body, log_unhandled
from logging_core.web.guest import harmless
from logging_core.web.request_ids import fields_of, well_formed
from logging_core.web.start import Companions, quieten_sqlalchemy, start_logging
from logging_core.web.streamed_body import StreamedBody

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_EXTENSION = "tocsin"
_EXCHANGE = "tocsin.exchange"
_METRICS_ENDPOINT = "tocsin_metrics"
#: What Flask answers to an exception that nobody handles, where the application has no page of its own for it.
_DEFAULT_PAGE = InternalServerError().get_body().encode()
#: What an application sets on `g` -> the field that all further records of the request carry.
_FIELDS_OF_G = {"current_user_id": "user_id", "request_id": "request_id"}


def setup_logging(
    app: Flask,
    *,
    slow_query_ms: float | None = 100,
    metrics_path: str | None = "/metrics",
    quiet_exceptions: Quiet = (),
    trusted_proxies: int = 0,
    resource_interval: float | None = 60,
    **logging_options: Any,
) -> None:
    """Set up logging, access records, request ids, metrics and error capture for an application. Twice is once.

    Args:
        app: the application; what it sets up itself, before or after, is honoured.
        slow_query_ms: statements of SQLAlchemy that take longer are logged; None: none is.
        metrics_path: where Prometheus finds the metrics; None: there are none.
        quiet_exceptions: types whose records carry `alert: false`.
        trusted_proxies: how many proxies of our own append to X-Forwarded-For; 0: the client is the peer.
        resource_interval: seconds between records of the use of resources; None: there are none.
        logging_options: of `init_logging`, which is called unless it has been.

    Raises:
        ModuleNotFoundError: a package is missing; the text says how to install it.
    """
    if _EXTENSION in app.extensions:
        return
    start_logging(**logging_options)
    if not app.debug:
        quieten_sqlalchemy()
    if logging.getLogger().handlers:
        app.logger.removeHandler(default_handler)  # it would print again what the root's handlers have had
    companions = Companions(app.name, slow_query_ms, resource_interval)
    app.extensions[_EXTENSION] = Integration(app, companions, metrics_path, quiet_exceptions, trusted_proxies)


class Exchange:
    """One request and its answer."""

    __slots__ = ("answered", "environ", "error", "g", "request", "request_id", "started", "status", "streamed")

    def __init__(self, environ: "WSGIEnvironment", request_id: str) -> None:
        self.environ = environ
        self.request_id = request_id
        self.started = perf_counter()
        self.status = 500
        self.request: Any = None  #: Flask's, once it has begun with it
        self.g: Any = None
        self.error: BaseException | None = None  #: that nobody handled
        self.streamed = False
        self.answered = False

    @property
    def endpoint(self) -> str | None:
        """The route's name; None if none matched."""
        return self.request.endpoint if self.request is not None else None

    @property
    def user_id(self) -> Any:
        """Whoever the application took the client for."""
        user_id = context.fields().get("user_id")
        return self.g.get("current_user_id") if user_id is None and self.g is not None else user_id

    @property
    def path(self) -> str:
        """Without the query."""
        if self.request is not None:
            return str(self.request.path)
        return str(self.environ.get("PATH_INFO", "/")).encode("latin-1", "replace").decode("utf-8", "replace")


class Integration:
    """What `setup_logging` adds to an application."""

    def __init__(
        self,
        app: Flask,
        companions: Companions,
        metrics_path: str | None,
        quiet_exceptions: Quiet,
        trusted_proxies: int,
    ) -> None:
        self._app = app
        self._companions = companions
        self._quiet = quiet_exceptions
        self._trusted_proxies = trusted_proxies
        self._access = get_logger(f"{app.name}.access")
        self._errors = logging.getLogger(f"{app.name}.errors")
        self._count: Callable[..., None] | None = None
        if metrics_path is not None:
            from logging_core.web.metrics import count_request

            self._count = count_request
            if not any(rule.rule == metrics_path for rule in app.url_map.iter_rules()):
                app.add_url_rule(metrics_path, _METRICS_ENDPOINT, _metrics)
        self._wsgi_app: WSGIApplication = app.wsgi_app
        self._preprocess = app.preprocess_request
        self._process = app.process_response
        # Flask's documentation has the first wrapped so, and the others overridden; functions registered with
        # `before_request` and `after_request` would take twice as long, and be neither first nor last for certain.
        app.wsgi_app = self.respond  # type: ignore[method-assign]
        app.preprocess_request = self._begin_and_preprocess  # type: ignore[method-assign]
        app.process_response = self._process_and_finish  # type: ignore[assignment, method-assign]
        app.app_ctx_globals_class = type("Globals", (_Globals, app.app_ctx_globals_class), {})  # type: ignore[assignment]
        got_request_exception.connect(self._captured, app)
        if type(app).log_exception is Flask.log_exception:
            app.log_exception = lambda exc_info: None  # type: ignore[method-assign]  # the record is made by `_captured`

    def respond(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request, as a WSGI application does."""
        fields = fields_of(
            environ.get("HTTP_X_REQUEST_ID"), environ.get("HTTP_TRACEPARENT"), environ.get("HTTP_X_TRACE_ID")
        )
        # Whoever else looks for an id finds this one, and none that is not well-formed.
        environ["HTTP_X_REQUEST_ID"] = fields["request_id"]
        exchange = environ[_EXCHANGE] = Exchange(environ, fields["request_id"])

        def answer(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            self._answered(exchange, status, headers)
            return start_response(status, headers, *exc_info)

        with LoggingContext(**fields):
            try:
                return self._wsgi_app(environ, answer)
            except BaseException as error:
                self._died(exchange, error)
                raise

    @harmless
    def _begin(self) -> None:
        current = request._get_current_object()  # type: ignore[attr-defined]  # typed as what the proxy stands for
        exchange: Exchange | None = current.environ.get(_EXCHANGE)
        if exchange is None:
            return  # not by way of `respond`: a test's request context
        exchange.request = current
        exchange.g = g._get_current_object()
        exchange.g.request_id = exchange.request_id
        self._companions.start()

    def _begin_and_preprocess(self, *context: Any) -> Any:  # newer Flasks hand their context on
        self._begin()
        return self._preprocess(*context)

    def _process_and_finish(self, *arguments: Any) -> Response:
        response: Response = self._process(*arguments)
        if response.is_streamed or response.status_code == 500:
            self._change(response)
        return response

    @harmless
    def _change(self, response: Response) -> None:
        exchange: Exchange | None = request.environ.get(_EXCHANGE)
        if exchange is not None:
            self._replace_default_page(exchange, response)
            self._follow_stream(exchange, response)

    def _replace_default_page(self, exchange: Exchange, response: Response) -> None:
        error = exchange.error
        if error is None or response.status_code != 500 or response.direct_passthrough:
            return
        if response.get_data() == _DEFAULT_PAGE:
            body = error_body(error, _request_id(exchange), reveal=self._app.debug)
            response.set_data(orjson.dumps(body))
            response.mimetype = "application/json"

    def _follow_stream(self, exchange: Exchange, response: Response) -> None:
        if response.status_code >= 400 and response.content_length is not None and response.is_streamed:
            response.make_sequence()  # one of Werkzeug's pages, which come as an iterator
        # What is passed through directly is a file that the server sends by itself.
        if response.is_streamed and not response.direct_passthrough:
            if context.span_source is not None and (span := context.span_source()):
                context.set_fields(**span)  # the span ends before the body does
            exchange.streamed = True
            response.response = StreamedBody(response.response, lambda error: self._sent(exchange, error))

    @harmless
    def _answered(self, exchange: Exchange, status: str, headers: list[tuple[str, str]]) -> None:
        duration = perf_counter() - exchange.started
        exchange.status = int(status[:3])
        named = {name.lower() for name, _ in headers}
        if "x-request-id" not in named:
            headers.append(("X-Request-ID", _request_id(exchange)))
        if "x-response-time" not in named:
            headers.append(("X-Response-Time", f"{duration * 1000:.0f}ms"))
        if not exchange.streamed:
            self._record(exchange, duration)

    @harmless
    def _died(self, exchange: Exchange, error: BaseException) -> None:
        """No answer came of it: an exception goes on to the server, or a worker is told to end."""
        exchange.status = 500
        self._capture(exchange, error)
        self._record(exchange, perf_counter() - exchange.started)

    @harmless
    def _sent(self, exchange: Exchange, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, GeneratorExit):
            self._capture(exchange, error)
        self._record(exchange, perf_counter() - exchange.started)

    @harmless
    def _captured(self, _app: Flask, exception: BaseException, **_: Any) -> None:
        exchange: Exchange | None = request.environ.get(_EXCHANGE)
        self._capture(exchange or Exchange(request.environ, ""), exception)

    def _capture(self, exchange: Exchange, error: BaseException) -> None:
        if exchange.error is error:
            return
        exchange.error = error
        log_unhandled(
            self._errors,
            error,
            quiet=self._quiet,
            method=exchange.environ["REQUEST_METHOD"],
            path=exchange.path,
            endpoint=exchange.endpoint,
            request_id=_request_id(exchange),
            user_id=exchange.user_id,
        )

    def _record(self, exchange: Exchange, duration: float) -> None:
        """Log and count a request, once; those for the metrics are neither."""
        endpoint = exchange.endpoint
        if exchange.answered or endpoint == _METRICS_ENDPOINT:
            return
        exchange.answered = True
        environ = exchange.environ
        user_id = exchange.user_id
        log_access(
            self._access,
            method=environ["REQUEST_METHOD"],
            path=exchange.path,
            endpoint=endpoint,
            status_code=exchange.status,
            duration=duration,
            user_id=user_id,
            ip=client_address(environ.get("REMOTE_ADDR"), environ.get("HTTP_X_FORWARDED_FOR"), self._trusted_proxies),
            user_agent=environ.get("HTTP_USER_AGENT", ""),
            request_id=_request_id(exchange),
        )
        if self._count is not None:
            self._count(environ["REQUEST_METHOD"], endpoint, exchange.status, duration, user_id)


class _Globals:
    """Flask's `g`, which hands on to the context's fields what records are to carry."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self._hand_on(name, value)

    def setdefault(self, name: str, default: Any = None) -> Any:
        value = super().setdefault(name, default)  # type: ignore[misc]  # of Flask's class, beside this one
        self._hand_on(name, value)
        return value

    def pop(self, name: str, *default: Any) -> Any:
        value = super().pop(name, *default)  # type: ignore[misc]
        if name != "request_id":  # which a request has to its end
            self._hand_on(name, None)
        return value

    @harmless
    def _hand_on(self, name: str, value: Any) -> None:
        field = _FIELDS_OF_G.get(name)
        if field is not None and context.current.get() is not None and context.fields().get(field) != value:
            context.set_fields(**{field: value})


def _request_id(exchange: Exchange) -> str:
    """The application's own, if it has set one on `g` that will do."""
    own = context.fields().get("request_id")
    if own == exchange.request_id:
        return exchange.request_id
    return (well_formed(own) if isinstance(own, str) else None) or exchange.request_id


def _metrics() -> Response:
    from logging_core.web.metrics import metrics_response

    body, content_type = metrics_response(request.headers.get("Accept", ""))
    return Response(body, content_type=content_type)
