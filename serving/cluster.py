"""The service on a Ray cluster: as many replicas as its load needs, behind one address.

    serve run serving.cluster:application gpus=1 max_replicas=8 allowed_host=api.example.org

A replica is the service that `python -m serving serve` starts, without its process: Ray Serve gives each
request to one of the less busy replicas, starts and ends them, and lets one that goes away end what it
accepted. Needs Ray, as no other file here does: docs/cluster.md.
"""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from ray import serve

from serving.settings import Settings

UPSCALE_SECONDS, DOWNSCALE_SECONDS = 5.0, 60.0
"""How long a load must last before replicas are added or taken away: a burst is no reason, nor is a pause."""


class Options(BaseModel):
    """What `serve run` takes as name=value; pydantic says what is wrong with it."""

    model_config = ConfigDict(extra="forbid")

    model: str = "minimind-26m"
    gpus: float = Field(0, ge=0)
    """Of one replica; below 1 several share a GPU. 0 is a CPU."""
    dtype: str = "fp32"
    min_replicas: int = Field(1, ge=1)
    max_replicas: int = Field(4, ge=1)
    num_slots: int = Field(8, ge=1)
    """Requests that a replica answers together; it is full at three quarters of them."""
    queue: int = Field(32, ge=0)
    """Requests that may wait at a replica; one more is refused at once."""
    allowed_host: str = ""
    """The name under which clients reach the cluster, beside loopback's."""


class Replica:
    """One service with its own model, gate and breaker."""

    def __init__(self, options: Options) -> None:
        from minimind_core.device import pick_device, pick_dtype
        from minimind_core.files.checkpoint import load_model
        from serving.backends.embedded import EmbeddedBackend
        from serving.logs import log_to
        from serving.service import Service

        settings = Settings(
            num_slots=options.num_slots,
            queue=options.queue,
            allowed_hosts=(options.allowed_host,) if options.allowed_host else (),
        )
        device = pick_device("cuda" if options.gpus else "cpu")
        loaded = load_model(options.model, device, pick_dtype(options.dtype, device))
        self._backend = EmbeddedBackend(loaded, settings)
        self._service = Service(settings, self._backend)
        log_to()

    async def __serve_build_asgi_app__(self) -> FastAPI:
        from serving.api.app import create_app

        await self._backend.warm_up()
        return create_app(self._service)

    def check_health(self) -> None:
        """Asked by Ray Serve every few seconds; it replaces a replica that raises."""
        if not self._backend.alive:
            raise RuntimeError("The engine is dead.")


def application(options: Options) -> serve.Application:
    """What `serve run` deploys."""
    settings = Settings(num_slots=options.num_slots, queue=options.queue)
    deployment = serve.deployment(serve.ingress()(Replica), name=Replica.__name__)
    return deployment.options(
        ray_actor_options={"num_cpus": 1, "num_gpus": options.gpus},
        max_ongoing_requests=settings.most_in_flight + 1,  # so that the gate refuses, with a sentence
        graceful_shutdown_timeout_s=settings.drain_seconds,
        autoscaling_config={
            "min_replicas": options.min_replicas,
            "max_replicas": options.max_replicas,
            "target_ongoing_requests": 0.75 * options.num_slots,
            "upscale_delay_s": UPSCALE_SECONDS,
            "downscale_delay_s": DOWNSCALE_SECONDS,
        },
    ).bind(options)
