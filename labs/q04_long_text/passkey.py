"""A fact at a distance: how much likelier the right answer becomes if the fact was planted in the text.

The same text is read twice, with the right key planted and with another one: what the model makes of the
question alone cancels. A model that cannot recall the key may still lean towards it, and this shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Required, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure
from labs.tools.budgets import PerDevice

DISTANCES = (32, 64, 128, 256, 448, 576, 768, 1024, 2048, 4096)
"""Tokens of other text between fact and question."""
FARTHEST = PerDevice(cpu=768, cuda=4096)
WAYS = {"full": "circle", "yarn": "diamond", "local": "star"}


@dataclass(frozen=True)
class PasskeyParams(Params):
    """`farthest` 0 goes as far as suits the device."""

    window: int = whole(64, 8, 2048, step=8, primary=True, unit="tokens")
    farthest: int = choice(0, (0, 576, 768, 1024, 2048, 4096), primary=True)

    def distances(self, device: str) -> list[int]:
        """The distances that are tried on a device."""
        return [each for each in DISTANCES if each <= (self.farthest or FARTHEST.on(device))]


class PasskeyResult(TypedDict, total=False):
    """`gain` is in nats for the whole answer, the mean over the keys, by way, then by distance."""

    gain: Required[dict[str, dict[str, float]]]
    bound: Required[int]
    """Tokens that window attention can look back over, all layers together."""
    trained: Required[int]
    near: float
    """Nats of the answer with its fact at the nearest distance."""
    model: str


class Passkey(Experiment[PasskeyParams, PasskeyResult]):
    """How much a planted fact helps at every distance: read whole, with YaRN, and with window attention."""

    def seconds(self, params: PasskeyParams, device: DeviceClass) -> float:
        tokens = sum(distance + 64 for distance in params.distances(device))
        return 1 + 4 * len(WAYS) * tokens * PerDevice(cpu=1.4e-3, cuda=1e-5).on(device)

    def measure(self, params: PasskeyParams, ctx: Context) -> PasskeyResult:
        from labs.q04_long_text.planted import KEYS, Planted
        from labs.q04_long_text.readings import scaling_for, stretched
        from labs.tools import heldout

        ctx.progress(0.0, "loading")
        loaded, distances = ctx.model(), params.distances(ctx.device)
        trained = loaded.config.max_length
        filler = heldout.held_out_windows(loaded.tokenizer, "english", 1, distances[-1], ctx)[0]
        text = Planted(loaded, filler[1:].tolist())
        partials: list[dict[str, Any]] = []
        for index, (distance, way) in enumerate((each, way) for each in distances for way in WAYS):
            ctx.progress(index / (len(distances) * len(WAYS)), "planting", distance=distance)
            factor = max(1.0, len(text.ids(KEYS[0], distance)) / trained)
            model = (
                stretched(loaded.model, scaling_for("yarn", factor, trained))
                if way == "yarn"
                else loaded.model
            )
            window = params.window if way == "local" else None
            own, other = text.nats(model, distance, window, ctx.check_cancelled)
            partials.append(
                {
                    "way": way,
                    "distance": distance,
                    "gain": other - own,
                    "own": own,
                    "trained": trained,
                    "bound": loaded.config.num_layers * (params.window - 1),
                }
            )
            ctx.emit(partials[-1])
        near = partials[0]["own"]
        return {**self.so_far(params, partials), "near": near, "model": loaded.name}

    def so_far(self, params: PasskeyParams, partials: Partials) -> PasskeyResult:
        """The nearest distances are tried first."""
        gains: dict[str, dict[str, float]] = {}
        for part in partials:
            gains.setdefault(part["way"], {})[str(part["distance"])] = part["gain"]
        return {"gain": gains, "bound": partials[0]["bound"], "trained": partials[0]["trained"]}

    def show(self, result: PasskeyResult, text: Words) -> Shown:
        """The gain over the distance, and where window attention cannot see the fact any more."""
        figures = {"gain": _gain(result, text)}
        if "model" not in result:
            return Shown(figures)
        ends = {way: list(gains.values()) for way, gains in result["gain"].items()}
        return Shown(
            figures,
            rows=[_row(way, result, text) for way in result["gain"]],
            notes=[
                text("passkey.note", model=result["model"], near=result["near"], gain=ends["full"][0]),
                text("passkey.bound", bound=result["bound"], trained=result["trained"]),
                text("passkey.change"),
            ],
            numbers={
                f"{text(f'reading.{way}')} ({text('passkey.farthest')})": row[-1] for way, row in ends.items()
            },
        )


def _gain(result: PasskeyResult, text: Words) -> Figure:
    figure, ends = Figure(), []
    for way, gains in result["gain"].items():
        name, distances = text(f"reading.{way}"), list(map(int, gains))
        hover = f"{name}<br>%{{x:,}}: %{{y:.2f}}"
        values = list(gains.values())
        figure.line(
            distances, values, "measured", name, hover=hover, symbol=WAYS[way], size=9, showlegend=False
        )
        ends.append((float(distances[-1]), values[-1], name))
    every = [value for gains in result["gain"].values() for value in gains.values()]
    low, high = min(-0.5, *every) - 0.3, max(1.0, *every) + 0.5
    figure.line([result["trained"]] * 2, [low, high], "peer", text("trained"))
    figure.line([result["bound"]] * 2, [low, high], "formula", text("passkey.reach"))
    farthest = max(distance for distance, _, _ in ends)
    figure.x_axis(text("axis.distance"), span=(0, 1.35 * farthest))
    figure.y_axis(text("axis.gain"), span=(low, high))
    figure.name_ends(ends, low, high, log=False)
    return figure


def _row(way: str, result: PasskeyResult, text: Words) -> Row:
    gains = {f"{int(distance):,}": gain for distance, gain in result["gain"][way].items()}
    return {text("column.reading"): text(f"reading.{way}"), **gains}
