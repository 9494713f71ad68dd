"""How the models of a run are trained, and how long that takes. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NotRequired, TypedDict

from labs.contract import Params, choice, whole
from minimind_core.errors import ConfigError
from minimind_core.model.config import PRESETS, ModelConfig
from minimind_core.training.training_config import TrainingDtype


@dataclass(frozen=True)
class Plan:
    """What all models of a run have in common besides their steps: `rows` of the trained length a step."""

    preset: str
    tokenizer: str
    """The checkpoint whose tokenizer all of them read with."""
    rows: int
    learning_rate: float
    dtype: TrainingDtype
    scored_tokens: int
    """Of held-out text; fewer where that ends."""
    seconds_a_step: float
    seconds_a_model: float
    """Making and scoring one."""
    whole_library: bool = False
    """Reads all of Python's library, and not a few files of it."""

    @property
    def config(self) -> ModelConfig:
        """The shape that the kinds differ from in one thing."""
        return PRESETS[self.preset]

    @property
    def toy(self) -> bool:
        """True where so little is trained that only the method can be seen."""
        return self.preset == "toy"

    def seconds(self, models: int, steps: int) -> float:
        """What a run of so many models takes."""
        return 2 + models * (self.seconds_a_model + steps * self.seconds_a_step)


PLANS = {
    "toy": Plan("toy", "nano-rope", 8, 5e-3, "fp32", 4096, 0.023, 0.3),
    "nano-rope": Plan("nano-rope", "nano-rope", 32, 3e-3, "bf16", 65_536, 0.0148, 0.5),
    "minimind-26m": Plan(
        "minimind-26m", "minimind-26m", 64, 2e-3, "bf16", 65_536, 0.036, 2.2, whole_library=True
    ),
}
"""By size; the seconds are an H200's, and for toys a CPU's."""
SIZES = ("auto", *PLANS)


def plan_of(size: str, device: str) -> Plan:
    """The plan of a size; "auto" is a nano model on "cuda" and a toy elsewhere."""
    suits = "nano-rope" if device == "cuda" else "toy"
    return PLANS[suits if size == "auto" else size]


def check_size(size: str, device: str) -> None:
    """Raise ConfigError for a size that only a GPU trains while somebody waits."""
    if device != "cuda" and not plan_of(size, device).toy:
        raise ConfigError(
            f"Training models of the size {size} takes a GPU; choose toy or auto.",
            key="seeds.size",
            size=size,
        )


@dataclass(frozen=True)
class SeedsParams(Params):
    """What can be set of a series of trainings. A lab's own class names the steps that suit each size."""

    default_steps: ClassVar[Mapping[str, int]]

    size: str = choice("auto", SIZES, primary=True)
    seeds: int = whole(3, 2, 5, primary=True)
    steps: int = whole(0, 0, 1000, step=10, label="steps_or_auto", primary=True)
    text: str = choice("both", ("both", "code", "english"))

    def steps_on(self, device: str) -> int:
        """The training steps of each model on a device."""
        return self.steps or self.default_steps[plan_of(self.size, device).preset]

    def seconds(self, kinds: int, device: str) -> float:
        """What a run with so many kinds takes."""
        return plan_of(self.size, device).seconds(self.seeds * kinds, self.steps_on(device))


class SeriesFacts(TypedDict):
    """What a reader has to know about a series of trainings; tokens are those of one model.

    A series that is still under way has only `seeds`.
    """

    seeds: int
    steps: NotRequired[int]
    length: NotRequired[int]
    toy: NotRequired[bool]
    shape: NotRequired[str]
    training_tokens: NotRequired[int]
    passes: NotRequired[float]
    parameters: NotRequired[dict[str, int]]
    scored_tokens: NotRequired[int]
