"""Real HTTP servers that stand where Loki, Elasticsearch, Sentry and an OpenTelemetry collector stand.

Each keeps the requests it took, and reads from them what the real one would store.
"""

import gzip
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from ssl import SSLContext
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Request:
    at: float  #: arrival, monotonic seconds
    path: str
    headers: dict[str, str]
    packed: bytes  #: as it came
    body: bytes  #: unpacked


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Receiver:
    """On a free port of the loopback, or on the one given. `requests` holds all that came."""

    def __init__(self, port: int = 0, tls: SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.taken: list[Request] = []  #: those that were answered as the receiver does when all is well
        self.answers: list[Answer] = []  #: for the next requests, in their order; then all is well again
        self.silent = Event()  #: while set, requests get no answer
        self.delay = 0.0  #: seconds before each answer
        self.drips = Event()  #: while set, answers come a byte at a time
        self._lock = Lock()
        self.connections: set[socket] = set()
        self._server = _Server((LOOPBACK, port), type("Handler", (_Handler,), {"receiver": self}))
        self.scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self.scheme}://{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.silent.clear()
        self.drips.clear()
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self.connections):  # those that are kept alive, too
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)

    def well(self, request: Request) -> Answer:
        """What the receiver answers when all is well."""
        return Answer(204)

    def take(self, request: Request) -> Answer | None:
        """Keep a request; its answer, or None for none at all."""
        with self._lock:
            self.requests.append(request)
        while self.silent.is_set():
            time.sleep(0.01)
            if not self.silent.is_set():
                return None
        with self._lock:
            if self.answers:
                return self.answers.pop(0)
            self.taken.append(request)
            return self.well(request)


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.receiver.connections.add(self.connection)

    def finish(self) -> None:
        self.receiver.connections.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        packed = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = gzip.decompress(packed) if self.headers.get("Content-Encoding") == "gzip" else packed
        answer = self.receiver.take(Request(time.monotonic(), self.path, dict(self.headers), packed, body))
        time.sleep(self.receiver.delay)
        if answer is None:
            self.close_connection = True
        elif self.receiver.drips.is_set():
            self._drip()
        else:
            self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def _drip(self) -> None:
        self.close_connection = True
        self.send_response(200)
        self.end_headers()
        while self.receiver.drips.is_set():
            self.wfile.write(b" ")
            time.sleep(0.02)

    def log_message(self, *args: Any) -> None:
        """Says nothing; the default writes every request to stderr."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, as tests have it, is no error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Loki(Receiver):
    @property
    def streams(self) -> list[tuple[dict[str, str], list[list[Any]]]]:
        return [
            (stream["stream"], stream["values"])
            for request in self.taken
            for stream in json.loads(request.body)["streams"]
        ]

    @property
    def messages(self) -> list[str]:
        """Of all records, each entry of a stream once: Loki takes what is equal in time and text for one."""
        seen: dict[tuple[str, str, str], str] = {}
        for labels, entries in self.streams:
            for at, line, *_ in entries:
                seen[(json.dumps(labels), at, line)] = json.loads(line)["message"]
        return list(seen.values())


class Elasticsearch(Receiver):
    def __init__(self, port: int = 0, tls: SSLContext | None = None) -> None:
        super().__init__(port, tls)
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}  #: by index and id
        self.verdicts: dict[str, list[int]] = {}  #: by message: what becomes of such documents, in turn; then created

    def well(self, request: Request) -> Answer:
        items = []
        lines = request.body.decode().removesuffix("\n").split("\n")
        for action, document in zip(map(json.loads, lines[::2]), map(json.loads, lines[1::2]), strict=True):
            place = (action["create"]["_index"], action["create"]["_id"])
            status = 409 if place in self.documents else self._verdict(document)
            if status == 201:
                self.documents[place] = document
            items.append({"create": {"status": status, **({"error": {"type": "bad_thing"}} if status > 201 else {})}})
        errors = any(item["create"]["status"] > 201 for item in items)
        return Answer(200, json.dumps({"errors": errors, "items": items}).encode())

    def _verdict(self, document: dict[str, Any]) -> int:
        waiting = self.verdicts.get(str(document["message"]))
        return waiting.pop(0) if waiting else 201

    @property
    def messages(self) -> list[str]:
        return [document["message"] for document in self.documents.values()]


class Sentry(Receiver):
    """Takes envelopes; an event that comes again under the same id is one."""

    @property
    def dsn(self) -> str:
        return f"{self.scheme}://sesame@{LOOPBACK}:{self.port}/42"

    @property
    def events(self) -> list[dict[str, Any]]:
        events = {}
        for request in self.taken:
            assert request.path == "/api/42/envelope/"
            assert "sentry_key=sesame" in request.headers["X-Sentry-Auth"]
            for kind, payload in items(request.body):
                if kind == "event":
                    event = json.loads(payload)
                    events[event["event_id"]] = event
        return list(events.values())

    @property
    def messages(self) -> list[str]:
        return [event["logentry"]["formatted"] for event in self.events]

    def well(self, request: Request) -> Answer:
        return Answer(200, b"{}")


def items(envelope: bytes) -> list[tuple[str, bytes]]:
    """The items of an envelope: each one's type and payload."""
    _, _, rest = envelope.partition(b"\n")
    found = []
    while rest.strip():
        header, _, rest = rest.partition(b"\n")
        head = json.loads(header)
        length = head.get("length", len(rest.partition(b"\n")[0]))
        found.append((head["type"], rest[:length]))
        rest = rest[length:].removeprefix(b"\n")
    return found


class Collector(Receiver):
    """OpenTelemetry's, by OTLP over HTTP in protobuf."""

    def well(self, request: Request) -> Answer:
        assert request.path == "/v1/logs"
        assert request.headers["Content-Type"] == "application/x-protobuf"
        return Answer(200)

    @property
    def resource_logs(self) -> list[Any]:
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

        return [
            logs for request in self.taken for logs in ExportLogsServiceRequest.FromString(request.body).resource_logs
        ]

    @property
    def records(self) -> list[Any]:
        return [record for logs in self.resource_logs for scope in logs.scope_logs for record in scope.log_records]

    @property
    def messages(self) -> list[str]:
        return [record.body.string_value for record in self.records]
