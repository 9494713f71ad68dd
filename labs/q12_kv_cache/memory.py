"""A memory calculator for any model, the mistakes of others beside it, and a real cache of ours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Required, TypedDict

from labs.contract import DEFAULT_MODEL, Context, DeviceClass, Experiment, Figure, Params, Row, Shown, Words
from labs.contract.fields import ParamError, choice, real, switch, text, whole
from labs.contract.filling import without_e
from labs.q12_kv_cache.cache_sizes import BITS, MODELS, Attention, mistakes, variants
from labs.q12_kv_cache.read_config import EXAMPLE, attention_of

OURS, OWN, CONFIG = "minimind-26m", "own", "config"
GIGA = 10**9


@dataclass(frozen=True)
class MemoryParams(Params):
    """All is view but `read`, the tokens that our model really reads.

    `own_config` is the model "config", the other `own_…` are the model "own".
    """

    model: str = choice(OURS, (*MODELS, CONFIG, OWN), primary=True, view=True, label="memory_model")
    tokens: int = whole(611, 1, 10_000_000, primary=True, view=True, unit="tokens", label="memory_tokens")
    rows: int = whole(1, 1, 4096, primary=True, view=True, label="batch")
    cache_type: str = choice("bf16", tuple(BITS), view=True, label="cache_dtype")
    card_gb: float = real(80, 1, 1000, step=1, unit="GB", view=True)
    own_config: str = text(EXAMPLE, max_length=100_000, view=True, files=("json",))
    own_layers: int = whole(36, 1, 1000, view=True)
    own_query_heads: int = whole(32, 1, 1024, view=True)
    own_kv_heads: int = whole(8, 1, 1024, view=True)
    own_head_dim: int = whole(128, 1, 4096, view=True)
    own_hidden: int = whole(4096, 1, 1_000_000, view=True)
    own_window: int = whole(0, 0, 1_000_000, view=True)
    own_global_layers: int = whole(0, 0, 1000, view=True)
    own_latent: bool = switch(False, view=True)
    read: int = whole(64, 1, 512, unit="tokens")

    def check_together(self) -> None:
        """A config can be read, heads are shared evenly, and no more layers are global than there are."""
        if self.model == CONFIG:
            attention_of(self.own_config)
        if self.own_query_heads % self.own_kv_heads:
            raise ParamError(
                "together",
                "own_kv_heads",
                f"{self.own_query_heads} query heads cannot be split evenly over "
                f"{self.own_kv_heads} KV heads.",
                key="q12.uneven",
                query_heads=self.own_query_heads,
                kv_heads=self.own_kv_heads,
            )
        if self.own_global_layers > self.own_layers:
            raise ParamError(
                "together",
                "own_global_layers",
                f"Only {self.own_layers} layers can be global, for there are no more.",
                key="q12.global_layers",
                layers=self.own_layers,
            )

    def attention(self) -> Attention:
        """The chosen model."""
        if self.model == CONFIG:
            return attention_of(self.own_config)
        if self.model != OWN:
            return MODELS[self.model]
        return Attention(
            self.own_layers,
            self.own_query_heads,
            self.own_kv_heads,
            self.own_head_dim,
            self.own_hidden,
            self.own_window,
            self.own_global_layers,
            self.own_latent,
        )


class Calculated(TypedDict):
    """Bytes of the chosen cache: right, by each wrong formula, of its relatives; sequences on the card."""

    model: str
    tokens: int
    rows: int
    bytes: float
    mistakes: dict[str, float]
    variants: dict[str, float]
    sequences: int
    bits: int
    layers: int
    all_layers: int
    """Of the model; `layers` of them keep keys and values of their own."""


class MemoryResult(TypedDict, total=False):
    """Our model's own cache after it read `tokens`: bytes of its tensors, and of one token in 16 bits."""

    tokens: Required[int]
    bytes: int
    per_token: float
    view: Calculated


