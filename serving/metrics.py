"""What Prometheus reads: each service has a registry of its own, and looks at its backend when asked."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.backends.backend import Backend, Load
from serving.breaker import STATES, Breaker
from serving.gate import Gate

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 10, 30, 60)
"""Upper ends of the buckets, dense around half a second, the goal of question 14."""
TOKEN_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1)


class Metrics:
    """Counters and histograms of requests, and gauges of `gate`, `breaker` and `backend`."""

    def __init__(self, gate: Gate, breaker: Breaker, backend: Backend) -> None:
        self.registry = registry = CollectorRegistry()
        self.answered = Counter(
            "minimind_requests", "Requests by how they ended", ["endpoint", "outcome"], registry=registry
        )
        self.rejected = Counter(
            "minimind_rejections", "Requests answered with an error, by why", ["reason"], registry=registry
        )
        self.degraded = Counter(
            "minimind_degraded", "Answers by the smaller model while the breaker was open", registry=registry
        )
        self.seconds = Histogram(
            "minimind_request_seconds",
            "From the request to its last token, complete answers only",
            ["endpoint"],
            buckets=SECONDS,
            registry=registry,
        )
        self.first = Histogram(
            "minimind_time_to_first_token_seconds",
            "From the request to its first token",
            buckets=SECONDS,
            registry=registry,
        )
        self.per_token = Histogram(
            "minimind_time_per_output_token_seconds",
            "Between two tokens, the mean of each answer",
            buckets=TOKEN_SECONDS,
            registry=registry,
        )
        self.prompt_tokens = Counter(
            "minimind_prompt_tokens", "Tokens of prompts answered", registry=registry
        )
        self.new_tokens = Counter("minimind_output_tokens", "Tokens answered", registry=registry)
        registry.register(_Gauges(gate, breaker, backend))
        ProcessCollector(registry=registry)

    def text(self) -> bytes:
        """All of it in Prometheus' text format. Blocks for up to a step of the engine."""
        return generate_latest(self.registry)


class _Gauges(Collector):
    """Where things stand when Prometheus asks."""

    def __init__(self, gate: Gate, breaker: Breaker, backend: Backend) -> None:
        self._gate, self._breaker, self._backend = gate, breaker, backend

    def describe(self) -> Iterable[Metric]:
        """Nothing: else the backend would be asked before it runs."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Gauges of the gate, the breaker and the backend."""
        gate = self._gate
        yield gauge("in_flight", "Requests that are in here, answered or waiting", gate.in_flight)
        yield gauge("draining", "1 once the service is about to stop", int(gate.draining))
        state = GaugeMetricFamily("minimind_breaker_state", "1 at the breaker's state", labels=["state"])
        for name in STATES:
            state.add_metric([name], int(self._breaker.state == name))
        yield state
        load = self._backend.load()
        if load is None:
            yield gauge("queue_depth", "Requests that wait for a slot", gate.waiting)
        else:
            yield from engine_gauges(load)


def engine_gauges(load: Load) -> Iterable[Metric]:
    """Gauges of a backend that tells where it stands."""
    yield gauge("queue_depth", "Requests that wait for a slot", load.waiting)
    yield gauge("batch_size", "Requests that got a token in the last step", load.batch_size)
    yield gauge("engine_steps", "Steps since the engine was made", load.steps)
    yield gauge("kv_slots", "Requests that the cache has room for", load.slots)
    yield gauge("kv_slots_used", "Slots that a request holds", load.slots_used)
    yield gauge("kv_blocks_used", "Blocks of the paged cache in use", load.blocks_used)
    yield gauge("kv_blocks_free", "Blocks of the paged cache that are free", load.blocks_free)
    if load.device_bytes is not None:
        yield gauge("device_memory_bytes", "Memory taken on the GPU, by everybody", load.device_bytes)


def gauge(name: str, text: str, value: float) -> Metric:
    """One gauge by its name after `minimind_`."""
    return GaugeMetricFamily(f"minimind_{name}", text, value=value)
