"""FastAPI and Starlette: a real uvicorn, asked over HTTP, and what it logs."""

import asyncio
import contextlib
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from logging_core.web.asgi import RequestLogging, setup_logging
from tests.logging_core.web.json_file import Kept
from tests.logging_core.web.web_server import WebServer
from tests.waiting import wait_until

UVICORN = [sys.executable, "-m", "uvicorn", "tests.logging_core.web.fastapi_shop:app", "--port", "{port}"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: Any) -> Iterator[WebServer]:
    with WebServer(UVICORN, tmp_path_factory.mktemp("shop") / "records.log") as server:
        yield server
    assert "tocsin:" not in server.output.read_text()  # what `complain` says
    assert [each["message"] for each in server.records(logger="shop.orders") if "ing" in each["message"][-3:]] == [
        "opening",
        "closing",
    ]


def test_a_request_leaves_one_access_record(shop: WebServer) -> None:
    answer = shop.client.get("/orders/12?token=hunter2", headers={"User-Agent": "tests", "X-Request-ID": "r-1"})
    assert answer.json() == {"request_id": "r-1", "opened": True}
    assert answer.headers["X-Request-ID"] == "r-1"
    assert re.fullmatch(r"\d+ms", answer.headers["X-Response-Time"])
    [record] = shop.wait_for(event="api_access", request_id="r-1")
    assert record["duration_ms"] > 0
    assert (record["logger"], record["channel"], record["message"]) == ("shop.access", "access", "API access")
    assert (record["method"], record["path"], record["endpoint"]) == ("GET", "/orders/12", "/orders/{order_id}")
    assert (record["status_code"], record["user_id"], record["ip"]) == (200, 7, "127.0.0.1")
    assert record["request"]["user_agent"] == record["user_agent"] == "tests"
    assert "hunter2" not in str(shop.records())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/orders/1", "in an endpoint"),
        ("/orders/1", "in a middleware of Starlette's"),
        ("/threads", "in a thread"),
        ("/background", "in the background"),
        ("/stream", "making a chunk"),
    ],
)
def test_the_context_is_in_force_wherever_the_request_goes(shop: WebServer, path: str, message: str) -> None:
    trace_id = f"trace.{path[1:]}.{len(message)}"
    request_id = shop.client.get(path, headers={"X-Trace-ID": trace_id}).headers["X-Request-ID"]
    record, *_ = shop.wait_for(message=message, trace_id=trace_id)
    assert record["request_id"] == request_id
    assert len(shop.wait_for(event="api_access", trace_id=trace_id)) == 1


def test_ids_come_from_the_trace_or_are_made(shop: WebServer) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = shop.client.get("/threads", headers={"traceparent": traceparent, "X-Request-ID": "no good"})
    request_id = answer.headers["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f-]{36}", request_id)
    [record] = shop.wait_for(message="in a thread", request_id=request_id)
    assert (record["trace_id"], record["span_id"]) == (traceparent[3:35], traceparent[36:52])


def test_an_error_that_nobody_handles(shop: WebServer) -> None:
    answer = shop.client.get("/fail/value")
    request_id = answer.headers["X-Request-ID"]
    assert answer.status_code == 500
    assert answer.json() == {"error": {"type": "InternalServerError", "request_id": request_id}}
    [access] = shop.wait_for(event="api_access", request_id=request_id)
    assert (access["status_code"], access["endpoint"]) == (500, "/fail/{how}")
    [record] = shop.wait_for(event="unhandled_exception", request_id=request_id)
    assert (record["level"], record["logger"], record["error_type"]) == ("ERROR", "shop.errors", "ValueError")
    assert (record["method"], record["path"], record["endpoint"]) == ("GET", "/fail/value", "/fail/{how}")
    assert "alert" not in record and "in fail\n" in record["error"]["stack"]
    on_console = "ValueError: secret of the house"  # uvicorn's own
    wait_until(lambda: on_console in shop.output.read_text(), what="the console")
    assert shop.output.read_text().count(on_console) == 1


