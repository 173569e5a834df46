"""Django: a real gunicorn, and uvicorn for the asynchronous side, asked over HTTP, and what they log."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.logging_core.web.web_server import WebServer

SHOP = "tests.logging_core.web.django_shop_server:application"
SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.logging_core.web.django_shop_settings"}
SERVERS = {
    "wsgi": [sys.executable, "-m", "gunicorn", SHOP, "--bind", "127.0.0.1:{port}", "--threads", "2"],
    "asgi": [sys.executable, "-m", "uvicorn", SHOP, "--port", "{port}", "--lifespan", "off"],
}


@pytest.fixture(scope="module", params=SERVERS)
def shop(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[WebServer]:
    log = tmp_path_factory.mktemp("shop") / "records.log"
    environment = SETTINGS | {"SHOP_LOG": str(log)}
    manage = [sys.executable, "-m", "django", "migrate", "-v", "0"]
    done = subprocess.run(manage, env=os.environ | environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    if request.param == "asgi":
        environment |= {"DJANGO_ASGI": "1"}
    with WebServer(SERVERS[request.param], log, **environment) as server:
        yield server
    assert "tocsin:" not in server.output.read_text()  # what `complain` says


@pytest.mark.parametrize(
    ("path", "endpoint", "message"),
    [
        ("/orders/12/?token=hunter2", "/orders/<int:number>/", "in a view"),
        ("/async/12/", "/async/<int:number>/", "in an asynchronous view"),
        ("/shelves/top/", "/shelves/<shelf>/", "in a view"),
        ("/old/3", r"/^old/(?P<number>\d+)$", "in a view"),
    ],
)
def test_a_request_leaves_one_access_record(shop: WebServer, path: str, endpoint: str, message: str) -> None:
    trace_id = f"trace.{len(path)}"
    answer = shop.client.get(path, headers={"User-Agent": "tests", "X-Trace-ID": trace_id})
    request_id = answer.headers["X-Request-ID"]
    assert answer.json() == {"request_id": request_id}
    assert re.fullmatch(r"\d+ms", answer.headers["X-Response-Time"])
    [record] = shop.wait_for(event="api_access", trace_id=trace_id)
    assert (record["logger"], record["channel"], record["request_id"]) == ("shop.access", "access", request_id)
    assert (record["path"], record["endpoint"]) == (path.partition("?")[0], endpoint)
    assert (record["method"], record["status_code"], record["ip"]) == ("GET", 200, "127.0.0.1")
    assert record["user_agent"] == "tests" and record["duration_ms"] > 0 and record["user_id"] is None
    assert [each["request_id"] for each in shop.records(message=message, trace_id=trace_id)] == [request_id]


def test_the_user_is_told_if_the_application_asked_for_him(shop: WebServer) -> None:
    key = int(shop.client.get("/enter").text)
    ids = [shop.client.get(path).headers["X-Request-ID"] for path in ("/whoami", "/orders/1/")]
    users = [shop.wait_for(event="api_access", request_id=each)[0]["user_id"] for each in ids]
    shop.client.cookies.clear()
    assert users == [key, None]


@pytest.mark.parametrize("path", ["/stream", "/stream-async"])
def test_a_body_that_is_made_while_it_is_sent(shop: WebServer, path: str) -> None:
    answer = shop.client.get(path)
    assert answer.text == "0\n1\n2\n"
    request_id = answer.headers["X-Request-ID"]
    assert len(shop.wait_for(3, message="making a chunk", request_id=request_id)) == 3
    assert len(shop.wait_for(event="api_access", request_id=request_id)) == 1


def test_a_body_that_breaks_off(shop: WebServer) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        shop.client.get("/broken-stream", headers={"X-Request-ID": "broken"})
    [record] = shop.wait_for(event="unhandled_exception", request_id="broken")
    assert (record["error_type"], record["endpoint"]) == ("ValueError", "/broken-stream")
    assert len(shop.wait_for(event="api_access", request_id="broken")) == 1


@pytest.mark.parametrize(
    ("path", "error", "quiet"),
    [("/fail/value", "ValueError", None), ("/fail/quiet", "OutOfStockError", False), ("/fail-async", "KeyError", None)],
)
def test_an_error_is_logged_once(shop: WebServer, path: str, error: str, quiet: bool | None) -> None:
    answer = shop.client.get(path)
    request_id = answer.headers["X-Request-ID"]
    assert answer.status_code == 500
    assert answer.json() == {"error": {"type": "InternalServerError", "request_id": request_id}}
    assert shop.wait_for(event="api_access", request_id=request_id)[0]["status_code"] == 500
    [record] = shop.records(level="ERROR", request_id=request_id)
    assert (record["logger"], record["event"], record["error_type"]) == ("shop.errors", "unhandled_exception", error)
    assert (record["method"], record["path"], record.get("alert")) == ("GET", path, quiet)
    assert "in fail" in record["error"]["stack"]


def test_the_administrators_still_get_their_mail(shop: WebServer) -> None:
    shop.client.get("/fail/value", headers={"X-Marker": "for-the-mail"})
    mails = [each.read_text() for each in Path(f"{shop.log}.mail").iterdir()]
    assert any("ValueError" in each and "for-the-mail" in each for each in mails)


def test_what_django_answers_by_itself_is_no_error(shop: WebServer) -> None:
    for path, endpoint in (("/fail/http", "/fail/<how>"), ("/nowhere", "unmatched")):
        request_id = shop.client.get(path, params={"q": "private"}).headers["X-Request-ID"]
        [record] = shop.wait_for(event="api_access", request_id=request_id)
        assert (record["status_code"], record["endpoint"]) == (404, endpoint)
        [warning] = shop.wait_for(logger="django.request", message=f"Not Found: {path}")
        assert warning["request"] == {"method": "GET", "path": path}
        assert "private" not in str(warning)
        assert not shop.records(level="ERROR", request_id=request_id)


def test_a_slow_statement_is_told_without_its_values(shop: WebServer) -> None:
    request_id = shop.client.get("/slow").headers["X-Request-ID"]
    [record] = shop.wait_for(event="slow_query", request_id=request_id)
    assert (record["logger"], record["level"], record["statement"]) == ("shop.sql", "WARNING", "select nap(%s), %s")
    assert record["parameters"] == ["float", "str"] and record["duration_ms"] >= 50


def test_metrics(shop: WebServer) -> None:
    shop.client.get("/orders/77/")
    text = shop.client.get("/metrics").text
    pattern = r'http_requests_total\{endpoint="/orders/<int:number>/",method="GET",status="200"\} \d'
    assert re.search(pattern, text)
    assert "/metrics" not in text
    assert not shop.records(path="/metrics")


DIRECT = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.logging_core.web.django_shop_settings"
from django.conf import settings
{change}
import django
try:
    django.setup()
except django.core.exceptions.ImproperlyConfigured as error:
    sys.exit(str(error))
import logging
print(sorted(type(each).__name__ for each in logging.getLogger().handlers))
logging.getLogger("shop.access").info("kept")
"""


