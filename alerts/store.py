"""Alerts and notifications in Redis.

key                               type        meaning                                               expiry
tocsin:alerts:state               hash        fingerprint -> `Alert` as JSON                        none
tocsin:alerts:notification:<id>   string      `Notification` as JSON                                25 h
tocsin:alerts:due                 sorted set  id -> when it is due, or its claim ends (Unix s)      none
tocsin:alerts:handed              sorted set  id -> when a worker was last sent for it (Unix s)     none
tocsin:alerts:said:<digest>       string      an application's alert; not queued again meanwhile    60 s
tocsin:alerts:log                 stream      the notification log: how each notification ended     10,000 entries
"""

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec
import redis

from alerts.evaluation import LOCK
from alerts.model import Alert
from alerts.notification import GIVE_UP_AFTER, Notification

STATE = "tocsin:alerts:state"
DUE = "tocsin:alerts:due"
HANDED = "tocsin:alerts:handed"
LOG = "tocsin:alerts:log"
NOTIFICATION = "tocsin:alerts:notification:"
SAID = "tocsin:alerts:said:"

KEPT = int(GIVE_UP_AFTER) + 3600  #: seconds
CLAIM_LEASE = 60.0  #: seconds that one delivery may take
HAND_OUT_AGAIN = 30.0  #: seconds after which a worker is sent again for what is still due
HAND_OUT_LIMIT = 100
COALESCE = 60  #: seconds
LOG_LENGTH = 10_000

_SCRIPTS = [Path(__file__).with_name(f"{name}.lua").read_text() for name in ("save", "queue_once", "claim", "hand_out")]


class AlertStore:
    """What is known of alerts, and what people are still to be told."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._save, self._queue_once, self._claim, self._hand_out = map(client.register_script, _SCRIPTS)

    def alerts(self) -> dict[str, Alert]:
        """All alerts that are kept, by fingerprint."""
        stored = [msgspec.json.decode(body, type=Alert) for body in self._redis.hvals(STATE)]
        return {alert.fingerprint: alert for alert in stored}

    def save(
        self,
        changed: Collection[Alert],
        ended: Collection[str],
        notifications: Sequence[Notification],
        *,
        nonce: str,
        now: float,
    ) -> bool:
        """Saves a round in one step; False, and nothing saved, where the evaluation lock is no longer `nonce`'s."""
        states = [part for alert in changed for part in (alert.fingerprint, msgspec.json.encode(alert))]
        return bool(
            self._save(
                keys=[LOCK, STATE, DUE, *_keys(notifications)],
                args=[nonce, now, KEPT, len(changed), len(ended), *states, *ended, *_bodies(notifications)],
            )
        )

    def queue_once(self, said: str, notifications: Sequence[Notification], now: float) -> bool:
        """Queues what an application says; False where it said the same within the last minute."""
        mark = SAID + hashlib.sha256(said.encode()).hexdigest()[:20]
        return bool(
            self._queue_once(
                keys=[mark, DUE, *_keys(notifications)], args=[COALESCE, now, KEPT, *_bodies(notifications)]
            )
        )

    def hand_out(self, now: float) -> list[str]:
        """Ids of notifications that are due and for which no worker was sent lately."""
        ids: list[bytes] = self._hand_out(keys=[DUE, HANDED], args=[now, HAND_OUT_AGAIN, HAND_OUT_LIMIT])
        return [each.decode() for each in ids]

    def claim(self, notification_id: str, now: float) -> Notification | None:
        """The notification, ours alone for `CLAIM_LEASE` seconds; None where it is not due, or another has it."""
        keys = [DUE, HANDED, NOTIFICATION + notification_id]
        body = self._claim(keys=keys, args=[notification_id, now, CLAIM_LEASE])
        return None if body is None else msgspec.json.decode(body, type=Notification)

    def postpone(self, notification: Notification, due: float) -> None:
        """Puts a claimed notification back, to be tried again at `due`."""
        with self._redis.pipeline() as pipe:
            pipe.set(NOTIFICATION + notification.id, msgspec.json.encode(notification), xx=True, keepttl=True)
            pipe.zadd(DUE, {notification.id: due}, xx=True)
            pipe.zrem(HANDED, notification.id)
            pipe.execute()

    def finish(self, notification: Notification, outcome: str, reason: str, now: float) -> None:
        """Takes a claimed notification off, and writes to the notification log how it ended."""
        entry: dict[Any, Any] = {
            "id": notification.id,
            "receiver": notification.receiver,
            "title": notification.title,
            "outcome": outcome,
            "reason": reason,
            "attempts": notification.attempts + 1,
            "queued_at": notification.created_at,
            "at": now,
        }
        with self._redis.pipeline() as pipe:
            pipe.zrem(DUE, notification.id)
            pipe.zrem(HANDED, notification.id)
            pipe.delete(NOTIFICATION + notification.id)
            pipe.xadd(LOG, entry, maxlen=LOG_LENGTH, approximate=True)
            pipe.execute()


def _keys(notifications: Sequence[Notification]) -> list[str]:
    return [NOTIFICATION + each.id for each in notifications]


def _bodies(notifications: Sequence[Notification]) -> list[str | bytes]:
    return [part for each in notifications for part in (each.id, msgspec.json.encode(each))]