def test_an_exception_that_is_expected_raises_no_alert(shop: WebServer) -> None:
    answer = shop.client.get("/fail/quiet")
    [record] = shop.wait_for(event="unhandled_exception", request_id=answer.headers["X-Request-ID"])
    assert record["alert"] is False


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/fail/http", 503, {"detail": "closed"}),
        ("/fail/handled", 418, {"short": "stout"}),
        ("/orders/many", 422, None),
        ("/nowhere", 404, {"detail": "Not Found"}),
    ],
)
def test_what_the_application_handles_is_its_own(shop: WebServer, path: str, status: int, body: Any) -> None:
    answer = shop.client.get(path)
    assert answer.status_code == status
    assert body is None or answer.json() == body
    request_id = answer.headers["X-Request-ID"]
    assert shop.wait_for(event="api_access", request_id=request_id)[0]["status_code"] == status
    assert not shop.records(event="unhandled_exception", request_id=request_id)


def test_an_error_in_a_background_task_is_told_with_its_request(shop: WebServer) -> None:
    request_id = shop.client.get("/background-fails").headers["X-Request-ID"]
    [record] = shop.wait_for(event="unhandled_exception", request_id=request_id)
    assert record["path"] == "/background-fails"
    assert [each["status_code"] for each in shop.records(event="api_access", request_id=request_id)] == [200]


def test_a_client_that_leaves_is_no_error(shop: WebServer) -> None:
    with shop.client.stream("GET", "/endless") as answer:
        request_id = answer.headers["X-Request-ID"]
        next(answer.iter_bytes())
    [record] = shop.wait_for(event="api_access", request_id=request_id)
    assert (record["status_code"], record["disconnected"]) == (200, True)
    assert not shop.records(event="unhandled_exception", request_id=request_id)


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/api/shelves/3/items/4", "/api/shelves/{shelf}/items/{item_id}"),
        ("/branches/paris/goods/tea", "/branches/{branch}/goods/{good}"),
        ("/branches/paris/none", "/branches/{branch}"),
        ("/orders", "unmatched"),
        ("/docs", "/docs"),
    ],
)
def test_the_endpoint_is_the_whole_template(shop: WebServer, path: str, endpoint: str) -> None:
    request_id = shop.client.get(path).headers["X-Request-ID"]
    assert shop.wait_for(event="api_access", request_id=request_id)[0]["endpoint"] == endpoint


def test_metrics_count_requests_and_not_themselves(shop: WebServer) -> None:
    shop.client.get("/orders/77")
    text = shop.client.get("/metrics").text
    assert re.search(r'http_requests_total\{endpoint="/orders/\{order_id\}",method="GET",status="200"\} \d', text)
    assert "/metrics" not in text and "orders/77" not in text
    assert "active_users_total 1.0" in text
    assert not shop.records(path="/metrics")
    assert "/metrics" not in shop.client.get("/openapi.json").text


@pytest.fixture
def kept() -> Iterator[Kept]:
    """What the applications in the tests' own process log."""
    handler, logger = Kept(), logging.getLogger("stand")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)


def with_logging(app: Starlette, **options: Any) -> Starlette:
    setup_logging(app, name="stand", resource_interval=None, **options)
    return app


def ask(app: Any, path: str) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://stand") as client:
            return await client.get(path)

    return asyncio.run(asked())


def converse(
    app: Any, path: str, *said: dict[str, Any], headers: Sequence[tuple[bytes, bytes]] = ()
) -> list[dict[str, Any]]:
    """What an application sends to a websocket that says this (no server here has websockets)."""
    scope = {"type": "websocket", "path": path, "headers": headers, "query_string": b"", "client": ("10.0.0.1", 1)}
    messages, heard = iter([{"type": "websocket.connect"}, *said]), []

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: dict[str, Any]) -> None:
        heard.append(message)

    asyncio.run(app(scope | {"subprotocols": [], "extensions": {}}, receive, send))
    return heard


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    while True:
        text = await socket.receive_text()
        if text == "fail":
            raise ValueError("a websocket failed")
        if text == "end":
            await socket.close(4000)
            return
        logging.getLogger("stand").info("heard")
        await socket.send_text(text.upper())


