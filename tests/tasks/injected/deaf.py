"""`celery worker --include` of this: a worker that has stopped to consume, and does not know it."""

from celery.signals import worker_ready


@worker_ready.connect
def cancel(sender, **_):
    sender.task_consumer.cancel()
