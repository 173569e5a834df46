"""A small application on FastAPI that hands its work to the one on Celery."""

from fastapi import FastAPI

from logging_core.web import setup_logging
from tests.logging_core.web.celery_shop import add, order

app = FastAPI()
setup_logging(app, name="shop", resource_interval=None)


@app.post("/orders/{number}")
def place(number: int):
    order.delay(number)
    return (add.s(1, number) | add.s(3)).delay().id
