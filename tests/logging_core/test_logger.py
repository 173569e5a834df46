"""UnifiedLogger says the same by both of its ways, and honours what was set up with the standard library."""

import copy
import gc
import logging
import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest

from logging_core import UnifiedLogger, context, get_logger
from logging_core.line_handler import LineHandler
from logging_core.record import Encoder
from logging_core.testing import Records, capture_records


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    """A logger of this test's own."""
    yield f"tests.{request.node.name}"
    context.current.set(None)


@contextmanager
def capture(name: str) -> Iterator[Records]:
    """Capture where pytest's own handlers do not listen, since they need to see a LogRecord."""
    logging.getLogger(name).propagate = False
    with capture_records(name) as records:
        yield records


class Foreign(logging.Handler):
    """A handler that needs a LogRecord."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(params=["fast", "standard"])
def way(request: pytest.FixtureRequest, name: str) -> Iterator[str]:
    """With our handlers alone, and beside somebody else's."""
    handler = Foreign()
    if request.param == "standard":
        logging.getLogger(name).addHandler(handler)
    yield request.param
    logging.getLogger(name).removeHandler(handler)


def only(records: Records) -> dict[str, Any]:
    (record,) = records
    return record


def test_fields_and_call_site(name: str, way: str) -> None:
    logger = get_logger(name)
    with capture(name) as records:
        logger.info("paid", user_id="u1", amount=1.5)
    record = only(records)
    expected = {"message": "paid", "user_id": "u1", "amount": 1.5, "level": "INFO", "logger": name}
    assert expected.items() <= record.items()
    assert (record["module"], record["function"]) == ("test_logger", "test_fields_and_call_site")
    assert record["line"] == test_fields_and_call_site.__code__.co_firstlineno + 3


@pytest.mark.parametrize("method", ["debug", "info", "warning", "error", "critical"])
def test_levels(name: str, way: str, method: str) -> None:
    with capture(name) as records:
        getattr(get_logger(name), method)("x")
        get_logger(name).log(getattr(logging, method.upper()), "x")
    assert [record["level"] for record in records] == [method.upper()] * 2
    assert {record["function"] for record in records} == {"test_levels"}


def test_exceptions(name: str, way: str) -> None:
    logger = get_logger(name)
    with capture(name) as records:
        try:
            raise KeyError("sku")
        except KeyError as error:
            logger.exception("failed", data_id="1")
            logger.error("failed", exc_info=True)  # noqa: G201
            logger.error("failed", exc_info=error)
            logger.error("failed", error="of mine", exc_info=True)  # noqa: G201
        logger.error("failed", error="a text")
        logger.error("failed", exc_info=False)
        logger.error("failed", exc_info=True)  # noqa: LOG014
    assert [record.get("error", {}).get("type") for record in records] == ["KeyError"] * 4 + [None] * 3
    assert "raise KeyError" in records[0]["error"]["stack"]
    assert records[0]["data_id"] == "1"
    assert records[3]["extra"] == {"error": {"message": "of mine"}}
    assert records[4]["error"] == {"message": "a text"}


def test_any_name_may_be_a_field(name: str, way: str) -> None:
    names = ["name", "args", "msg", "level", "levelname", "message", "lineno", "process", "timestamp", "logger", "self"]
    with capture(name) as records:
        for each in names:
            get_logger(name).info("x", **{each: "mine"})
    for each, record in zip(names, records, strict=True):
        assert record["message"] == "x"
        assert record["logger"] == name
        assert (record if each == "self" else record["extra"])[each] == "mine"


def test_arguments_and_extra_as_in_the_standard_library(name: str, way: str) -> None:
    logger = get_logger(name)
    with capture(name) as records:
        logger.info("%s and %d", "a", 2)
        logger.info("%(a)s", {"a": 1})
        logger.info("100 %")
        logger.info("%d", "not a number")
        logger.info("x", extra={"user": "u"}, order=1)
        logger.info(ValueError("an object"))
    assert [record["message"] for record in records] == [
        "a and 2",
        "1",
        "100 %",
        "%d ('not a number',)",
        "x",
        "an object",
    ]
    assert (records[4]["user"], records[4]["order"]) == ("u", 1)
    assert records[3]["altered"] == {"message": "TypeError"}


