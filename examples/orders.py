"""What the example applications have in common: orders in SQLite (SHOP_DATABASE), and a machine that gives advice."""

import os
from time import perf_counter
from typing import Any

from sqlalchemy import create_engine, text

from logging_core.web.metrics import count_ai_call

DATABASE = os.environ.get("SHOP_DATABASE", "orders.sqlite")
PRICES = {"bell": 4150, "clapper": 725, "rope": 1200, "yoke": 8800}  #: cents
TABLE = """CREATE TABLE IF NOT EXISTS orders
(number INTEGER PRIMARY KEY, item TEXT NOT NULL, total INTEGER NOT NULL, packed INTEGER NOT NULL DEFAULT 0)"""
#: The orders per minute of two years, minutes without any included: slow, as reports are.
REPORT = """WITH RECURSIVE minute(number) AS (SELECT 0 UNION ALL SELECT number + 1 FROM minute WHERE number < 1051200)
SELECT max(minute.number), total(orders.total) FROM minute LEFT JOIN orders ON orders.number = minute.number"""
_ADVICE = {"bell": "clapper", "clapper": "bell", "rope": "yoke"}

engine = create_engine(f"sqlite:///{DATABASE}")
with engine.begin() as _connection:
    _connection.execute(text(TABLE))


def total(item: str, count: int) -> int:
    """What so many of them cost, in cents. It has a bug: nobody has thought of items that there are not."""
    return PRICES[item] * count


def add(item: str, count: int) -> int:
    """Keep an order; its number."""
    with engine.begin() as connection:
        statement = text("INSERT INTO orders (item, total) VALUES (:item, :total) RETURNING number")
        return int(connection.execute(statement, {"item": item, "total": total(item, count)}).scalar_one())


def all_of() -> list[dict[str, Any]]:
    """Every order there is."""
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(text("SELECT * FROM orders ORDER BY number")).mappings()]


def pack(number: int) -> None:
    """Note that an order is packed."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE orders SET packed = 1 WHERE number = :number"), {"number": number})


def report() -> dict[str, Any]:
    """How much was ordered in two years."""
    with engine.connect() as connection:
        minutes, cents = connection.execute(text(REPORT)).one()
    return {"minutes": minutes, "total": cents}


def advise(item: str) -> str | None:
    """Ask a model what goes well with an item; a table stands for the model."""
    began = perf_counter()
    advice = _ADVICE.get(item)
    status = "success" if advice else "failed"
    count_ai_call("examples", "table-1", status, duration_ms=round((perf_counter() - began) * 1000, 3))
    return advice
