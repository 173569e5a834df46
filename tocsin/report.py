"""A status as people read it in a terminal."""

from collections.abc import Iterator, Mapping

from rich.table import Table

from tasks.status import Status


def table(status: Status) -> Table:
    """Two columns: what, and how it is."""
    grid = Table.grid(padding=(0, 2))
    for what, how in (*_delivery(status), *_parts(status)):
        grid.add_row(what, how)
    return grid


def _delivery(status: Status) -> Iterator[tuple[str, str]]:
    delivery = status.delivery
    yield "accepted", f"{delivery.accepted:,}"
    yield "written", f"{delivery.written:,}"
    yield "waiting", f"{delivery.waiting:,}, the oldest in the stream for {delivery.lag:.1f} s"
    yield "dropped", _counts(delivery.dropped)
    yield "refused", _counts(delivery.refused)
    yield "unknown", f"{delivery.unknown:,}"
    yield "lost", f"{delivery.lost:,}"
    for part in delivery.shards:
        which = f"writer of shard {part.number}" if len(delivery.shards) > 1 else "writer"
        behind = f", {part.waiting:,} to write" if part.waiting else ""
        yield which, (part.writer or f"nobody, last on {part.host or 'no host yet'}") + behind
    yield "stalls", _counts(status.stalls)


def _parts(status: Status) -> Iterator[tuple[str, str]]:
    names = [f"{worker.name} (pid {worker.pid}: {', '.join(worker.queues)})" for worker in status.workers]
    yield "workers", "\n".join(names) or "none alive"
    yield "beat", "never ticked" if status.beat_tick_age is None else f"ticked {status.beat_tick_age:.1f} s ago"
    evaluation = status.evaluation
    yield "rules", f"{evaluation.rules}, evaluated {evaluation.age:.1f} s ago" if evaluation else "never evaluated"
    yield "alerts", f"{evaluation.alerts_firing} firing" if evaluation else "unknown"
    yield "scan", _counts(status.scan_events)
    yield "recovery", _counts(status.recovery)
    yield "redis", f"{status.redis.version}, {status.redis.used_memory / 2**20:.1f} MiB"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