def test_values_that_will_not_serialise_arrive_marked(name: str, way: str) -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError

    with capture(name) as records:
        get_logger(name).info("x", bad=Hostile(), nan=float("nan"), data=b"\xff")
    record = only(records)
    assert record["altered"] == {"bad": "RuntimeError", "nan": "nan", "data": "bytes"}
    assert record["nan"] == "nan"


def test_an_argument_that_cannot_be_looked_at_costs_no_record(name: str) -> None:
    class Hostile:
        @property
        def __class__(self) -> type:  # type: ignore[override]
            raise UnicodeError

    with capture(name) as records:
        get_logger(name).info("%s", Hostile())
    assert only(records)["level"] == "INFO"


def test_stacklevel_and_stack_info(name: str, way: str) -> None:
    def wrapper() -> None:
        get_logger(name).info("x", stacklevel=2, stack_info=True)

    with capture(name) as records:
        wrapper()
    record = only(records)
    assert record["function"] == "test_stacklevel_and_stack_info"
    assert "wrapper" not in record["stack_info"].splitlines()[-2]


def test_bound_fields(name: str, way: str) -> None:
    logger = get_logger(name).bind(service_id=7, user="a")
    with capture(name) as records:
        logger.bind(order=1).info("x", user="b")
        logger.info("y")
    assert [(record["service_id"], record["user"], record.get("order")) for record in records] == [
        (7, "b", 1),
        (7, "a", None),
    ]


def test_the_trace_context(name: str, way: str) -> None:
    logger = get_logger(name)
    with capture(name) as records:
        logger.set_trace_context(trace_id="abc", user="u")
        assert logger.get_trace_context() == {"trace_id": "abc", "user": "u"}
        logger.info("inside")
        logging.getLogger(f"{name}.third_party").info("inside too")
        logger.info("mine wins", user="v")
        logger.clear_trace_context()
        logger.info("outside")
    assert [(record.get("trace_id"), record.get("user")) for record in records] == [
        ("abc", "u"),
        ("abc", "u"),
        ("abc", "v"),
        (None, None),
    ]


def test_a_trace_context_without_an_id_has_a_new_one(name: str) -> None:
    logger = get_logger(name)
    logger.set_trace_context(trace_id="stale")
    logger.set_trace_context(trace_id=None)
    assert len(logger.get_trace_context()["trace_id"]) == 32


def test_a_context_that_will_not_serialise_arrives_marked(name: str, way: str) -> None:
    with capture(name) as records, context.LoggingContext(trace_id="t", bad={1, float("inf")}, level="mine"):
        get_logger(name).info("x", user="u")
    record = only(records)
    assert record["trace_id"] == "t"
    assert record["level"] == "INFO"
    assert record["extra"] == {"level": "mine"}
    assert "altered" in record


def test_a_span_wins_over_the_context(name: str, way: str) -> None:
    context.use_spans(lambda: {"trace_id": "span", "span_id": "s"})
    try:
        with capture(name) as records, context.LoggingContext(trace_id="mine", user="u"):
            get_logger(name).info("x")
    finally:
        context.use_spans(None)
    assert {"trace_id": "span", "span_id": "s", "user": "u"}.items() <= only(records).items()


def test_channels(name: str, way: str) -> None:
    with capture(name) as records:
        get_logger(f"{name}.audit").info("x")
        get_logger(f"{name}.audit").info("x", channel="mine")
        logging.getLogger(f"{name}.access").info("x", extra={"channel": "access"})
        get_logger(name).info("x", channel="ai_responses")
        get_logger(f"{name}.auditing").info("x")
    assert [record.get("channel") for record in records] == ["audit", "mine", "access", "ai_responses", None]


