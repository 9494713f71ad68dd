"""The speed ladder: one decode step of one user, made faster rung by rung, each measured beside all others.

Every rung decodes the same token, so its logits can be held against those of the first. The floor of a rung
is the time in which this device copies as many bytes as the rung has to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.contract import Context, DeviceClass, Experiment, Params, Shown, Words, switch, whole
from labs.contract.fields import ParamError
from labs.contract.machine import Machine
from labs.q08_speedup.ladder_figures import GIGA, batch_of, factors, rates, row
from labs.q08_speedup.ladder_result import Answer, LadderResult, OneRung
from labs.tools.budgets import PerDevice
from labs.tools.written import short_number
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import decode_flops, forward_flops, kv_cache_bytes, weight_bytes
from minimind_core.native_packages import install_line

if TYPE_CHECKING:
    from torch import Tensor

    from labs.q08_speedup.rungs import Rung

BELOW = {
    "cache": "none",
    "static": "cache",
    "flash": "static",
    "joined": "flash",
    "compile": "flash",
    "graph": "flash",
    "kernels": "graph",
    "int8": "joined",
    "one_call": "int8",
}
"""What each rung is compared with: the one that it adds a single thing to. Those of others add to none."""
SECONDS = PerDevice(cpu=2.5, cuda=1.5, mps=2.0)
"""For all timings together, but never less than a few rounds."""
SAID_PRODUCT = 6.0
PEERS = {"no_llama_cpp": "llama.cpp", "no_onnx": "ONNX Runtime"}
"""What is missing, by the reason."""
MOST_READ_AGAIN = 8192
"""Tokens of all rows together, which the rung without a cache reads for one step."""


@dataclass(frozen=True)
class LadderParams(Params):
    """`new`: tokens of an answer. `compile`: also by torch.compile, which lets a person wait for a minute."""

    context: int = whole(512, 16, 2048, step=16, unit="tokens", primary=True)
    batch: int = whole(1, 1, 64)
    new: int = whole(32, 8, 128, unit="tokens", view=True, label="answer_tokens")
    compile: bool = switch(False)

    def check_together(self) -> None:
        """Without a cache every step reads all rows again, and somebody waits for it."""
        if self.context * self.batch > MOST_READ_AGAIN:
            raise ParamError(
                "together",
                "batch",
                f"The rung without a cache would read {self.context * self.batch:,} tokens a step; take a "
                f"smaller batch or a shorter context, {MOST_READ_AGAIN:,} tokens together.",
                key="q08.read_again",
                tokens=self.context * self.batch,
                most=MOST_READ_AGAIN,
            )


class Ladder(Experiment[LadderParams, LadderResult]):
    """Seconds, bytes and logits of one step on every rung that this device has."""

    def seconds(self, params: LadderParams, device: DeviceClass) -> float:
        compiling = 60.0 if params.compile else 0.0
        read_again = params.context * params.batch / 512
        if device == "cuda":
            return 4.0 + compiling
        return 4.5 + compiling + 8 * 0.35 * read_again

    def measure(self, params: LadderParams, ctx: Context) -> LadderResult:
        """Build the rungs, compare their logits, time them in turn with a copy for the floor."""
        import torch

        from labs.machine.probes import copies
        from labs.q08_speedup.peer_rungs import peer_rungs
        from labs.q08_speedup.rungs import Rungs, built
        from labs.tools import heldout
        from labs.tools.interleaved import interleaved, middle, ratios

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        texts = heldout.windows(
            loaded.tokenizer, heldout.held_out("both"), params.batch, params.context, 0, ctx.check_cancelled
        )
        ids = texts[torch.arange(params.batch) % len(texts), : params.context]
        with ExitStack() as stack, torch.inference_mode():
            maker = Rungs(loaded.model, ids.to(ctx.device))
            rungs, missing = built(maker, params.compile, ctx.part(0.05, 0.3, "rungs"))
            others, absent = stack.enter_context(peer_rungs(loaded, maker.ids, ctx.check_cancelled))
            reference = rungs["none"].decode().float()
            on_progress = ctx.part(0.3, 1.0, "timing")
            size, copy = list(copies(ctx.device).items())[-1]
            ways = {name: rung.decode for name, rung in {**rungs, **others}.items()}
            times = interleaved({**ways, "copy": copy}, ctx.device, SECONDS.on(ctx.device), on_progress)
            described = {
                name: _described(rung, reference, middle(times[name]))
                for name, rung in {**rungs, **others}.items()
            }
        top = min(rungs, key=lambda name: described[name]["seconds"]["median"])
        pairs = {name: (below, name) for name, below in BELOW.items() if name in rungs and below in rungs}
        pairs |= {"fused": pairs.get("kernels", pairs["joined"]), "top": ("none", top)}
        spread = {name: ratios(times[slow], times[quick]) for name, (slow, quick) in pairs.items()}
        speedup = {name: ratio["median"] for name, ratio in spread.items()}
        config = loaded.model.config
        return {
            "context": params.context,
            "batch": params.batch,
            "rungs": described,
            "speedup": speedup,
            "spread": {name: {end: ratio[end] for end in ("low", "high")} for name, ratio in spread.items()},
            "top_rung": top,
            "largest_rung": largest(speedup),
            "missing": missing | absent,
            "bandwidth": 2 * size / middle(times["copy"])["median"],
            "arithmetic": forward_flops(config, 1, params.context) / decode_flops(config, 1, params.context),
        }

    def view(self, params: LadderParams, result: LadderResult) -> Answer:
        """What an answer of `new` tokens takes."""
        rungs = result["rungs"].items()
        return {
            "tokens": params.new,
            "seconds": {name: params.new * rung["seconds"]["median"] for name, rung in rungs},
        }

    def show(self, result: LadderResult, text: Words) -> Shown:
        """`ladder`: tokens a second rung by rung beside the floor; `factors`: each over the one below."""
        rungs, numbers = result["rungs"], {}
        for name, rung in rungs.items():
            rate = batch_of(result) / rung["seconds"]["median"]
            numbers[f"{text(f'rung.{name}')} ({text('per_second')})"] = rate
        low, high = (result["spread"]["top"][end] for end in ("low", "high"))
        return Shown(
            {"ladder": rates(result, text), "factors": factors(result, text)},
            rows=[row(name, result, text) for name in rungs],
            notes=[
                text("ladder.sentence", context=result["context"], top=text(f"rung.{result['top_rung']}")),
                _answer(result, text),
                *([text("ladder.batch", batch=batch_of(result))] if batch_of(result) > 1 else []),
                text("ladder.floor", bandwidth=short_number(result["bandwidth"] / GIGA)),
                *(_missing(reason, text) for reason in dict.fromkeys(result["missing"].values())),
            ],
            numbers=numbers,
            sentence={
                "said": SAID_PRODUCT,
                "formula": result["arithmetic"],
                "measured": result["speedup"]["top"],
                "unit": "×",
                "low": low,
                "high": high,
            },
        )

    def on_machine(self, params: LadderParams, machine: Machine, text: Words) -> str:
        """The floor of a step on that machine, of its weights and cache in its own dtype."""
        config, width = ModelConfig(), machine.bytes_per_number
        weights, cache = (
            weight_bytes(config, width),
            kv_cache_bytes(config, params.batch, params.context, width),
        )
        floor = machine.seconds_to_read(weights + cache)
        rate = short_number(params.batch / floor)
        return text("ladder.machine", batch=params.batch, floor=short_number(1e3 * floor), rate=rate)


def largest(speedup: Mapping[str, float]) -> str:
    """The kind of rung with the largest factor; what makes launches vanish is one kind.

    >>> largest({"cache": 1.0, "flash": 1.1, "compile": 3.0, "graph": 9.0})
    'graph'
    """
    kinds = {"cache": ("cache",), "graph": ("compile", "graph"), "int8": ("int8",), "flash": ("flash",)}
    return max(kinds, key=lambda kind: max(speedup.get(rung, 0.0) for rung in kinds[kind]))


def _described(rung: Rung, reference: Tensor, seconds: dict[str, float]) -> OneRung:
    logits = rung.decode().float()
    return {
        "seconds": seconds,
        "num_bytes": rung.num_bytes,
        "operations": rung.operations or 1,
        "difference": float((logits - reference).abs().max()),
        "same_token": bool((logits.argmax(-1) == reference.argmax(-1)).all()),
    }


def _missing(reason: str, text: Words) -> str:
    """Why a rung is not here; of a program that could be installed, by which line."""
    return text(f"missing.{reason}", install=install_line(PEERS[reason]) if reason in PEERS else "")


def _answer(result: LadderResult, text: Words) -> str:
    """What each user waits for, by plain code and on the fastest rung."""
    answer, top = result["view"], result["top_rung"]
    plain, quick = (short_number(answer["seconds"][name]) for name in ("none", top))
    return text("ladder.answer", tokens=answer["tokens"], plain=plain, quick=quick)
