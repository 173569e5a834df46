"""Alerts and notifications in Redis, in one slot of a cluster with the turns of evaluation (evaluation.py).

key                                 type        meaning                                               expiry
tocsin:{alerts}:state               hash        fingerprint -> `Alert` as JSON                        none
tocsin:{alerts}:notification:<id>   string      `Notification` as JSON                                25 h
tocsin:{alerts}:due                 sorted set  id -> when it is due, or its claim ends (Unix s)      none
tocsin:{alerts}:handed              sorted set  id -> when a worker was last sent for it (Unix s)     none
tocsin:{alerts}:hold:<receiver>     string      nothing is sent to it before (Unix s), as it asked    that moment
tocsin:{alerts}:said:<digest>       string      an application's alert; not queued again meanwhile    60 s
tocsin:{alerts}:log                 stream      the notification log: how each notification ended     10,000 entries
"""

import hashlib
import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, cast

import redis

from alerts import stored
from alerts.evaluation import LOCK
from alerts.model import Alert
from alerts.notification import GIVE_UP_AFTER, Notification

STATE = "tocsin:{alerts}:state"
DUE = "tocsin:{alerts}:due"
HANDED = "tocsin:{alerts}:handed"
LOG = "tocsin:{alerts}:log"
NOTIFICATION = "tocsin:{alerts}:notification:"
SAID = "tocsin:{alerts}:said:"
HOLD = "tocsin:{alerts}:hold:"

KEPT = int(GIVE_UP_AFTER) + 3600  #: seconds
CLAIM_LEASE = 240.0  #: seconds that one delivery may take: all steps of a mail, each at its slowest
HAND_OUT_AGAIN = 30.0  #: seconds after which a worker is sent again for what is still due
HAND_OUT_LIMIT = 100
COALESCE = 60  #: seconds
LOG_LENGTH = 10_000

logger = logging.getLogger(__name__)

_SCRIPTS = [Path(__file__).with_name(f"{name}.lua").read_text() for name in ("save", "queue_once", "claim", "hand_out")]


class AlertStore:
    """What is known of alerts, and what people are still to be told."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._save, self._queue_once, self._claim, self._hand_out = map(client.register_script, _SCRIPTS)

    def alerts(self) -> dict[str, Alert]:
        """All alerts that are kept, by fingerprint. One that cannot be read is forgotten, and no other suffers."""
        return self._readable(cast("dict[bytes, bytes]", self._redis.hgetall(STATE)))

    def states(self, fingerprints: Sequence[str]) -> dict[str, Alert]:
        """Those of these alerts that are kept, by fingerprint."""
        bodies = cast("list[bytes | None]", self._redis.hmget(STATE, fingerprints))
        return self._readable({key.encode(): body for key, body in zip(fingerprints, bodies, strict=True) if body})

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
        states = [part for alert in changed for part in (alert.fingerprint, stored.encode(alert))]
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
        try:
            return None if body is None else stored.decode(body, Notification)
        except stored.UnreadableError as error:
            logger.error("notification %s cannot be read and is dropped: %s", notification_id, error)
            self._end(notification_id, {"id": notification_id, "outcome": "unreadable", "at": now})
            return None

    def hold(self, receiver: str, until: float, now: float) -> None:
        """Sends nothing to this receiver before `until`, Unix seconds."""
        self._redis.set(HOLD + receiver, until, px=max(int((until - now) * 1000), 1))

    def held(self, receiver: str) -> float:
        """Before when nothing is to be sent to this receiver, Unix seconds; 0 where it did not ask for a rest."""
        return float(self._redis.get(HOLD + receiver) or 0.0)

    def postpone(self, notification: Notification, due: float) -> None:
        """Puts a claimed notification back, to be tried again at `due`."""
        with self._redis.pipeline() as pipe:
            pipe.set(NOTIFICATION + notification.id, stored.encode(notification), xx=True, keepttl=True)
            pipe.zadd(DUE, {notification.id: due}, xx=True)
            pipe.zrem(HANDED, notification.id)
            pipe.execute()

    def finish(self, notification: Notification, outcome: str, reason: str, now: float) -> None:
        """Takes a claimed notification off, and writes to the notification log how it ended."""
        entry = {
            "id": notification.id,
            "receiver": notification.receiver,
            "title": notification.title,
            "outcome": outcome,
            "reason": reason,
            "attempts": notification.attempts + 1,
            "queued_at": notification.created_at,
            "at": now,
        }
        self._end(notification.id, entry)

    def _end(self, notification_id: str, entry: dict[Any, Any]) -> None:
        with self._redis.pipeline() as pipe:
            pipe.zrem(DUE, notification_id)
            pipe.zrem(HANDED, notification_id)
            pipe.delete(NOTIFICATION + notification_id)
            pipe.xadd(LOG, entry, maxlen=LOG_LENGTH, approximate=True)
            pipe.execute()

    def _readable(self, bodies: dict[bytes, bytes]) -> dict[str, Alert]:
        alerts = {}
        for key, body in bodies.items():
            try:
                alerts[key.decode()] = stored.decode(body, Alert)
            except stored.UnreadableError as error:
                logger.error("the state of alert %s cannot be read and is dropped: %s", key.decode(), error)
                self._redis.hdel(STATE, key)
        return alerts


def _keys(notifications: Sequence[Notification]) -> list[str]:
    return [NOTIFICATION + each.id for each in notifications]


def _bodies(notifications: Sequence[Notification]) -> list[str | bytes]:
    return [part for each in notifications for part in (each.id, stored.encode(each))]
