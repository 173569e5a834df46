"""PromQL, parsed by promql-parser and evaluated as Prometheus evaluates it, as far as the shipped rules need."""
