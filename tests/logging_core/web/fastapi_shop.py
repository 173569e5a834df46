"""A small application on FastAPI, as uvicorn imports it."""

import asyncio
import logging
import os
import threading
from contextlib import asynccontextmanager

from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException, Request
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse, StreamingResponse

from logging_core import context
from logging_core.web.asgi import setup_logging
from tests.logging_core.web.json_file import JsonFile

logging.getLogger().addHandler(JsonFile(os.environ["SHOP_LOG"]))
logging.getLogger().setLevel(logging.INFO)
logger = logging.getLogger("shop.orders")


class OutOfStockError(Exception):
    pass


class TeapotError(Exception):
    pass


@asynccontextmanager
async def lifespan(app):
    logger.info("opening")
    yield {"opened": True}
    logger.info("closing")


app = FastAPI(lifespan=lifespan)
setup_logging(app, name="shop", quiet_exceptions=(OutOfStockError,), resource_interval=None)


async def note(request, call_next):
    logger.info("in a middleware of Starlette's")
    return await call_next(request)


app.add_middleware(BaseHTTPMiddleware, dispatch=note)


@app.exception_handler(TeapotError)
async def teapot(request, error):
    return JSONResponse({"short": "stout"}, 418)


@app.get("/orders/{order_id}")
async def order(order_id: int, request: Request):
    request.state.current_user_id = 7
    logger.info("in an endpoint", extra={"number": order_id})
    return {"request_id": request.state.request_id, "opened": request.state.opened}


@app.get("/threads")
def in_thread():
    logger.info("in a thread", extra={"pool": threading.current_thread() is not threading.main_thread()})
    return {}


@app.get("/background")
async def background(tasks: BackgroundTasks):
    def late():
        logger.info("in the background")

    tasks.add_task(late)
    return {}


@app.get("/stream")
async def stream():
    async def chunks():
        for number in range(3):
            logger.info("making a chunk")
            yield f"{number}\n"

    return StreamingResponse(chunks())


@app.get("/endless")
async def endless():
    async def chunks():
        while True:
            yield "x" * 1000
            await asyncio.sleep(0.01)

    return StreamingResponse(chunks())


@app.get("/fail/{how}")
async def fail(how: str):
    context.set_fields(user_id=8)
    raise {
        "value": ValueError("secret of the house"),
        "quiet": OutOfStockError("none left"),
        "http": HTTPException(503, "closed"),
        "handled": TeapotError(),
    }[how]


@app.get("/background-fails")
async def background_fails(tasks: BackgroundTasks):
    def late():
        raise ValueError("in the background")

    tasks.add_task(late)
    return {}


items = APIRouter(prefix="/items")


@items.get("/{item_id}")
async def item(item_id: int):
    return item_id


shelf = APIRouter(prefix="/shelves/{shelf}")
shelf.include_router(items)
app.include_router(shelf, prefix="/api")

branch = FastAPI()


@branch.get("/goods/{good}")
async def goods(good: str):
    return good


app.mount("/branches/{branch}", branch)
