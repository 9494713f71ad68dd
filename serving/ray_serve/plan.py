"""How many fronts and engines there are, and how large each is. No torch, no Ray."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import Any

from minimind_core.command_options import MOST
from minimind_core.errors import require
from serving.arguments import settings_of
from serving.scaleout.takeover import cut_alike
from serving.settings import Settings

BUSY = 0.75
"""The share of the engines' slots that is to be taken: above it one more engine comes, below it one goes."""
BESIDE_WORK = 64
"""Calls of a front beside the requests that its gate lets in: those it refuses, probes, the drain."""


@dataclass(frozen=True)
class Plan:
    """Checked when made. Raises ConfigError with one sentence for what cannot work."""

    settings: Settings
    """Of one engine, but for `queue`, which is how many may wait at a front."""
    model: dict[str, Any]
    """The options that choose the model, its device and its dtype."""
    fronts: int
    min_engines: int
    max_engines: int
    cpus: int
    """Of one engine; as many threads."""
    gpus: float
    """Of one engine; below 1 several share a GPU."""
    upscale_seconds: float
    """How long a load must last before an engine is added: a burst is no reason."""
    downscale_seconds: float
    """How long a quiet must last before one is taken away."""

    def __post_init__(self) -> None:
        require(
            self.min_engines <= self.max_engines,
            f"--min-engines {self.min_engines} is more than --max-engines {self.max_engines}.",
        )
        require(
            0 <= self.gpus < 1 or (1 <= self.gpus < MOST and self.gpus == int(self.gpus)),
            f"--gpus is a share below 1, or a whole number, not {self.gpus:g}.",
        )
        require(self.settings.port > 0, "Ray's proxies take no free port; name one with --port.")
        for name in ("upscale_seconds", "downscale_seconds"):
            seconds = getattr(self, name)
            require(0 < seconds < MOST, f"{name} must be above 0 and finite, not {seconds:g}.")

    @property
    def engine_settings(self) -> Settings:
        """Of one engine, which another one may have to go on for."""
        return cut_alike(self.settings)

    @property
    def front_settings(self) -> Settings:
        """Of one front: its share of what the engines answer together when all are there."""
        together = self.settings.num_slots * self.max_engines
        return replace(self.settings, num_slots=-(-together // self.fronts))

    @property
    def engine_options(self) -> dict[str, Any]:
        """How Ray Serve runs the engines. What is more than their slots waits at the fronts."""
        return {
            "ray_actor_options": {"num_cpus": self.cpus, "num_gpus": self.gpus},
            "max_ongoing_requests": self.settings.num_slots,
            "graceful_shutdown_timeout_s": self.settings.drain_seconds,
            "autoscaling_config": {
                "min_replicas": self.min_engines,
                "max_replicas": self.max_engines,
                "initial_replicas": self.min_engines,
                "target_ongoing_requests": BUSY * self.settings.num_slots,
                "upscale_delay_s": self.upscale_seconds,
                "downscale_delay_s": self.downscale_seconds,
            },
        }

    @property
    def front_options(self) -> dict[str, Any]:
        """How Ray Serve runs the fronts."""
        return {
            "ray_actor_options": {"num_cpus": 0},
            "num_replicas": self.fronts,
            "max_ongoing_requests": self.front_settings.most_in_flight + BESIDE_WORK,
            "graceful_shutdown_timeout_s": self.settings.drain_seconds,
        }


def plan_of(options: argparse.Namespace) -> Plan:
    """What the options say. Raises ConfigError."""
    model = {name: getattr(options, name) for name in ("model", "tokenizer", "device", "dtype")}
    own = (name for name in Plan.__dataclass_fields__ if name not in ("settings", "model"))
    return Plan(settings_of(options), model, **{name: getattr(options, name) for name in own})
