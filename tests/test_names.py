"""The names that Tocsin is known by, each where the pages say it is, with the parameters that people pass."""

import inspect
from importlib import import_module

import pytest

from logging_core import settings

NAMES = {
    "logging_core": (
        *("init_logging", "shutdown_logging", "get_logger", "UnifiedLogger", "UnifiedLoggerFactory", "LoggingContext"),
        *("load_config", "init_logging_from_config", "app_logger", "api_logger", "RedisStreamHandler", "ConfigError"),
    ),
    "logging_core.realtime": (
        *("get_realtime_logger", "RealtimeLogger", "AsyncLogWriter", "RealtimeLogIntegrator", "get_log_integrator"),
        *("log_realtime", "realtime_log"),
    ),
    "logging_core.async_logging": (
        *("setup_async_logging", "DropQueueHandler", "sample_queue_metrics", "register_queue_metrics"),
        *("AsyncLoggingConfig", "AsyncLoggingConfigLoader", "ConfigLoader"),
    ),
    "logging_core.web": ("setup_logging", "setup_tracing", "CustomJsonFormatter"),
    "logging_core.web.flask": ("setup_logging",),
    "logging_core.web.asgi": ("setup_logging", "RequestLogging"),
    "logging_core.web.django": ("RequestLogging", "TocsinConfig", "metrics", "server_error", "setup_logging"),
    "logging_core.web.celery": ("setup_logging",),
    "logging_core.web.carrier": ("outgoing", "incoming"),
    "logging_core.web.metrics": ("metrics_response", "count_ai_call"),
    "logging_core.web.errors": ("error_body",),
    "logging_core.web.gunicorn": ("share_metrics", "child_exit"),
    "logging_core.formatters": ("CustomJsonFormatter",),
    "logging_core.context": ("set_fields", "fields", "clear", "LoggingContext"),
    "logging_core.redaction": ("Redactor",),
    "logging_core.testing": ("capture_records",),
    "logging_core.lifecycle": ("init_logging", "is_initialized", "stats"),
    "logging_core.export.loki": ("loki_handler",),
    "logging_core.export.elasticsearch": ("elasticsearch_handler",),
    "logging_core.export.sentry": ("sentry_handler", "before_send"),
    "logging_core.export.opentelemetry": ("opentelemetry_handler",),
    "rules.error_aggregator": ("ErrorAggregator",),
}
#: Of callables: the parameters, in their order, as far as they may be given by position.
PARAMETERS = {
    "logging_core.init_logging": (
        *("log_level", "log_dir", "queue_size", "max_bytes", "backup_count", "console_level", "file_level"),
        *("enable_ai_handler", "ai_max_bytes", "ai_backup_count"),
    ),
    "logging_core.LoggingContext": ("trace_id", "span_id"),
    "logging_core.get_logger": ("name",),
    "logging_core.realtime.RealtimeLogger": ("log_dir", "file_prefix", "buffer_size", "auto_flush_interval"),
    "logging_core.realtime.realtime_log": ("operation",),
    "logging_core.async_logging.setup_async_logging": (
        *("name", "log_path", "rotate", "rotate_sec", "max_bytes", "backups", "level", "queue_max", "to_console"),
    ),
    "logging_core.async_logging.sample_queue_metrics": ("handler",),
    "logging_core.web.setup_logging": ("app",),
    "logging_core.web.setup_tracing": ("app",),
    "rules.error_aggregator.ErrorAggregator": ("redis",),
}
MEMBERS = {
    "logging_core.UnifiedLogger": (
        *("debug", "info", "warning", "error", "critical", "exception", "bind", "isEnabledFor", "logger"),
        *("set_trace_context", "get_trace_context", "clear_trace_context"),
    ),
    "logging_core.UnifiedLoggerFactory": ("initialize", "get_logger", "shutdown"),
    "logging_core.realtime.RealtimeLogger": ("log", "log_batch", "flush", "get_stats", "shutdown"),
    "logging_core.realtime.RealtimeLogIntegrator": ("log", "flush"),
    "logging_core.async_logging.DropQueueHandler": ("drops", "max_depth", "emit"),
    "logging_core.async_logging.AsyncLoggingConfig": ("get_log_level",),
    "logging_core.async_logging.AsyncLoggingConfigLoader": ("load_config",),
    "logging_core.async_logging.ConfigLoader": ("get",),
    "rules.error_aggregator.ErrorAggregator": ("record_error", "get_top_errors"),
}


def named(path: str) -> object:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


@pytest.mark.parametrize("path", [f"{module}.{name}" for module, names in NAMES.items() for name in names])
def test_it_is_where_the_pages_say(path: str) -> None:
    if path.startswith("logging_core.web.django"):
        pytest.importorskip("django")
    assert named(path) is not None


@pytest.mark.parametrize("module", ["logging_core", "logging_core.realtime", "logging_core.async_logging"])
def test_the_modules_that_people_import_say_what_they_have(module: str) -> None:
    assert set(NAMES[module]) <= set(import_module(module).__all__)


@pytest.mark.parametrize("path", PARAMETERS)
def test_it_takes_these_parameters(path: str) -> None:
    parameters = inspect.signature(named(path)).parameters.values()  # type: ignore[arg-type]
    positional = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD and each.name != "self"]
    assert tuple(positional[: len(PARAMETERS[path])]) == PARAMETERS[path]


@pytest.mark.parametrize(
    ("path", "option"),
    [
        ("logging_core.realtime.RealtimeLogger", "validate"),
        ("logging_core.realtime.RealtimeLogIntegrator", "enable_structured_logging"),
        ("logging_core.async_logging.ConfigLoader", "env_prefix"),
    ],
)
def test_it_has_this_option(path: str, option: str) -> None:
    assert option in inspect.signature(named(path)).parameters  # type: ignore[arg-type]


@pytest.mark.parametrize("path", MEMBERS)
def test_it_has_these_members(path: str) -> None:
    assert set(MEMBERS[path]) <= set(dir(named(path)))


def test_the_defaults_are_these() -> None:
    defaults = settings.Settings()
    assert (defaults.log_level, defaults.console_level, defaults.file_level) == (20, 20, 10)
    assert (str(defaults.log_dir), defaults.queue_size) == ("logs", 10_000)
    assert (defaults.max_bytes, defaults.backup_count) == (10 * 2**20, 7)
    assert (defaults.ai_max_bytes, defaults.ai_backup_count, defaults.enable_ai_handler) == (100 * 2**20, 30, True)
