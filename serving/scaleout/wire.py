"""What nodes and workers write to each other, as JSON: a request, pieces of its answer, why there is none."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.training.conversations import Turn
from serving.backends.backend import Dialogue, Piece, Prompt, Usage, Work
from serving.errors import BackendBusy, BackendFailed, DeadlinePassed, Invalid, ServiceError, UnknownModel

ERRORS: dict[str, type[ServiceError]] = {
    error.code: error for error in (Invalid, UnknownModel, BackendFailed, BackendBusy, DeadlinePassed)
}
"""What a backend raises, by the code that is sent."""


@dataclass(frozen=True)
class Order:
    """One request on its way: `request` is its name at `node`, which waits for the answer."""

    node: str
    request: str
    work: Work
    """Its deadline is on the clock of whoever holds this object."""

    def written(self) -> str:
        """As JSON. Of the deadline the seconds that are left, for no two machines share a clock."""
        work = asdict(replace(self.work, prompt=""))
        work["prompt"] = _written_prompt(self.work.prompt)
        work["deadline"] = self.work.deadline - time.monotonic()
        return json.dumps({"node": self.node, "request": self.request, "work": work})


@dataclass(frozen=True)
class Said:
    """Pieces of one answer, the first of them its `at`-th; an error ends it."""

    request: str
    at: int
    pieces: tuple[Piece, ...]
    error: ServiceError | None = None

    @property
    def last(self) -> bool:
        """No more is to come."""
        return self.error is not None or any(piece.finish for piece in self.pieces)

    def written(self) -> str:
        """As JSON."""
        data: dict[str, Any] = {
            "request": self.request,
            "at": self.at,
            "pieces": [asdict(piece) for piece in self.pieces],
        }
        if self.error is not None:
            error = self.error
            data["error"] = [error.code, str(error), error.param, error.retry_after]
        return json.dumps(data)


def read_order(text: str, age: float) -> Order:
    """A request that was written `age` seconds ago."""
    data = json.loads(text)
    work = data["work"]
    prompt = work["prompt"]
    if isinstance(prompt, dict):
        prompt = Dialogue(tuple(Turn(**turn) for turn in prompt["turns"]))
    elif isinstance(prompt, list):
        prompt = tuple(prompt)
    work |= {
        "prompt": prompt,
        "sampling": SamplingParams(**work["sampling"]),
        "stop": tuple(work["stop"]),
        "deadline": time.monotonic() + work["deadline"] - age,
    }
    return Order(data["node"], data["request"], Work(**work))


def read_said(text: str) -> Said:
    """What a worker said."""
    data = json.loads(text)
    pieces = tuple(
        Piece(
            piece["text"],
            tuple(piece["token_ids"]),
            piece["finish"],
            Usage(**piece["usage"]) if piece["usage"] else None,
        )
        for piece in data["pieces"]
    )
    error = None
    if "error" in data:
        code, sentence, param, retry_after = data["error"]
        error = ERRORS[code](sentence, param=param, retry_after=retry_after)
    return Said(data["request"], data["at"], pieces, error)


def _written_prompt(prompt: Prompt) -> Any:
    return asdict(prompt) if isinstance(prompt, Dialogue) else prompt