def run(tmp_path: Path, change: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SHOP_LOG": str(tmp_path / "records.log"), "LOG_DIR": str(tmp_path / "logs")}
    command = [sys.executable, "-c", DIRECT.format(change=change)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('settings.TOCSIN["slow_querry_ms"] = 5', "settings.TOCSIN has no 'slow_querry_ms'\n"),
        (
            'settings.TOCSIN["quiet_exceptions"] = [5]',
            "settings.TOCSIN['quiet_exceptions'] are exception types, or where to import them\n",
        ),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path: Path, change: str, said: str) -> None:
    done = run(tmp_path, change)
    assert (done.returncode, done.stderr) == (1, said)


def test_a_handler_of_ours_by_name_is_the_only_one(tmp_path: Path) -> None:
    assert run(tmp_path, "").stdout == "['JsonFile']\n"
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("change", ["settings.LOGGING = {}", "settings.LOGGING_CONFIG = None"])
def test_without_one_logging_begins_as_by_init_logging(tmp_path: Path, change: str) -> None:
    done = run(tmp_path, change + '\nsettings.TOCSIN["console_level"] = "OFF"')
    assert (done.returncode, done.stderr) == (0, "")
    assert '"kept"' in (tmp_path / "logs/access.log").read_text()


def test_loggers_that_django_disabled_are_ours_again(tmp_path: Path) -> None:
    run(tmp_path, 'import logging; logging.getLogger("shop.access")')
    assert '"kept"' in (tmp_path / "records.log").read_text()
