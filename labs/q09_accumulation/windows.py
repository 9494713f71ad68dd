"""Which micro-batches each update is made of, when an epoch does not end with a window.

Every micro-batch owns one weight of a vector, so that `.grad` at an update is what each has contributed: a
real loop with autograd says it, and arithmetic beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, ThreeNumbers, Words
from labs.contract.drawing import Figure, Role
from labs.contract.fields import choice, whole

EPOCHS = 2
POLICIES = ("carry", "drop", "flush_steps", "flush_left")
"""What is left at the end of an epoch: it stays in .grad, is thrown away, or makes an update, divided by A or
by its own number."""
COUNTERS = {"zero": 0, "one": 1}
"""What the loop counts from, where it tests (step + 1) % A."""
RIGHT = 1.0


@dataclass(frozen=True)
class WindowsParams(Params):
    """Two epochs of so many micro-batches."""

    batches: int = whole(23, 1, 64, primary=True)
    steps: int = whole(8, 1, 16, primary=True, low_sentence="Accumulation steps must be at least 1.")
    policy: str = choice("carry", POLICIES, primary=True)
    counter: str = choice("zero", tuple(COUNTERS))


class Update(TypedDict):
    """The micro-batches of an update, counted from 1 over both epochs, and the sum of their weights in units
    of a mean: 1 is right."""

    first: int
    last: int
    weight: float


class Loop(TypedDict):
    """Updates in order; micro-batches that no update has seen, as [first, last]."""

    updates: list[Update]
    dropped: list[list[int]]


class WindowsResult(TypedDict):
    """What the loop did, and `formula` beside it; `worst_weight` is the one furthest from 1."""

    loop: Loop
    worst_weight: float
    updates_an_epoch: int
    left: int
    batches: int
    formula: NotRequired[Loop]


class Windows(Experiment[WindowsParams, WindowsResult]):
    """Updates, left-over micro-batches and their weights, over two epochs."""

    drawn_by_formula = True

    def seconds(self, params: WindowsParams, device: DeviceClass) -> float:
        return 0.05 + params.batches * 1e-3

    def formula(self, params: WindowsParams) -> WindowsResult:
        return _result(params, arithmetic(params))

    def measure(self, params: WindowsParams, ctx: Context) -> WindowsResult:
        """The loop itself. `weights[place] / A` is the loss of a micro-batch."""
        import torch

        loop: Loop = {"updates": [], "dropped": []}
        weights = torch.zeros(EPOCHS * params.batches, requires_grad=True)
        optimizer = torch.optim.SGD([weights], lr=1.0)

        def end_window(*, update: bool) -> None:
            if weights.grad is not None and (places := weights.grad.nonzero().flatten().tolist()):
                first, last = places[0] + 1, places[-1] + 1
                if update:
                    weight = float(weights.grad.sum(dtype=torch.float64))
                    loop["updates"].append({"first": first, "last": last, "weight": weight})
                    optimizer.step()
                else:
                    loop["dropped"].append([first, last])
            optimizer.zero_grad()

        waiting = 0
        for place in range(EPOCHS * params.batches):
            ctx.progress(place / (EPOCHS * params.batches), "looping")
            step = place % params.batches + COUNTERS[params.counter]
            (weights[place] / params.steps).backward()
            waiting += 1
            if (step + 1) % params.steps == 0:
                end_window(update=True)
                waiting = 0
            if place % params.batches == params.batches - 1 and waiting and params.policy != "carry":
                if params.policy == "flush_left" and weights.grad is not None:
                    weights.grad *= params.steps / waiting
                end_window(update=params.policy != "drop")
                waiting = 0
        end_window(update=False)
        return {**_result(params, loop), "formula": arithmetic(params)}

    def show(self, result: WindowsResult, text: Words) -> Shown:
        """`timeline`: micro-batches by update; `weights`: what each update weighs."""
        loop, formula = result["loop"], result.get("formula")
        weights = [update["weight"] for update in loop["updates"]]
        rows: list[Row] = [
            {
                text("update"): index,
                text("first"): update["first"],
                text("last"): update["last"],
                text("terms"): update["last"] - update["first"] + 1,
                text("axis.window_weight"): round(update["weight"], 6),
            }
            for index, update in enumerate(loop["updates"], 1)
        ]
        dropped = sum(last - first + 1 for first, last in loop["dropped"])
        notes = [text("note.dropped" if dropped else "note.all_used", dropped=dropped)]
        notes.insert(0, text("windows.sentence" if weights else "note.no_update"))
        sentence: ThreeNumbers | None = None
        if formula is not None and weights:
            expected = worst([update["weight"] for update in formula["updates"]])
            measured = result["worst_weight"]
            sentence = {"said": RIGHT, "formula": expected, "measured": measured, "unit": "×"}
        return Shown(
            {"timeline": _timeline(result, text), "weights": _weights(weights, formula, text)},
            rows or [{text("update"): 0, text("terms"): 0}],
            [*notes, text("windows.change")],
            {text("updates"): len(weights), text("dropped"): dropped},
            sentence,
        )


def arithmetic(params: WindowsParams) -> Loop:
    """The same by counting: where windows end in an epoch, and what becomes of the rest."""
    sizes, left = epoch_windows(params)
    loop: Loop = {"updates": [], "dropped": []}
    carried = 0
    for epoch in range(EPOCHS):
        start = epoch * params.batches + 1
        for size in sizes:
            first, terms = start - carried, size + carried
            loop["updates"].append({"first": first, "last": start + size - 1, "weight": terms / params.steps})
            start, carried = start + size, 0
        if params.policy == "carry":
            carried += left
        elif left and params.policy == "drop":
            loop["dropped"].append([start, start + left - 1])
        elif left:
            weight = left / params.steps if params.policy == "flush_steps" else RIGHT
            loop["updates"].append({"first": start, "last": start + left - 1, "weight": weight})
    if carried:
        end = EPOCHS * params.batches
        loop["dropped"].append([end - carried + 1, end])
    return loop


def epoch_windows(params: WindowsParams) -> tuple[list[int], int]:
    """Sizes of an epoch's windows, and the micro-batches that are left.

    >>> epoch_windows(WindowsParams()), epoch_windows(WindowsParams(counter="one"))
    (([8, 8], 7), ([7, 8, 8], 0))
    """
    first = (params.steps - COUNTERS[params.counter] - 1) % params.steps + 1
    if params.batches < first:
        return [], params.batches
    more, left = divmod(params.batches - first, params.steps)
    return [first] + [params.steps] * more, left


def worst(weights: list[float]) -> float:
    """The weight furthest from 1; 0 where there was no update at all.

    >>> worst([1.0, 1.875, 0.5])
    1.875
    """
    return max(weights, key=lambda weight: abs(weight - RIGHT), default=0.0)


def _result(params: WindowsParams, loop: Loop) -> WindowsResult:
    sizes, left = epoch_windows(params)
    return {
        "loop": loop,
        "worst_weight": worst([update["weight"] for update in loop["updates"]]),
        "updates_an_epoch": len(sizes),
        "left": left,
        "batches": params.batches,
    }


def _timeline(result: WindowsResult, text: Words) -> Figure:
    """A bar an update, over its micro-batches; what no update has seen below them."""
    figure, loop = Figure(height=340, barmode="overlay"), result["loop"]
    updates = loop["updates"]
    spans: list[tuple[Role, str, list[list[int]], list[int], list[str]]] = [
        (
            "measured" if "formula" in result else "formula",
            text("update"),
            [[update["first"], update["last"]] for update in updates],
            list(range(1, len(updates) + 1)),
            [f"{update['weight']:.4g}×" for update in updates],
        ),
        (
            "removed",
            text("dropped"),
            loop["dropped"],
            [len(updates) + 1] * len(loop["dropped"]),
            [text("dropped")] * len(loop["dropped"]),
        ),
    ]
    for role, name, ranges, heights, labels in spans:
        if ranges:
            figure.bars(
                [last - first + 1 for first, last in ranges],
                heights,
                role,
                name,
                base=[first - 0.5 for first, _ in ranges],
                labels=labels,
                inside=role == "removed",
                horizontal=True,
                hover="%{y}: %{x}",
                textangle=0,
                showlegend=False,
            )
    end = EPOCHS * result["batches"]
    rows = len(updates) + (1 if loop["dropped"] else 0)
    figure.line([result["batches"] + 0.5] * 2, [0.4, rows + 0.6], "peer", text("epoch_ends"), showlegend=True)
    figure.x_axis(text("axis.place"), span=(0, end + 1))
    figure.y_axis(text("update"), span=(rows + 0.6, 0.4), tickformat="d", dtick=1 if rows <= 12 else 5)
    return figure


def _weights(weights: list[float], formula: Loop | None, text: Words) -> Figure:
    """What each update weighs; a mean weighs 1."""
    figure, hover = Figure(height=260), "%{x}: %{y:.4g}×"
    places = list(range(1, len(weights) + 1))
    if formula is None:
        figure.marks(places, weights, "formula", text("formula"), hover=hover, symbol="line-ew-open", size=22)
    else:
        figure.bars(places, weights, "measured", text("measured"), hover=hover)
        expected = [update["weight"] for update in formula["updates"]]
        figure.marks(
            places, expected, "formula", text("formula"), hover=hover, symbol="line-ew-open", size=22
        )
    figure.line([0.4, max(len(weights), 1) + 0.6], [RIGHT] * 2, "peer", text("right_weight"))
    figure.x_axis(text("update"), tickformat="d", dtick=1 if len(weights) <= 12 else 5)
    figure.y_axis(text("axis.window_weight"), span=(0, 2.1))
    return figure
