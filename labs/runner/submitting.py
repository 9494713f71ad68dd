"""What every runner does with what it is asked: check it, and give a job at once. Never imports torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from labs.contract import Params
from labs.contract.registry import Registry
from labs.runner.job import Job
from labs.runner.request import Request, make_request
from minimind_core.errors import MiniMindError


class Submitting(ABC):
    """Base of the runners' clients; `model` is what runs use unless they say otherwise."""

    def __init__(self, registry: Registry, model: str) -> None:
        self._registry, self._model = registry, model

    def submit(
        self,
        experiment_id: str,
        params: Params | Mapping[str, Any] | None = None,
        *,
        device: str = "auto",
        model: str | None = None,
        fresh: bool = False,
        session: str = "",
    ) -> Job:
        """Ask for a run and return its job. `fresh` measures again although a kept result exists.

        Never raises for what a user can get wrong: an unknown experiment or a bad parameter gives a job that
        has failed with one sentence.
        """
        try:
            request = make_request(
                self._registry,
                experiment_id,
                params,
                device=device,
                model=model or self._model,
                fresh=fresh,
                session=session,
            )
        except MiniMindError as error:
            job = Job(experiment_id, None, lambda _job: None)
            job.end("failed", error=error.sentence)
            return job
        return self._begin(request)

    @abstractmethod
    def _begin(self, request: Request) -> Job:
        """Have it measured, now or when its turn comes."""
