"""Five toy models that differ in one rule of padding: what each reports, and how each ends a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, OnProgress, Params, Partials, Row, Shown, Words
from labs.contract.drawing import Figure, Role
from labs.contract.fields import choice, whole
from labs.q01_loss_mask.pieces import readable
from labs.q01_loss_mask.sentences import SENTENCES
from labs.q01_loss_mask.toys import TOYS, WITH_EOS, Scores, score
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed
from labs.tools.writing import write
from minimind_core.decoding.sampling_params import SamplingParams

if TYPE_CHECKING:
    from minimind_core.files.checkpoint import LoadedModel

MOST_NEW = 40
"""Tokens of a continuation; what has not stopped by then runs on."""
PROMPT_TOKENS = 3
LOOKS: dict[str, tuple[Role, str]] = {
    "toy-masked": ("measured", "circle"),
    "toy-unmasked": ("said", "diamond"),
    "toy-pad-is-eos": ("said", "x"),
    "toy-no-eos": ("peer", "square"),
    "toy-no-eos-unmasked": ("peer", "triangle-up"),
}
"""Role and mark of each model's line."""
CLEAN_PERCENT = 100.0
"""What one would expect the reported loss to show of the loss on the text."""


@dataclass(frozen=True)
class SpecimensParams(Params):
    """All five are measured; `specimen` is the one whose numbers stand in the sentence."""

    specimen: str = choice("toy-unmasked", tuple(TOYS), view=True, primary=True)
    samples: int = whole(32, 4, 64, primary=True)
    seed: int = seed()


class Specimen(Scores):
    """Of the continuations: how many stop, and where each does; one past the last place if nowhere."""

    stop_percent: float
    padding_percent: float
    """Of the tokens written before EOS, those that are PAD."""
    lengths: NDArray[np.int32]
    written: str


class SpecimensView(TypedDict):
    """The chosen model: the reported loss in percent of its loss on the text.

    The formula says the text's share of the targets, as if all others were predicted for nothing.
    """

    specimen: str
    reported_percent: float
    formula_percent: float


class SpecimensResult(TypedDict, total=False):
    """By model; the last two once all are measured."""

    specimens: dict[str, Specimen]
    never_stops: str
    """Of the three with EOS in their data, the one that stops least often."""
    padding_after_text: dict[str, float]
    """Probability of PAD right after the last word, of the two without a mask."""
    view: NotRequired[SpecimensView]


class Specimens(Experiment[SpecimensParams, SpecimensResult]):
    """Reported loss against the loss on the text, what follows a text's end, and when a model stops."""

    def seconds(self, params: SpecimensParams, device: DeviceClass) -> float:
        return PerDevice(cpu=1.5, cuda=3.0).on(device) + 0.02 * params.samples

    def measure(self, params: SpecimensParams, ctx: Context) -> SpecimensResult:
        """Each model reads the same sentences, and continues their beginnings."""
        pieces = []
        for index, (name, toy) in enumerate(TOYS.items()):
            ctx.progress(index / len(TOYS), "loading_model", model=name)
            loaded = ctx.model(name)
            scores = score(loaded.model, toy, loaded)
            on_progress = ctx.part((index + 0.3) / len(TOYS), (index + 1) / len(TOYS), "writing")
            specimen = {**scores, **_continued(loaded, toy.specials, params, ctx.device, on_progress)}
            pieces.append({"name": name, "specimen": specimen})
            ctx.emit(pieces[-1])
        result = self.so_far(params, pieces)
        specimens = result["specimens"]
        return {
            **result,
            "never_stops": min(WITH_EOS, key=lambda name: specimens[name]["stop_percent"]),
            "padding_after_text": {
                "with_eos": specimens["toy-unmasked"]["pad_after_text"],
                "without_eos": specimens["toy-no-eos-unmasked"]["pad_after_text"],
            },
        }

    def so_far(self, params: SpecimensParams, partials: Partials) -> SpecimensResult:
        """The models that were measured."""
        return {"specimens": {part["name"]: part["specimen"] for part in partials}}

    def view(self, params: SpecimensParams, result: SpecimensResult) -> SpecimensView | None:
        """The chosen model's numbers, once it was measured."""
        specimen = result["specimens"].get(params.specimen)
        if specimen is None:
            return None
        return {
            "specimen": params.specimen,
            "reported_percent": 100 * specimen["reported_loss"] / specimen["text_loss"],
            "formula_percent": specimen["text_percent"],
        }

    def show(self, result: SpecimensResult, text: Words) -> Shown:
        """`loss`, `ends` and `running`; a row a model."""
        specimens = result["specimens"]
        names = {name: text(f"specimen.{name}") for name in specimens}
        figures = {
            "loss": _losses(specimens, names, text),
            "ends": _ends(specimens, names, text),
            "running": _running(specimens, names, text),
        }
        view = result.get("view")
        if "never_stops" not in result or view is None:
            return Shown(figures)
        chosen = specimens[view["specimen"]]
        rows: list[Row] = [
            {
                text("specimen"): names[name],
                text("reported"): one["reported_loss"],
                text("text_loss"): one["text_loss"],
                "P(EOS)": one["eos_after_text"],
                "P(PAD)": one["pad_after_text"],
                text("pad_after_eos"): one["pad_after_eos"] if TOYS[name].specials else "",
                text("stops"): one["stop_percent"],
                text("padding_written"): one["padding_percent"],
            }
            for name, one in specimens.items()
        ]
        return Shown(
            figures,
            rows=rows,
            notes=[
                text("specimens.sentence", specimen=names[view["specimen"]]),
                text("specimens.written", specimen=names[view["specimen"]], written=chosen["written"]),
                text("specimens.comparable"),
            ],
            numbers={
                f"{text('stops')}, {names[name]}": one["stop_percent"] for name, one in specimens.items()
            },
            sentence={
                "said": CLEAN_PERCENT,
                "formula": view["formula_percent"],
                "measured": view["reported_percent"],
                "unit": "%",
            },
        )


