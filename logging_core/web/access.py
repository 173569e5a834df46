"""The access record: one for each request, of the same fields in every framework; HTTP series are derived from it."""

import logging
import re
from typing import Any

from logging_core import context
from logging_core.logger import UnifiedLogger

#: The endpoint of what no route matched: its paths are the client's to invent, so they are no name of a series.
UNMATCHED = "unmatched"
_MAX_PATH, _MAX_USER_AGENT = 2048, 512  #: characters
_is_address = re.compile(r"[0-9A-Fa-f:.]{2,45}").fullmatch


def log_access(
    logger: UnifiedLogger,
    *,
    method: str,
    path: str,
    endpoint: str | None,
    status_code: int,
    duration: float,
    user_id: object = None,
    ip: str | None = None,
    user_agent: str = "",
    request_id: str | None = None,
    **fields: Any,
) -> None:
    """Log one request that has been answered.

    Args:
        logger: `<app>.access`, by convention.
        method: as the client sent it.
        path: without the query, which may hold secrets.
        endpoint: the route's name or template; None if none matched.
        status_code: of the response.
        duration: seconds.
        user_id: whoever the application takes the client for.
        ip: see `client_address`.
        user_agent: as the client sent it.
        request_id: as in `request_ids`.
        fields: whatever else the framework knows.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    path, user_agent = bounded(path, user_agent)
    in_force = context.fields()
    # What the context says in the same words needs no second mention, which would have to be merged with the first.
    if request_id != in_force.get("request_id"):
        fields["request_id"] = request_id
    if user_id is None or user_id != in_force.get("user_id"):
        fields["user_id"] = user_id
    logger.info(
        "API access",
        channel="access",
        event="api_access",
        method=method,
        path=path,
        endpoint=endpoint or UNMATCHED,
        status_code=status_code,
        duration_ms=round(duration * 1000, 3),
        ip=ip,
        user_agent=user_agent,
        request={"method": method, "path": path, "ip": ip, "user_agent": user_agent},
        **fields,
    )


def bounded(path: str, user_agent: str) -> tuple[str, str]:
    """What a client says of itself, no longer than a record should be."""
    return path[:_MAX_PATH], user_agent[:_MAX_USER_AGENT]


def client_address(peer: str | None, forwarded_for: str | None, trusted_proxies: int) -> str | None:
    """The client's address: the peer's, or what the outermost of our own proxies saw.

    Each proxy appends whom it was called by to X-Forwarded-For, so with n proxies of our own the nth entry from the
    right is true, and all to the left of it is whatever the client liked to send.
    """
    if trusted_proxies < 1 or not forwarded_for:
        return peer
    entries = forwarded_for.split(",")
    if len(entries) < trusted_proxies:
        return peer  # the request came around the proxies
    address = entries[-trusted_proxies].strip()
    return address if _is_address(address) else peer