class Memory(Experiment[MemoryParams, MemoryResult]):
    """What a cache takes; our model reads a text into a real one."""

    drawn_by_formula = True

    def seconds(self, params: MemoryParams, device: DeviceClass) -> float:
        return 0.5 + params.read * 1e-3

    def formula(self, params: MemoryParams) -> MemoryResult:
        """Nothing of ours is run: see `view`."""
        return {"tokens": params.read}

    def measure(self, params: MemoryParams, ctx: Context) -> MemoryResult:
        """A prefill of the shipped 26M into a cache of 16-bit numbers, whose tensors are added up."""
        import torch

        from labs.q12_kv_cache.runs import make_cache, prompts, with_cache

        ctx.progress(0.0, "loading")
        loaded = ctx.model(DEFAULT_MODEL)
        ids = prompts(loaded.tokenizer, "both", 1, params.read, ctx.check_cancelled).to(ctx.device)
        cache = make_cache(loaded.model, 1, params.read, torch.bfloat16)
        with torch.inference_mode():
            with_cache(loaded.model, ids, cache, 0)
        return {"tokens": params.read, "bytes": cache.nbytes, "per_token": cache.nbytes / params.read}

    def view(self, params: MemoryParams, result: MemoryResult) -> Calculated:
        """The chosen model and size."""
        model, bits = params.attention(), BITS[params.cache_type]

        def in_bytes(numbers: int) -> float:
            return numbers * params.rows * bits / 8

        total = in_bytes(model.numbers(params.tokens))
        sequence = total / params.rows
        return {
            "model": params.model,
            "tokens": params.tokens,
            "rows": params.rows,
            "bytes": total,
            "mistakes": {name: in_bytes(each) for name, each in mistakes(model, params.tokens).items()},
            "variants": {name: in_bytes(each) for name, each in variants(model, params.tokens).items()},
            "sequences": math.floor(params.card_gb * GIGA / sequence),
            "bits": bits,
            "layers": model.layers,
            "all_layers": model.all_layers or model.layers,
        }

    def show(self, result: MemoryResult, text: Words) -> Shown:
        """`mistakes`: the right size and the wrong ones; `variants`: how the heads could be shared."""
        view = result["view"]
        unit, size = unit_of(max(view["bytes"], *view["variants"].values()))
        rows: list[Row] = [
            {
                text("memory.by"): name,
                text("memory.bytes"): amount,
                "GB": amount / GIGA,
                "GiB": amount / 2**30,
                text("memory.ratio"): amount / view["bytes"],
            }
            for name, amount in _named(view, text).items()
        ]
        figures = {
            "mistakes": _mistakes(result, text, unit, size),
            "variants": _variants(view, text, unit, size),
        }
        about = [text("memory.sequences", sequences=view["sequences"], tokens=view["tokens"])]
        if view["layers"] < view["all_layers"]:
            about.append(text("memory.cacheless", kept=view["layers"], layers=view["all_layers"]))
        if "per_token" not in result or view["model"] != OURS:
            return Shown(figures, rows, notes=about)
        measured = ours_measured(result)
        return Shown(
            figures,
            rows,
            notes=[text("memory.sentence", tokens=result["tokens"], unit=unit), *about],
            numbers={f"{text('memory.cache')} (MB)": measured / 10**6},
            sentence={
                "said": view["mistakes"]["hidden"] / size,
                "formula": view["bytes"] / size,
                "measured": measured / size,
                "unit": unit,
            },
        )


def ours_measured(result: MemoryResult) -> float:
    """The real cache's bytes a token, for the tokens, rows and bits that are looked at."""
    view = result["view"]
    return result["per_token"] * view["tokens"] * view["rows"] * view["bits"] / 16


def unit_of(largest: float) -> tuple[str, int]:
    """The unit in which the largest of some sizes has few digits, and its bytes.

    >>> unit_of(2_502_656), unit_of(4e12)
    (('MB', 1000000), ('GB', 1000000000))
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if largest >= size:
            return unit, size
    return "kB", 10**3


def _named(view: Calculated, text: Words) -> dict[str, float]:
    wrong = {text(f"mistake.{name}"): amount for name, amount in view["mistakes"].items()}
    relatives = {text(f"variant.{name}"): amount for name, amount in view["variants"].items()}
    return {text("memory.right"): view["bytes"], **wrong, **relatives}


def _mistakes(result: MemoryResult, text: Words, unit: str, size: int) -> Figure:
    view, figure = result["view"], Figure(height=330)
    right, wrong = view["bytes"], view["mistakes"]
    figure.bars(
        [right / size],
        [text("memory.right")],
        "formula",
        labels=f"    {{:,.4g}} {unit}",
        horizontal=True,
        showlegend=False,
        hover=f"%{{x:,.5g}} {unit}",
    )
    figure.bars(
        [amount / size for amount in wrong.values()],
        [text(f"mistake.{name}") for name in wrong],
        "said",
        labels=[_both(amount / size, unit, amount / right) for amount in wrong.values()],
        horizontal=True,
        showlegend=False,
        hover=f"%{{x:,.5g}} {unit}",
    )
    if "per_token" in result and view["model"] == OURS:
        figure.marks(
            [ours_measured(result) / size],
            [text("memory.right")],
            "measured",
            text("measured"),
            symbol="diamond",
            size=13,
            hover=f"%{{x:,.5g}} {unit}",
        )
    labels = [text("memory.right"), *(text(f"mistake.{name}") for name in wrong)]
    figure.x_axis(text("axis.cache", unit=unit), span=(0, 1.9 * max(right, *wrong.values()) / size))
    figure.y_axis(reverse=True, showgrid=False, categoryorder="array", categoryarray=labels)
    return figure


def _both(amount: float, unit: str, ratio: float) -> str:
    """An amount with its unit, and how many times the right one it is."""
    return f" {without_e(f'{amount:,.4g}')} {unit} ({without_e(f'{ratio:.3g}')}×)"


def _variants(view: Calculated, text: Words, unit: str, size: int) -> Figure:
    figure, amounts = Figure(height=300), view["variants"]
    labels = [text(f"variant.{name}") for name in amounts]
    figure.bars(
        [amount / size for amount in amounts.values()],
        labels,
        "formula",
        labels=f" {{:,.4g}} {unit}",
        horizontal=True,
        hover=f"%{{x:,.5g}} {unit}",
    )
    figure.x_axis(text("axis.cache", unit=unit), span=(0, 1.6 * max(amounts.values()) / size))
    figure.y_axis(reverse=True, showgrid=False, categoryorder="array", categoryarray=labels)
    return figure
