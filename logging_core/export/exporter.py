"""What all sinks that send records over HTTP have in common: requests of a bounded size, and a count of losses."""

from collections.abc import Sequence
from http import HTTPStatus
from secrets import token_hex
from typing import TYPE_CHECKING

from logging_core.background import Line
from logging_core.complaints import complain
from logging_core.export.errors import RefusedError
from logging_core.forks import renew_in_child

if TYPE_CHECKING:
    from logging_core.export.endpoint import Endpoint

REQUEST_BYTES = 768 * 1024  #: of lines in one request: proxies take no more than 1 MiB by default


class Exporter:
    """A sink whose lines go to an endpoint. It remembers how far it came with the lines that it is given again.

    Subclasses say how lines are sent: `send`.
    """

    max_lines: int | None = None  #: in one request

    def __init__(self, endpoint: "Endpoint") -> None:
        self.endpoint = endpoint
        self._begin()
        renew_in_child(self._renew)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.endpoint.where}>"

    def _begin(self) -> None:
        """The state of a process that has sent nothing yet."""
        self.refused = 0  #: lines that were taken here, and refused there
        self._request_bytes = REQUEST_BYTES
        self._head: bytes | None = None  # the first of the lines that are on their way
        self._sent = 0  # of those
        self._seen = 0  # so many they were at most
        self._before = 0  # lines that came before them
        self._process = token_hex(8)

    def _renew(self) -> None:
        self._begin()
        self.endpoint.renew()

    def write(self, lines: Sequence[Line]) -> None:
        """Send the lines; see `Sink.write`. What the receiver refuses for good is dropped, and counted.

        Raises:
            UnavailableError: (an OSError) some lines are not sent; called with the same lines, it goes on with those.
        """
        if not lines:
            return
        if lines[0].body is not self._head:
            self._head, self._before = lines[0].body, self._before + self._seen
            self._sent = self._seen = 0
        self._seen = max(self._seen, len(lines))
        while self._sent < len(lines):
            part = self._part(lines)
            try:
                self.send(part)
            except RefusedError as error:
                if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and len(part) > 1:
                    self._request_bytes = sum(len(line.body) for line in part) // 2
                    continue
                self.drop(len(part), str(error))
            self._sent += len(part)
        self._head = None

    def send(self, lines: Sequence[Line]) -> None:
        """Send these lines in one request.

        Raises:
            UnavailableError, RefusedError: as `Endpoint.post`.
        """
        raise NotImplementedError

    def identity(self, index: int) -> str:
        """What the line at this index of those in `send` is known by: 32 hex digits, the same when it is sent again."""
        return f"{self._process}{self._before + self._sent + index:016x}"

    def close(self) -> None:
        """Let go of the connection."""
        self.endpoint.close()

    def drop(self, count: int, why: str) -> None:
        """Count lines that the receiver will never take, and say so once."""
        if count and not self.refused:
            complain(f"log records are refused, and dropped: {why}")
        self.refused += count

    def _part(self, lines: Sequence[Line]) -> Sequence[Line]:
        """As many of the next lines as one request holds; one at least."""
        end, room = self._sent + 1, self._request_bytes - len(lines[self._sent].body)
        last = len(lines) if self.max_lines is None else min(len(lines), self._sent + self.max_lines)
        while end < last and (room := room - len(lines[end].body)) >= 0:
            end += 1
        return lines[self._sent : end]
