"""The shop on Flask: `gunicorn -c python:examples.gunicorn_config examples.flask_app:app`.

Beside it: `celery -A examples.background worker`. LOG_DESTINATION=redis sends the records to Tocsin's workers.
"""

from typing import Any

from flask import Flask, g, request

from examples import background, orders
from logging_core import get_logger
from logging_core.web import setup_logging

app = Flask("shop")
setup_logging(app, service="shop")
logger = get_logger("shop.orders")


@app.before_request
def authenticate() -> None:
    """Believe whoever says who they are; the user is a field of all further records of the request."""
    g.current_user_id = request.headers.get("X-User")


@app.get("/orders")
def all_orders() -> list[dict[str, Any]]:
    """Every order."""
    return orders.all_of()


@app.post("/orders")
def order() -> tuple[dict[str, int], int]:
    """Take an order, and have it packed in the background."""
    number = orders.add(**request.get_json())
    logger.info("order taken", number=number)
    background.pack.delay(number)
    return {"number": number}, 201


@app.get("/report")
def report() -> dict[str, Any]:
    """A query that takes its time."""
    return orders.report()


@app.get("/advice/<item>")
def advice(item: str) -> dict[str, str | None]:
    """What an AI says."""
    return {"also": orders.advise(item)}