def _continued(
    loaded: LoadedModel, specials: bool, params: SpecimensParams, device: str, on_progress: OnProgress
) -> dict[str, object]:
    """Sampled continuations of the sentences' beginnings, at temperature 1."""
    tokenizer, config = loaded.tokenizer, loaded.config
    starts = [
        tokenizer.encode(SENTENCES[row % len(SENTENCES)])[:PROMPT_TOKENS] for row in range(params.samples)
    ]
    prompts = [[config.bos_id, *start] if specials else start for start in starts]
    settings = [SamplingParams(seed=params.seed + row) for row in range(params.samples)]
    new_ids = list(write(loaded, prompts, settings, MOST_NEW, device, on_progress))
    stopped = [ids[-1] == config.eos_id for ids in new_ids]
    tokens = [token for ids in new_ids for token in ids]
    return {
        "stop_percent": 100 * sum(stopped) / len(stopped),
        "padding_percent": 100 * tokens.count(config.pad_id) / len(tokens),
        "lengths": np.array(
            [len(ids) if stop else MOST_NEW + 1 for ids, stop in zip(new_ids, stopped, strict=True)], np.int32
        ),
        "written": readable(tokenizer, [*starts[0], *new_ids[0]]),
    }


def _losses(specimens: dict[str, Specimen], names: dict[str, str], text: Words) -> Figure:
    """What the screen shows beside what the text costs, and the text's share of the targets times that."""
    figure = Figure(height=460, barmode="group")
    labels = list(names.values())
    reported = [one["reported_loss"] for one in specimens.values()]
    true = [one["text_loss"] for one in specimens.values()]
    shares = [one["text_percent"] / 100 * one["text_loss"] for one in specimens.values()]
    bars: tuple[tuple[list[float], Role, str], ...] = (
        (true, "measured", text("text_loss")),
        (reported, "said", text("reported")),
        (shares, "formula", text("share_times_loss")),
    )
    for sizes, role, name in bars:
        figure.bars(sizes, labels, role, name, labels=" {:.2f}", horizontal=True, hover="%{y}: %{x:.3f}")
    figure.x_axis(text("axis.mean_loss"), span=(0, 1.25 * max([*true, *reported])))
    figure.y_axis(category=True, reverse=True)
    return figure


def _ends(specimens: dict[str, Specimen], names: dict[str, str], text: Words) -> Figure:
    """What each model expects right after the last word of a sentence; the three parts make 100 %."""
    figure = Figure(height=260, barmode="stack")
    labels = list(names.values())
    eos = [100 * one["eos_after_text"] for one in specimens.values()]
    pad = [100 * one["pad_after_text"] for one in specimens.values()]
    more = [100 - one - other for one, other in zip(eos, pad, strict=True)]
    parts: tuple[tuple[str, list[float], Role], ...] = (
        ("EOS", eos, "measured"),
        ("PAD", pad, "removed"),
        (text("more_text"), more, "said"),
    )
    for name, percents, role in parts:
        figure.bars(
            percents,
            labels,
            role,
            name,
            labels=[f"{name} {percent:.1f}%" if percent > 25 else "" for percent in percents],
            inside=True,
            horizontal=True,
            hover=f"%{{y}}: {name} %{{x:.3g}}%",
        )
    figure.x_axis(text("axis.probability"), span=(0, 100), ticksuffix="%")
    figure.y_axis(category=True, reverse=True)
    return figure


def _running(specimens: dict[str, Specimen], names: dict[str, str], text: Words) -> Figure:
    """The share of the sampled texts without an EOS so far, against the tokens written."""
    figure, ends = Figure(), []
    steps = np.arange(MOST_NEW + 1)
    for name, one in specimens.items():
        role, symbol = LOOKS[name]
        running = [100 * float((one["lengths"] > step).mean()) for step in steps]
        figure.line(steps, running, role, names[name], hover="%{x}: %{y:.0f}%", symbol=symbol, size=5)
        ends.append((MOST_NEW, running[-1], names[name]))
    figure.name_ends(ends, -12, 118, log=False)
    figure.x_axis(text("axis.tokens_written"), span=(0, 1.75 * MOST_NEW), tickvals=[0, 10, 20, 30, 40])
    figure.y_axis(
        text("axis.running"), span=(-12, 118), ticks={tick: f"{tick}%" for tick in (0, 25, 50, 75, 100)}
    )
    figure.layout["showlegend"] = False
    return figure
