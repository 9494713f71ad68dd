"""The whole model on one text, at position 0 and further on, with angles computed in three types."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Numbers, Params, Partials, Shown, Words
from labs.contract.drawing import Figure, power_ticks, round_ticks
from labs.contract.fields import choice
from labs.tools.named_lines import NamedLines
from labs.tools.sampler import seed

ANGLES = {"fp64": "circle", "fp32": "square", "bf16": "diamond"}
"""Types of the angles, and the symbols that they are drawn with."""
OFFSETS = (1, 100, 10_000, 1_000_000)
ByAngles = dict[str, Numbers]
"""By type of the angles, then by offset, "0" being the text where it was."""
Ticks = Callable[[float, float], dict[float, str]]


@dataclass(frozen=True)
class ShiftParams(Params):
    """The text, and how sharply attention reads it: `sharpen` multiplies queries and keys."""

    tokens: int = choice(128, (64, 128, 256, 512), unit="tokens", primary=True)
    sharpen: int = choice(1, (1, 2, 4), primary=True)
    text: str = choice("english", ("english", "code", "chinese"))
    seed: int = seed()


class ShiftResult(TypedDict):
    """What a shift of all positions changes; everything but the angles is in fp32."""

    difference: ByAngles
    """The largest change of any logit."""
    perplexity: ByAngles
    offsets: NotRequired[list[int]]
    logit_std: NotRequired[float]
    model: NotRequired[str]
    tokens: NotRequired[int]
    sharpen: NotRequired[int]


class Shift(Experiment[ShiftParams, ShiftResult]):
    """The largest change of a logit, and the perplexity, when all positions move by `OFFSETS`."""

    version = 2

    def seconds(self, params: ShiftParams, device: DeviceClass) -> float:
        return 1.0 if device == "cuda" else 1 + 0.03 * params.tokens

    def measure(self, params: ShiftParams, ctx: Context) -> ShiftResult:
        import torch
        import torch.nn.functional as F

        from labs.q07_rope.rotations import rope_model, twin
        from labs.tools import heldout
        from labs.tools.models import before_each_layer

        ctx.progress(0.0, "loading")
        loaded = rope_model(ctx)
        ids = heldout.held_out_windows(
            loaded.tokenizer, params.text, 1, params.tokens, ctx, seed=params.seed
        )  # [1, T + 1]
        inputs, positions = ids[:, :-1].to(ctx.device), torch.arange(params.tokens, device=ctx.device)
        partials: list[dict[str, Any]] = []
        unmoved: dict[str, torch.Tensor] = {}
        for angles in ANGLES:
            model = twin(loaded.model, angles=angles, sharpen=params.sharpen).float()
            for offset in (0, *OFFSETS):
                done = len(partials) / (len(ANGLES) * (1 + len(OFFSETS)))
                ctx.progress(done, "shifting", angles=angles, offset=offset)
                with torch.inference_mode(), before_each_layer(model, ctx.check_cancelled):
                    logits = model(inputs, positions + offset).float().cpu()[0]  # [T, V]
                change = (logits - unmoved.setdefault(angles, logits)).abs().max()
                partials.append(
                    {
                        "angles": angles,
                        "offset": offset,
                        "difference": float(change),
                        "perplexity": math.exp(float(F.cross_entropy(logits, ids[0, 1:]))),
                    }
                )
                ctx.emit(partials[-1])
        return {
            **self.so_far(params, partials),
            "offsets": list(OFFSETS),
            "logit_std": float(unmoved["fp64"].std()),
            "model": loaded.name,
            "tokens": params.tokens,
            "sharpen": params.sharpen,
        }

    def so_far(self, params: ShiftParams, partials: Partials) -> ShiftResult:
        result: ShiftResult = {"difference": {}, "perplexity": {}}
        for partial in partials:
            angles, offset = partial["angles"], str(partial["offset"])
            result["difference"].setdefault(angles, {})[offset] = partial["difference"]
            result["perplexity"].setdefault(angles, {})[offset] = partial["perplexity"]
        return result

    def show(self, result: ShiftResult, text: Words) -> Shown:
        difference, perplexity = result["difference"], result["perplexity"]
        of_logits, of_text = text("axis.difference"), text("axis.perplexity")
        figures = {
            "difference": _over_offsets(difference, of_logits, power_ticks, text, result.get("logit_std")),
            "perplexity": _over_offsets(perplexity, of_text, round_ticks, text, None),
        }
        if "offsets" not in result:
            return Shown(figures)
        names = {angles: text(f"angles.{angles}") for angles in ANGLES}
        return Shown(
            figures,
            rows=[
                {
                    text("column.shift"): offset,
                    **{
                        f"{name}: {title}": values[angles][str(offset)]
                        for title, values in ((of_logits, difference), (of_text, perplexity))
                        for angles, name in names.items()
                    },
                }
                for offset in OFFSETS
            ],
            notes=[text("shift.sentence", offset=OFFSETS[-1]), text("note.shift", **result)],
            numbers={name: difference[angles][str(OFFSETS[-1])] for angles, name in names.items()},
            sentence={"said": 0, "formula": 0, "measured": difference["fp32"][str(OFFSETS[-1])], "unit": ""},
        )


def _over_offsets(values: ByAngles, title: str, ticks: Ticks, text: Words, spread: float | None) -> Figure:
    """A line for each type of angle, as far as it is known and has a logarithm, and the spread of logits."""
    figure = Figure()
    lines = NamedLines(figure)
    for angles, symbol in ANGLES.items():
        by_offset = {int(offset): value for offset, value in values.get(angles, {}).items()}
        points = {offset: by_offset[offset] for offset in OFFSETS if by_offset.get(offset, 0) > 0}
        if points:
            look = {"symbol": symbol, "size": 9, "showlegend": False, "hover": "%{x:,}: %{y:.3g}"}
            lines.draw(points, "measured", text(f"angles.{angles}"), **look)
    if spread is not None:
        lines.draw({OFFSETS[0]: spread, OFFSETS[-1]: spread}, "peer", name=text("logit_std"))
    low, high = lines.fit(OFFSETS)
    figure.x_axis(text("axis.offset"), ticks={offset: f"{offset:,}" for offset in OFFSETS})
    figure.y_axis(title, ticks=ticks(low, high))
    return figure
