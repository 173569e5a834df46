"""The whole integration with Starlette and FastAPI, in one call: `setup_logging(app)`.

It is a plain ASGI middleware around all others, those of the framework included: so it sees the answer that the
application's own handlers give to an error, context variables reach endpoints, threads and background tasks, and
bodies are streamed as they were. `RequestLogging(app)` does the same around any ASGI application.
"""

import logging
import os
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import orjson

from logging_core.context import LoggingContext
from logging_core.logger import get_logger
from logging_core.web import once
from logging_core.web.access import bounded, log_access
from logging_core.web.asgi_scope import Caller, Scope
from logging_core.web.errors import Quiet, error_body, log_unhandled
from logging_core.web.guest import harmless
from logging_core.web.route_template import template_of
from logging_core.web.start import Companions, quieten_sqlalchemy, start_logging
from logging_core.web.websocket import Conversation

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_EXCHANGE = "tocsin.exchange"
_SERVERS = ("uvicorn.error", "hypercorn.error")  #: loggers that tell each exception again
#: What Starlette raises where the client has gone: nobody's mistake. It is not imported for that.
_CLIENT_GONE = frozenset({"starlette.requests.ClientDisconnect", "starlette.websockets.WebSocketDisconnect"})
_CLIENT_CLOSED_REQUEST = 499  #: as nginx has it
_LAST = frozenset({"http.response.body", "http.response.pathsend", "http.response.zerocopysend"})


