"""The rotation microscope: how far the score of one distance moves with the start, in four arithmetics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, NotRequired, TypedDict

import numpy as np

from labs.contract import Context, DeviceClass, Experiment, Floats, Numbers, Params, Shown, Words
from labs.contract.drawing import Figure, power_ticks
from labs.contract.fields import choice, whole
from labs.q07_rope.rounding_error import BITS, Array, expected_errors
from labs.q07_rope.scaling import frequencies
from labs.tools.named_lines import NamedLines
from labs.tools.sampler import seed
from labs.tools.written import small_number

ARITHMETICS = tuple(BITS)
"""bf16_values: angles in fp32, everything else in bf16. bf16_angles: all of it in bf16."""
STARTS = (1, 10, 100, 1000, 10_000, 100_000, 1_000_000)
MEASURED_STARTS = sorted({round(10 ** (step / 8)) for step in range(49)})
"""Eight a decade from 1 to a million."""
HEAD_DIM, BASE = 64, 1e6
"""The head that random vectors are for: the 26M's."""
LAYOUT_START = 1000
SHOWN_PAIRS = (0, 10, 20)
"""Pairs of a head of 32 that are drawn as turning arrows; of other heads the same shares."""
TURNED = 41
"""Positions from 0 on that the figure of arrows can be played through."""
DRAWN_SCORES = 64
WHEEL = 2.7
"""Distance between the centres of two wheels, in radii."""
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class InvarianceParams(Params):
    """The same distance at many starts. `start` and `arithmetic` choose what is looked at closely."""

    distance: int = whole(1, 0, 511, unit="tokens", primary=True)
    start: int = choice(100, STARTS, primary=True, view=True)
    arithmetic: str = choice("fp32", ARITHMETICS, primary=True, view=True)
    vectors: str = choice("random", ("random", "model"))
    layer: int = whole(0, 0, 15)
    head: int = whole(0, 0, 15)
    seed: int = seed()


class FirstScores(TypedDict):
    """The score of the first query and key at position 0, and at every start."""

    unmoved: float
    moved: list[float]


class Layouts(TypedDict):
    """The first scores of both pairings, and the largest difference of neighbours from halves."""

    half_split: Floats
    permuted: Floats
    unpermuted: Floats
    difference: Numbers


class CloseLook(TypedDict):
    """The chosen start in the chosen arithmetic: two scores of the first vectors.

    `off` is their difference over the standard deviation of scores, `typical` its RMS over all vectors.
    """

    start: int
    arithmetic: str
    index: int
    unmoved: float
    moved: float
    off: float
    typical: float


class InvarianceResult(TypedDict):
    """Most of it by arithmetic; `arrows` are three pairs of the first query and key as turned."""

    starts: list[int]
    vectors: str
    spread: float
    """Standard deviation of a score."""
    formula: dict[str, Floats]
    error: dict[str, Floats]
    """RMS of score(m, m + D) - score(0, D) over `spread`, [starts]."""
    first: dict[str, FirstScores]
    shown_pairs: list[int]
    arrows: dict[str, Floats]
    """[1 + starts, pairs, 4], position 0 first: query x, y, key x, y."""
    turning: dict[str, Floats]
    """The same at the first positions, [TURNED, pairs, 4]."""
    layouts: Layouts
    view: NotRequired[CloseLook]


