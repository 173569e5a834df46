"""What docs/fastapi.md, docs/django.md and docs/celery.md show is run, under the servers that they name."""

import inspect
import re
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from logging_core.web import asgi, carrier, celery
from tests.documents import Page
from tests.waiting import free_port, wait_until
from tests.web_servers import WebServer, gunicorn, serving

FASTAPI, DJANGO, CELERY = Page("docs/fastapi.md"), Page("docs/django.md"), Page("docs/celery.md")


def write(page: Page, folder: Path) -> list[str]:
    """The files of a page, with its logs in this folder; the rest of its Python."""
    page.write(folder, {'"logs"': repr(str(folder))})
    return page.rest


def includes(record: dict[str, Any], shown: dict[str, Any]) -> bool:
    return shown.items() <= record.items()


def ask(server: WebServer, page: Page, path: str) -> None:
    """The two requests of a page on a web framework, and what it says of them."""
    answer = server.get(path, X_Request_ID="demo-1", X_User="ann")
    assert answer.json() == {"number": 7, "request_id": "demo-1"} and answer.headers["X-Request-ID"] == "demo-1"
    assert re.fullmatch(r"\d+ms", answer.headers["X-Response-Time"])
    records = server.wait_for(len(page.records), request_id="demo-1")
    for shown in page.records:
        assert len([each for each in records if includes(each, shown)]) == 1, (shown, records)
    assert len(server.records("access", request_id="demo-1")) == 1
    failed = server.get("/pay", X_Request_ID="demo-2")
    assert failed.json() == {"error": {"type": "InternalServerError", "request_id": "demo-2"}}
    (error,) = server.wait_for(1, "errors", request_id="demo-2")
    assert (error["logger"], error["error_type"]) == ("shop.errors", "ValueError")
    assert "http_requests_total" in server.get("/metrics").text


def test_fastapi(tmp_path: Path) -> None:
    assert not write(FASTAPI, tmp_path)
    port = free_port()
    command = ["uvicorn", "app:app", "--no-access-log", "--port", str(port), "--app-dir", str(tmp_path)]
    with serving(command, port, tmp_path, PYTHONWARNINGS="default") as server:
        ask(server, FASTAPI, "/orders/7")


def test_django(tmp_path: Path) -> None:
    write(DJANGO, tmp_path)
    with gunicorn("wsgi", tmp_path, "--chdir", str(tmp_path)) as server:
        ask(server, DJANGO, "/orders/7/")


def test_django_beside_logging(tmp_path: Path) -> None:
    """The other settings of the page, in its project: our handler by name is the only one."""
    options, by_name = write(DJANGO, tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/errors.py").write_text("class PaymentRefused(Exception): ...\n")
    settings = (tmp_path / "settings.py").read_text().replace("LOGGING_CONFIG = None", "")
    (tmp_path / "settings.py").write_text(f"{settings}\n{options}\n{by_name}")
    program = "import wsgi, logging; print([type(each).__name__ for each in logging.getLogger().handlers])"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("['RedisStreamHandler']\n", "")


def test_celery(tmp_path: Path, redis_server: str) -> None:
    (more,) = write(CELERY, tmp_path)
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "shop", "worker", "-l", "INFO"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        subprocess.run([sys.executable, "shop.py"], cwd=tmp_path, check=True)
        server = WebServer(0, tmp_path, worker)  # for what it has logged
        wait_until(
            lambda: all(any(includes(each, shown) for each in server.records()) for shown in CELERY.records),
            what="the records that the page shows",
        )
        assert len(server.wait_for(1, "errors", error_type="ValueError")) == 1
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=30) == 0
    exec(more, {})


@pytest.mark.parametrize(
    ("page", "setup"), [(FASTAPI, asgi.setup_logging), (CELERY, celery.setup_logging)], ids=["fastapi", "celery"]
)
def test_the_pages_name_the_options_there_are(page: Page, setup: Any) -> None:
    text = page.text.replace("\n", " ")
    for name, option in inspect.signature(setup).parameters.items():
        if option.kind is option.KEYWORD_ONLY:
            assert f"{name}=" in text
            if type(option.default) is not bool and not (page is CELERY and option.default == ()):
                shown = repr(option.default).replace("'", '"')
                assert f"{name}={shown}" in text
    assert repr(carrier.CARRIED).replace("'", '"') in CELERY.text


def test_the_page_on_django_names_the_keys_there_are() -> None:
    from logging_core.web.django_settings import Options

    (options,) = [block for block in DJANGO.rest if '"trusted_proxies"' in block]
    assert set(re.findall(r'^    "(\w+)":', options, re.MULTILINE)) == {each.name for each in fields(Options)} - {
        "logging"
    }