class RequestLogging:
    """An ASGI application with ids, context, access records, metrics and captured errors around it.

    Args:
        app: any ASGI application.
        name: of the application; its loggers are `<name>.access`, `<name>.errors`, `<name>.sql`, `<name>.system`. By
            default `TOCSIN_SERVICE`, else `app`.
        slow_query_ms: statements of SQLAlchemy that take longer are logged; None: none is.
        quiet_exceptions: types whose records carry `alert: false`.
        trusted_proxies: how many proxies of our own append to X-Forwarded-For; 0: the client is the peer.
        resource_interval: seconds between records of the use of resources; None: there are none.
        metrics: whether requests are counted for Prometheus.
    """

    def __init__(
        self,
        app: Application,
        *,
        name: str | None = None,
        slow_query_ms: float | None = 100,
        quiet_exceptions: Quiet = (),
        trusted_proxies: int = 0,
        resource_interval: float | None = 60,
        metrics: bool = True,
    ) -> None:
        name = name or os.environ.get("TOCSIN_SERVICE") or "app"
        self.app = app
        self._access = get_logger(f"{name}.access")
        self._errors = logging.getLogger(f"{name}.errors")
        self._companions = Companions(name, slow_query_ms, resource_interval)
        self._quiet = quiet_exceptions
        self._trusted_proxies = trusted_proxies
        self._count: Callable[..., None] | None = None
        if metrics:
            from logging_core.web.metrics import count_request

            self._count = count_request
        for server in _SERVERS:
            once.add_once(logging.getLogger(server), once.Once(self._errors))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As any ASGI application; what is neither a request nor a websocket passes through."""
        if scope["type"] not in ("http", "websocket") or _EXCHANGE in scope:
            await self.app(scope, receive, send)
            return
        self._companions.start()
        caller = Caller(scope, self._trusted_proxies)
        scope[_EXCHANGE] = caller.request_id
        scope.setdefault("state", {})["request_id"] = caller.request_id
        with LoggingContext(**caller.fields):
            if scope["type"] == "http":
                await self._answer(caller, receive, send)
            else:
                await self._talk(caller, receive, send)

    async def _answer(self, caller: Caller, receive: Receive, send: Send) -> None:
        exchange = Exchange(caller)

        async def listen() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and not exchange.answered:
                exchange.disconnected = True
            return message

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = exchange.begin(message)
            try:
                await send(message)
            except OSError as error:
                exchange.refused = error
                raise
            if message["type"] in _LAST and not message.get("more_body", False):
                self._record(exchange)

        try:
            await self.app(caller.scope, listen, answer)
        except BaseException as error:
            self._died(exchange, error)
            if exchange.status is None and isinstance(error, Exception) and not exchange.disconnected:
                await self._send_error(exchange, error, answer)
            raise
        finally:
            self._record(exchange)

    async def _send_error(self, exchange: "Exchange", error: Exception, answer: Send) -> None:
        """For applications that have nothing around them which answers 500."""
        body = orjson.dumps(error_body(error, exchange.caller.request_id))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        try:
            await answer({"type": "http.response.start", "status": 500, "headers": headers})
            await answer({"type": "http.response.body", "body": body})
        except OSError:
            pass  # the client has gone

    async def _talk(self, caller: Caller, receive: Receive, send: Send) -> None:
        conversation = Conversation(receive, send, caller.request_id)
        try:
            await self.app(caller.scope, conversation.listen, conversation.speak)
        except Exception as error:
            if not _says_client_has_gone(error):
                self._capture(caller, error, "WEBSOCKET")
            raise
        finally:
            self._tell(caller, conversation)

    @harmless
    def _died(self, exchange: "Exchange", error: BaseException) -> None:
        if not isinstance(error, Exception) or error is exchange.refused or _says_client_has_gone(error):
            exchange.disconnected = True  # or the server ends: nobody is waiting
        else:
            self._capture(exchange.caller, error, exchange.caller.scope["method"])

    @harmless
    def _capture(self, caller: Caller, error: BaseException, method: str) -> None:
        scope = caller.scope
        log_unhandled(
            self._errors,
            error,
            quiet=self._quiet,
            method=method,
            path=scope["path"],
            endpoint=template_of(scope),
            request_id=caller.request_id,
            user_id=caller.user_id,
        )
        once.mark(error)

    @harmless
    def _record(self, exchange: "Exchange") -> None:
        """Log and count a request, once; those for the metrics are neither."""
        caller, scope = exchange.caller, exchange.caller.scope
        if exchange.answered or scope.get("endpoint") is metrics_endpoint:
            return
        exchange.answered = True
        duration = perf_counter() - exchange.started
        status = exchange.status or (_CLIENT_CLOSED_REQUEST if exchange.disconnected else 500)
        endpoint, user_id = template_of(scope), caller.user_id
        if self._count is not None:
            self._count(scope["method"], endpoint, status, duration, user_id)
        log_access(
            self._access,
            method=scope["method"],
            path=scope["path"],
            endpoint=endpoint,
            status_code=status,
            duration=duration,
            user_id=user_id,
            ip=caller.ip,
            user_agent=caller.user_agent,
            request_id=caller.request_id,
            **({"disconnected": True} if exchange.disconnected else {}),
        )

    @harmless
    def _tell(self, caller: Caller, conversation: Conversation) -> None:
        path, user_agent = bounded(caller.scope["path"], caller.user_agent)
        fields = {
            "channel": "access",
            "event": "websocket",
            "path": path,
            "endpoint": template_of(caller.scope),
            "user_id": caller.user_id,
            "ip": caller.ip,
            "user_agent": user_agent,
            "request_id": caller.request_id,
            **conversation.summary(),
        }
        self._access.info("WebSocket closed", **fields)


class Exchange:
    """One request and its answer."""

    __slots__ = ("answered", "caller", "disconnected", "refused", "started", "status")

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.started = perf_counter()
        self.status: int | None = None
        self.answered = False  #: and recorded
        self.disconnected = False  #: before it was answered
        self.refused: OSError | None = None  #: what the server raised when the answer was to be sent

    def begin(self, start: Message) -> Message:
        """The message that begins the answer, with our headers unless the application has set its own."""
        self.status = start["status"]
        headers = list(start.get("headers", ()))
        present = {name.lower() for name, _ in headers}
        if b"x-request-id" not in present:
            headers.append((b"x-request-id", self.caller.request_id.encode()))
        if b"x-response-time" not in present:
            headers.append((b"x-response-time", b"%dms" % round((perf_counter() - self.started) * 1000)))
        return {**start, "headers": headers}


def setup_logging(
    app: Any,
    *,
    name: str | None = None,
    slow_query_ms: float | None = 100,
    metrics_path: str | None = "/metrics",
    quiet_exceptions: Quiet = (),
    trusted_proxies: int = 0,
    resource_interval: float | None = 60,
    **logging_options: Any,
) -> None:
    """Set up logging, access records, request ids, metrics and error capture for an application. Twice is once.

    Args:
        app: of Starlette or FastAPI, before it answers its first request; middleware, exception handlers and routes may
            be added afterwards.
        name: see `RequestLogging`, as for the other arguments.
        slow_query_ms: see there.
        metrics_path: where Prometheus finds the metrics; None: there are none.
        quiet_exceptions: see there.
        trusted_proxies: see there.
        resource_interval: see there.
        logging_options: of `init_logging`, which is called unless it has been.

    Raises:
        RuntimeError: the application has begun to answer.
        ModuleNotFoundError: a package is missing; the text says how to install it.
    """
    if hasattr(app, _EXCHANGE):
        return
    if app.middleware_stack is not None:
        raise RuntimeError("setup_logging(app) comes before the application answers its first request")
    start_logging(**logging_options)
    if not app.debug:
        quieten_sqlalchemy()
    around = RequestLogging(
        app,
        name=name,
        slow_query_ms=slow_query_ms,
        quiet_exceptions=quiet_exceptions,
        trusted_proxies=trusted_proxies,
        resource_interval=resource_interval,
        metrics=metrics_path is not None,
    )
    if metrics_path is not None and not any(getattr(route, "path", None) == metrics_path for route in app.routes):
        app.add_route(metrics_path, metrics_endpoint, include_in_schema=False)

    build = app.build_middleware_stack

    def build_with_ours() -> Application:
        if Exception not in app.exception_handlers and 500 not in app.exception_handlers:
            app.add_exception_handler(Exception, _internal_server_error)
        around.app = build()
        return around

    app.build_middleware_stack = build_with_ours
    setattr(app, _EXCHANGE, True)


def metrics_endpoint(request: Any) -> Any:
    """What Prometheus scrapes: an endpoint for any router of Starlette's, run in a thread since it reads files."""
    from starlette.responses import Response

    from logging_core.web.metrics import metrics_response

    body, content_type = metrics_response(request.headers.get("accept", ""))
    return Response(body, headers={"content-type": content_type})


def _says_client_has_gone(error: BaseException) -> bool:
    return any(f"{kind.__module__}.{kind.__qualname__}" in _CLIENT_GONE for kind in type(error).__mro__)


async def _internal_server_error(request: Any, error: Exception) -> Any:
    from starlette.responses import Response

    body = error_body(error, request.scope.get(_EXCHANGE))
    return Response(orjson.dumps(body), 500, media_type="application/json")
