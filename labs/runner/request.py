"""A checked request to run an experiment, before it is queued: shared by all backends. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labs.contract import Experiment, Params
from labs.contract.registry import Registry
from labs.runner.job import WorkerStatus
from labs.runner.weights import weights_version


@dataclass(frozen=True)
class Request:
    """What to run, on which device ("auto" is the runner's own) and with which checkpoint.

    `weights` is the version of the checkpoint's files (`weights_version`). `fresh` measures again although
    a kept result exists, which the new one replaces. `session` says whose it is: sessions are served in turn.
    """

    experiment: Experiment
    params: Params
    device: str
    model: str
    weights: str
    fresh: bool = False
    session: str = ""

    def share_key(self) -> str:
        """The key that is equal for requests that may share one run on a lane."""
        return self.experiment.key(self.params, model=self.model, weights=self.weights)

    def shares(self, other: Request) -> bool:
        """Whether one run answers both."""
        return self.device == other.device and self.share_key() == other.share_key()

    def store_key(self, status: WorkerStatus) -> str:
        """The key of its result on disk: all that the result depends on, this machine included."""
        return self.experiment.key(
            self.params,
            model=self.model,
            weights=self.weights,
            dtype=status.dtype,
            device=status.device_name,
            torch=status.versions.get("torch", ""),
        )


def make_request(
    registry: Registry,
    experiment_id: str,
    params: Params | Mapping[str, Any] | None,
    *,
    device: str,
    model: str,
    fresh: bool = False,
    session: str = "",
) -> Request:
    """Find the experiment and check its parameters. Raises ConfigError (ParamError for a parameter)."""
    experiment = registry.find(experiment_id)
    if not isinstance(params, Params):
        params = experiment.params.from_dict(params or {})
    assert isinstance(params, experiment.params), f"{experiment.id} takes {experiment.params.__name__}"
    return Request(experiment, params, device, model, weights_version(model), fresh, session)
