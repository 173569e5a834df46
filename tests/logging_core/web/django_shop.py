"""A small project on Django: its views and its URLs."""

import logging
import time

from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path, re_path

from logging_core.web.django import metrics, server_error

logger = logging.getLogger("shop.orders")


class OutOfStockError(Exception):
    pass


def order(request, number=None, shelf=None):
    logger.info("in a view", extra={"number": number})
    return JsonResponse({"request_id": request.request_id})


async def order_async(request, number):
    logger.info("in an asynchronous view", extra={"number": number})
    return JsonResponse({"request_id": request.request_id})


def enter(request):
    from django.contrib.auth import login
    from django.contrib.auth.models import User

    user, _ = User.objects.get_or_create(username="alice")
    login(request, user)
    return HttpResponse(str(user.pk))


def whoami(request):
    return HttpResponse(request.user.username)


def stream(request):
    def chunks():
        for number in range(3):
            logger.info("making a chunk")
            yield f"{number}\n"

    return StreamingHttpResponse(chunks())


async def stream_async(request):
    async def chunks():
        for number in range(3):
            logger.info("making a chunk")
            yield f"{number}\n"

    return StreamingHttpResponse(chunks())


def broken_stream(request):
    def chunks():
        yield "0\n"
        raise ValueError("in a stream")

    return StreamingHttpResponse(chunks())


def fail(request, how):
    raise {"value": ValueError("secret of the house"), "quiet": OutOfStockError("none left"), "http": Http404()}[how]


async def fail_async(request):
    raise KeyError("missing")


def slow(request):
    from django.db import connection

    with connection.cursor() as cursor:
        connection.connection.create_function("nap", 1, time.sleep)
        cursor.execute("select nap(%s), %s", [0.05, "hunter2"])
    return HttpResponse()


urlpatterns = [
    path("orders/<int:number>/", order),
    path("async/<int:number>/", order_async),
    re_path(r"^old/(?P<number>\d+)$", order),
    path("enter", enter),
    path("whoami", whoami),
    path("stream", stream),
    path("stream-async", stream_async),
    path("broken-stream", broken_stream),
    path("fail/<how>", fail),
    path("fail-async", fail_async),
    path("slow", slow),
    path("shelves/", include([path("<shelf>/", order)])),
    path("metrics", metrics),
]
handler500 = server_error
