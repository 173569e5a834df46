"""What is no failure of any type: the traffic of a working shop, and what looks like a failure to a careless reader."""

from random import Random

from tocsin.planting.layouts import JSON, LOGFMT, OURS, PYTHON, TEXT, Layout, Moment, Said, access, printed
from tocsin.planting.ways import Kind

_LOOK_ALIKES = 0.03  # of the records

#: (level, logger, message) of the application
SAID = (
    ("INFO", "shop.orders", "order § placed, 3 items, 41.90 EUR"),
    ("INFO", "shop.orders", "order § paid by invoice"),
    ("INFO", "shop.cart", "cart § opened by user_§"),
    ("INFO", "shop.search", "found 48 of § articles in 12 ms"),
    ("INFO", "shop.mail", "confirmation § handed over"),
    ("INFO", "shop.stock", "shelf 12 holds § pieces"),
    ("DEBUG", "shop.cache", "article § kept for 300 s"),
    ("INFO", "django.request", "GET /api/orders/§ 200 in 31 ms"),
    ("WARNING", "shop.stock", "article § is low, 3 pieces left"),
    ("WARNING", "django.request", "Not Found: /api/articles/§"),
)
#: (server, line)
PRINTED = (
    ("postgres", "LOG:  checkpoint complete: wrote § buffers (4.2%); 0 WAL file(s) added, 0 removed, 1 recycled"),
    ("postgres", "LOG:  duration: 3.117 ms  statement: SELECT id, state FROM orders WHERE id = §"),
    ("redis_notice", "§ changes in 60 seconds. Saving..."),
    ("redis_notice", "Background saving started by pid §"),
    ("celery_info", "Task shop.jobs.invoice[0c5ae1§] received"),
    ("celery_info", "Task shop.jobs.invoice[0c5ae1§] succeeded in 0.04§s: None"),
    ("gunicorn_info", "Booting worker with pid: §"),
    ("systemd", "Started session § of user deploy."),
    ("cron", "(root) CMD (test -x /usr/bin/rotate && rotate --keep 7 --id §)"),
    ("uvicorn", '10.4.0.17:§ - "GET /api/orders/§ HTTP/1.1" 200 OK'),
)
#: behind the time of nginx's access log
REQUESTS = (
    '"GET /api/orders/§ HTTP/1.1" 200 1843 "-" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0"',
    '"GET /static/app.§.js HTTP/2.0" 304 0 "https://shop.example/cart/§" "Mozilla/5.0 (iPhone)"',
    '"POST /api/cart/§ HTTP/1.1" 201 412 "-" "okhttp/4.12.0"',
    '"GET /health HTTP/1.1" 200 2 "-" "kube-probe/1.29"',
)
LOOK_ALIKES_SAID = (
    ("INFO", "shop.settings", "timeout=30 retries=§ configured"),
    ("INFO", "shop.settings", "memory headroom is § MB, no pressure"),
    ("INFO", "shop.health", "self-check #: no errors found, failed=0, deadlocks=0"),
    ("INFO", "shop.errors", "rule § for the error budget was read"),
    ("INFO", "shop.docs", "page 'What to do when a KeyError is raised' was shown § times"),
    ("INFO", "shop.stock", "retried § after connection reset by peer, now done"),
    ("INFO", "shop.disk", "§ MB of disk space left on /srv"),
    ("INFO", "uvicorn.error", "Waiting for application startup of worker §."),
    ("DEBUG", "shop.cache", "timed out entries: §, which is what they are for"),
    ("WARNING", "shop.pay", "card of order § was declined"),
    ("ERROR", "shop.pay", "order § refused: the customer is not known to the bank"),
    ("ERROR", "shop.mail", "letter § came back: no such street"),
)
LOOK_ALIKES_PRINTED = (
    ("postgres", "LOG:  autovacuum: processing table shop.deadlock_reports, § rows"),
    ("kernel", "python3 (§): memory cgroup limit is 536870912 bytes"),
    ("nginx_error", "*§ client closed keepalive connection, client: 10.4.0.17, server: 0.0.0.0:8080"),
    ("celery_info", "Task shop.jobs.check_timeouts[0c5ae1§] succeeded in 0.02§s: 0"),
    ("redis_notice", "oom-score-adj of child § set to relative"),
)
LOOK_ALIKE_REQUESTS = (
    '"GET /search?q=permission+denied&page=§ HTTP/1.1" 200 5120 "-" "Mozilla/5.0 (X11; Linux x86_64)"',
    '"GET /help/timeout-error/§ HTTP/1.1" 404 153 "-" "curl/8.5.0"',
)


class Ordinary:
    """Writes records of one kind of log that tell of no failure."""

    def __init__(self, kind: Kind, rng: Random) -> None:
        self._rng = rng
        alone: tuple[Layout, ...] = {"json": (OURS,), "dense": (PYTHON,)}.get(kind, ())
        self._is_mixed = not alone
        self._layouts = alone or (*TEXT, LOGFMT, *JSON)

    def record(self, moment: Moment) -> str:
        """One of them."""
        rng = self._rng
        looks_alike = rng.random() < _LOOK_ALIKES
        which = rng.random() if self._is_mixed else 1.0
        if which < 0.3:
            return access(moment, rng.choice(LOOK_ALIKE_REQUESTS if looks_alike else REQUESTS))
        if which < 0.5:
            return printed(moment, *rng.choice(LOOK_ALIKES_PRINTED if looks_alike else PRINTED))
        return rng.choice(self._layouts)(moment, Said(*rng.choice(LOOK_ALIKES_SAID if looks_alike else SAID)))
