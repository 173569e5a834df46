"""One producer's way into the stream: batches go out, marks come back, what was refused is reported."""

import os
import socket
import time
from typing import TYPE_CHECKING, Any

from logging_core.buffers.buffer import Batch, Source
from logging_core.buffers.gap import coded
from logging_core.streams import stream

if TYPE_CHECKING:
    import redis

BATCH_BYTES = 256 * 1024
REPORT_EVERY = 1.0  #: seconds between two questions for the committed mark, and reports of what was refused


class Feed:
    """One producer's way into the stream: what is appended, what is committed, what comes next."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.appended = 0
        self.committed = 0
        self._introduced = False
        self._asked = 0.0
        self._refused = 0
        self._full_until, self._full_for = 0.0, 0.0

    @property
    def waiting(self) -> int:
        """Records that are accepted and not in the stream."""
        return self.source.accepted - self.appended

    @property
    def done(self) -> bool:
        """Whether everything accepted is committed."""
        return self.committed >= self.source.accepted

    def ship(self, client: "redis.Redis", budget: int) -> bool:
        """Send the next batch, if there is one; whether the stream took something from it.

        Raises:
            redis.RedisError: the batch is sent again by the next call.
        """
        if time.monotonic() < self._full_until or (batch := self.source.take(BATCH_BYTES)) is None:
            return False
        try:
            reply = self._send(client, batch, budget)
        except BaseException:  # raised again: the batch must not be skipped, whatever stopped us
            self.source.seek(batch.first)
            raise
        self._note(reply)
        if reply.status == "full":
            self.source.seek(batch.first)
            self._full_for = min(max(self._full_for * 2, 0.05), 1.0)
            self._full_until = time.monotonic() + self._full_for
            return False
        self._full_for = 0.0
        if reply.status == "seek":
            self.source.seek(reply.appended + 1)
        return True

    @property
    def stalled(self) -> bool:
        """Whether the stream was full at the last attempt."""
        return self._full_for > 0

    def _send(self, client: "redis.Redis", batch: Batch, budget: int) -> stream.Appended:
        jump = batch.first > self.appended + 1  # what was asked for is gone from here: take the gap
        return self._append(
            client,
            first=batch.first,
            count=batch.count,
            body=batch.body,
            jump=jump,
            gaps=coded(self.source.gaps(self.appended, batch.first)) if jump else "",
            report=self._report(),
            budget=budget,
        )

    def _append(self, client: "redis.Redis", **batch: Any) -> stream.Appended:
        shard = self.source.shard
        if shard is None:
            shard = stream.choose_shard(client, self.source.producer)
            self.source.assign(shard)
        return stream.append(client, self.source.producer, self.source.service, shard=shard, **batch)

    def ask(self, client: "redis.Redis", *, closed: bool = False) -> None:
        """Ask for the marks, and report."""
        known = self.appended
        self._note(self._append(client, report=self._report(closed=closed)))
        if self.appended < known:  # Redis came back older
            self.source.seek(self.appended + 1)

    def due(self, now: float, every: float = REPORT_EVERY) -> bool:
        """Whether it is time to ask: something is uncommitted, or refusals are unreported."""
        refused = sum(self.source.refused.values())
        if not self.source.accepted and not refused:
            return False  # nothing to tell: no connection for a handler that is never used
        return now - self._asked >= (10 * every if self.done and refused == self._refused else every)

    def _note(self, reply: stream.Appended) -> None:
        self._introduced = reply.appended >= self.appended  # a Redis that came back empty knows nobody
        self._asked = time.monotonic()
        self.appended, self.committed = reply.appended, reply.committed
        self.source.release(reply.appended, reply.committed)

    def _report(self, *, closed: bool = False) -> dict[str, str | int]:
        refused = dict(self.source.refused)
        self._refused = sum(refused.values())
        report: dict[str, str | int] = {f"refused:{reason}": number for reason, number in refused.items()}
        report["accepted"] = self.source.accepted
        if not self._introduced:
            report |= {"host": socket.gethostname(), "pid": os.getpid(), "durable": int(self.source.durable)}
        if closed:
            report["closed"] = 1
        return report
