"""One sentence priced at two vocabularies: by formula, and counted on the model of that shape.

The count is torch's FlopCounterMode over a real forward pass on the meta device, which has shapes and no
numbers: exact, and no size is too large.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, Required, TypedDict

from labs.contract import Context, Data, DeviceClass, Experiment, Params, Row, Shown, Words, whole
from labs.contract.drawing import Figure
from labs.contract.fields import choice
from labs.q03_vocabulary import prices
from labs.q03_vocabulary.prices import MEGA, OURS, Operations
from labs.tools.budgets import PerDevice
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import num_parameters, parameter_counts

if TYPE_CHECKING:
    from minimind_core.model.minimind import MiniMind

HEADS = ("all", "last")
"""Where the head is applied: at every position, as in training, or at the last, as for a prompt."""
SHADES = {"layers": 0.35, "attention": 0.6, "head": 0.95}
LISTED = (1_000, OURS, 32_000, 50_304, 100_000, 151_936)
"""Vocabularies of the table: two of ours, LLaMA's, GPT-2's as it is padded, the problem's, Qwen3's."""


@dataclass(frozen=True)
class CostParams(Params):
    """The sentence has `tokens_ours` tokens at our 6,400 entries, `tokens_other` at `vocab_size`."""

    vocab_size: int = prices.vocab_size(primary=True)
    tokens_ours: int = whole(5, 1, 512, primary=True)
    tokens_other: int = whole(4, 1, 512, primary=True)
    logits: str = choice("all", HEADS)
    tied: bool = prices.tied()
    hidden: int = prices.hidden()
    layers: int = prices.layers()


class Side(TypedDict):
    """One vocabulary: its parameters in all, and operations by where the head is applied."""

    entries: int
    tokens: int
    parameters: int
    operations: dict[str, Operations]


class Counted(TypedDict):
    """What FlopCounterMode and numel counted: MFLOP by where the head is applied, and parameters."""

    ours: dict[str, float]
    other: dict[str, float]
    parameters_ours: int
    parameters_other: int


class CostResult(TypedDict, total=False):
    """`sentence_ratio` is other to ours where `logits` says; `added_millions` are parameters."""

    ours: Required[Side]
    other: Required[Side]
    logits: Required[str]
    table: Required[list[dict[str, float]]]
    said_ratio: Required[float]
    sentence_ratio: float
    added_millions: float
    formula: Expected
    counted: NotRequired[Counted]


class Expected(TypedDict):
    """The formula's side of what a run has counted."""

    sentence_ratio: float
    added_millions: float


class Cost(Experiment[CostParams, CostResult]):
    """The same sentence at our vocabulary and at another: operations, parameters, memory."""

    drawn_by_formula = True

    def seconds(self, params: CostParams, device: DeviceClass) -> float:
        """Four passes without numbers."""
        return PerDevice(cpu=1.5, cuda=1.0).on(device) + 0.02 * params.layers

    def formula(self, params: CostParams) -> Data:
        """All of it but the count."""
        ours = _side(params, OURS, params.tokens_ours)
        other = _side(params, params.vocab_size, params.tokens_other)
        before, after = (sum(side["operations"][params.logits].values()) for side in (ours, other))
        return {
            "ours": ours,
            "other": other,
            "logits": params.logits,
            "table": [_priced(params, entries) for entries in sorted({*LISTED, params.vocab_size})],
            "said_ratio": (params.tokens_other / params.tokens_ours) ** 2,
            "sentence_ratio": after / before,
            "added_millions": (other["parameters"] - ours["parameters"]) / MEGA,
        }

    def measure(self, params: CostParams, ctx: Context) -> CostResult:
        """Builds both shapes and counts what their forward passes do."""
        import torch

        from labs.tools import imports
        from minimind_core.model.minimind import MiniMind

        ctx.progress(0.0, "building")
        imports.load(imports.WITHOUT_NUMBERS, ctx.check_cancelled)
        asked = self.formula(params)
        found: dict[str, dict[str, float]] = {}
        sizes = {}
        for number, name in enumerate(("ours", "other")):
            ctx.progress(0.3 + 0.35 * number, "counting", entries=asked[name]["entries"])
            with torch.device("meta"):
                model = MiniMind(_shape(params, asked[name]["entries"])).eval()
            sizes[name] = sum(weight.numel() for weight in model.parameters())
            found[name] = {where: counted(model, asked[name]["tokens"], where) for where in HEADS}
        return {
            **asked,  # type: ignore[typeddict-item]
            "formula": {key: asked[key] for key in ("sentence_ratio", "added_millions")},
            "sentence_ratio": found["other"][params.logits] / found["ours"][params.logits],
            "added_millions": (sizes["other"] - sizes["ours"]) / MEGA,
            "counted": {**found, "parameters_ours": sizes["ours"], "parameters_other": sizes["other"]},
        }

    def show(self, result: CostResult, text: Words) -> Shown:
        """`operations`: both sides with the head everywhere and at the end; `parameters` by entries."""
        figures = {"operations": _operations(result, text), "parameters": _parameters(result, text)}
        rows = _rows(result, text)
        notes = [text("note.flip", **_ratios(result)), text("note.batch")]
        if "counted" not in result:
            return Shown(figures, rows, notes)
        return Shown(
            figures,
            rows,
            [text("note.ratio", where=text(f"head_at.{result['logits']}")), *notes],
            {text("ratio"): result["sentence_ratio"], text("added_parameters"): result["added_millions"]},
            {
                "said": result["said_ratio"],
                "formula": result["formula"]["sentence_ratio"],
                "measured": result["sentence_ratio"],
                "unit": "×",
            },
        )


