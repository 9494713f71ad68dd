"""The bytes of one cache: the formula, the tensors after a real prefill, and how many fit on a card."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Required, TypedDict

from labs.contract import (
    DEFAULT_MODEL,
    Context,
    Data,
    DeviceClass,
    Experiment,
    OnProgress,
    Params,
    Shown,
    Words,
    table,
)
from labs.contract.drawing import Figure
from labs.contract.fields import choice, real, whole
from labs.q06_gqa.cache_bytes import (
    BITS,
    LIVE_BATCH,
    MAX_BATCH,
    MAX_TOKENS,
    MEGA,
    VARIANTS,
    cache_bytes,
    cache_length,
    cached_tokens,
    capacity,
    check_cache,
    head_count,
    shape,
)
from labs.tools.budgets import PerDevice
from minimind_core.errors import ConfigError
from minimind_core.model.cost import weight_bytes

if TYPE_CHECKING:
    import torch

    from minimind_core.model.kv_cache import StaticCache
    from minimind_core.model.minimind import MiniMind

HEADS = (8, 4, 2, 1)
COMPUTED_ONLY = ("int8", "int4")
PREFILL_TOKENS = PerDevice(cpu=4096, cuda=MAX_BATCH * MAX_TOKENS)
"""All tokens of a live run; what a CPU reads in a few seconds."""
GROUP_TOKENS = PerDevice(cpu=1, cuda=32_768)
"""Tokens read at once, but whole rows: activations stay small, and a cancel is heard between layers."""
SECONDS_A_TOKEN = PerDevice(cpu=0.0015, cuda=4e-7)


@dataclass(frozen=True)
class CacheParams(Params):
    """`card_gb` is what sequences are counted on."""

    kv_heads: int = head_count()
    tokens: int = cache_length()
    batch: int = whole(1, 1, MAX_BATCH, primary=True)
    cache_type: str = choice("bf16", tuple(BITS))
    card_gb: float = real(80, 1, 1000, step=1, unit="GB", view=True)


class CacheBytes(TypedDict):
    """What the formula says of one cache; the weights are those of the model with so many KV heads."""

    bytes: int
    megabytes: float
    weights_bytes: int
    batch: int
    tokens: int
    cache_type: str


class CacheResult(TypedDict, total=False):
    """`asked` is of what was asked for; the rest of the run, `run_batch` rows of `run_tokens` tokens.

    They differ where a CPU stops earlier ("capped"). `per_token` is what one token of one row takes.
    """

    asked: Required[CacheBytes]
    formula: CacheBytes
    bytes: int
    megabytes: float
    per_token: float
    equal: bool
    kv_heads: int
    run_tokens: int
    run_batch: int
    capped: bool
    view: Capacity


class Capacity(TypedDict):
    """Sequences that fit on the chosen card, by KV heads as text."""

    capacity: dict[str, int]


class Cache(Experiment[CacheParams, CacheResult]):
    """A prefill into a cache of the chosen type, whose bytes are added up and compared with the formula."""

    drawn_by_formula = True

    def seconds(self, params: CacheParams, device: DeviceClass) -> float:
        read = prefill_rows(params, device) * cached_tokens(params.tokens, device)
        return PerDevice(cpu=1.5, cuda=0.5).on(device) + read * SECONDS_A_TOKEN.on(device)

    def formula(self, params: CacheParams) -> Data:
        """The bytes that were asked for, also where a run has those that it added up."""
        asked = counted(params)
        return {"asked": asked, "bytes": asked["bytes"], "megabytes": asked["megabytes"]}

    def measure(self, params: CacheParams, ctx: Context) -> CacheResult:
        """With two KV heads the shipped 26M reads, else an untrained model of its shape."""
        from labs.q06_gqa.decoding import random_models
        from minimind_core.device import DTYPES

        check_live_type(params.cache_type)
        asked = counted(params)
        check_cache(asked["bytes"], ctx.device)
        ctx.progress(0.0, "building")
        tokens, rows = cached_tokens(params.tokens, ctx.device), prefill_rows(params, ctx.device)
        if params.kv_heads == VARIANTS["gqa"]:
            model = ctx.model(DEFAULT_MODEL).model
        else:
            (model,) = random_models([params.kv_heads], ctx.device, DTYPES[ctx.dtype])
        group = max(1, GROUP_TOKENS.on(ctx.device) // tokens)
        on_progress = ctx.part(0.1, 1.0, "prefill")
        cache = prefilled(model, rows, tokens, DTYPES[params.cache_type], group, on_progress)
        total = sum(tensor.numel() * tensor.element_size() for tensor in (*cache.keys, *cache.values))
        formula = counted(replace(params, tokens=tokens, batch=rows))
        return {
            "bytes": total,
            "megabytes": total / MEGA,
            "per_token": total / (tokens * rows),
            "equal": total == formula["bytes"],
            "kv_heads": params.kv_heads,
            "run_tokens": tokens,
            "run_batch": rows,
            "capped": (tokens, rows) != (params.tokens, params.batch),
            "formula": formula,
            "asked": asked,
        }

    def view(self, params: CacheParams, result: CacheResult) -> Capacity:
        """Sequences that fit on the chosen card."""
        bits = BITS[params.cache_type]
        return {
            "capacity": {str(heads): capacity(heads, params.tokens, params.card_gb, bits) for heads in HEADS}
        }

    def show(self, result: CacheResult, text: Words) -> Shown:
        """`bytes`: the cache by KV heads, formula and what was added up; `capacity`: sequences on a card."""
        asked, sequences = result["asked"], result["view"]["capacity"]
        shown = Shown(
            {"bytes": _bytes(result, text), "capacity": _capacity(sequences, text)},
            rows=table(
                {
                    text("axis.kv_heads"): HEADS,
                    text("axis.megabytes"): _megabytes(asked),
                    text("axis.sequences"): sequences.values(),
                }
            ),
        )
        if "formula" not in result:
            return shown
        return replace(
            shown,
            notes=[text("cache.sentence", **result["formula"])],
            numbers={text("axis.megabytes"): result["megabytes"]},
            sentence={
                "said": asked["megabytes"] / 2,  # the number of elements
                "formula": result["formula"]["megabytes"],
                "measured": result["megabytes"],
                "unit": "MB",
            },
        )


def counted(params: CacheParams) -> CacheBytes:
    """The formula's side of one cache."""
    total = cache_bytes(params.kv_heads, params.tokens, params.batch, BITS[params.cache_type])
    return {
        "bytes": total,
        "megabytes": total / MEGA,
        "weights_bytes": weight_bytes(shape(params.kv_heads)),
        "batch": params.batch,
        "tokens": params.tokens,
        "cache_type": params.cache_type,
    }


