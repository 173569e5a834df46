"""The shop on Django: `gunicorn -c python:examples.gunicorn_config examples.django_app:application`.

Beside it: `celery -A examples.background worker`. LOG_DESTINATION=redis sends the records to Tocsin's workers.
Settings, models, views and URLs stand in one file, so that they can be read at a glance.
"""

import json
from collections.abc import Callable

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from examples import background, orders
from logging_core import context, get_logger

settings.configure(
    SECRET_KEY="for an example only",
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": orders.DATABASE}},
    INSTALLED_APPS=["logging_core.web.django.TocsinConfig"],
    MIDDLEWARE=["logging_core.web.django.RequestLogging", f"{__name__}.authenticate"],
    LOGGING_CONFIG=None,
    TOCSIN={"name": "shop", "service": "shop"},
)
django.setup()

from django.db import connection, models  # noqa: E402  # models want Django set up

from logging_core.web.django import metrics  # noqa: E402

logger = get_logger("shop.orders")
handler500 = "logging_core.web.django.server_error"


class Order(models.Model):  # type: ignore[misc]  # Django ships no types
    """An order, in the table that the background work knows too."""

    number = models.AutoField(primary_key=True)
    item = models.TextField()
    total = models.IntegerField()
    packed = models.BooleanField(default=False)

    class Meta:
        """Where it is kept."""

        app_label = "shop"
        db_table = "orders"


def authenticate(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Believe whoever says who they are; the user is a field of all further records of the request."""

    def answer(request: HttpRequest) -> HttpResponse:
        context.set_fields(user_id=request.headers.get("X-User"))
        request.current_user_id = request.headers.get("X-User")
        return get_response(request)

    return answer


def all_orders(request: HttpRequest) -> HttpResponse:
    """Every order; a POST takes one, and has it packed in the background."""
    if request.method == "GET":
        return JsonResponse(list(Order.objects.order_by("number").values()), safe=False)
    wanted = json.loads(request.body)
    order = Order.objects.create(item=wanted["item"], total=orders.total(**wanted))
    logger.info("order taken", number=order.number)
    background.pack.delay(order.number)
    return JsonResponse({"number": order.number}, status=201)


def report(request: HttpRequest) -> HttpResponse:
    """A query that takes its time."""
    with connection.cursor() as cursor:
        cursor.execute(orders.REPORT)
        minutes, cents = cursor.fetchone()
    return JsonResponse({"minutes": minutes, "total": cents})


def advice(request: HttpRequest, item: str) -> HttpResponse:
    """What an AI says."""
    return JsonResponse({"also": orders.advise(item)})


urlpatterns = [
    path("orders", all_orders),
    path("report", report),
    path("advice/<item>", advice),
    path("metrics", metrics),
]
application = get_wsgi_application()
