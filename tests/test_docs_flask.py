"""What docs/flask.md shows is run: its application under gunicorn, with its configuration."""

import inspect
import re

from logging_core.web.flask import setup_logging
from tests.documents import Page
from tests.web_servers import gunicorn

PAGE = Page("docs/flask.md")
FILES = PAGE.files("python")


def test_the_application_of_the_page_does_what_the_page_says(tmp_path):
    program = FILES["app.py"].replace('"logs"', repr(str(tmp_path)))
    tracing = [block for block in PAGE.rest if "setup_tracing" in block]
    (tmp_path / "app.py").write_text(program + "\n".join(block for block in PAGE.rest if block not in tracing))
    with gunicorn("app:app", tmp_path, "--chdir", str(tmp_path), configuration=FILES["gunicorn.conf.py"]) as server:
        answer = server.get("/orders/7", X_Request_ID="demo-1", X_User="ann")
        assert answer.headers["X-Request-ID"] == "demo-1"
        assert re.fullmatch(r"\d+ms", answer.headers["X-Response-Time"])
        (access,) = server.wait_for(1, "access", request_id="demo-1")
        shown, same = server.records(request_id="demo-1")
        failed = server.get("/pay", X_Request_ID="demo-2")
        (error,) = server.wait_for(1, "errors", request_id="demo-2")
        missing = server.get("/nothing", X_Request_ID="demo-3").json()
        metrics = server.get("/metrics").text
    assert access == same
    for record, told in zip((shown, access), PAGE.records, strict=True):
        assert told.items() <= record.items()
    assert failed.json() == {"error": {"type": "InternalServerError", "request_id": "demo-2"}}
    assert error["error_type"] == "ValueError"
    assert missing["error"]["type"] == "NotFound"
    assert 'ai_calls_total{model="opus",provider="claude",status="success"}' in metrics


def test_what_the_page_says_of_spans_is_valid():
    (block,) = [block for block in PAGE.rest if "setup_tracing" in block]
    compile(block, "docs/flask.md", "exec")


def test_the_page_names_the_options_there_are():
    told = PAGE.text.replace("\n", " ")
    for name, option in inspect.signature(setup_logging).parameters.items():
        if option.kind is option.KEYWORD_ONLY:
            shown = repr(option.default).replace("'", '"')
            assert f"{name}={shown}" in told
