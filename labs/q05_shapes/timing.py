"""Where the time of a pass goes, module by module, beside the shares of FLOPs and of bytes that are read.

Every kind of module is called alone, on the tensors that it gets in the pass, in turn with all others and
with the whole pass. Residual additions, RoPE tables and the mask are in the whole pass only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NotRequired, TypedDict

from labs.contract import Context, DeviceClass, Experiment, OnProgress, Params, Row, Shown, Words, choice
from labs.contract.drawing import Figure, error_bars
from labs.q05_shapes.outline import MILLION
from labs.q05_shapes.part_costs import PARTS, part_costs, shares
from labs.tools.budgets import PerDevice
from minimind_core.errors import ConfigError
from minimind_core.model.config import ModelConfig

if TYPE_CHECKING:
    from labs.q05_shapes.part_calls import Pass
    from minimind_core.model.minimind import MiniMind

OTHER = {"prefill": "decode", "decode": "prefill"}
PHASES = tuple(OTHER)
SECONDS = PerDevice(cpu=4.0, cuda=1.5)
"""For the rounds of one phase, once every call is warm."""
SECONDS_A_TOKEN = PerDevice(cpu=1e-3, cuda=1e-6)
"""Of one forward."""
ROUNDS = 9
CHUNK_SECONDS = PerDevice(cpu=0.0, cuda=0.01)
"""On a CPU a part has one call a turn, and finds its weights where the pass would: out of the cache."""


@dataclass(frozen=True)
class TimingParams(Params):
    """The prompt has `tokens`; the decode step is that of the last one. `phase` and `kind` are looked at."""

    tokens: int = choice(512, (32, 128, 512), unit="tokens", primary=True)
    phase: str = choice("decode", PHASES, primary=True, view=True)
    kind: str = choice("norms", PARTS, primary=True, view=True)
    logits: str = choice("last", ("last", "all"))


class Part(TypedDict):
    """One kind of module: FLOPs by formula and counted, bytes read, and time; shares of all parts are 0 to 1.

    `time_share` is that within a round, over the rounds.
    """

    flops: int
    counted: int
    bytes: int
    flops_share: float
    bytes_share: float
    milliseconds: dict[str, float]
    time_share: dict[str, float]


class Phase(TypedDict):
    """The parts, the pass as a whole, and the sum of the parts over it, round by round."""

    parts: dict[str, Part]
    milliseconds: dict[str, float]
    together: dict[str, float]


class TimingResult(TypedDict):
    """By phase."""

    phases: dict[str, Phase]
    tokens: int
    model: str
    device: str
    dtype: str
    view: NotRequired[TimingView]


class TimingView(TypedDict):
    """Which phase the table is of, and which part the sentence."""

    phase: str
    kind: str


class Timing(Experiment[TimingParams, TimingResult]):
    """Seven kinds of modules, in prefill and in a decode step, timed in turn."""

    def seconds(self, params: TimingParams, device: DeviceClass) -> float:
        forward = params.tokens * SECONDS_A_TOKEN.on(device)
        return 3 + SECONDS.on(device) + max(SECONDS.on(device), 2 * ROUNDS * forward) + 8 * forward

    def measure(self, params: TimingParams, ctx: Context) -> TimingResult:
        """Random ids: no time depends on which tokens they are."""
        import torch

        from labs.q05_shapes.part_calls import decode_step, prefill
        from labs.tools.models import before_each_layer

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        model, config = loaded.model, loaded.config
        check_dense(config, loaded.name)
        random = torch.Generator().manual_seed(0)
        ids = torch.randint(3, config.vocab_size, (1, params.tokens), generator=random).to(ctx.device)
        head_tokens = params.tokens if params.logits == "all" else 1
        with torch.inference_mode():
            with before_each_layer(model, ctx.check_cancelled):
                passes = {"prefill": prefill(ids, head_tokens), "decode": decode_step(model, ids)}
            phases = {
                phase: _timed(model, run, params.tokens, ctx, ctx.part(index / 2, (index + 1) / 2, "timing"))
                for index, (phase, run) in enumerate(passes.items())
            }
        return {
            "phases": phases,
            "tokens": params.tokens,
            "model": loaded.name,
            "device": ctx.device,
            "dtype": str(model.dtype).removeprefix("torch."),
        }

    def view(self, params: TimingParams, result: TimingResult) -> TimingView:
        return {"phase": params.phase, "kind": params.kind}

    def show(self, result: TimingResult, text: Words) -> Shown:
        """`prefill` and `decode`, the chosen one first: three shares of every part. The table is of that."""
        phase, kind = result["view"]["phase"], result["view"]["kind"]
        chosen = result["phases"][phase]
        one, names = chosen["parts"][kind], {"phase": text(f"phase.{phase}"), "part": text(f"kind.{kind}")}
        span = one["time_share"]
        return Shown(
            {name: _shares(result["phases"][name]["parts"], text) for name in (phase, OTHER[phase])},
            [_row(name, chosen["parts"][name], text) for name in PARTS],
            [
                text("timing.sentence", **names),
                text(
                    "timing.how",
                    phase=names["phase"],
                    whole=chosen["milliseconds"]["median"],
                    **{side: 100 * chosen["together"][side] for side in ("median", "low", "high")},
                ),
                text("timing.alone" if result["device"] == "cpu" else "timing.in_a_row"),
                text("timing.setting", **{name: result[name] for name in ("model", "dtype", "tokens")}),
                text("timing.change"),
            ],
            numbers={
                f"{text(f'phase.{name}')} (ms)": of["milliseconds"]["median"]
                for name, of in result["phases"].items()
            },
            sentence={
                "said": 100 * one["flops_share"],
                "formula": 100 * one["bytes_share"],
                "measured": 100 * span["median"],
                "low": 100 * span["low"],
                "high": 100 * span["high"],
                "unit": "%",
            },
        )


def check_dense(config: ModelConfig, name: str) -> None:
    """Raise ConfigError for a mixture of experts, of which a token multiplies what its router chooses."""
    if config.num_experts:
        sentence = f"{name} is a mixture of experts; choose a model with one feed-forward a layer."
        raise ConfigError(sentence, key="q05.dense", model=name)


def _timed(model: MiniMind, run: Pass, keys: int, ctx: Context, told: OnProgress) -> Phase:
    """Every part and the whole pass in turn, with what each part multiplies and reads."""
    from labs.q05_shapes.part_calls import counted_flops, part_calls
    from labs.tools.interleaved import interleaved, middle, ratios

    calls: dict[str, Callable[[], object]] = {**part_calls(model, run)}
    counted = counted_flops(model, run)
    calls["whole"] = partial(run.logits, model)
    chunk, seconds = CHUNK_SECONDS.on(ctx.device), SECONDS.on(ctx.device)
    times = interleaved(calls, ctx.device, seconds, told, chunk_seconds=chunk)
    whole = times.pop("whole")
    rounds = [dict(zip(times, turn, strict=True)) for turn in zip(*times.values(), strict=True)]
    by_round = [shares(one) for one in rounds]
    costs = part_costs(model.config, run.ids.shape[1], keys, run.head_tokens)
    size = model.head_weight.element_size()
    reads = {name: size * (cost.weights + cost.given) for name, cost in costs.items()}
    flops_share = shares({name: cost.flops for name, cost in costs.items()})
    bytes_share = shares(dict(reads))
    return {
        "parts": {
            name: {
                "flops": costs[name].flops,
                "counted": counted[name],
                "bytes": reads[name],
                "flops_share": flops_share[name],
                "bytes_share": bytes_share[name],
                "milliseconds": middle([1000 * second for second in times[name]]),
                "time_share": middle([one[name] for one in by_round]),
            }
            for name in PARTS
        },
        "milliseconds": middle([1000 * second for second in whole]),
        "together": ratios([sum(one.values()) for one in rounds], whole),
    }


def _row(name: str, part: Part, text: Words) -> Row:
    return {
        text("column.part"): text(f"kind.{name}"),
        text("column.mflop"): part["flops"] / MILLION,
        text("column.counted"): part["counted"] / MILLION,
        text("column.megabytes"): part["bytes"] / MILLION,
        text("column.milliseconds"): part["milliseconds"]["median"],
        text("column.quartiles"): "{low:.3g}–{high:.3g}".format(**part["milliseconds"]),
        text("column.time_share"): 100 * part["time_share"]["median"],
    }


def _shares(parts: dict[str, Part], text: Words) -> Figure:
    """Of every part the share of FLOPs, of bytes and of time, the last with its quartiles."""
    figure, names = Figure(height=470, barmode="group"), [text(f"kind.{name}") for name in PARTS]
    spans = [{side: 100 * value for side, value in parts[name]["time_share"].items()} for name in PARTS]
    medians = [span["median"] for span in spans]
    flops, read = ([100 * parts[name][of] for name in PARTS] for of in ("flops_share", "bytes_share"))
    figure.bars(
        medians,
        names,
        "measured",
        text("share_of.time"),
        horizontal=True,
        error_x=error_bars(medians, spans),
        hover="%{y}: %{x:.1f}%",
    )
    figure.bars(read, names, "formula", text("share_of.bytes"), horizontal=True, hover="%{y}: %{x:.1f}%")
    figure.bars(flops, names, "said", text("share_of.flops"), horizontal=True, hover="%{y}: %{x:.1f}%")
    figure.x_axis(text("axis.share"), from_zero=True, ticksuffix="%")
    figure.y_axis(category=True, reverse=True)
    return figure
