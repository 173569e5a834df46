"""`@realtime_log`: one entry for each call of a function, when it ends: how long it took and what became of it."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from time import perf_counter
from types import CodeType, TracebackType
from typing import Any, TypeVar, cast

from logging_core.realtime.integration import get_log_integrator

F = TypeVar("F", bound=Callable[..., Any])


def realtime_log(
    operation: str,
    *,
    log_args: bool = False,
    log_result: bool = False,
    **fields: Any,
) -> Callable[[F], F]:
    """Log each call, with these fields.

    The entry has `operation`, `duration_ms`, and `result`: "success"; "error" with the exception, which goes on; or
    "cancelled", where a task was cancelled, a generator closed before its end, or the program is ending. Functions,
    coroutine functions, generators and asynchronous generators; of the last two from the first item to the end.

    Args:
        operation: what the function does, in a word or two: the entry's message where `fields` has none.
        log_args: log the arguments too, by name, as `arguments`.
        log_result: log what the function returns too, as `returned`; of generators there is nothing.
        fields: of each entry.
    """

    def decorate(function: F) -> F:
        wrapper = _wrapper(function, _Calls(function, operation, fields, log_args, log_result))
        return cast("F", functools.update_wrapper(wrapper, function))

    return decorate


class _Calls:
    """What the entries of one function have in common."""

    def __init__(
        self,
        function: Callable[..., Any],
        operation: str,
        fields: dict[str, Any],
        log_args: bool,  # noqa: FBT001
        log_result: bool,  # noqa: FBT001
    ) -> None:
        self.fields = {**fields, "operation": operation}
        self.log_result = log_result
        self._signature = inspect.signature(function) if log_args else None
        unwrapped = inspect.unwrap(function)
        self.code: CodeType = getattr(unwrapped, "__code__", _Calls.begin.__code__)  # a callable of C has none

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> "_Call":
        return _Call(self, self._arguments(args, kwargs))

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if self._signature is None:
            return {}
        try:
            bound = self._signature.bind(*args, **kwargs).arguments
        except TypeError:  # the function is about to say so
            return {}
        return {"arguments": {name: value for name, value in bound.items() if name not in ("self", "cls")}}


class _Call:
    """One call, from `with` to its end."""

    def __init__(self, calls: _Calls, arguments: dict[str, Any]) -> None:
        self._calls = calls
        self._arguments = arguments
        self._returned: dict[str, Any] = {}

    def returns(self, value: Any) -> Any:
        if self._calls.log_result:
            self._returned = {"returned": value}
        return value

    def __enter__(self) -> "_Call":
        self._began = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        entry = {**self._calls.fields, **self._arguments, **self._returned, "result": _result(error)}
        entry["duration_ms"] = round((perf_counter() - self._began) * 1000, 3)
        if isinstance(error, Exception):
            entry["error"] = error
        get_log_integrator().take(entry, self._calls.code)


def _result(error: BaseException | None) -> str:
    if error is None:
        return "success"
    return "error" if isinstance(error, Exception) else "cancelled"


def _wrapper(function: Callable[..., Any], calls: _Calls) -> Callable[..., Any]:
    """A function of the same kind."""
    if inspect.iscoroutinefunction(function):

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with calls.begin(args, kwargs) as call:
                return call.returns(await function(*args, **kwargs))

        return coroutine

    if inspect.isasyncgenfunction(function):
        return _asynchronous_generator(function, calls)

    if inspect.isgeneratorfunction(function):

        def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with calls.begin(args, kwargs):
                return (yield from function(*args, **kwargs))

        return generator

    def plain(*args: Any, **kwargs: Any) -> Any:
        with calls.begin(args, kwargs) as call:
            return call.returns(function(*args, **kwargs))

    return plain


def _asynchronous_generator(function: Callable[..., Any], calls: _Calls) -> Callable[..., Any]:
    async def asynchronous_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with calls.begin(args, kwargs):
            async with aclosing(function(*args, **kwargs)) as items:
                step = items.asend(None)
                while True:
                    try:
                        item = await step
                    except StopAsyncIteration:
                        return
                    try:
                        sent = yield item
                    except GeneratorExit:
                        raise  # `aclosing` closes it
                    except BaseException as error:  # noqa: BLE001  # what was thrown in is for the generator
                        step = items.athrow(error)
                    else:
                        step = items.asend(sent)

    return asynchronous_generator