async def refuse(socket: WebSocket) -> None:
    await socket.close()


def text(said: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": said}


SOCKETS = [WebSocketRoute("/echo/{room}", echo), WebSocketRoute("/refuse", refuse)]


def test_a_websocket_leaves_one_record_at_its_end(kept: Kept) -> None:
    heard = converse(with_logging(Starlette(routes=SOCKETS)), "/echo/hall", text("one"), text("two"), text("end"))
    [record] = [each for each in kept.records if each.get("event") == "websocket"]
    assert (record["channel"], record["path"], record["endpoint"]) == ("access", "/echo/hall", "/echo/{room}")
    assert (record["accepted"], record["close_code"], record["ip"]) == (True, 4000, "10.0.0.1")
    assert (record["messages_in"], record["messages_out"]) == (3, 2)
    [header] = [value for name, value in heard[0]["headers"] if name == b"x-request-id"]
    assert {each["request_id"] for each in kept.records} == {header.decode()}


def test_a_client_that_closes_a_websocket_is_no_error(kept: Kept) -> None:
    app = with_logging(Starlette(routes=SOCKETS))
    with pytest.raises(WebSocketDisconnect):
        converse(app, "/echo/hall", {"type": "websocket.disconnect", "code": 1001})
    assert [(each["event"], each["close_code"]) for each in kept.records] == [("websocket", 1001)]


def test_a_websocket_that_fails_or_is_refused(kept: Kept) -> None:
    app = with_logging(Starlette(routes=SOCKETS))
    with pytest.raises(ValueError, match="a websocket failed"):
        converse(app, "/echo/hall", text("fail"))
    converse(app, "/refuse")
    assert [each["event"] for each in kept.records] == ["unhandled_exception", "websocket", "websocket"]
    assert [each["accepted"] for each in kept.records[1:]] == [True, False]
    assert [each["close_code"] for each in kept.records[1:]] == [1006, 1000]


def test_what_is_told_of_a_websocket_is_bounded(kept: Kept) -> None:
    app = with_logging(Starlette(routes=SOCKETS))
    converse(app, "/echo/" + "x" * 9000, text("end"), headers=[(b"user-agent", b"x" * 9000)])
    [record] = kept.records
    assert (len(record["path"]), len(record["user_agent"])) == (2048, 512)


def test_a_request_id_that_the_application_gives_a_websocket_is_not_doubled(kept: Kept) -> None:
    async def own(socket: WebSocket) -> None:
        await socket.accept(headers=[(b"X-Request-ID", b"own-1")])
        await socket.close()

    heard = converse(with_logging(Starlette(routes=[WebSocketRoute("/own", own)])), "/own")
    assert [value for name, value in heard[0]["headers"] if name.lower() == b"x-request-id"] == [b"own-1"]


def test_an_address_is_found_in_any_line_of_the_header(kept: Kept) -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    forged, seen = (b"x-forwarded-for", b"6.6.6.6, 203.0.113.9"), (b"x-forwarded-for", b"10.0.0.7")
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [forged, seen], "client": ("10.0.0.1", 1)}
    app = RequestLogging(bare, name="stand", resource_interval=None, trusted_proxies=2)
    asyncio.run(app(scope, leave, drop))
    assert kept.records[0]["ip"] == "203.0.113.9"


async def fail(request: Any) -> Any:
    raise ValueError("as it was meant to")


def test_the_applications_own_handler_of_all_errors_answers(kept: Kept) -> None:
    async def own(request: Any, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("ours", 500)

    app = with_logging(Starlette(routes=[Route("/fail", fail)]))
    app.add_exception_handler(500, own)
    answer = ask(app, "/fail")
    assert (answer.status_code, answer.text) == (500, "ours")
    assert [each["event"] for each in kept.records] == ["api_access", "unhandled_exception"]
    assert answer.headers["x-request-id"] == kept.records[0]["request_id"]


def test_around_any_asgi_application(kept: Kept) -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError(scope["type"])

    answer = ask(RequestLogging(bare, name="stand", resource_interval=None), "/x")
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "InternalServerError")
    assert [each["event"] for each in kept.records] == ["unhandled_exception", "api_access"]
    assert kept.records[1]["endpoint"] == "unmatched"


