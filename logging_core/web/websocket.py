"""A websocket from its handshake to its end: how it went, for the one record that it leaves."""

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

Message = dict[str, Any]
_NORMAL, _ABNORMAL = 1000, 1006  #: RFC 6455, 7.4.1


class Conversation:
    """Listens and speaks as the server does, and counts.

    Args:
        receive: the server's.
        send: the server's.
        request_id: goes to the client with the answer to its handshake, unless the application sends one.
    """

    def __init__(
        self,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
        request_id: str,
    ) -> None:
        self._receive = receive
        self._send = send
        self._header = (b"x-request-id", request_id.encode())
        self._started = perf_counter()
        self._accepted = False
        self._close_code: int | None = None
        self._heard = self._said = 0

    async def listen(self) -> Message:
        """The next message of the client."""
        message = await self._receive()
        if message["type"] == "websocket.receive":
            self._heard += 1
        elif message["type"] == "websocket.disconnect" and self._close_code is None:
            self._close_code = message.get("code") or _NORMAL
        return message

    async def speak(self, message: Message) -> None:
        """Send a message to the client."""
        kind = message["type"]
        if kind in ("websocket.accept", "websocket.http.response.start"):
            self._accepted = kind == "websocket.accept"
            headers = list(message.get("headers", ()))
            if all(name.lower() != self._header[0] for name, _ in headers):
                message = {**message, "headers": [*headers, self._header]}
        elif kind == "websocket.send":
            self._said += 1
        elif kind == "websocket.close" and self._close_code is None:
            self._close_code = message.get("code", _NORMAL)
        await self._send(message)

    def summary(self) -> dict[str, Any]:
        """Fields of its record; the close code is 1006 where nobody closed it."""
        return {
            "accepted": self._accepted,
            "close_code": self._close_code or _ABNORMAL,
            "duration_ms": round((perf_counter() - self._started) * 1000, 3),
            "messages_in": self._heard,
            "messages_out": self._said,
        }
