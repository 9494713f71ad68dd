"""How long a run will take: the experiment's own estimate, corrected by what earlier runs took. Pure."""

from __future__ import annotations

from labs.contract import DeviceClass, Experiment, Params

WEIGHT = 0.5
"""How much of the correction the newest run decides."""


class Estimates:
    """A factor per experiment and device class, moved half way to actual / estimated at each run."""

    def __init__(self) -> None:
        self._factor: dict[tuple[str, DeviceClass], float] = {}

    def seconds(self, experiment: Experiment, params: Params, device: DeviceClass) -> float:
        """The corrected estimate of a run, in seconds."""
        return experiment.seconds(params, device) * self._factor.get((experiment.id, device), 1.0)

    def learn(self, experiment: Experiment, params: Params, device: DeviceClass, seconds: float) -> None:
        """Take into account that a run with these parameters took `seconds`."""
        ratio = seconds / max(experiment.seconds(params, device), 1e-3)
        before = self._factor.get((experiment.id, device))
        self._factor[experiment.id, device] = ratio if before is None else before + WEIGHT * (ratio - before)
