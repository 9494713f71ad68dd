"""How a spike and its replays are drawn. No torch."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Words
from labs.contract.drawing import Figure, Role
from labs.q11_nan.first_bad import number

ARMS: dict[str, dict[str, Any]] = {
    "same": {"role": "said", "symbol": "x", "size": 7},
    "later": {"role": "measured", "symbol": "circle", "size": 6},
    "earlier": {"role": "measured", "symbol": "square-open", "size": 8},
}
"""The same batches again; batches from beyond the spike on; the same batches from an earlier state. How each
is drawn."""
BLAMED: dict[str, tuple[Role, tuple[int, int, int]]] = {
    "if_met": ("said", (100, 0, 0)),
    "if_data": ("formula", (100, 0, 100)),
}
"""Percent of the spike that would come back by arm, as PaLM saw it, and if it were the batches alone."""
BEFORE = 30
"""Updates before the first replay that are drawn."""


class Replay(TypedDict):
    """From which update it began, and its losses."""

    start: int
    losses: NDArray[np.float32]


class Training(TypedDict):
    """Losses up to the first spike, which was at `spike` (-1 where there was none); the replays by arm."""

    losses: NDArray[np.float32]
    spike: int
    replays: dict[str, Replay]


class Runs(TypedDict):
    """Trainings, how many spiked, and by arm what came back of each spike, in percent of its height; their
    mean."""

    trainings: list[Training]
    spikes: int
    percents: dict[str, list[float]]
    height_percent: dict[str, float | None]


def curves(training: Training, text: Words) -> Figure:
    """The loss of one training, and of its replays where they stand over its own updates."""
    figure, losses = Figure(height=380), training["losses"]
    first = training["replays"]["same"]["start"] - BEFORE if training["replays"] else 0
    steps = np.arange(max(0, first), len(losses))
    figure.line(steps, losses[steps], "peer", text("first_time"), hover="%{x}: %{y:.3f}", width=5)
    for arm, look in ARMS.items():
        if replay := training["replays"].get(arm):
            over = np.arange(len(replay["losses"])) + training["replays"]["same"]["start"]
            figure.line(over, replay["losses"], name=text(f"replay.{arm}"), hover="%{x}: %{y:.3f}", **look)
    figure.x_axis(text("axis.step"))
    figure.y_axis(text("axis.loss"))
    return figure


def heights(runs: Runs, text: Words) -> Figure:
    """What comes back of the spikes: a mark for each training, and what either explanation expects."""
    figure, names = Figure(height=280), [text(f"replay.{arm}") for arm in ARMS]
    hover = "%{y}: %{x:.3g}%"
    means = [runs["height_percent"][arm] for arm in ARMS]
    figure.bars(means, names, "measured", text("mean_height"), horizontal=True, hover=hover)
    marks = [(share, name) for arm, name in zip(ARMS, names, strict=True) for share in runs["percents"][arm]]
    shares, places = [share for share, _ in marks], [name for _, name in marks]
    figure.marks(shares, places, "measured", text("each_training"), symbol="circle-open", hover=hover)
    for (key, (role, expected)), size in zip(BLAMED.items(), (34, 22), strict=True):
        look = {"symbol": "line-ns-open", "size": size, "hover": hover}
        figure.marks(list(expected), names, role, text(key), **look)
    figure.x_axis(text("axis.height"), span=(-45, 135), tickvals=[0, 25, 50, 75, 100])
    figure.y_axis(category=True, reverse=True)
    return figure


def replayed(training: Training, arm: str) -> str:
    """The loss of a replay at the update of the spike."""
    replay = training["replays"].get(arm)
    if replay is None:
        return "–"
    return loss_at_spike(training, replay["losses"], training["replays"]["same"]["start"])


def loss_at_spike(training: Training, losses: NDArray[np.float32], start: int) -> str:
    """The loss at the update of the spike, of losses from update `start` on."""
    at = training["spike"] - start
    return number(losses[at]) if 0 <= at < len(losses) else "–"


def notes(runs: Runs, text: Words) -> list[str]:
    """What came back, and whether a replay repeats the first time."""
    shares = {arm: share for arm, share in runs["height_percent"].items() if share is not None}
    if not shares:
        return [text("note.no_spike", trainings=len(runs["trainings"]))]
    exact = all(_repeats(one) for one in runs["trainings"])
    said = [text("note.rewound", spikes=runs["spikes"], trainings=len(runs["trainings"]))]
    if "earlier" in shares:
        low, high = min(runs["percents"]["earlier"]), max(runs["percents"]["earlier"])
        whole = {"later": shares["later"], "earlier": shares["earlier"], "low": low, "high": high}
        said.append(text("note.came_back", **{name: round(share) for name, share in whole.items()}))
    return [*said, text("note.same_bits" if exact else "note.other_bits")]


def _repeats(training: Training) -> bool:
    """Whether the replay of the same batches has the very losses of the first time."""
    if "same" not in training["replays"]:
        return True
    replay, losses = training["replays"]["same"], training["losses"]
    first = losses[replay["start"] :]
    return bool(np.array_equal(replay["losses"][: len(first)], first))
