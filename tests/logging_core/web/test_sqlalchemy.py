import asyncio
import logging
import time

import pytest
import sqlalchemy
from sqlalchemy import create_engine, event, text
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util import await_only

from logging_core.web.slow_queries import types_of
from logging_core.web.sqlalchemy import SlowQueries


def slow(engine, seconds=0.02):
    """Give an engine of SQLite a function that sleeps."""

    @event.listens_for(engine, "connect")
    def connected(connection, _record):
        connection.create_function("sleep", 1, lambda value: time.sleep(seconds) or value)

    return engine


@pytest.fixture
def engine():
    engine = slow(create_engine("sqlite://"))
    yield engine
    engine.dispose()


@pytest.fixture
def watch(engine):
    """Watch the test's engine."""

    def begin(target=engine, threshold_ms=10.0, **options):
        queries = SlowQueries(logging.getLogger("shop.sql"), threshold_ms, **options)
        queries.watch(target)
        return queries

    return begin


def test_a_slow_statement_is_logged_without_its_parameters(records, engine, watch):
    watch()
    with engine.connect() as connection:
        connection.execute(text("select sleep(:secret)"), {"secret": "hunter2"})
        connection.execute(text("select 1"))
    (record,) = records.of("slow_query")
    assert (record["level"], record["logger"]) == ("WARNING", "shop.sql")
    assert 20 <= record["duration_ms"] < 5000
    assert record["statement"] == "select sleep(?)"
    assert record["parameters"] == ["str"]
    assert "hunter2" not in str(records.all)


def test_parameters_are_shown_if_that_is_asked_for(records, engine, watch):
    watch(show_parameters=True)
    with engine.connect() as connection:
        connection.execute(text("select sleep(:id)"), {"id": 7})
    assert records.of("slow_query")[0]["parameters"] == [7]


def test_the_threshold_is_configurable(records, engine, watch):
    watch(threshold_ms=10_000)
    with engine.connect() as connection:
        connection.execute(text("select sleep(1)"))
    assert records.of("slow_query") == []


def test_a_statement_that_fails_late_is_logged_and_leaves_nothing_behind(records, engine, watch):
    watch()
    with engine.connect() as connection:
        with pytest.raises(sqlalchemy.exc.OperationalError):
            connection.execute(text("select sleep(1), json('no json')"))
        with pytest.raises(sqlalchemy.exc.OperationalError):
            connection.execute(text("no such statement"))
        connection.execute(text("select 1"))
        assert connection.info == {}
    (record,) = records.of("slow_query")
    assert record["error_type"] == "OperationalError"


def test_many_rows_at_once_are_told_by_their_number(records, engine, watch):
    watch()
    with engine.connect() as connection:
        connection.execute(text("create table t (a, b)"))
        connection.execute(text("insert into t values (sleep(:a), :b)"), [{"a": n, "b": "x"} for n in range(3)])
    (record,) = records.of("slow_query")
    assert record["parameters"] == {"rows": 3, "first": ["int", "str"]}


def test_watching_twice_and_everywhere_makes_one_record(records, engine, watch):
    queries = watch()
    queries.watch(engine)
    watch(Engine)
    with engine.connect() as connection:
        connection.execute(text("select sleep(1)"))
    assert len(records.of("slow_query")) == 1


def test_all_engines_are_watched_those_that_exist_too(records, watch, engine):
    watch(Engine)
    later = slow(create_engine("sqlite://"))
    for each in (engine, later):
        with each.connect() as connection:
            connection.execute(text("select sleep(1)"))
    later.dispose()
    assert len(records.of("slow_query")) == 2


class AsynchronousSqlite(SQLiteDialect_pysqlite):
    """What an AsyncEngine asks of its dialect; no driver of that kind is among what the tests need."""

    is_async = True
    supports_statement_cache = True

    def do_execute(self, *args):
        await_only(asyncio.sleep(0.02))
        super().do_execute(*args)


def test_an_asynchronous_engine_is_watched(records, watch, monkeypatch):
    monkeypatch.setitem(registry.impls, "sqlite.asynchronous", lambda: AsynchronousSqlite)
    synchronous = create_engine("sqlite+asynchronous://", poolclass=AsyncAdaptedQueuePool)
    engine = AsyncEngine(synchronous)
    watch(engine)

    async def query():
        async with engine.connect() as connection:
            await connection.execute(text("create table t (id int)"))
        await engine.dispose()

    asyncio.run(query())
    assert [record["statement"] for record in records.of("slow_query")] == ["create table t (id int)"]


@pytest.mark.parametrize(
    ("parameters", "types"),
    [
        ((), []),
        ((1, "a", None), ["int", "str", "NoneType"]),
        ({"id": 1, "name": "a"}, {"id": "int", "name": "str"}),
        ([{"id": 1}, {"id": 2}], {"rows": 2, "first": {"id": "int"}}),
        ([(1, "a")], {"rows": 1, "first": ["int", "str"]}),
        (None, "NoneType"),
        ("text", "str"),
        (tuple(range(60)), ["int"] * 50),
    ],
)
def test_of_parameters_only_the_types_are_told(parameters, types):
    assert types_of(parameters) == types
