"""All that an application imports: `from logging_core import RedisStreamHandler`."""

from logging_core.handlers import RedisStreamHandler

__all__ = ["RedisStreamHandler"]