def test_a_mounted_application_that_logs_too_logs_once(kept: Kept) -> None:
    async def answer(request: Any) -> PlainTextResponse:
        return PlainTextResponse("here")

    inner = with_logging(Starlette(routes=[Route("/{a}", answer)]))
    assert ask(with_logging(Starlette(routes=[Mount("/in", inner)])), "/in/1").text == "here"
    assert [(each["event"], each["endpoint"]) for each in kept.records] == [("api_access", "/in/{a}")]


def test_the_applications_own_metrics_page_stays(kept: Kept) -> None:
    async def own(request: Any) -> PlainTextResponse:
        return PlainTextResponse("its own")

    assert ask(with_logging(Starlette(routes=[Route("/metrics", own)])), "/metrics").text == "its own"
    assert ask(with_logging(Starlette(), metrics_path=None), "/metrics").status_code == 404


def test_it_is_set_up_once_and_before_the_first_request(kept: Kept) -> None:
    app = with_logging(Starlette())
    build = app.build_middleware_stack
    assert with_logging(app).build_middleware_stack is build
    late = Starlette()
    ask(late, "/")
    with pytest.raises(RuntimeError, match="before the application answers"):
        with_logging(late)


def test_a_server_whose_records_reach_our_handlers_tells_no_error_twice(kept: Kept) -> None:
    own, logger = Kept(), logging.getLogger("uvicorn.error")
    app = RequestLogging(Starlette(routes=[Route("/fail", fail)]), name="stand", resource_interval=None)
    root, theirs = logging.getLogger(), logging.getLogger("uvicorn")
    root.addHandler(own)
    theirs.addHandler(console := Kept())
    try:
        asyncio.run(app({"type": "http", "method": "GET", "path": "/fail", "headers": []}, None, drop))
    except ValueError as error:
        logger.error("Exception in ASGI application", exc_info=error)
    finally:
        root.removeHandler(own)
        theirs.removeHandler(console)
    assert [each["logger"] for each in own.records if each["level"] == "ERROR"] == ["stand.errors"]
    assert [each["logger"] for each in console.records] == ["uvicorn.error"]


async def drop(message: Any) -> None:
    pass


async def leave() -> dict[str, Any]:
    return {"type": "http.disconnect"}


async def refuse_to_send(message: Any) -> None:
    raise ConnectionResetError("the client has gone")


def end_of(app: Any, send: Any) -> None:
    """Ask, read that the client has gone, and let go of whatever comes of it."""
    scope = {"type": "http", "method": "GET", "path": "/pay", "headers": []}
    with contextlib.suppress(OSError, ClientDisconnect):
        asyncio.run(RequestLogging(app, name="stand", resource_interval=None)(scope, leave, send))


def test_a_mistake_of_the_application_is_told_though_the_client_has_gone(kept: Kept) -> None:
    class ClientDisconnect(OSError):  # noqa: N818  # as Starlette names its own
        """Not Starlette's."""

    for mistake in (FileNotFoundError("ledger"), ClientDisconnect()):

        async def pay(scope: Any, receive: Any, send: Any, mistake: Exception = mistake) -> None:
            await receive()
            raise mistake

        end_of(pay, drop)
    assert [each["event"] for each in kept.records] == ["unhandled_exception", "api_access"] * 2
    assert [each["status_code"] for each in kept.records if "status_code" in each] == [499, 499]


def test_that_nothing_can_be_sent_to_who_has_gone_is_no_mistake(kept: Kept) -> None:
    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def read(scope: Any, receive: Any, send: Any) -> None:
        await Request(scope, receive).body()

    end_of(stream, refuse_to_send)
    end_of(read, drop)
    assert [(each["event"], each["disconnected"]) for each in kept.records] == [("api_access", True)] * 2