def test_a_channel_of_the_context_wins_over_the_loggers_and_is_written_once(name: str, way: str) -> None:
    def once(line: bytes) -> Any:
        return orjson.loads(line) if line.count(b'"channel":') == 1 else pytest.fail(line.decode())

    handler = Lines()
    logger = logging.getLogger(f"{name}.audit")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = way == "standard"
    with context.LoggingContext(channel="mine"):
        get_logger(f"{name}.audit").info("x")
        get_logger(f"{name}.audit").info("x", channel="own")
    with context.LoggingContext(kind="channel"):
        get_logger(f"{name}.audit").info("x")
    logger.removeHandler(handler)
    assert [once(line)["channel"] for line in handler.lines] == ["mine", "own", "audit"]


def test_equal_functions_of_two_modules_are_told_apart(name: str) -> None:
    source = "\n\ndef log(logger):\n    logger.info('x')\n"
    with capture(name) as records:
        for module in ("billing", "refunds"):
            scope: dict[str, Any] = {}
            exec(compile(source, f"/app/{module}.py", "exec"), scope)
            scope["log"](get_logger(name))
    assert [record["module"] for record in records] == ["billing", "refunds"]


def test_functions_that_come_and_go_are_told_apart(name: str) -> None:
    gc.freeze()  # so that fifty collections look at no more than what came since
    with capture(name) as records:
        for number in range(50):
            scope: dict[str, Any] = {}
            exec(compile("def log(logger):\n    logger.info('x')\n", f"/app/m{number}.py", "exec"), scope)
            scope["log"](get_logger(name))
            del scope
            gc.collect()
    gc.unfreeze()
    assert [record["module"] for record in records] == [f"m{number}" for number in range(50)]


def test_filters_of_loggers_and_handlers_are_honoured(name: str) -> None:
    logger = get_logger(name)
    with capture(name) as records:
        logger.logger.addFilter(lambda record: "secret" not in record.getMessage())
        logger.info("a secret")
        logger.info("kept", user="u")
        logger.logger.filters.clear()
        handler = logger.logger.handlers[0]
        handler.addFilter(lambda record: getattr(record, "user", "") == "u")
        logger.info("by whom?")
        logger.info("kept too", user="u")
    assert records.messages == ["kept", "kept too"]


def test_levels_propagation_and_disabling_are_honoured(name: str) -> None:
    child = get_logger(f"{name}.child")
    with capture(name) as records:
        child.logger.setLevel(logging.WARNING)
        child.info("below its level")
        child.logger.setLevel(logging.NOTSET)
        child.logger.propagate = False
        child.logger.addHandler(logging.NullHandler())
        child.error("kept to itself")
        child.logger.propagate = True
        child.logger.disabled = True
        child.error("switched off")
        child.logger.disabled = False
        logging.disable(logging.ERROR)
        child.error("all are")
        logging.disable(logging.NOTSET)
        child.info("heard")
    assert records.messages == ["heard"]


def test_a_handlers_level_is_honoured(name: str) -> None:
    with capture(name) as records:
        logging.getLogger(name).handlers[0].setLevel(logging.ERROR)
        get_logger(name).warning("below")
        get_logger(name).error("kept")
    assert records.messages == ["kept"]


def test_handlers_of_others_see_the_fields(name: str) -> None:
    foreign = Foreign()
    logging.getLogger(name).addHandler(foreign)
    with capture(name):
        get_logger(name).info("paid %s", "cash", user_id="u1", name="bob")
    (record,) = foreign.records
    assert record.getMessage() == "paid cash"
    assert (record.user_id, record.extra, record.name) == ("u1", {"name": "bob"}, name)  # type: ignore[attr-defined]


