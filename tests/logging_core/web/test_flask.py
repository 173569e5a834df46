import logging
import threading
import uuid

import pytest
from flask import Flask, Response, abort, g, jsonify, request, send_file, stream_with_context
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from logging_core import context
from logging_core.context import LoggingContext
from logging_core.web import setup_logging

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
logger = logging.getLogger("shop.orders")


class PaymentError(Exception):
    pass


@pytest.fixture
def app(records):
    """An application without the integration; each test sets up its own."""
    app = Flask("shop")

    @app.get("/orders/<int:number>")
    def order(number):
        g.current_user_id = 7
        logger.info("order shown", extra={"number": number})
        return {"number": number}

    @app.get("/boom")
    def boom():
        raise PaymentError("card 4111 refused")

    return app


def set_up(app, **options):
    setup_logging(app, **{"resource_interval": None} | options)
    return app.test_client()


def test_a_request_leaves_its_records_under_one_id(app, records):
    answer = set_up(app).get("/orders/5?token=secret", headers={"X-Request-ID": "r-1", "User-Agent": "curl/8"})
    assert answer.json == {"number": 5}
    assert answer.headers["X-Request-ID"] == "r-1"
    assert answer.headers["X-Response-Time"].removesuffix("ms").isdigit()
    assert records.message("order shown")["request_id"] == "r-1"
    record = records.access()
    assert (record["logger"], record["channel"]) == ("shop.access", "access")
    assert (record["method"], record["path"], record["endpoint"]) == ("GET", "/orders/5", "order")
    assert (record["status_code"], record["user_id"], record["ip"]) == (200, 7, "127.0.0.1")
    assert (record["user_agent"], record["request_id"], record["trace_id"]) == ("curl/8", "r-1", "r-1")
    assert 0 < record["duration_ms"] < 10_000
    assert "secret" not in str(records.all)


def test_an_id_is_made_where_the_client_has_none_that_will_do(app, records):
    client = set_up(app)
    for sent in ({}, {"X-Request-ID": "no good"}, {"X-Request-ID": "x" * 129}):
        uuid.UUID(client.get("/orders/5", headers=sent).headers["X-Request-ID"])
    assert len({record["request_id"] for record in records.of("api_access")}) == 3


