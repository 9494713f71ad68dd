"""The ways to read one long text by the clock and by memory: in turn, with attention fused or written out.

A pass goes through the layers without the head, as the prices are counted. Window attention is a mask
here, which saves neither time nor memory; a kernel that leaves blocks out is timed in `sparse.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Required, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, choice
from labs.contract.drawing import Figure, error_bars, round_ticks
from labs.q04_long_text.options import plan_windows, prices
from labs.tools.budgets import PerDevice
from minimind_core.errors import ConfigError
from minimind_core.model.config import ModelConfig

if TYPE_CHECKING:
    from torch import Tensor

    from minimind_core.model.minimind import MiniMind

READ = PerDevice(cpu=512, cuda=8192)
LONGEST = PerDevice(cpu=4096, cuda=8192)
"""Tokens that are read at most, and with attention written out on a CPU."""
WINDOW = PerDevice(cpu=128, cuda=512)
"""Tokens of a window; stride and window attention have half of it."""
OTHER = {"fused": "naive", "naive": "fused"}
KINDS = {"fused": "sdpa", "naive": "eager"}
"""What the core calls them."""
SECONDS = PerDevice(cpu=10.0, cuda=4.0)
MEBI = 2**20


@dataclass(frozen=True)
class TimingParams(Params):
    """`read` 0 is what suits the device."""

    attention: str = choice("fused", tuple(KINDS), primary=True)
    read: int = choice(0, (0, 512, 1024, 2048, 4096, 8192), primary=True)

    def read_on(self, device: str) -> int:
        """Tokens that are read on a device. Raises ConfigError where the scores would not fit."""
        read = self.read or READ.on(device)
        if self.attention == "naive" and read > LONGEST.on(device):
            gib = score_bytes(read) / 2**30
            raise ConfigError(
                f"Needs {gib:g} GiB for one score matrix; use fused.", key="q04.naive", gib=f"{gib:g}"
            )
        return min(read, LONGEST.on(device))


class Way(TypedDict):
    """Milliseconds a pass with quartiles, the most bytes of new tensors at once, and GFLOP by counting."""

    milliseconds: dict[str, float]
    bytes: int
    gflop: float


class TimingResult(TypedDict, total=False):
    """By way; "other" is the whole text with the attention that was not chosen, where it fits.

    `overlap_ratio` is the time of overlapping windows over that of one pass, round by round; `naive_ratio`
    that of written-out attention over fused.
    """

    ways: Required[dict[str, Way]]
    attention: Required[str]
    read: Required[int]
    window: Required[int]
    scores: int
    overlap_ratio: dict[str, float]
    naive_ratio: dict[str, float] | None
    model: str
    device: str
    dtype: str


class Timing(Experiment[TimingParams, TimingResult]):
    """Five ways to read the same tokens with the real model, timed in turn, and the peak of each."""

    def seconds(self, params: TimingParams, device: DeviceClass) -> float:
        read = min(params.read or READ.on(device), LONGEST.on(device))
        passes = 5 * read * (1 + read / 4096) * PerDevice(cpu=1.3e-3, cuda=2e-6).on(device)
        return 3 + max(SECONDS.on(device), 8 * passes) + passes

    def measure(self, params: TimingParams, ctx: Context) -> TimingResult:
        import torch

        from labs.tools import heldout
        from labs.tools.interleaved import interleaved, middle, ratios
        from labs.tools.live_bytes import peak_bytes
        from labs.tools.models import before_each_layer

        read, window = params.read_on(ctx.device), WINDOW.on(ctx.device)
        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        ids = heldout.held_out_windows(loaded.tokenizer, "english", 1, read, ctx)[:, :read].to(ctx.device)
        calls, models = _calls(loaded.model, ids, window, params.attention)
        device, peaks = torch.device(ctx.device), {}
        with (
            torch.inference_mode(),
            before_each_layer(models[0], ctx.check_cancelled),
            before_each_layer(models[1], ctx.check_cancelled),
        ):
            told = ctx.part(0.05, 0.8, "timing")
            times = interleaved(calls, ctx.device, SECONDS.on(ctx.device), told)
            for index, (name, call) in enumerate(calls.items()):
                ctx.progress(0.8 + 0.2 * index / len(calls), "peak")
                peaks[name] = peak_bytes(call, device)
        counted = prices(read, window, window // 2, window // 2)
        ordered = ("full", "other") if params.attention == "naive" else ("other", "full")
        return {
            "ways": {
                name: {
                    "milliseconds": middle([1000 * second for second in seconds]),
                    "bytes": peaks[name],
                    "gflop": counted["full" if name == "other" else name]["gflop"],
                }
                for name, seconds in times.items()
            },
            "attention": params.attention,
            "read": read,
            "window": window,
            "scores": score_bytes(read),
            "overlap_ratio": ratios(times["overlap"], times["full"]),
            "naive_ratio": ratios(*(times[name] for name in ordered)) if "other" in times else None,
            "model": loaded.name,
            "device": ctx.device,
            "dtype": str(loaded.model.dtype).removeprefix("torch."),
        }

    def show(self, result: TimingResult, text: Words) -> Shown:
        """`milliseconds` and `peak` by way, and the operations beside them in the table."""
        ways, names = result["ways"], _names(result, text)
        rows: list[Row] = [
            {
                text("column.option"): names[name],
                text("column.milliseconds"): way["milliseconds"]["median"],
                text("column.quartiles"): "{low:.3g}–{high:.3g}".format(**way["milliseconds"]),
                text("column.peak"): way["bytes"] / MEBI,
                text("column.gflop"): way["gflop"],
            }
            for name, way in ways.items()
        ]
        count = len(plan_windows(result["read"], result["window"], result["window"] // 2))
        naive = result["naive_ratio"]
        facts = {name: result[name] for name in ("read", "window", "model", "dtype")}
        return Shown(
            {"milliseconds": _times(result, names, text), "peak": _peaks(result, names, text)},
            rows,
            [
                text("timing.sentence", **facts),
                *([text("timing.naive", scores=result["scores"] / MEBI, **naive)] if naive else []),
                text("timing.allocator" if result["device"] == "cuda" else "timing.tensors"),
                text("timing.change"),
            ],
            numbers={f"{names[name]} (ms)": way["milliseconds"]["median"] for name, way in ways.items()},
            sentence={
                "said": float(count),
                "formula": ways["overlap"]["gflop"] / ways["full"]["gflop"],
                "measured": result["overlap_ratio"]["median"],
                "low": result["overlap_ratio"]["low"],
                "high": result["overlap_ratio"]["high"],
                "unit": "×",
            },
        )


def score_bytes(read: int) -> int:
    """One layer's scores in FP32, all heads: what written-out attention holds.

    >>> score_bytes(8192) == 2 * 2**30
    True
    """
    return int(ModelConfig().num_heads * read**2 * 4)


def _calls(
    model: MiniMind, ids: Tensor, window: int, attention: str
) -> tuple[dict[str, Callable[[], object]], list[MiniMind]]:
    """A pass through the layers in every way, ids int64 [1, T]; and the two models, chosen and other.

    "other" is missing where its scores would not fit.
    """
    from labs.q04_long_text.options import disjoint_windows
    from labs.q04_long_text.readings import local_mask
    from labs.tools.models import assembled

    length, device = ids.shape[1], ids.device
    chosen, other = (
        assembled(model.config, dict(model.state_dict())).use_attention(KINDS[kind])  # type: ignore[arg-type]
        for kind in (attention, OTHER[attention])
    )
    mask = local_mask(length, window // 2, 0, device)
    plans = {
        "disjoint": disjoint_windows(length, window),
        "overlap": [(start, end) for start, end, _ in plan_windows(length, window, window // 2)],
    }

    def read_windows(plan: list[tuple[int, int]]) -> None:
        for start, end in plan:
            chosen.model(ids[:, start:end])

    calls: dict[str, Callable[[], object]] = {
        "truncate": lambda: chosen.model(ids[:, :window]),
        "disjoint": lambda: read_windows(plans["disjoint"]),
        "overlap": lambda: read_windows(plans["overlap"]),
        "local": lambda: chosen.model(ids, mask=mask),
        "full": lambda: chosen.model(ids),
    }
    if length <= LONGEST.on(device.type):
        calls["other"] = lambda: other.model(ids)
    return calls, [chosen, other]


def _names(result: TimingResult, text: Words) -> dict[str, str]:
    other = f"{text('option.full')} ({text('attention.' + OTHER[result['attention']])})"
    return {name: other if name == "other" else text(f"option.{name}") for name in result["ways"]}


def _times(result: TimingResult, names: dict[str, str], text: Words) -> Figure:
    """Milliseconds with quartiles."""
    figure, spans = Figure(height=320), {name: way["milliseconds"] for name, way in result["ways"].items()}
    medians = [span["median"] for span in spans.values()]
    figure.bars(
        medians,
        list(names.values()),
        "measured",
        horizontal=True,
        error_x=error_bars(medians, spans.values()),
        hover="%{y}: %{x:.3g} ms",
        showlegend=False,
    )
    figure.x_axis(text("column.milliseconds"), from_zero=True)
    figure.y_axis(category=True, reverse=True)
    return figure


def _peaks(result: TimingResult, names: dict[str, str], text: Words) -> Figure:
    """The most memory at once, and what one layer's scores of the whole text take."""
    figure, mib = Figure(height=320), [way["bytes"] / MEBI for way in result["ways"].values()]
    figure.bars(
        mib, list(names.values()), "measured", horizontal=True, hover="%{y}: %{x:,.4g} MiB", showlegend=False
    )
    scores, label = result["scores"] / MEBI, text("timing.scores")
    hover = f"{label}: {scores:,.4g} MiB"
    figure.line([scores] * len(names), list(names.values()), "formula", label, hover=hover)
    ticks = round_ticks(0.5 * min(mib), 2 * max(*mib, scores))
    figure.x_axis(text("column.peak"), log=True, ticks=ticks)
    figure.y_axis(category=True, reverse=True)
    return figure
