"""A response's body that is made while it is sent, when the request's own function has long returned."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from logging_core import context


class StreamedBody(Iterator[Any]):
    """The chunks of a body: whatever makes them logs with the request's fields, and `at_end` is called once.

    The fields are put in force around each chunk and taken out after it. They cannot be left in force: the server's
    thread does other things between two chunks, and may never ask for the last.

    Args:
        chunks: the body, made as it is asked for.
        at_end: called with the exception that ended the body, or None, in the request's context.
    """

    def __init__(self, chunks: Iterable[Any], at_end: Callable[[BaseException | None], None]) -> None:
        self._source = chunks
        self._chunks = iter(chunks)
        self._at_end: Callable[[BaseException | None], None] | None = at_end
        self._link = context.current.get()

    def __next__(self) -> Any:
        return self._in_context(self._next)

    def close(self) -> None:
        """The server has sent all, or gives up."""
        self._in_context(self._close)

    def _next(self) -> Any:
        try:
            return next(self._chunks)
        except StopIteration:
            self._end(None)
            raise
        except BaseException as error:
            self._end(error)
            raise

    def _close(self) -> None:
        try:
            if hasattr(self._source, "close"):
                self._source.close()
        finally:
            self._end(None)

    def _end(self, error: BaseException | None) -> None:
        at_end, self._at_end = self._at_end, None
        if at_end is not None:
            at_end(error)

    def _in_context(self, step: Callable[[], Any]) -> Any:
        outside = context.current.get()
        context.current.set(self._link)
        try:
            return step()
        finally:
            self._link = context.current.get()
            context.current.set(outside)


def stream_async(chunks: AsyncIterable[Any], at_end: Callable[[BaseException | None], None]) -> AsyncIterator[Any]:
    """The same of a body that is made asynchronously."""
    return _stream(aiter(chunks), at_end, context.current.get())


async def _stream(
    chunks: AsyncIterator[Any], at_end: Callable[[BaseException | None], None], link: context.Link | None
) -> AsyncIterator[Any]:
    ended: BaseException | None = None
    try:
        while True:
            outside = context.current.get()
            context.current.set(link)
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            finally:
                link = context.current.get()
                context.current.set(outside)
            yield chunk
    except BaseException as error:
        ended = error
        raise
    finally:
        outside = context.current.get()
        context.current.set(link)
        at_end(ended)
        context.current.set(outside)
