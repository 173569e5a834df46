"""The web application: /healthz for probes, /metrics for Prometheus, /status for everyone else."""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from redis import Redis, RedisError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dashboard.health import troubles
from dashboard.metrics import StatusCollector
from tasks import settings, status, wiring

AWAY = "Redis does not answer"


def healthz(request: Request) -> Response:
    """200 `ok`, or 503 with what is wrong, one a line."""
    try:
        found = troubles(status.gather(request.app.state.redis), settings.load().rules.interval)
    except RedisError:
        found = [AWAY]
    return PlainTextResponse("\n".join(found) or "ok", status_code=503 if found else 200)


def metrics(request: Request) -> Response:
    """The status in Prometheus' text format."""
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)


def status_json(request: Request) -> Response:
    """The status as JSON; 503 where Redis is away."""
    try:
        return JSONResponse(status.gather(request.app.state.redis).as_dict())
    except RedisError:
        return JSONResponse({"error": AWAY}, status_code=503)


def create_app(redis: Redis) -> Starlette:
    """The application that shows what is in `redis`."""
    routes = [Route("/healthz", healthz), Route("/metrics", metrics), Route("/status", status_json)]
    application = Starlette(routes=routes)
    application.state.redis = redis
    application.state.registry = CollectorRegistry()
    application.state.registry.register(StatusCollector(redis))
    return application


app = create_app(wiring.redis_client())
