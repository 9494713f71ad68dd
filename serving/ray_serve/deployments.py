"""Fronts and engines as Ray Serve runs them. Needs Ray; an engine loads torch, a front does not."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from serving.arguments import embedded
from serving.logs import log_to
from serving.ray_serve.exchange import RayBackend, answer
from serving.ray_serve.plan import Plan

ENGINES, FRONTS = "minimind-engines", "minimind-fronts"
"""Two applications, so that the fronts can end while there are still engines to end what they accepted."""
LOOK_SECONDS = 0.05


class Engine:
    """One model with its batch."""

    async def __init__(self, plan: Plan) -> None:  # type: ignore[misc]  # Ray Serve awaits it
        log_to()
        self._backend = await embedded(plan.engine_settings, argparse.Namespace(**plan.model))

    async def answer(self, order: str) -> AsyncGenerator[str]:
        """See exchange.answer."""
        async for said in answer(self._backend, order):
            yield said

    async def models(self) -> list[str]:
        """Names of what is served."""
        return await self._backend.models()

    def check_health(self) -> None:
        """Asked by Ray Serve every few seconds; it replaces an engine that raises."""
        if not self._backend.alive:
            raise RuntimeError("The engine is dead.")


class Handle:
    """The engines, as exchange.Engines."""

    def __init__(self, handle: DeploymentHandle) -> None:
        self._models = handle.models
        self._answer = handle.options(stream=True).answer

    def answer(self, order: str) -> Any:
        """See exchange.Engines."""
        return self._answer.remote(order)

    async def models(self) -> list[str]:
        """See exchange.Engines."""
        names: list[str] = await self._models.remote()
        return names


class Front:
    """The HTTP service around engines elsewhere, with a gate, a breaker and deadlines of its own."""

    def __init__(self, plan: Plan) -> None:
        from serving.service import Service

        log_to()
        handle = serve.get_deployment_handle(Engine.__name__, ENGINES)
        self._service = Service(
            plan.front_settings, RayBackend(Handle(handle), (RayError, RayServeException))
        )

    async def __serve_build_asgi_app__(self) -> FastAPI:
        from serving.api.app import create_app

        return create_app(self._service)

    async def drain(self) -> int:
        """Refuse what comes from now on. Returns how many requests were not over in time."""
        gate = self._service.gate
        gate.draining = True
        try:
            async with asyncio.timeout(self._service.settings.drain_seconds):
                while gate.in_flight:
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            pass
        return gate.in_flight


def engines(plan: Plan) -> serve.Application:
    """To be run as ENGINES, without an address."""
    return serve.deployment(Engine).options(**plan.engine_options).bind(plan)


def fronts(plan: Plan) -> serve.Application:
    """To be run as FRONTS, once the engines are there."""
    return (
        serve.deployment(serve.ingress()(Front), name=Front.__name__).options(**plan.front_options).bind(plan)
    )
