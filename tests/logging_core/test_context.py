"""The context's fields: nested, restored, and apart in threads, tasks and generators."""

import asyncio
import contextvars
import threading
from collections.abc import Iterator

import pytest

from logging_core import context
from logging_core.context import LoggingContext


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    context.clear()
    yield
    context.current.set(None)


def test_blocks_nest_and_restore() -> None:
    with LoggingContext(trace_id="a", user="u"):
        with LoggingContext(span_id="s", user="v"):
            assert context.fields() == {"trace_id": "a", "span_id": "s", "user": "v"}
        assert context.fields() == {"trace_id": "a", "user": "u"}
    assert context.fields() == {}


def test_a_block_without_a_trace_begins_one_and_an_inner_one_keeps_it() -> None:
    with LoggingContext():
        outer = context.fields()["trace_id"]
        assert len(outer) == 32
        with LoggingContext(step=1):
            assert context.fields()["trace_id"] == outer
    with LoggingContext():
        assert context.fields()["trace_id"] != outer


def test_what_is_set_in_a_block_ends_with_it() -> None:
    context.set_fields(trace_id="a")
    with LoggingContext(user="u"):
        context.set_fields(trace_id="b", user=None, order=7)
        assert context.fields() == {"trace_id": "b", "order": 7}
        context.clear()
        assert context.fields() == {}
    assert context.fields() == {"trace_id": "a"}


def test_setting_again_and_again_keeps_no_history() -> None:
    for number in range(1000):
        context.set_fields(trace_id=str(number))
    link = context.current.get()
    assert link is not None
    assert link.below is None


def test_an_exception_ends_the_block() -> None:
    with pytest.raises(KeyError), LoggingContext(trace_id="a"):
        raise KeyError
    assert context.fields() == {}


def test_threads_do_not_see_each_other() -> None:
    seen: dict[str, object] = {}
    barrier = threading.Barrier(5)

    def work(name: str) -> None:
        with LoggingContext(trace_id=name):
            barrier.wait(10)
            seen[name] = context.fields()["trace_id"]
            barrier.wait(10)

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(4)]
    with LoggingContext(trace_id="main"):
        for thread in threads:
            thread.start()
        barrier.wait(10)
        assert context.fields()["trace_id"] == "main"
        barrier.wait(10)
        for thread in threads:
            thread.join()
    assert seen == {f"t{number}": f"t{number}" for number in range(4)}


def test_tasks_inherit_and_do_not_see_each_other() -> None:
    async def work(name: str) -> tuple[object, object]:
        inherited = context.fields()["trace_id"]
        async with LoggingContext(trace_id=name):
            await asyncio.sleep(0)
            return inherited, context.fields()["trace_id"]

    async def main() -> list[tuple[object, object]]:
        with LoggingContext(trace_id="main"):
            return await asyncio.gather(*(work(f"t{number}") for number in range(3)))

    assert asyncio.run(main()) == [("main", "t0"), ("main", "t1"), ("main", "t2")]


def test_generators_that_end_in_another_order_leave_nothing_behind() -> None:
    def steps(name: str, value: int) -> Iterator[int]:
        with LoggingContext(trace_id="t", **{name: value}):
            yield 1
            yield 2

    with LoggingContext(trace_id="main"):
        first, second = steps("first", 1), steps("second", 2)
        next(first)
        next(second)
        assert list(first) == [2]
        assert context.fields() == {"trace_id": "t", "second": 2}
        assert list(second) == [2]
        assert context.fields() == {"trace_id": "main"}
    assert context.fields() == {}


def test_a_generator_that_is_closed_elsewhere_harms_nobody() -> None:
    def steps() -> Iterator[int]:
        with LoggingContext(trace_id="generator"):
            yield 1

    generator = steps()
    contextvars.copy_context().run(next, generator)
    with LoggingContext(trace_id="main"):
        del generator
        assert context.fields() == {"trace_id": "main"}


def test_one_instance_may_be_entered_again() -> None:
    block = LoggingContext(trace_id="a")
    with block, block:
        assert context.fields() == {"trace_id": "a"}
    assert context.fields() == {}
