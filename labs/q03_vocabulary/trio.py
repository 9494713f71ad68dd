"""Three vocabularies on one body: equal text, equal compute, and what the loss of a token hides.

Each model is trained on the same text in the same order until it has spent the same operations, and is read
on the way. Losses of tokens do not compare; bits a byte of the same held-out text do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Required, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, whole
from labs.contract.drawing import Figure, round_ticks
from labs.q03_vocabulary.plans import PLANS
from labs.q03_vocabulary.shipped import SHIPPED
from labs.tools.ranking import UNRESOLVED
from labs.tools.seeds.judging import Judged, judged
from minimind_core.model.cost import num_parameters

ENTRIES = {"small": 1024, "ours": 6400, "32k": 32_000}
"""Entries of the three tokenizers, the dearest last: the text that it can pay for is read by all."""
LARGEST = "32k"
SYMBOLS = {"small": "circle", "ours": "square", "32k": "diamond"}
SHARES = (0.125, 0.25, 0.5, 1.0)
"""Of the budget, after which a model is read."""
GIGA = 1e9
TICKS = (1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6)


@dataclass(frozen=True)
class TrioParams(Params):
    """From how many seeds each model is trained."""

    seeds: int = whole(1, 1, 3, primary=True)


class Reading(TypedDict):
    """What was spent until then, and the loss on held-out text: in bits a byte, and in nats a token."""

    gflop: float
    bytes: int
    bits: float
    nats: float


class TrioResult(TypedDict, total=False):
    """By vocabulary, then by seed: all readings, and what stands at the same text and the same operations.

    `text` is how many bytes the dearest model could read. `nats` is the mean loss of a token at the end.
    """

    curves: Required[dict[str, list[list[Reading]]]]
    budget: Required[float]
    text: int
    parameters: dict[str, int]
    equal_flops: Judged
    equal_text: Judged
    nats: dict[str, float]
    by_nats: str
    seeds: int
    scored: int


class Trio(Experiment[TrioParams, TrioResult]):
    """Trains three small models that differ in their vocabulary alone."""

    def seconds(self, params: TrioParams, device: DeviceClass) -> float:
        return 3 + len(ENTRIES) * params.seeds * PLANS.on(device).seconds_a_model

    def measure(self, params: TrioParams, ctx: Context) -> TrioResult:
        """A reading is emitted as soon as it is made."""
        from labs.q03_vocabulary import same_text
        from labs.tools import heldout
        from minimind_core.tokenizer import load_tokenizer

        plan = PLANS.on(ctx.device)
        documents = heldout.library("both") if ctx.device == "cuda" else heldout.training("both")
        held_out = "\n".join(same_text.shuffled(heldout.held_out("both"), plan.scored, 0))
        pieces = same_text.shuffled(documents, plan.characters, 0)
        tokenizers = {name: load_tokenizer(SHIPPED[name]) for name in ENTRIES}
        told = ctx.part(0.0, 0.1, "encoding_text")
        streams = {name: same_text.stream(each, pieces, plan, told) for name, each in tokenizers.items()}
        text = streams[LARGEST].bytes_read(plan.steps(ENTRIES[LARGEST]))
        partials: list[dict[str, Any]] = []
        runs = [(seed, name) for seed in range(params.seeds) for name in ENTRIES]
        for index, (seed, name) in enumerate(runs):
            told = ctx.part(
                0.1 + 0.9 * index / len(runs),
                0.1 + 0.9 * (index + 1) / len(runs),
                "training_entries",
                entries=ENTRIES[name],
            )
            source, config, last = streams[name], plan.config(ENTRIES[name]), plan.steps(ENTRIES[name])
            places = {max(1, round(share * last)) for share in SHARES} | {min(last, source.steps_for(text))}
            for step, trainer in same_text.trained(config, source, plan, last, seed, ctx.device):
                told(step / last)
                if step in places:
                    score = same_text.scored(trainer, tokenizers[name], held_out, plan.length)
                    reading = {
                        "gflop": step * plan.step_flops(ENTRIES[name]) / GIGA,
                        "bytes": source.bytes_read(step),
                        "bits": score.bits_per_byte,
                        "nats": score.loss,
                    }
                    partials.append({"name": name, "seed": seed, "reading": reading})
                    ctx.emit(partials[-1])
        return _judged(self.so_far(params, partials), text, len(held_out.encode()), PLANS.on(ctx.device))

    def so_far(self, params: TrioParams, partials: Partials) -> TrioResult:
        """The readings that were made."""
        curves: dict[str, list[list[Reading]]] = {}
        for partial in partials:
            by_seed = curves.setdefault(partial["name"], [])
            if len(by_seed) <= partial["seed"]:
                by_seed.append([])
            by_seed[-1].append(partial["reading"])
        return {"curves": curves, "budget": max(part["reading"]["gflop"] for part in partials)}

    def show(self, result: TrioResult, text: Words) -> Shown:
        """`flops` and `text`: bits a byte over what was spent, and over what was read."""
        figures = {"flops": _curves(result, "gflop", 1.0, text), "text": _curves(result, "bytes", 1e6, text)}
        if "equal_flops" not in result:
            return Shown(figures)
        means = result["equal_flops"]["mean"]
        facts = {
            "budget": result["budget"] / 1000,
            "read": result["text"] / 1e6,
            "scored": result["scored"] / 1000,
            "seeds": result["seeds"],
        }
        return Shown(
            figures,
            [_row(name, result, text) for name in ENTRIES],
            [
                text("trio.fair", **facts),
                _verdict("flops", result["equal_flops"], text),
                _verdict("text", result["equal_text"], text),
                text("trio.nats", best=_name(result["by_nats"], text), **_extremes(result)),
                *([text("trio.one_seed")] if result["seeds"] == 1 else []),
                text("trio.change" if result["equal_flops"]["best"] == LARGEST else "trio.change_less"),
            ],
            {
                f"{_name(name, text)} ({text('axis.bits')})": means[name]
                for name in sorted(means, key=means.__getitem__)
            },
        )


def _judged(result: TrioResult, text: int, scored: int, plan: Any) -> TrioResult:
    """The readings at the end of the budget, and those nearest to the same text."""
    curves = result["curves"]
    at_text = {
        name: [min(curve, key=lambda reading: abs(reading["bytes"] - text))["bits"] for curve in by_seed]
        for name, by_seed in curves.items()
    }
    nats = {name: sum(curve[-1]["nats"] for curve in each) / len(each) for name, each in curves.items()}
    return {
        **result,
        "text": text,
        "parameters": {name: num_parameters(plan.config(entries)) for name, entries in ENTRIES.items()},
        "equal_flops": judged({name: [curve[-1]["bits"] for curve in each] for name, each in curves.items()}),
        "equal_text": judged(at_text),
        "nats": nats,
        "by_nats": min(nats, key=nats.__getitem__),
        "seeds": len(next(iter(curves.values()))),
        "scored": scored,
    }


def _curves(result: TrioResult, spent: str, unit: float, text: Words) -> Figure:
    """Bits a byte by vocabulary; the mean over the seeds, whose range is drawn where there are several."""
    figure, ends = Figure(), []
    every = [reading for by_seed in result["curves"].values() for curve in by_seed for reading in curve]
    xs = [reading[spent] / unit for reading in every]  # type: ignore[literal-required]
    low, high = figure.log_axes(xs, [reading["bits"] for reading in every], room=0.45)
    for name, by_seed in result["curves"].items():
        columns = list(zip(*by_seed, strict=False))
        x = [column[0][spent] / unit for column in columns]
        bits = [[reading["bits"] for reading in column] for column in columns]
        means = [sum(each) / len(each) for each in bits]
        span = {
            "type": "data",
            "symmetric": False,
            "array": [max(each) - mean for each, mean in zip(bits, means, strict=True)],
            "arrayminus": [mean - min(each) for each, mean in zip(bits, means, strict=True)],
        }
        label = _name(name, text)
        figure.line(
            x,
            means,
            "measured",
            label,
            symbol=SYMBOLS[name],
            size=9,
            hover=f"{label}<br>%{{x:,.3g}}: %{{y:.3f}}",
            showlegend=False,
            error_y=span if len(by_seed) > 1 else None,
        )
        ends.append((x[-1], means[-1], label))
    figure.name_ends(ends, low, high, log=True)
    figure.x_axis(text(f"axis.spent_{spent}"), ticks=round_ticks(min(xs), max(xs)))
    figure.y_axis(text("axis.bits"), ticks={bits: f"{bits:g}" for bits in TICKS if low < bits < high})
    return figure


def _name(name: str, text: Words) -> str:
    return text("trio.entries", entries=ENTRIES[name])


def _verdict(equal: str, found: Judged, text: Words) -> str:
    """Which vocabulary is ahead, unless the ranges of the seeds overlap."""
    key = "unresolved" if found["verdict"] == UNRESOLVED else f"ahead_{equal}"
    return text(f"trio.{key}", best=_name(found["best"], text), bits=found["mean"][found["best"]])


def _extremes(result: TrioResult) -> Mapping[str, float]:
    """Nats a token of the smallest and of the largest vocabulary, and how many times its bytes a token."""
    nats, bits = result["nats"], result["equal_flops"]["mean"]
    bytes_of = {name: nats[name] / bits[name] for name in ("small", LARGEST)}
    return {"small": nats["small"], "large": nats[LARGEST], "times": bytes_of[LARGEST] / bytes_of["small"]}


def _row(name: str, result: TrioResult, text: Words) -> Row:
    last, parameters = result["curves"][name][0][-1], result["parameters"][name]
    return {
        text("axis.entries"): ENTRIES[name],
        text("column.parameters"): parameters,
        text("column.read_text"): last["bytes"] / 1e6,
        text("column.bits_flops"): result["equal_flops"]["mean"][name],
        text("column.bits_text"): result["equal_text"]["mean"][name],
        text("column.nats"): result["nats"][name],
    }