def test_record_factories_and_logger_classes_are_honoured(name: str) -> None:
    class Mine(logging.Logger):
        def handle(self, record: logging.LogRecord) -> None:
            record.msg = "changed"
            super().handle(record)

    factory = logging.getLogRecordFactory()

    def made(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = factory(*args, **kwargs)
        record.made = True
        return record

    with capture(name) as records:
        mine = Mine(f"{name}.mine")
        mine.parent = logging.getLogger(name)
        UnifiedLogger(mine).info("x")
        logging.setLogRecordFactory(made)
        try:
            get_logger(name).info("y")
        finally:
            logging.setLogRecordFactory(factory)
    assert [(record["message"], record.get("made")) for record in records] == [("changed", None), ("y", True)]


def test_the_thread_is_the_one_that_logs(name: str) -> None:
    with capture(name) as records:
        thread = threading.Thread(target=lambda: get_logger(name).info("x"), name="worker-7")
        thread.start()
        thread.join()
        get_logger(name).info("y")
    assert [record["thread"] for record in records] == ["worker-7", "MainThread"]


def test_one_line_of_source_may_hold_several_calls_of_several_lines(name: str) -> None:
    logger = get_logger(name)
    with capture(name) as records:
        for number in range(3):
            logger.info(
                "x",
                number=number,
            )
    lines = {record["line"] for record in records}
    assert lines == {test_one_line_of_source_may_hold_several_calls_of_several_lines.__code__.co_firstlineno + 4}


def test_what_else_a_logger_has_is_the_standard_librarys(name: str) -> None:
    logger = get_logger(name)
    handler = Foreign()
    logger.addHandler(handler)
    assert logger.handlers == [handler]
    assert logger.hasHandlers()
    logger.removeHandler(handler)
    logger.setLevel(logging.ERROR)
    assert (logger.level, logger.getEffectiveLevel()) == (logging.ERROR, logging.ERROR)
    logger.propagate, logger.disabled = False, True
    assert (logger.logger.propagate, logger.logger.disabled) == (False, True)
    logger.disabled = False
    assert logger.parent is logger.logger.parent
    with pytest.raises(AttributeError, match="no_such_thing"):
        logger.no_such_thing  # noqa: B018
    assert copy.copy(logger).logger is logger.logger
    assert pickle.loads(pickle.dumps(logger.bind(user="u"))).logger is logger.logger


def test_children_and_the_old_names_take_fields_too(name: str, way: str) -> None:
    with capture(name) as records:
        child = get_logger(name).bind(user="u").getChild("child")
        child.info("x", order=1)
        child.warn("y", order=2)
        child.fatal("z", order=3)
    assert [record["order"] for record in records] == [1, 2, 3]
    assert {(record["user"], record["logger"], record["module"]) for record in records} == {
        ("u", f"{name}.child", "test_logger")
    }


def test_fields_of_any_name_are_bound_and_set(name: str) -> None:
    with capture(name) as records, context.LoggingContext(self="context"):
        get_logger(name).info("x")
        get_logger(name).set_trace_context(self="set")
        get_logger(name).info("y")
        get_logger(name).bind(self=1).info("z")
    assert [record["self"] for record in records] == ["context", "set", 1]


class Lines(LineHandler):
    """Keeps the lines as they are."""

    def __init__(self) -> None:
        super().__init__(Encoder("test"))
        self.lines: list[bytes] = []

    def put(self, line: bytes, level: int) -> None:
        self.lines.append(line)


class Recursive(Lines):
    """Logs from within."""

    def __init__(self, logger: UnifiedLogger) -> None:
        super().__init__()
        self._logger = logger

    def put(self, line: bytes, level: int) -> None:
        super().put(line, level)
        if len(self.lines) < 3:
            self._logger.info("again")


def test_logging_from_inside_a_value_and_a_handler(name: str) -> None:
    logger = get_logger(name)

    class Talkative:
        def __str__(self) -> str:
            logger.info("I am asked for my text")
            return "talkative"

    with capture(name) as records:
        logger.info("x", value=Talkative())
        logger.info("%s", Talkative())
    assert {"x", "talkative", "I am asked for my text"} == set(records.messages)
    handler = Recursive(logger)
    logger.logger.addHandler(handler)
    logger.logger.setLevel(logging.INFO)
    logger.info("first")
    logger.logger.removeHandler(handler)
    assert len(handler.lines) == 3
