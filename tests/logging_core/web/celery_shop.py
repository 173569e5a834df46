"""A small application on Celery, as its worker and its caller import it."""

import logging
import os
import time

from celery import Celery
from celery.exceptions import Ignore, Reject

from logging_core import context
from logging_core.web import setup_tracing
from logging_core.web.celery import setup_logging
from tests.logging_core.web.json_file import JsonFile

app = Celery("shop", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
app.conf.update(broker_connection_retry_on_startup=True, task_default_queue="shop", result_expires=60)
setup_logging(app, quiet_exceptions=[LookupError])

if "SHOP_LOG" in os.environ:  # in the worker, and not in the tests' own process
    logging.getLogger().addHandler(JsonFile(os.environ["SHOP_LOG"]))
    logging.getLogger().setLevel(logging.INFO)
if "COLLECTOR" in os.environ:
    setup_tracing(app, os.environ["COLLECTOR"], "shop")
logger = logging.getLogger("shop.orders")


class UnpicklableError(Exception):
    def __init__(self, one, two):
        super().__init__("cannot be pickled")


@app.task(bind=True)
def order(self, number):
    logger.info("ordering", extra={"number": number})
    context.set_fields(left_behind=True)
    return number


@app.task(bind=True)
def read_header(self):
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    return self.request.headers["colour"]


@app.task
def add(a, b):
    logger.info("adding")
    return a + b


@app.task(bind=True, max_retries=2)
def flaky(self):
    logger.info("trying")
    if self.request.retries < 2:
        raise self.retry(exc=OSError("not yet"), countdown=0)
    return "done"


@app.task
def fail(kind, secret=None):
    if kind == "unpicklable":
        raise UnpicklableError(1, 2)
    raise {"value": ValueError, "key": KeyError}[kind]("no such thing")


@app.task(throws=(ValueError,))
def fail_as_expected():
    raise ValueError("expected")


@app.task
def refuse(how):
    raise Ignore if how == "ignore" else Reject


@app.task
def die():
    os.kill(os.getpid(), 9)


@app.task(time_limit=1)
def hang():
    time.sleep(60)


@app.task
def nest():
    add.apply((1, 2))
    logger.info("after the inner one")


@app.task
def speak():
    print("said, not logged")
