"""An application with spans, for the tests of real servers."""

import logging
import os

from flask import Flask, Response
from opentelemetry import trace
from sqlalchemy import create_engine, text

from logging_core.web import setup_logging, setup_tracing

app = Flask("shop")
logger = logging.getLogger("shop.orders")
tracer = trace.get_tracer("shop")
engine = create_engine("sqlite://")

if os.environ.get("TRACING_FIRST"):
    setup_tracing(app, os.environ["COLLECTOR"], "shop", engine=engine)
    setup_logging(app, console_level="OFF", resource_interval=None)
else:
    setup_logging(app, console_level="OFF", resource_interval=None)
    setup_tracing(app, os.environ["COLLECTOR"], "shop", engine=engine)
setup_tracing(app, "http://192.0.2.1", "other")


@app.get("/orders")
def orders():
    with tracer.start_as_current_span("load orders"), engine.connect() as connection:
        connection.execute(text("select 1"))
        logger.info("loaded")
    return ""


@app.get("/stream")
def stream():
    def chunks():
        logger.info("chunk")
        yield "x"

    return Response(chunks())


@app.get("/boom")
def boom():
    raise KeyError("boom")
