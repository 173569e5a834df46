"""Lines that the libraries themselves write here, with the formats that they come with."""

import io
import logging
import logging.config
import logging.handlers
import socket

import celery.app.defaults
import django.core.servers.basehttp
import django.utils.log
import flask.logging
import gunicorn.glogging
import pytest
import uvicorn.config
import uvicorn.logging
from celery.app.log import TaskFormatter
from celery.utils.log import ColorFormatter


def _record(level=logging.ERROR, name="shop.orders", message="order %d failed", args=(7,)):
    return logging.LogRecord(name, level, __file__, 12, message, args, None, "create")


@pytest.mark.parametrize(
    ("format_", "logger"),
    [
        (logging.BASIC_FORMAT, "shop.orders"),
        ("%(asctime)s %(levelname)s %(name)s %(message)s", "shop.orders"),
        ("%(asctime)s - %(name)s - %(levelname)s - %(message)s", "shop.orders"),
        ("%(asctime)s - %(levelname)s - %(name)s - %(message)s", "shop.orders"),
        ("%(asctime)s [%(levelname)s] %(name)s: %(message)s", "shop.orders"),
        ("%(asctime)s %(levelname)-8s [%(name)s] %(message)s", "shop.orders"),
        ("%(asctime)s [%(process)d] [%(threadName)s] %(levelname)s %(name)s: %(message)s", "shop.orders"),
        ("[%(asctime)s] [%(levelname)s] [%(name)s] %(message)s", "shop.orders"),
        ("%(levelname)s %(asctime)s %(module)s %(process)d %(thread)d %(message)s", "test_libraries"),
        ("%(levelname)s: %(message)s", ""),
        ("%(levelname)s %(message)s", ""),
        ("%(asctime)s | %(levelname)-8s | %(name)s:%(funcName)s:%(lineno)d - %(message)s", "shop.orders"),
        ("%(asctime)s:%(levelname)s:%(name)s:%(message)s", "shop.orders"),
    ],
)
def test_the_usual_formats_of_logging(layouts, format_, logger):
    line = logging.Formatter(format_).format(_record())
    header = layouts.header(line.encode())
    assert header.level == "ERROR"
    assert bool(header.timestamp) == ("asctime" in format_)
    assert (header.logger, header.message) == (logger, "order 7 failed")


@pytest.mark.parametrize("number", [10, 20, 30, 40, 50])
def test_every_level_of_logging(layouts, number):
    line = logging.Formatter("%(asctime)s %(levelname)s %(message)s").format(_record(number))
    assert layouts.header(line.encode()).level == logging.getLevelName(number)


def test_flask(layouts):
    header = layouts.header(flask.logging.default_handler.format(_record()).encode())
    assert header[1:4] == ("ERROR", "test_libraries", "order 7 failed")
    assert header.timestamp


def test_gunicorn(layouts):
    formatter = gunicorn.glogging.CONFIG_DEFAULTS["formatters"]["generic"]
    line = logging.Formatter(formatter["format"], formatter["datefmt"]).format(_record(name="gunicorn.error"))
    header = layouts.header(line.encode())
    assert header[1:4] == ("ERROR", "", "order 7 failed")
    assert header.timestamp


@pytest.mark.parametrize("colours", [False, True])
def test_uvicorn(layouts, colours):
    formats = uvicorn.config.LOGGING_CONFIG["formatters"]
    for number in (5, 10, 20, 30, 40, 50):
        default = uvicorn.logging.DefaultFormatter(formats["default"]["fmt"], use_colors=colours)
        record = _record(number, "uvicorn.error")
        record.levelname = logging.getLevelName(number) if number > 5 else "TRACE"
        assert layouts.header(default.format(record).encode())[1:4] == (record.levelname, "", "order 7 failed")
    access = uvicorn.logging.AccessFormatter(formats["access"]["fmt"], use_colors=colours)
    args = ("127.0.0.1:5", "GET", "/MemoryError", "1.1", 500)
    line = access.format(_record(logging.INFO, "uvicorn.access", '%s - "%s %s HTTP/%s" %d', args))
    assert layouts.header(line.encode())[1:4] == (
        "INFO",
        "",
        '127.0.0.1:5 - "GET /MemoryError HTTP/1.1" 500 Internal Server Error',
    )


@pytest.mark.parametrize("colours", [False, True])
def test_celery(layouts, colours):
    defaults = celery.app.defaults.NAMESPACES["worker"]
    line = ColorFormatter(defaults["log_format"].default, use_color=colours).format(_record())
    assert layouts.header(line.encode())[1:4] == ("ERROR", "", "order 7 failed")
    line = TaskFormatter(defaults["task_log_format"].default, use_color=colours).format(_record())
    assert layouts.header(line.encode())[1] == "ERROR"


@pytest.mark.parametrize(("status", "level"), [("200", "INFO"), ("404", "INFO"), ("500", "ERROR")])
def test_django_s_development_server(layouts, status, level):
    formatter = django.utils.log.ServerFormatter("[{server_time}] {message}", style="{")
    record = _record(message='"%s" %s %s', args=("GET / HTTP/1.1", status, "145"))
    record.server_time = "19/Feb/2026 10:30:00"
    header = layouts.header(formatter.format(record).encode())
    assert (header.timestamp, header.level) == ("2026-02-19T10:30:00.000000+00:00", level)


def test_syslog_handler(layouts):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(10)
        handler = logging.handlers.SysLogHandler(listener.getsockname())
        handler.setFormatter(logging.Formatter("shop: %(name)s: %(message)s"))
        handler.handle(_record())
        handler.close()
        datagram = listener.recv(4096).rstrip(b"\0")
    assert layouts.header(datagram)[1] == "ERROR"


def test_a_record_with_a_traceback_begins_once(layouts):
    written = io.StringIO()
    logger = logging.getLogger("shop of test_libraries")
    logger.propagate = False
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
    logger.addHandler(handler)
    try:
        try:
            {}["sku"]
        except KeyError as error:
            raise ValueError("no\nsuch order") from error
    except ValueError:
        logger.exception("order failed")
    logger.removeHandler(handler)
    lines = written.getvalue().encode().splitlines()
    assert [layouts.begins(line) for line in lines] == [True] + [False] * (len(lines) - 1)
