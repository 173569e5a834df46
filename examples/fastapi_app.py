"""The shop on FastAPI: `uvicorn --no-access-log examples.fastapi_app:app`.

Beside it: `celery -A examples.background worker`. LOG_DESTINATION=redis sends the records to Tocsin's workers.
"""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header
from pydantic import BaseModel

from examples import background, orders
from logging_core import context, get_logger
from logging_core.web import setup_logging


async def authenticate(x_user: Annotated[str | None, Header()] = None) -> None:
    """Believe whoever says who they are; the user is a field of all further records of the request."""
    context.set_fields(user_id=x_user)


app = FastAPI(dependencies=[Depends(authenticate)])
setup_logging(app, name="shop", service="shop")
logger = get_logger("shop.orders")


class Order(BaseModel):
    """What a client sends."""

    item: str
    count: int


@app.get("/orders")
def all_orders() -> list[dict[str, Any]]:
    """Every order."""
    return orders.all_of()


@app.post("/orders", status_code=201)
def order(wanted: Order) -> dict[str, int]:
    """Take an order, and have it packed in the background."""
    number = orders.add(wanted.item, wanted.count)
    logger.info("order taken", number=number)
    background.pack.delay(number)
    return {"number": number}


@app.get("/report")
def report() -> dict[str, Any]:
    """A query that takes its time."""
    return orders.report()


@app.get("/advice/{item}")
def advice(item: str) -> dict[str, str | None]:
    """What an AI says."""
    return {"also": orders.advise(item)}
