"""Real servers that stand where Slack and a mail server stand: for the demo and the tests."""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Thread
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Post:
    """One message that Slack would have shown."""

    at: float  #: arrival, Unix seconds
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server is told to answer instead of `200 ok`."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


class SlackSink:
    """An HTTP server on a free port of the loopback; `posts` holds what it took, `calls` counts every request."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.calls = 0
        self.answers: list[Answer] = []  #: for the next requests, in their order; then all is well again
        self._server = _server(self._take)

    @property
    def url(self) -> str:
        """A webhook's URL here, with something secret in it, as Slack's have."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/services/T0/B0/sesame"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.02,), name="slack-sink", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, body: bytes) -> Answer:
        at = time.time()
        self.calls += 1
        if self.answers:
            return self.answers.pop(0)
        self.posts.append(Post(at, json.loads(body)))
        return Answer(200, body="ok")


def _server(take: Callable[[bytes], Answer]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer = take(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body.encode())))
            self.end_headers()
            self.wfile.write(answer.body.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            """Says nothing; the default writes every request to stderr."""

    return ThreadingHTTPServer((LOOPBACK, 0), Handler)


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as server:
        port: int = server.getsockname()[1]
        return port


class MailSink:
    """An SMTP server on a free port of the loopback; `mails` holds what it took.

    With `tls` it offers STARTTLS, and after that a login with `password`.
    """

    def __init__(self, tls: SSLContext | None = None, password: str = "") -> None:
        self.mails: list[EmailMessage] = []
        self.mailboxes: list[str] = []  #: those of each mail, as the envelopes say
        self.delay = 0.0  #: seconds before a mail is answered
        self.answers: list[str] = []  #: such as `451 later`, for the next messages; then all is well again
        self._password = password.encode()
        self._controller = Controller(
            self, hostname=LOOPBACK, port=_free_port(), tls_context=tls, authenticator=self._login
        )

    @property
    def smarthost(self) -> str:
        """`HOST:PORT`."""
        return f"{LOOPBACK}:{self._controller.port}"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._controller.stop()

    def _login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        return AuthResult(success=isinstance(data, LoginPassword) and data.password == self._password, handled=False)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Takes a mail; called by aiosmtpd."""
        await asyncio.sleep(self.delay)
        if self.answers:
            return self.answers.pop(0)
        mail = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.mailboxes += envelope.rcpt_tos
        return "250 taken"