def check_live_type(cache_type: str) -> None:
    """Raise ConfigError for a type that no tensor here has."""
    if cache_type in COMPUTED_ONLY:
        raise ConfigError("8- and 4-bit caches are computed, not run, in this lab.", key="q06.computed_only")


def prefill_rows(params: CacheParams, device: str) -> int:
    """The rows that a live run reads."""
    affordable = PREFILL_TOKENS.on(device) // cached_tokens(params.tokens, device)
    return min(params.batch, LIVE_BATCH.on(device), affordable)


def prefilled(
    model: MiniMind, rows: int, tokens: int, dtype: torch.dtype, group: int, on_progress: OnProgress
) -> StaticCache:
    """A cache of `rows` random rows of `tokens` ids after the model has read them, `group` rows at once.

    The cache may be narrower than what computes: keys and values are rounded to it. `on_progress` is
    called before every layer.
    """
    import torch

    from labs.tools.models import before_each_layer
    from minimind_core.model.kv_cache import StaticCache

    config, device, starts = model.config, model.device, range(0, rows, group)
    cache = StaticCache(config, rows, tokens, device, dtype)
    random, layers_read = torch.Generator(device).manual_seed(0), itertools.count()

    def before_layer() -> None:
        on_progress(next(layers_read) / (len(cache.keys) * len(starts)))

    with torch.inference_mode(), before_each_layer(model, before_layer):
        for start in starts:
            size = (min(group, rows - start), tokens)
            ids = torch.randint(3, config.vocab_size, size, generator=random, device=device)
            read = StaticCache(config, *size, device, model.dtype)
            model.model(ids, cache=read)
            for kept, new in zip((*cache.keys, *cache.values), (*read.keys, *read.values), strict=True):
                kept[start : start + group] = new
    return cache


def _megabytes(asked: CacheBytes) -> list[float]:
    """By the formula, for each of HEADS."""
    bits = BITS[asked["cache_type"]]
    return [cache_bytes(heads, asked["tokens"], asked["batch"], bits) / MEGA for heads in HEADS]


def _bytes(result: CacheResult, text: Words) -> Figure:
    asked, figure, names = result["asked"], Figure(), list(map(str, HEADS))
    figure.bars(
        names, _megabytes(asked), "formula", text("formula"), labels="{:,.4g}", hover="%{x}: %{y:,.5g} MB"
    )
    if "formula" in result and not result["capped"]:
        heads, amount = [str(result["kv_heads"])], [result["megabytes"]]
        figure.marks(heads, amount, "measured", text("measured"), size=13, hover="%{y:,.5g} MB")
    weights = [asked["weights_bytes"] / MEGA] * len(names)
    figure.line(names, weights, "peer", text("weights"), hover="%{y:,.4g} MB")
    figure.x_axis(text("axis.kv_heads"), category=True)
    figure.y_axis(text("axis.megabytes"))
    return figure


def _capacity(sequences: dict[str, int], text: Words) -> Figure:
    figure, counts = Figure(), list(sequences.values())
    figure.bars(list(sequences), counts, "formula", labels="{:,}", hover="%{x}: %{y:,}")
    figure.x_axis(text("axis.kv_heads"), category=True)
    figure.y_axis(text("axis.sequences"))
    return figure
