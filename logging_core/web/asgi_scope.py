"""What an ASGI scope tells of a request: its ids, its client, its user."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from logging_core import context
from logging_core.web.access import client_address
from logging_core.web.request_ids import fields_of

Scope = MutableMapping[str, Any]
_WANTED = frozenset({b"x-request-id", b"traceparent", b"x-trace-id", b"x-forwarded-for", b"user-agent"})


class Caller:
    """Who asks for what, read once, when the request comes in."""

    __slots__ = ("fields", "ip", "scope", "user_agent")

    def __init__(self, scope: Scope, trusted_proxies: int) -> None:
        headers: dict[bytes, str] = {}
        for name, value in scope["headers"]:
            if name in _WANTED:  # several lines of one name are one list: RFC 9110, 5.3
                text = value.decode("latin-1")
                headers[name] = f"{headers[name]},{text}" if name in headers else text
        #: the context's: request_id, trace_id, span_id if any
        self.fields = fields_of(headers.get(b"x-request-id"), headers.get(b"traceparent"), headers.get(b"x-trace-id"))
        peer = scope.get("client")
        self.ip = client_address(peer[0] if peer else None, headers.get(b"x-forwarded-for"), trusted_proxies)
        self.user_agent = headers.get(b"user-agent", "")
        self.scope = scope

    @property
    def request_id(self) -> str:
        """As it goes back to the client."""
        return self.fields["request_id"]

    @property
    def user_id(self) -> Any:
        """Whoever the application takes the client for.

        That is `request.state.current_user_id`, else the context's field `user_id`, else the user that Starlette's
        AuthenticationMiddleware found.
        """
        state = self.scope.get("state")
        if isinstance(state, Mapping) and state.get("current_user_id") is not None:
            return state["current_user_id"]
        field = context.fields().get("user_id")
        return field if field is not None else _identity(self.scope.get("user"))


def _identity(user: Any) -> Any:
    if not getattr(user, "is_authenticated", False):
        return None
    try:
        return user.identity
    except (AttributeError, NotImplementedError):  # Starlette's SimpleUser has none
        return getattr(user, "username", None)
