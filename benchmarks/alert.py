"""How long after a log call somebody is told: `python -m benchmarks.alert`.

The whole stack as `tocsin up` runs it, with the shipped rules; a process that logs 1,000 records a second; now and then
an error of a kind that was never seen before. Measured from the call of `logger.exception` to the arrival of Slack's
POST at a local server. Prometheus and Alertmanager at 1 s, 1 s and 0 s need 0.72 s (p50) and 1.01 s (p99) from the bump
of a counter to the webhook.

Caveats:
    - Slack's own time and the network's are not in it.
    - Everything shares the processors of one machine, the process that logs included.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from benchmarks.redis_server import free_port
from examples.demo.programs import Program
from examples.sinks import SlackSink
from logging_core import RedisStreamHandler

PATIENCE = 10.0  #: seconds for one message
PAUSE = 0.25  #: seconds between two errors


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--errors", type=int, default=100, help="errors of new kinds (default: %(default)s)")
    parser.add_argument("--rate", type=int, default=1000, help="records a second beside them (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    took = sorted(measure(arguments.errors, arguments.rate))
    figures = {"p50_ms": median(took) * 1000, "p99_ms": took[int(len(took) * 0.99)] * 1000, "max_ms": took[-1] * 1000}
    if arguments.json:
        print(json.dumps(figures | {"errors": len(took)}))
        return
    print(f"log call to Slack's POST, {len(took)} errors among {arguments.rate:,} records a second:")
    print("  " + "   ".join(f"{name.removesuffix('_ms')} {value:.0f} ms" for name, value in figures.items()))


def measure(errors: int, rate: int) -> list[float]:
    """Seconds from each error's log call to its POST."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder,
        SlackSink() as slack,
        Program(
            "tocsin", [sys.executable, "-P", "-m", "tocsin", "up"], _environment(folder, port, slack.url), Path(folder)
        ) as stack,
    ):
        stack.await_text("ready in", timeout=60)
        handler = RedisStreamHandler(f"redis://127.0.0.1:{port}/0", "bench", spool_dir=Path(folder, "spool"))
        logger = logging.Logger("shop.orders")  # noqa: LOG001  # of this measurement alone
        logger.addHandler(handler)
        over = threading.Event()
        background = threading.Thread(target=log_steadily, args=(logger, rate, over))
        background.start()
        try:
            tell_one(logger, slack, "WarmUpError")
            return [tell_one(logger, slack, f"New{number}Error") for number in range(errors)]
        finally:
            over.set()
            background.join()
            handler.close()


def tell_one(logger: logging.Logger, slack: SlackSink, name: str) -> float:
    """Log an error of a new kind; seconds until Slack heard of it.

    Raises:
        RuntimeError: it never did.
    """
    time.sleep(PAUSE)
    seen, start = len(slack.posts), time.time()
    try:
        raise type(name, (Exception,), {})("order failed")
    except Exception:  # our own, raised a line above: a group of its own needs a type of its own
        logger.exception("order failed")
    while time.time() - start < PATIENCE:
        for post in slack.posts[seen:]:
            if name in json.dumps(post.body):
                return post.at - start
        time.sleep(0.002)
    raise RuntimeError(f"nobody was told of {name}")


def log_steadily(logger: logging.Logger, rate: int, over: threading.Event) -> None:
    """So many records a second, ten at a time."""
    due = time.monotonic()
    while not over.is_set():
        for _ in range(10):
            logger.info("order placed", extra={"endpoint": "/orders", "amount": 41.5})
        due += 10 / rate
        time.sleep(max(due - time.monotonic(), 0))


def _environment(folder: str, port: int, slack_url: str) -> dict[str, str]:
    foreign = ("TOCSIN", "REDIS_URL", "LOG_DIR", "LOG_LEVEL", "SLACK_WEBHOOK_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    ours = {
        "TOCSIN__REDIS__PORT": str(port),
        "TOCSIN__WEB__PORT": str(free_port()),
        "TOCSIN__DATA_DIR": f"{folder}/data",
    }
    return kept | ours | {"LOG_DIR": f"{folder}/logs", "SLACK_WEBHOOK_URL": slack_url}


if __name__ == "__main__":
    main()
