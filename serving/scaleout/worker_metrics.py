"""What Prometheus reads of a worker: its engine, what became of its requests, how many wait for a worker."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.backends.backend import Backend
from serving.metrics import engine_gauges, gauge
from serving.scaleout.worker import Worker

_COUNTERS = {
    "taken": "Requests taken from the queue",
    "redelivered": "Of them taken over from a worker that was silent",
    "answered": "Requests answered, or refused with an error",
    "lost": "Requests that were cancelled or taken over by another worker",
}


def serve_metrics(worker: Worker, backend: Backend, host: str, port: int) -> int:
    """Answer Prometheus in a thread until the process ends; the port, of which 0 takes a free one."""
    registry = CollectorRegistry()
    registry.register(_Gauges(worker, backend))
    ProcessCollector(registry=registry)
    server, _ = start_http_server(port, host, registry)
    return int(server.server_port)


class _Gauges(Collector):
    """Where a worker stands when Prometheus asks."""

    def __init__(self, worker: Worker, backend: Backend) -> None:
        self._worker, self._backend = worker, backend

    def describe(self) -> Iterable[Metric]:
        """Nothing: else the backend would be asked before it runs."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Counters of the worker, gauges of the queue and of the engine."""
        for name, text in _COUNTERS.items():
            value = getattr(self._worker.counts, name)
            yield CounterMetricFamily(f"minimind_worker_{name}", text, value=value)
        depth = self._worker.depth
        yield gauge("stream_waiting", "Requests in the queue that no worker has", depth.waiting)
        yield gauge("stream_running", "Requests in the queue that a worker has", depth.running)
        if (load := self._backend.load()) is not None:
            yield from engine_gauges(load)
