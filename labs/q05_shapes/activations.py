"""What a training step has to remember: every tensor that the backward pass will read, weighed by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure
from labs.q05_shapes.outline import MILLION
from labs.tools.budgets import PerDevice
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import num_parameters

PARTS = {"norms": 0.3, "attention": 0.5, "feed_forward": 0.7, "head": 0.95}
"""Of the model, and how strongly each is shaded."""
WAYS: dict[str, Literal["sdpa", "eager"]] = {"fused": "sdpa", "written": "eager"}
"""Attention as a kernel and written out, and what the core calls that."""
TRAINING_BYTES = 16
"""A parameter with its gradient and AdamW's two moments, all in FP32."""

Numbers = dict[str, float]
"""Numbers a token by part."""


@dataclass(frozen=True)
class ActivationsParams(Params):
    """The batch of a training step."""

    batch: int = whole(2, 1, 8, primary=True)
    tokens: int = choice(128, (32, 64, 128, 256, 512), unit="tokens", primary=True)


class ActivationsResult(TypedDict):
    """Numbers a token that are kept, by way and part; `layers` are those of all parts but the head.

    Megabytes are of the whole batch in FP32, those of the state hold weights, gradients and moments.
    """

    kept: dict[str, Numbers]
    formula: Numbers
    layers: dict[str, float]
    drawn: int
    """Numbers a token of the stream alone, once a layer."""
    megabytes: dict[str, float]
    state_megabytes: float
    batch: int
    tokens: int


class Activations(Experiment[ActivationsParams, ActivationsResult]):
    """One forward of the real model, listening to what autograd saves."""

    def seconds(self, params: ActivationsParams, device: DeviceClass) -> float:
        tokens = params.batch * params.tokens
        return 1 + tokens * PerDevice(cpu=0.005, cuda=1e-5).on(device)

    def measure(self, params: ActivationsParams, ctx: Context) -> ActivationsResult:
        """In FP32, with attention as a kernel and written out."""
        import torch

        from labs.q05_shapes.saved import saved_bytes
        from labs.tools.models import before_each_layer, copied

        ctx.progress(0.0, "building")
        model = copied(ctx.model().model)
        config, size = model.config, (params.batch, params.tokens)
        random = torch.Generator().manual_seed(0)
        ids, targets = (
            torch.randint(3, config.vocab_size, size, generator=random).to(ctx.device) for _ in range(2)
        )
        kept: dict[str, Numbers] = {}
        for index, (way, kind) in enumerate(WAYS.items()):
            ctx.progress((index + 0.2) / (len(WAYS) + 0.2), "saving")
            model.use_attention(kind)
            with before_each_layer(model, ctx.check_cancelled):
                saved = saved_bytes(model, ids, targets)
            kept[way] = {part: saved[part] / 4 / ids.numel() for part in PARTS}  # 4 bytes a number
        formula = least(config)
        tables = {"formula": formula, **kept}
        return {
            "kept": kept,
            "formula": formula,
            "layers": {name: sum(table.values()) - table["head"] for name, table in tables.items()},
            "drawn": config.num_layers * config.hidden_size,
            "megabytes": {
                name: 4 * ids.numel() * sum(table.values()) / MILLION for name, table in tables.items()
            },
            "state_megabytes": TRAINING_BYTES * num_parameters(config) / MILLION,
            "batch": params.batch,
            "tokens": params.tokens,
        }

    def show(self, result: ActivationsResult, text: Words) -> Shown:
        """`kept`: numbers a token by part, at least by formula and as saved both ways."""
        layers, megabytes = result["layers"], result["megabytes"]
        return Shown(
            {"kept": _kept(result, text)},
            [_row(name, result, text) for name in ("formula", *WAYS)],
            [
                text("activations.sentence"),
                text(
                    "activations.note",
                    batch=result["batch"],
                    tokens=result["tokens"],
                    fused=megabytes["fused"],
                    written=megabytes["written"],
                    state=result["state_megabytes"],
                    even=result["state_megabytes"] / megabytes["fused"] * result["batch"] * result["tokens"],
                ),
                text("activations.change"),
            ],
            {text(f"activations.{way}"): layers[way] for way in WAYS},
            {
                "said": float(result["drawn"]),
                "formula": layers["formula"],
                "measured": layers["fused"],
                "unit": text("activations.numbers"),
            },
        )


def least(config: ModelConfig) -> Numbers:
    """Numbers a token that no implementation gets around, short of computing them again.

    A norm's input; what every matrix multiplies; queries, keys and values; gate and up, whose product is
    what `down_proj` multiplies. Of the head its input and the softmax of the logits.

    >>> sum(least(ModelConfig()).values()) - least(ModelConfig())["head"]
    60416
    """
    layers, hidden = config.num_layers, config.hidden_size
    joined, keys = config.num_heads * config.head_dim, 2 * config.num_kv_heads * config.head_dim
    return {
        "norms": layers * 2 * hidden,
        "attention": layers * (hidden + joined + keys + joined),
        "feed_forward": layers * (hidden + 3 * config.intermediate_size),
        "head": 2 * hidden + config.vocab_size,
    }


def _kept(result: ActivationsResult, text: Words) -> Figure:
    figure = Figure(barmode="stack")
    names = [text("activations.least"), *(text(f"activations.{way}") for way in WAYS)]
    for part, shade in PARTS.items():
        label = text(f"kept_by.{part}")
        hover = f"{label}: %{{y:,.0f}}"
        figure.bars(names[:1], [result["formula"][part]], "formula", label, opacity=shade, hover=hover)
        values = [result["kept"][way][part] for way in WAYS]
        figure.bars(names[1:], values, "measured", label, opacity=shade, hover=hover, showlegend=False)
    tables = [result["formula"], *result["kept"].values()]
    high = 1.15 * max(sum(table.values()) for table in tables)
    totals = [sum(table.values()) for table in tables]
    figure.words(names, [total + 0.04 * high for total in totals], [f"{total:,.0f}" for total in totals])
    figure.x_axis(category=True)
    figure.y_axis(text("axis.kept"), span=(0, high))
    return figure


def _row(name: str, result: ActivationsResult, text: Words) -> Row:
    table = result["formula"] if name == "formula" else result["kept"][name]
    key = "least" if name == "formula" else name
    return {
        text("activations.way"): text(f"activations.{key}"),
        **{text(f"kept_by.{part}"): round(table[part]) for part in PARTS},
        text("activations.megabytes"): result["megabytes"][name],
    }
