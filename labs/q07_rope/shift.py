"""The whole model on one text, at position 0 and further on, with angles computed in three types."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Shown, Words, choice, whole
from labs.contract.drawing import Figure, power_ticks, round_ticks
from labs.tools.named_lines import NamedLines

ANGLES = {"fp64": "circle", "fp32": "square", "bf16": "diamond"}
"""Types of the angles, and the symbols that they are drawn with."""
OFFSETS = (1, 100, 10_000, 1_000_000)
ByAngles = dict[str, dict[str, float]]
"""By type of the angles, then by offset, "0" being the text where it was."""


@dataclass(frozen=True)
class ShiftParams(Params):
    """The text, and how sharply attention reads it: `sharpen` multiplies queries and keys."""

    tokens: int = choice(128, (64, 128, 256, 512), unit="tokens", primary=True)
    sharpen: int = choice(1, (1, 2, 4), primary=True)
    text: str = choice("english", ("english", "code", "chinese"))
    seed: int = whole(0, 0, 2**31 - 1)


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

    id = "q07/shift"
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
        documents = heldout.held_out(params.text)
        ids = heldout.windows(loaded.tokenizer, documents, 1, params.tokens, params.seed)  # [1, T + 1]
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
        figures = {
            "difference": _difference_figure(difference, result.get("logit_std"), text),
            "perplexity": _perplexity_figure(perplexity, text),
        }
        if "offsets" not in result:
            return Shown(figures)
        names = {angles: text(f"angles.{angles}") for angles in ANGLES}
        shown = {text("axis.difference"): difference, text("axis.perplexity"): perplexity}
        return Shown(
            figures,
            rows=[
                {
                    text("column.shift"): offset,
                    **{
                        f"{name}: {title}": values[angles][str(offset)]
                        for title, values in shown.items()
                        for angles, name in names.items()
                    },
                }
                for offset in OFFSETS
            ],
            notes=[text("note.shift", **result)],
            numbers={name: difference[angles][str(OFFSETS[-1])] for angles, name in names.items()},
        )


def _difference_figure(difference: ByAngles, logit_std: float | None, text: Words) -> Figure:
    """The largest change of a logit over the offset, and how far logits differ from each other anyway."""
    figure = Figure()
    lines = NamedLines(figure)
    _draw(lines, difference, text)
    if logit_std is not None:
        lines.draw([OFFSETS[0], OFFSETS[-1]], [logit_std] * 2, "peer", name=text("logit_std"))
    low, high = lines.fit(OFFSETS)
    figure.y_axis(text("axis.difference"), ticks=power_ticks(low, high))
    return figure


def _perplexity_figure(perplexity: ByAngles, text: Words) -> Figure:
    figure = Figure()
    lines = NamedLines(figure)
    _draw(lines, perplexity, text)
    low, high = lines.fit(OFFSETS)
    figure.y_axis(text("axis.perplexity"), ticks=round_ticks(low, high))
    return figure


def _draw(lines: NamedLines, values: ByAngles, text: Words) -> None:
    """A line over the offsets for each type of angle, as far as it is known and can be drawn."""
    for angles, symbol in ANGLES.items():
        by_offset = values.get(angles, {})
        offsets = [offset for offset in OFFSETS if by_offset.get(str(offset), 0) > 0]
        if offsets:
            lines.draw(
                offsets,
                [by_offset[str(offset)] for offset in offsets],
                "measured",
                text(f"angles.{angles}"),
                symbol=symbol,
                size=9,
                showlegend=False,
                hover="%{x:,}: %{y:.3g}",
            )
    lines.figure.x_axis(text("axis.offset"), ticks={offset: f"{offset:,}" for offset in OFFSETS})