def test_the_trace_id_comes_from_the_caller(app, records):
    set_up(app).get("/orders/5", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    assert records.message("order shown")["trace_id"] == TRACE
    assert records.access()["span_id"] == "00f067aa0ba902b7"


def test_the_user_is_in_all_records_after_he_is_known(app, records):
    @app.before_request
    def authenticate():
        logger.info("before")
        g.current_user_id = "ann"
        logger.info("after")

    @app.get("/whoami")
    def whoami():
        logger.info("in the view")
        return ""

    set_up(app).get("/whoami")
    assert "user_id" not in records.message("before")
    assert records.message("after")["user_id"] == "ann"
    assert records.message("in the view")["user_id"] == "ann"


def test_functions_of_the_application_see_the_id_whenever_they_were_registered(app, records):
    seen = []
    app.before_request(lambda: seen.append(g.request_id))
    client = set_up(app)
    app.before_request(lambda: seen.append(g.request_id))
    app.before_request(lambda: seen.append(request.headers["X-Request-ID"]))
    answer = client.get("/orders/5")
    assert seen == [answer.headers["X-Request-ID"]] * 3


def test_an_id_that_the_application_sets_itself_is_the_one(app, records):
    client = set_up(app)

    @app.before_request
    def own_id():
        g.request_id = "own-1"

    assert client.get("/orders/5").headers["X-Request-ID"] == "own-1"
    assert {record["request_id"] for record in records.all} == {"own-1"}


def test_headers_of_the_application_are_not_doubled(app, records):
    client = set_up(app)

    @app.after_request
    def headers(response):
        response.headers["X-Request-ID"] = g.request_id
        response.headers["X-Response-Time"] = "1ms"
        return response

    answer = client.get("/orders/5")
    assert len(answer.headers.getlist("X-Request-ID")) == len(answer.headers.getlist("X-Response-Time")) == 1


def test_headers_whose_names_have_ours_in_them_are_not_ours(app, records):
    @app.after_request
    def headers(response):
        response.headers["X-Upstream-X-Request-ID"] = "u-1"
        response.headers["X-Response-Time-Budget"] = "1ms"
        return response

    answer = set_up(app).get("/orders/5", headers={"X-Request-ID": "r-1"})
    assert answer.headers["X-Request-ID"] == "r-1"
    assert "X-Response-Time" in answer.headers


def test_whatever_way_g_is_told_the_user_the_records_know_him(app, records):
    @app.get("/told")
    def told():
        g.setdefault("current_user_id", 7)
        g.setdefault("current_user_id", 8)
        logger.info("set")
        g.pop("current_user_id")
        logger.info("taken")
        g.pop("current_user_id", None)
        g.setdefault("current_user_id", 9)
        return {}

    assert set_up(app).get("/told").status_code == 200
    assert records.message("set")["user_id"] == 7
    assert "user_id" not in records.message("taken")
    assert records.access()["user_id"] == 9


@pytest.mark.parametrize("path", ["/nothing", "/nothing/else"])
def test_what_no_route_matches_is_one_endpoint(app, records, path):
    assert set_up(app).get(path).status_code == 404
    assert (records.access()["endpoint"], records.access()["status_code"]) == ("unmatched", 404)
    assert records.of("unhandled_exception") == []


def test_a_method_that_is_not_allowed_is_logged(app, records):
    assert set_up(app).post("/orders/5").status_code == 405
    assert records.access()["status_code"] == 405


def test_an_error_that_nobody_handles_is_logged_once_and_tells_the_client_nothing(app, records):
    answer = set_up(app).get("/boom", headers={"X-Request-ID": "r-1"})
    assert answer.status_code == 500
    assert answer.json == {"error": {"type": "InternalServerError", "request_id": "r-1"}}
    (record,) = [record for record in records.all if record["level"] == "ERROR"]
    assert (record["event"], record["error_type"]) == ("unhandled_exception", "PaymentError")
    assert (record["method"], record["path"], record["endpoint"]) == ("GET", "/boom", "boom")
    assert record["request_id"] == "r-1"
    assert "raise PaymentError" in record["error"]["stack"]
    assert "alert" not in record
    assert records.access()["status_code"] == 500


def test_exceptions_that_are_expected_raise_no_alert(app, records):
    set_up(app, quiet_exceptions=(PaymentError,)).get("/boom")
    assert records.of("unhandled_exception")[0]["alert"] is False


@pytest.mark.parametrize("kind", [PaymentError, Exception, HTTPException, 500])
def test_handlers_of_the_application_answer_as_if_we_were_not_there(app, records, kind):
    @app.get("/gone")
    def gone():
        abort(500 if kind == 500 else 410)

    client = set_up(app)

    @app.errorhandler(kind)
    def handle(error):
        return "handled", 418

    failure = client.get("/boom")
    assert failure.text == "handled"
    # What only the last handler of all takes was handled by nobody before.
    assert len(records.of("unhandled_exception")) == (0 if kind in (PaymentError, Exception) else 1)
    assert client.get("/gone").text == ("handled" if kind is not PaymentError else client.get("/gone").text)


def test_a_propagated_error_reaches_the_test_and_is_logged_once(app, records):
    app.testing = True
    with pytest.raises(PaymentError):
        set_up(app).get("/boom")
    assert len(records.of("unhandled_exception")) == 1
    assert records.access()["status_code"] == 500


def test_a_worker_that_is_told_to_end_says_in_which_request(app, records):
    @app.get("/slow")
    def slow():
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        set_up(app).get("/slow")
    assert records.of("unhandled_exception")[0]["error_type"] == "SystemExit"
    assert records.access()["status_code"] == 500


def test_an_after_request_function_that_fails_costs_neither_headers_nor_records(app, records):
    client = set_up(app)

    @app.after_request
    def fail(response):
        raise PaymentError

    answer = client.get("/orders/5")
    assert (answer.status_code, "X-Request-ID" in answer.headers) == (500, True)
    assert records.access()["status_code"] == 500


def test_a_body_that_is_made_while_it_is_sent_logs_with_the_fields_of_its_request(app, records):
    def chunks():
        logger.info("first")
        yield "a"
        context.set_fields(step=2)
        yield "b"
        logger.info("last")

    @app.get("/stream")
    def stream():
        return Response(chunks())

    client = set_up(app)
    with LoggingContext(trace_id="outer"):
        body = iter(client.get("/stream", headers={"X-Request-ID": "r-1"}).response)
        assert next(body) == b"a"
        assert context.fields() == {"trace_id": "outer"}
        assert records.of("api_access") == []
        assert list(body) == [b"b"]
    assert records.message("first")["request_id"] == "r-1"
    assert records.message("last")["step"] == 2
    record = records.access()
    assert (record["status_code"], record["request_id"], record["trace_id"]) == (200, "r-1", "r-1")


def test_a_body_that_uses_the_request_is_sent(app, records):
    @app.get("/stream")
    def stream():
        return Response(stream_with_context(iter([request.path, g.request_id])))

    assert set_up(app).get("/stream", headers={"X-Request-ID": "r-1"}).text == "/streamr-1"
    assert records.access()["path"] == "/stream"


def test_a_body_that_fails_half_way_is_logged(app, records):
    def chunks():
        yield "a"
        raise PaymentError

    app.get("/stream")(lambda: Response(chunks()))
    with pytest.raises(PaymentError):
        _ = set_up(app).get("/stream").data
    assert records.of("unhandled_exception")[0]["path"] == "/stream"
    assert len(records.of("api_access")) == 1


def test_a_client_that_goes_away_half_way_is_logged_and_the_body_is_closed(app, records):
    closed = []

    def chunks():
        try:
            yield "a"
            yield "b"
        finally:
            closed.append(context.fields()["request_id"])

    app.get("/stream")(lambda: Response(chunks()))
    answer = set_up(app).get("/stream", headers={"X-Request-ID": "r-1"})
    next(iter(answer.response))
    answer.close()
    assert closed == ["r-1"]
    assert records.access()["status_code"] == 200
    assert records.of("unhandled_exception") == []


def test_a_file_is_logged(app, records, tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    app.get("/file")(lambda: send_file(tmp_path / "a.txt"))
    with set_up(app).get("/file") as answer:
        assert answer.text == "hello"
    assert records.access()["endpoint"] == "<lambda>"


def test_a_request_within_a_request_has_ids_of_its_own(app, records):
    client = set_up(app)

    @app.get("/outer")
    def outer():
        inner = app.test_client().get("/orders/5", headers={"X-Request-ID": "inner"})
        with app.test_request_context("/orders/6", headers={"X-Request-ID": "pushed"}):
            app.preprocess_request()
        logger.info("back")
        return inner.json

    assert client.get("/outer", headers={"X-Request-ID": "outer"}).json == {"number": 5}
    assert records.message("order shown")["request_id"] == "inner"
    assert records.message("back")["request_id"] == "outer"
    assert "user_id" not in records.message("back")
    assert [record["request_id"] for record in records.of("api_access")] == ["inner", "outer"]


def test_requests_in_threads_do_not_mix(app, records):
    client_app = set_up(app).application
    threads = [
        threading.Thread(
            target=lambda n: client_app.test_client().get(f"/orders/{n}", headers={"X-Request-ID": f"r-{n}"}), args=(n,)
        )
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shown = [record for record in records.all if record["message"] == "order shown"]
    assert {record["request_id"] for record in shown} == {f"r-{record['number']}" for record in shown}
    assert len(shown) == len(records.of("api_access")) == 20


def test_setting_up_twice_is_setting_up_once(app, records):
    set_up(app)
    set_up(app).get("/orders/5")
    assert len(records.of("api_access")) == 1


def test_metrics_are_served_and_neither_logged_nor_counted(app, records):
    client = set_up(app)
    client.get("/orders/5")
    text = client.get("/metrics").text
    assert 'http_requests_total{endpoint="order",method="GET",status="200"}' in text
    assert 'http_request_duration_seconds_count{endpoint="order",method="GET"}' in text
    assert "\nactive_users_total " in text
    assert "tocsin_metrics" not in client.get("/metrics").text
    assert len(records.of("api_access")) == 1


def test_a_metrics_page_of_the_application_stays(app, records):
    app.get("/metrics")(lambda: "mine")
    assert set_up(app).get("/metrics").text == "mine"


def test_without_a_path_there_are_no_metrics(app, records):
    assert set_up(app, metrics_path=None).get("/metrics").status_code == 404
    assert records.access()["status_code"] == 404


def test_the_client_is_told_from_the_proxies(app, records):
    headers = {"X-Forwarded-For": "evil, 203.0.113.9"}
    set_up(app, trusted_proxies=1).get("/orders/5", headers=headers)
    assert records.access()["ip"] == "203.0.113.9"


def test_proxy_fix_is_honoured(app, records):
    client = set_up(app)
    app.wsgi_app = ProxyFix(app.wsgi_app)
    client.get("/orders/5", headers={"X-Forwarded-For": "203.0.113.9"})
    assert records.access()["ip"] == "203.0.113.9"


@pytest.mark.parametrize(("debug", "level"), [(False, logging.WARNING), (True, logging.NOTSET)])
def test_sqlalchemy_is_quiet_unless_we_debug(app, records, debug, level):
    engine = logging.getLogger("sqlalchemy.engine")
    before = engine.level
    engine.setLevel(logging.NOTSET)
    app.debug = debug
    try:
        set_up(app)
        assert engine.level == level
    finally:
        engine.setLevel(before)


def test_what_the_application_asks_of_sqlalchemy_is_kept(app, records):
    engine = logging.getLogger("sqlalchemy.engine")
    before = engine.level
    engine.setLevel(logging.DEBUG)
    try:
        set_up(app)
        assert engine.level == logging.DEBUG
    finally:
        engine.setLevel(before)


def test_our_own_failure_never_fails_a_request(app, records, capsys):
    class Broken(logging.Filter):
        def filter(self, record):
            raise RuntimeError("broken filter")

    client = set_up(app)
    access = logging.getLogger("shop.access")
    broken = Broken()
    access.addFilter(broken)
    try:
        for _ in range(3):
            assert client.get("/orders/5").status_code == 200
    finally:
        access.removeFilter(broken)
    assert capsys.readouterr().err.count("broken filter") == 1


def test_the_json_of_the_application_is_untouched(app, records):
    app.get("/list")(lambda: jsonify([1, 2]))
    assert set_up(app).get("/list").json == [1, 2]


def test_an_application_of_no_framework_is_refused():
    with pytest.raises(TypeError, match="Flask, Starlette, FastAPI or Celery, not int"):
        setup_logging(5)