class Invariance(Experiment[InvarianceParams, InvarianceResult]):
    """score(m, m + D) - score(0, D) of many vectors, over starts m, against what rounding predicts."""

    version = 2

    def seconds(self, params: InvarianceParams, device: DeviceClass) -> float:
        return (0.6 if params.vectors == "random" else 1.5) * (0.5 if device == "cuda" else 1)

    def measure(self, params: InvarianceParams, ctx: Context) -> InvarianceResult:
        import torch

        from labs.q07_rope.rotations import Rotation, both_pairings, random_vectors, rope_model, vectors_of
        from minimind_core.model.rope import plain_inv_freq

        ctx.progress(0.0, "vectors")
        if params.vectors == "random":
            queries, keys = random_vectors(HEAD_DIM, params.seed)
            theta = plain_inv_freq(HEAD_DIM, BASE)
        else:
            loaded = rope_model(ctx)
            queries, keys = vectors_of(loaded, params.layer, params.head, params.seed)
            theta = plain_inv_freq(loaded.config.head_dim, loaded.config.rope_theta)
        starts, zero = torch.tensor(MEASURED_STARTS), torch.tensor([0])
        spread = float(Rotation(theta, "fp64").scores(queries, keys, zero, params.distance).std())
        shown_pairs = [pair * len(theta) // 32 for pair in SHOWN_PAIRS]
        result: InvarianceResult = {
            "starts": MEASURED_STARTS,
            "vectors": params.vectors,
            "spread": spread,
            "formula": expected_errors(MEASURED_STARTS, params.distance, frequencies(HEAD_DIM, BASE)),
            "error": {},
            "first": {},
            "shown_pairs": shown_pairs,
            "arrows": {},
            "turning": {},
            "layouts": _layouts(*both_pairings(queries, keys, LAYOUT_START, params.distance, theta)),
        }
        on_progress = ctx.part(0.1, 1.0, "turning")
        for index, name in enumerate(ARITHMETICS):
            on_progress(index / len(ARITHMETICS))
            rotation = Rotation(theta, name, ctx.device)
            moved, unmoved = (rotation.scores(queries, keys, m, params.distance) for m in (starts, zero))
            error = (moved - unmoved).abs() / spread  # [M, N]
            result["error"][name] = error.square().mean(1).sqrt().float().numpy()
            result["first"][name] = {"unmoved": float(unmoved[0, 0]), "moved": moved[:, 0].tolist()}
            arrows = partial(rotation.arrows, queries[:1], keys[:1], params.distance, shown_pairs)
            result["arrows"][name] = arrows(torch.cat((zero, starts)))
            result["turning"][name] = arrows(torch.arange(TURNED))
        return result

    def view(self, params: InvarianceParams, result: InvarianceResult) -> CloseLook:
        index, first = result["starts"].index(params.start), result["first"][params.arithmetic]
        moved, unmoved = first["moved"][index], first["unmoved"]
        return {
            "start": params.start,
            "arithmetic": params.arithmetic,
            "index": index,
            "unmoved": unmoved,
            "moved": moved,
            "off": abs(moved - unmoved) / result["spread"],
            "typical": float(result["error"][params.arithmetic][index]),
        }

    def show(self, result: InvarianceResult, text: Words) -> Shown:
        view, apart = result["view"], result["layouts"]["difference"]
        said = view | {
            "off": small_number(view["off"]),
            "arithmetic": text(f"arithmetic.{view['arithmetic']}"),
        }
        return Shown(
            {
                "error": _error_figure(result, text),
                "turning": _wheels(result, text),
                "layouts": _layouts_figure(result["layouts"], text),
            },
            rows=[
                {text("column.start"): start, **_errors_at(result, result["starts"].index(start), text)}
                for start in STARTS
            ],
            notes=[
                text("note.sentence"),
                text("note.first", **said),
                text("note.layouts", **(apart | {"permuted": small_number(apart["permuted"])})),
            ],
            numbers=_errors_at(result, view["index"], text),
            sentence={
                "said": 0.0,
                "formula": 100 * float(result["formula"]["fp32"][-1]),
                "measured": 100 * float(result["error"]["fp32"][-1]),
                "unit": "%",
            },
        )


def _layouts(half: Array, permuted: Array, unpermuted: Array) -> Layouts:
    return {
        "half_split": half[:DRAWN_SCORES].astype(np.float32),
        "permuted": permuted[:DRAWN_SCORES].astype(np.float32),
        "unpermuted": unpermuted[:DRAWN_SCORES].astype(np.float32),
        "difference": {
            "permuted": float(np.abs(permuted - half).max()),
            "unpermuted": float(np.abs(unpermuted - half).max()),
        },
    }


def _errors_at(result: InvarianceResult, index: int, text: Words) -> Numbers:
    """The error at one start, by arithmetic."""
    return {text(f"arithmetic.{name}"): float(result["error"][name][index]) for name in ARITHMETICS}


def _error_figure(result: InvarianceResult, text: Words) -> Figure:
    """Over the start, measured and as rounding predicts, which is known for random vectors."""
    figure, starts, view = Figure(), result["starts"], result["view"]
    if result["vectors"] == "random":
        for index, name in enumerate(ARITHMETICS):
            predicted = result["formula"][name]
            figure.line(starts, predicted, "formula", text("formula"), showlegend=index == 0, width=1.5)
    lines = NamedLines(figure, also=[1.0])
    for index, name in enumerate(ARITHMETICS):
        label = text(f"arithmetic.{name}")
        errors = [float(value) or None for value in result["error"][name]]  # zero has no logarithm
        look = {"width": 2.5, "hover": f"{label}<br>m = %{{x:,}}: %{{y:.2g}}"}
        legend = {"name": text("measured"), "showlegend": index == 0}
        lines.draw(dict(zip(starts, errors, strict=True)), "measured", label, **look, **legend)
    ring: dict[str, Any] = {"size": 13, "marker": {"line": {"width": 3}}, "showlegend": False}
    figure.marks([view["start"]], [view["typical"] or None], "measured", symbol="circle-open", **ring)
    low, high = lines.fit(starts)
    figure.x_axis(text("axis.start"), ticks={start: f"{start:,}" for start in STARTS[::2]})
    figure.y_axis(text("axis.error"), ticks=power_ticks(low, high, every=3))
    return figure


def _wheels(result: InvarianceResult, text: Words) -> Figure:
    """Query and key of three pairs at the chosen start, and faintly at 0: the angle between them stays.

    Played, they turn through the first positions, each pair at its own speed.
    """
    view, figure = result["view"], Figure()
    angles = _angles(result["arrows"][view["arithmetic"]][[0, 1 + view["index"]]])  # [2, 3, query and key]
    between = (np.degrees(angles[..., 1] - angles[..., 0]) + 180) % 360 - 180  # [2, 3]
    turn = np.linspace(0, 2 * math.pi, 73)
    for wheel, pair in enumerate(result["shown_pairs"]):
        figure.line(wheel * WHEEL + np.cos(turn), np.sin(turn), "peer", showlegend=False, width=1)
        before, after = (f"{degrees:.1f}°".replace("-", MINUS) for degrees in between[:, wheel])
        label = f"{text('pair', pair=pair)}<br>{before} → {after}"
        figure.note(wheel * WHEEL, -1.1, label, yanchor="top", showarrow=False, font={"size": 13})
    for start, turned in ((0, angles[0]), (view["start"], angles[1])):
        for index, arrow in enumerate(_lines(turned)):
            name, symbol = (("query", "circle"), ("key", "diamond"))[index % 2]
            figure.line(
                arrow["x"],
                arrow["y"],
                "measured" if start else "peer",
                text(f"arrow.{name}", m=start),
                mode="lines+markers",
                marker={"symbol": symbol, "size": [0, 12 if start else 8]},
                width=3 if start else 1.5,
                showlegend=index < 2,
            )
    frames = [_lines(turned) for turned in _angles(result["turning"][view["arithmetic"]])]
    moving = range(len(figure.data) - len(frames[0]), len(figure.data))  # the arrows drawn last
    label = text("play", last=len(frames) - 1)
    figure.play({f"m = {position}": lines for position, lines in enumerate(frames)}, moving, label)
    figure.x_axis(hidden=True, span=(-1.2, 2 * WHEEL + 1.2))
    figure.y_axis(hidden=True, span=(-1.75, 1.15), scaleanchor="x")
    return figure


def _angles(arrows: Floats) -> Floats:
    """[..., x, y, x, y] -> [..., query and key]."""
    return np.arctan2(arrows[..., 1::2], arrows[..., ::2])


def _lines(angles: Floats) -> list[dict[str, list[float]]]:
    """From the centre of each wheel to its rim: angles [3, query and key] -> six lines."""
    return [
        {"x": [wheel * WHEEL, round(wheel * WHEEL + math.cos(angle), 4)], "y": [0, round(math.sin(angle), 4)]}
        for wheel, both in enumerate(angles)
        for angle in both
    ]


def _layouts_figure(layouts: Layouts, text: Words) -> Figure:
    """Scores of neighbours over those of halves: equal once the dimensions are moved."""
    figure, half = Figure(), layouts["half_split"]
    ends = [float(half.min()), float(half.max())]
    figure.line(ends, ends, "formula", text("equal"))
    marks = partial(figure.marks, half, size=8, hover="%{x:.2f} | %{y:.2f}")
    marks(layouts["unpermuted"], "said", text("layout.unpermuted"), symbol="x")
    marks(layouts["permuted"], "measured", text("layout.permuted"), symbol="circle")
    figure.x_axis(text("axis.half_split"))
    figure.y_axis(text("axis.interleaved"))
    return figure
