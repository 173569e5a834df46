"""Records sent on, beside or instead of Redis: Loki, Elasticsearch, Sentry, OpenTelemetry; each an extra of its own."""
