"""The application that the tests of real servers run: `LOG_DIR` says where its records go."""

import logging
import os
import time

from flask import Flask, Response, g, stream_with_context
from sqlalchemy import create_engine, event, text

from logging_core.web import setup_logging
from logging_core.web.metrics import count_ai_call

app = Flask("shop")
logger = logging.getLogger("shop.orders")
engine = create_engine("sqlite://")


@event.listens_for(engine, "connect")
def _connected(connection, _record):
    connection.create_function("sleep", 1, lambda seconds: time.sleep(seconds) or seconds)


setup_logging(app, console_level="OFF", resource_interval=0.2, slow_query_ms=50)


@app.before_request
def authenticate():
    g.current_user_id = g.request_id.rpartition("-")[2]


@app.get("/orders/<int:number>")
def order(number):
    logger.info("order shown", extra={"number": number})
    return {"number": number, "process": os.getpid()}


@app.get("/slow")
def slow():
    with engine.connect() as connection:
        connection.execute(text("select sleep(:seconds)"), {"seconds": 0.1})
    return ""


@app.get("/ai")
def ai():
    count_ai_call("claude", "opus", "failed")
    return ""


@app.get("/boom")
def boom():
    raise KeyError("boom")


@app.get("/stream")
def stream():
    def chunks():
        for number in range(3):
            logger.info("chunk", extra={"number": number})
            yield f"{number}"

    return Response(stream_with_context(chunks()))


@app.get("/die")
def die():
    os.kill(os.getpid(), 9)
