"""A connection to one Redis server that knows the few commands that ship records, and nothing else.

redis-py is the client everywhere else. It takes some 80 ms to import and 14 MiB to hold, with asyncio, TLS and every
command there is, and an application that only logs should pay for none of it.
"""

import socket
from typing import Any

import hiredis

from logging_core.streams.connection import Address

_CHUNK = 65_536  #: bytes

Argument = str | bytes | int


class ResponseError(Exception):
    """The server's answer is an error. (Named as redis-py names it: see `connection.is_answer`.)"""


class NoScriptError(ResponseError):
    """The server does not know this script yet."""


class Wire:
    """Connects with its first command, and anew after whatever went wrong. Not to be shared by threads.

    Every method raises `OSError` where the server does not answer, and `ResponseError` where it answers with an error.
    """

    def __init__(self, address: Address, *, connect_timeout: float, timeout: float) -> None:
        """A TCP or Unix socket; the timeouts, in seconds, are of each step on the way."""
        self._address = address
        self._connect_timeout, self._timeout = connect_timeout, timeout
        self._socket: socket.socket | None = None
        self._reader = hiredis.Reader(replyError=_error)

    def evalsha(self, digest: str, number_of_keys: int, *keys_and_arguments: Argument) -> Any:
        """Run a script that the server knows."""
        return self._call("EVALSHA", digest, number_of_keys, *keys_and_arguments)

    def eval(self, text: str, number_of_keys: int, *keys_and_arguments: Argument) -> Any:
        """Run a script, and make it known."""
        return self._call("EVAL", text, number_of_keys, *keys_and_arguments)

    def hgetall(self, key: str) -> dict[bytes, bytes]:
        """All fields of a hash."""
        found = iter(self._call("HGETALL", key))
        return dict(zip(found, found, strict=True))

    def hkeys(self, key: str) -> list[bytes]:
        """Their names."""
        found: list[bytes] = self._call("HKEYS", key)
        return found

    def info(self, section: str) -> dict[str, str]:
        """What the server says of itself."""
        lines = self._call("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def close(self) -> None:
        """Let go of the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._reader = hiredis.Reader(replyError=_error)  # half of an answer may be in the old one

    def __del__(self) -> None:
        if self._socket is not None:  # in a forked child, for one, whose parent goes on with it
            self._socket.close()

    def _call(self, *command: Argument) -> Any:
        try:
            if self._socket is None:
                self._connect()
                self._introduce()
            reply = self._ask(*command)
        except BaseException:  # raised again: the answer to this would be taken for that to the next command
            self.close()
            raise
        if isinstance(reply, ResponseError):
            raise reply
        return reply

    def _connect(self) -> None:
        """To the first of its places that answers.

        The socket is ours before it is connected: in a forked child, where a greenlet that was on the way here goes on,
        `close` must find it.
        """
        failed: OSError = ConnectionError("nowhere to connect to")
        for family, place in self._places():
            self._socket = connection = socket.socket(family)
            try:
                connection.settimeout(self._connect_timeout)
                connection.connect(place)
                if family != socket.AF_UNIX:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                connection.settimeout(self._timeout)
                return
            except OSError as error:
                if self._socket is not connection:
                    raise
                connection.close()
                failed = error
        raise failed

    def _places(self) -> list[tuple[int, Any]]:
        """A family of sockets and an address of it, in the order in which they are to be tried."""
        if self._address.path:
            return [(socket.AF_UNIX, self._address.path)]
        host, port = self._address.hosts[0]
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [(family, place) for family, _, _, _, place in found]

    def _introduce(self) -> None:
        address = self._address
        if address.password is not None:
            self._demand("AUTH", *([address.username] if address.username else []), address.password)
        if address.database != "0":
            self._demand("SELECT", address.database)

    def _demand(self, *command: Argument) -> None:
        reply = self._ask(*command)
        if isinstance(reply, ResponseError):
            raise reply

    def _ask(self, *command: Argument) -> Any:
        connection = self._socket
        if connection is None:
            raise ConnectionError("closed")
        connection.sendall(hiredis.pack_command(command))  # type: ignore[arg-type]  # typed as a tuple of one
        while (reply := self._reader.gets()) is False:
            received = connection.recv(_CHUNK)
            if not received:
                raise ConnectionError("the server has closed the connection")
            self._reader.feed(received)
        return reply


def _error(text: str) -> ResponseError:
    return (NoScriptError if text.startswith("NOSCRIPT") else ResponseError)(text)
