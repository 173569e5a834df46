"""One URL of a receiver that requests are posted to, and what its answers mean for the records that were in them."""

import gzip
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit, urlunsplit

import requests
from urllib3.exceptions import HTTPError

from logging_core.export.errors import RefusedError, UnavailableError

CONNECT, BETWEEN_BYTES = 3.05, 10.0  #: seconds to connect, and between two bytes of the answer
WHOLE_ANSWER = 30.0  #: seconds
MAX_ANSWER = 4 * 1024 * 1024  #: bytes that are read of an answer
MAX_REASON = 200  #: characters of an answer that go into an error
MAX_WAIT = 3600.0  #: seconds; whoever asks to be left alone for longer is asked again after this
_ALWAYS = {"User-Agent": "tocsin", "Content-Encoding": "gzip", "Accept-Encoding": "identity"}
_PACKED = 5  # gzip's level: a third of the default's time, for a few per cent more bytes


def usually_passes(status: int) -> bool:
    """Whether a request that was answered so may go well another time: timeouts, too many requests, its own faults."""
    return status in (408, 425, 429) or status >= requests.codes.server_error


class Endpoint:
    """Where a kind of receiver takes requests. Credentials are in no text of it, nor of what it raises.

    Args:
        name: what the receiver is, for people.
        url: http or https; a name and a password in it become basic authorisation.
        path: what follows in every such receiver's URL; added where the URL does not end with it.
        query: added to the URL's.
        headers: sent with each request.
        secret_headers: further ones; what they say is in no text.
        secrets: what else is in no text.
        username, password: basic authorisation.
        ca_file: the certificates to trust, in PEM, instead of the system's.
        may_pass: whether a request that was answered with this status is tried again.
        default_wait: seconds to leave a receiver alone that has too many requests and names no time.

    Raises:
        ValueError: one of them cannot be; the text begins with its name.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        path: str = "",
        query: str = "",
        headers: Mapping[str, str],
        secret_headers: Mapping[str, str] | None = None,
        secrets: Iterable[str] = (),
        username: str | None = None,
        password: str | None = None,
        ca_file: str | None = None,
        may_pass: Callable[[int], bool] = usually_passes,
        default_wait: float = 0.0,
    ) -> None:
        self._url, host, found = _without_credentials(url, path, query)
        self.where = f"{name} at {host}"
        self._may_pass, self._default_wait = may_pass, default_wait
        if username is not None:
            found = (username, password or "")
        secret = dict(secret_headers or {})
        self._secrets = [*secrets, *(word for value in secret.values() for word in value.split())]
        if found:
            basic = b64encode(":".join(found).encode()).decode()
            secret["Authorization"] = f"Basic {basic}"
            self._secrets += [basic, *found]
        self._headers = _checked({**_ALWAYS, **headers, **secret})
        if ca_file is not None:
            _check_certificates(ca_file)
        self._verify = ca_file or True
        self._begin()

    def __repr__(self) -> str:
        return f"<{self.where}>"

    def _begin(self) -> None:
        self._session: requests.Session | None = None
        self._not_before = 0.0  # monotonic seconds

    def post(self, body: bytes) -> bytes:
        """Send a body, packed; what the receiver answered.

        Raises:
            UnavailableError: it cannot be reached, has to be left alone for a while, or was asked to no avail.
            RefusedError: it will not take it.
        """
        if time.monotonic() < self._not_before:
            raise UnavailableError(f"{self.where}: has asked to be left alone for a while")
        try:
            with self._connected().post(
                self._url,
                data=gzip.compress(body, _PACKED, mtime=0),
                timeout=(CONNECT, BETWEEN_BYTES),
                verify=self._verify,
                allow_redirects=False,  # credentials go where they were meant to go, and nowhere else
                stream=True,
            ) as answer:
                said = _read(answer)
        except (OSError, HTTPError) as error:  # requests' own are OSErrors; the text holds the URL
            raise UnavailableError(f"{self.where}: {type(error).__name__}") from None
        status = answer.status_code
        if requests.codes.ok <= status < requests.codes.multiple_choices:
            return said
        text = f"{self.where}: {status} {self._reason(said)}".rstrip()
        if not self._may_pass(status):
            raise RefusedError(text, status)
        wait = _retry_after(answer.headers.get("Retry-After", ""))
        if wait is None:
            wait = self._default_wait if status == requests.codes.too_many_requests else 0.0
        self._not_before = time.monotonic() + min(wait, MAX_WAIT)
        raise UnavailableError(text)

    def close(self) -> None:
        """Let go of the connection."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def renew(self) -> None:
        """In a forked child: the connection is the parent's."""
        if self._session is not None:
            _OF_PARENTS.append(self._session)
        self._begin()

    def _connected(self) -> requests.Session:
        if self._session is None:
            session = requests.Session()
            session.headers.update(self._headers)
            session.auth = _as_they_are  # or else a netrc file's credentials would replace ours
            self._session = session
        return self._session

    def _reason(self, answer: bytes) -> str:
        """What was answered, in one short line, with none of our secrets that it may repeat."""
        text = answer.decode("utf-8", "replace")
        for secret in sorted(filter(None, self._secrets), key=len, reverse=True):
            text = text.replace(secret, "<secret>")
        return " ".join(text.split())[:MAX_REASON]


#: Sessions of the processes that this one was forked from: kept, for to finalize them takes locks that a thread of the
#: parent's may have held.
_OF_PARENTS: list[requests.Session] = []


def _as_they_are(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _without_credentials(url: str, path: str, query: str) -> tuple[str, str, tuple[str, str] | None]:
    """The URL to ask, `host:port` for people, and the name and password that the URL held."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or not url.isprintable() or " " in url:
        raise ValueError("url: must be an http or https URL") from None
    shown = f"[{host}]" if ":" in host else host
    if port is not None:
        shown = f"{shown}:{port}"
    credentials = None
    if parts.username is not None:
        credentials = (unquote(parts.username), unquote(parts.password or ""))
    whole = parts.path.rstrip("/").removesuffix(path.rstrip("/")) + path if path else parts.path
    asked = "&".join(filter(None, (parts.query, query)))
    return urlunsplit((parts.scheme, shown, whole, asked, "")), shown, credentials


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not name.isascii() or not name.isprintable() or not name or set(name) & set(": "):
            raise ValueError(f"headers: {name!r} is no name of a header")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"headers.{name}: must be one line of ASCII")
    return dict(headers)


def _check_certificates(ca_file: str) -> None:
    try:
        ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"ca_file: cannot read certificates from {ca_file}: {error.strerror or error}") from None


def _read(answer: requests.Response) -> bytes:
    """The body, of which at most so many bytes count, and in at most so many seconds."""
    said = bytearray()
    deadline = time.monotonic() + WHOLE_ANSWER
    while len(said) < MAX_ANSWER and (piece := answer.raw.read1(64 * 1024)):
        said += piece
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(said)


def _retry_after(header: str) -> float | None:
    """Seconds to wait: the header in seconds, or as a date."""
    ways: tuple[Callable[[], float], ...] = (
        lambda: float(int(header)),
        lambda: parsedate_to_datetime(header).timestamp() - time.time(),
    )
    for read in ways:
        try:
            return max(read(), 0.0)
        except (ValueError, TypeError, OverflowError):
            pass
    return None