def counted(model: MiniMind, tokens: int, where: str) -> float:
    """MFLOP that FlopCounterMode counts in a forward pass over one text, the head at `where`."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    weight = model.model.embed_tokens.weight
    ids = torch.zeros(1, tokens, dtype=torch.int64, device=weight.device)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        hidden = model.model(ids)  # [1, T, C]
        model.head(hidden if where == "all" else hidden[:, -1:])
    return counter.get_total_flops() / MEGA


def _shape(params: CostParams, entries: int) -> ModelConfig:
    return prices.shape(entries, params.hidden, params.layers, params.tied)


def _side(params: CostParams, entries: int, tokens: int) -> Side:
    config = _shape(params, entries)
    return {
        "entries": entries,
        "tokens": tokens,
        "parameters": num_parameters(config),
        "operations": {
            "all": prices.operations(config, tokens, tokens),
            "last": prices.operations(config, tokens, 1),
        },
    }


def _priced(params: CostParams, entries: int) -> dict[str, float]:
    """One line of the table."""
    config = _shape(params, entries)
    counts, total = parameter_counts(config), num_parameters(config)
    matrices = counts["embedding"] + counts["lm_head"]
    return {
        "entries": entries,
        "vocabulary": matrices,
        "body": total - matrices,
        "parameters": total,
        "added": total - num_parameters(_shape(params, OURS)),
        "share": 100 * matrices / total,
        "head_mflop": prices.operations(config, 1, 1)["head"],
        "read": prices.read_megabytes(config),
        "training": prices.training_megabytes(config),
        "logits": prices.logits_megabytes(entries),
    }


def _ratios(result: CostResult) -> dict[str, float]:
    """Other to ours by where the head is applied."""
    totals = {
        side: {where: sum(parts.values()) for where, parts in result[side]["operations"].items()}
        for side in ("ours", "other")
    }
    return {where: totals["other"][where] / totals["ours"][where] for where in HEADS}


def _operations(result: CostResult, text: Words) -> Figure:
    """Four bars of three parts: each vocabulary with the head at every position and at the last."""
    figure = Figure(height=420, barmode="stack")
    sides = (result["ours"], result["other"])
    cases = [(side, where) for where in HEADS for side in sides]
    x = list(range(len(cases)))
    for part, shade in SHADES.items():
        figure.bars(
            x,
            [side["operations"][where][part] for side, where in cases],
            "formula",
            text(f"part.{part}"),
            opacity=shade,
            hover=text(f"part.{part}") + ": %{y:,.1f} MFLOP",
        )
    totals = [sum(side["operations"][where].values()) for side, where in cases]
    high = 1.22 * max(totals)
    if "counted" in result:
        counted = [result["counted"][name][where] for where in HEADS for name in ("ours", "other")]
        figure.marks(x, counted, "measured", text("counted"), size=11, hover="%{y:,.1f} MFLOP")
    above = [total + 0.05 * high for total in totals]
    figure.words(x, above, [f"{total:,.1f}" for total in totals], textposition="middle center")
    names = [
        f"{side['entries']:,}<br>{text('count', count=side['tokens'])}<br>{text(f'head_at.{where}')}"
        for side, where in cases
    ]
    figure.x_axis(ticks=dict(zip(x, names, strict=True)))
    figure.y_axis(text("axis.mflop"), span=(0, high))
    return figure


def _parameters(result: CostResult, text: Words) -> Figure:
    """Body and vocabulary matrices over the listed entries."""
    figure, names = Figure(barmode="stack"), [f"{row['entries']:,.0f}" for row in result["table"]]
    for part, shade in (("body", SHADES["layers"]), ("vocabulary", SHADES["head"])):
        figure.bars(
            names,
            [row[part] / MEGA for row in result["table"]],
            "formula",
            text(f"part.{part}"),
            opacity=shade,
            hover="%{y:,.2f}",
        )
    high = 1.15 * max(row["parameters"] / MEGA for row in result["table"])
    above = [row["parameters"] / MEGA + 0.05 * high for row in result["table"]]
    labels = [f"{row['share']:.1f}%" for row in result["table"]]
    figure.words(names, above, labels, textposition="middle center")
    if "counted" in result:
        sizes = {
            result["ours"]["entries"]: result["counted"]["parameters_ours"],
            result["other"]["entries"]: result["counted"]["parameters_other"],
        }
        figure.marks(
            [f"{entries:,}" for entries in sizes],
            [size / MEGA for size in sizes.values()],
            "measured",
            text("counted"),
            size=11,
            hover="%{y:,.2f}",
        )
    figure.x_axis(text("axis.entries"), category=True)
    figure.y_axis(text("axis.parameters"), span=(0, high))
    return figure


def _rows(result: CostResult, text: Words) -> list[Row]:
    columns = {
        "axis.entries": "entries",
        "column.vocabulary": "vocabulary",
        "column.parameters": "parameters",
        "column.added": "added",
        "column.share": "share",
        "column.head": "head_mflop",
        "column.read": "read",
        "column.training": "training",
        "column.logits": "logits",
    }
    whole_numbers = {"entries", "vocabulary", "parameters", "added"}
    return [
        {
            text(title): int(row[name]) if name in whole_numbers else row[name]
            for title, name in columns.items()
        }
        for row in result["table"]
    ]
