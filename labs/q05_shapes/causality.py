"""One token is changed: which positions notice, with the mask before the softmax, after it, and without."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TypedDict

from labs.contract import Context, Experiment, Params, Shown, Words, whole
from labs.contract.drawing import Figure, Role, power_ticks
from labs.q05_shapes.reading import MOST_TOKENS, ids_of, labels_of, short_text
from labs.tools.budgets import PerDevice
from minimind_core.errors import ConfigError

MASKS: dict[str, Role] = {"before": "measured", "mask_after": "said", "no_mask": "removed"}
"""Where the mask acts, and how each is drawn."""
_SMALLEST, _LARGEST = 1e-4, 1e3
"""Of the axis; a change of exactly 0 has no bar."""


@dataclass(frozen=True)
class CausalityParams(Params):
    """`position` counts from BOS, which is 0 and cannot be changed."""

    text: str = short_text()
    position: int = whole(7, 1, MOST_TOKENS, primary=True)


class CausalityResult(TypedDict):
    """By mask: the largest change of a logit at every position, and how many earlier positions changed."""

    tokens: list[str]
    position: int
    change: dict[str, list[float]]
    earlier: dict[str, int]
    later: dict[str, int]


class Causality(Experiment[CausalityParams, CausalityResult]):
    """Logits before and after an edit, compared position by position."""

    takes = PerDevice(cpu=1.2, cuda=0.3)

    def measure(self, params: CausalityParams, ctx: Context) -> CausalityResult:
        """Two texts that differ in one token, read with each mask."""
        import torch

        from labs.q05_shapes.stepwise import Stepwise, attention_replaced
        from labs.tools.models import before_each_layer

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        ids, position = ids_of(loaded, params.text), params.position
        if position >= len(ids):
            raise ConfigError(
                f"The text has {len(ids) - 1} tokens; change one of 1 to {len(ids) - 1}.",
                key="q05.position",
                last=len(ids) - 1,
            )
        first = max(loaded.config.pad_id, loaded.config.bos_id, loaded.config.eos_id) + 1
        other = first + (ids[position] + 1 - first) % (loaded.config.vocab_size - first)
        edited = [*ids[:position], other, *ids[position + 1 :]]
        rows = torch.tensor([ids, edited], device=ctx.device)  # [2, T]
        change: dict[str, list[float]] = {}
        for index, mask in enumerate(MASKS):
            ctx.progress(index / len(MASKS), "mask")
            fault = "" if mask == "before" else mask
            with (
                torch.inference_mode(),
                attention_replaced(loaded.model, partial(Stepwise, fault=fault)),
                before_each_layer(loaded.model, ctx.check_cancelled),
            ):
                one, two = (loaded.model(row[None])[0].float() for row in rows)  # [T, V] each
            change[mask] = (one - two).abs().amax(-1).tolist()
        return {
            "tokens": labels_of(loaded, ids),
            "position": position,
            "change": change,
            "earlier": {mask: _moved(by_place[:position]) for mask, by_place in change.items()},
            "later": {mask: _moved(by_place[position:]) for mask, by_place in change.items()},
        }

    def show(self, result: CausalityResult, text: Words) -> Shown:
        """`change`: bars by position on a logarithmic axis; what does not move at all has none."""
        figure, position = Figure(barmode="group"), result["position"]
        for mask, role in MASKS.items():
            heights = [value or None for value in result["change"][mask]]
            figure.bars(result["tokens"], heights, role, text(f"mask.{mask}"), hover="%{x}: %{y:.2g}")
        figure.line(
            [result["tokens"][position]] * 2, [_SMALLEST, _LARGEST], "peer", text("edited"), width=1.5
        )
        figure.x_axis(category=True, tickangle=-60)
        figure.y_axis(text("axis.change"), log=True, span=(-4, 3), ticks=power_ticks(_SMALLEST, _LARGEST))
        earlier = result["earlier"]
        return Shown(
            {"change": figure},
            rows=[
                {
                    text("token"): token,
                    **{text(f"mask.{mask}"): result["change"][mask][place] for mask in MASKS},
                }
                for place, token in enumerate(result["tokens"])
            ],
            notes=[
                text("causality.sentence"),
                text("causality.note", before=earlier["before"], position=position),
                text("causality.change"),
            ],
            numbers={text(f"mask.{mask}"): earlier[mask] for mask in MASKS},
            sentence={
                "said": 0,
                "formula": position,
                "measured": earlier["mask_after"],
                "unit": text("positions"),
            },
        )


def _moved(changes: list[float]) -> int:
    """Positions whose logits are not bit for bit what they were."""
    return sum(change > 0 for change in changes)
