"""A small shop that logs through Tocsin, under gunicorn: `gunicorn 'examples.shop:create_app()'`.

Configured by the environment (Flask's own way): SHOP_CACHE_DIR and SHOP_CACHE_QUOTA in bytes for the thumbnails,
SHOP_RECOMMENDER as HOST:PORT of a service that it depends on, SHOP_SPOOL_DIR for the handler. It has the bugs that
shops have: a cart may be empty, a quantity may be a word, a card may be refused, and nobody has thought of it.
"""

import errno
import json
import logging
import os
import socket
from decimal import Decimal
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, g, has_request_context, request

from logging_core import RedisStreamHandler

logger = logging.getLogger("shop")

PRICES = {"bell": "41.50", "clapper": "7.25", "rope": "12.00", "yoke": "88.00"}
PATIENCE = 0.25  #: seconds that the recommender may take
THUMBNAIL = 64 * 1024  #: bytes
REFUSED_CARD = "4000000000000002"


class PaymentRefusedError(Exception):
    """The bank says no."""


def create_app() -> Flask:
    """The shop, with Tocsin's handler on the root logger."""
    app = Flask(__name__)
    app.config.from_mapping(CACHE_DIR="cache", CACHE_QUOTA=10 * 2**20, RECOMMENDER="127.0.0.1:9", SPOOL_DIR=None)
    app.config.from_prefixed_env("SHOP")
    handler = RedisStreamHandler(service="shop", spool_dir=app.config["SPOOL_DIR"])
    handler.addFilter(add_request)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
    app.after_request(tell_records)
    app.get("/catalog")(catalog)
    app.post("/orders")(orders)
    app.post("/checkout")(checkout)
    app.get("/recommendations")(recommendations)
    app.get("/thumbnails/<name>")(thumbnails)
    return app


def add_request(record: logging.LogRecord) -> bool:
    """Put the request's id on each of its records, and number them: 1, 2, ..."""
    if has_request_context():
        g.records = g.get("records", 0) + 1
        record.request_id = request.headers.get("X-Request-ID", "")
        record.request_record = g.records
        record.endpoint = request.path
    return True


def tell_records(response: Response) -> Response:
    """Tell the client how many records its request has logged."""
    response.headers["X-Log-Records"] = str(g.get("records", 0))
    return response


def catalog() -> dict[str, Any]:
    """What there is to buy."""
    logger.info("catalog asked for", extra={"event": "catalog", "user_id": _user()})
    logger.info("catalog shown", extra={"event": "catalog_shown", "items": len(PRICES)})
    return PRICES


def orders() -> tuple[dict[str, Any], int]:
    """Take an order for later."""
    cart = json.loads(request.data)
    logger.info("order received", extra={"event": "order", "user_id": _user(), "items": len(cart["items"])})
    logger.info("order stored", extra={"event": "order_stored", "total": str(_total(cart))})
    return {"order": request.headers.get("X-Request-ID")}, 201


def checkout() -> dict[str, Any]:
    """Price a cart and charge a card."""
    logger.info("checkout begun", extra={"event": "checkout", "user_id": _user()})
    cart = json.loads(request.data)
    total = _total(cart)
    average = total / sum(int(count) for count in cart["items"].values())
    if cart.get("card") == REFUSED_CARD:
        raise PaymentRefusedError(f"card of {_user()} was refused for {total}")
    logger.info("paid", extra={"event": "paid", "total": str(total), "average": str(average.quantize(Decimal("0.01")))})
    return {"paid": str(total)}


def recommendations() -> tuple[list[str], int]:
    """What others bought, if the recommender tells in time."""
    logger.info("recommender asked", extra={"event": "recommendations", "user_id": _user()})
    host, port = current_app.config["RECOMMENDER"].rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as recommender:
            recommender.sendall(b"GET /\r\n")
            return recommender.recv(4096).decode().split(), 200
    except TimeoutError:
        logger.exception("the recommender did not answer", extra={"event": "recommendations_late"})
        return [], 504


def thumbnails(name: str) -> Response:
    """A picture, made once and then kept in the cache folder, which has a quota."""
    logger.info("thumbnail asked for", extra={"event": "thumbnail", "user_id": _user()})
    folder = Path(current_app.config["CACHE_DIR"])
    picture = folder / f"{name}.png"
    if not picture.exists():
        _within_quota(folder, picture)
        picture.write_bytes(os.urandom(THUMBNAIL))
    logger.info("thumbnail shown", extra={"event": "thumbnail_shown", "thumbnail": name})
    return Response(picture.read_bytes(), mimetype="image/png")


def _within_quota(folder: Path, picture: Path) -> None:
    """Refuse what does not fit, as a file system with a quota does."""
    used = sum(each.stat().st_size for each in folder.iterdir())
    if used + THUMBNAIL > current_app.config["CACHE_QUOTA"]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(picture))


def _total(cart: dict[str, Any]) -> Decimal:
    return sum((Decimal(PRICES[item]) * int(count) for item, count in cart["items"].items()), Decimal(0))


def _user() -> str:
    return request.headers.get("X-User", "anonymous")
