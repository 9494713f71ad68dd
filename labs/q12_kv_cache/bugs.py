"""Eleven ways to break a cached step without an error, on the real model, each against the right run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Required, TypedDict, cast

from labs.contract import DEFAULT_MODEL, Context, DeviceClass, Experiment, Params, Row, Shown, Words
from labs.contract.drawing import Figure, Role, power_ticks
from labs.contract.fields import choice, text, whole
from labs.tools.budgets import PerDevice
from labs.tools.written import small_number

if TYPE_CHECKING:
    from labs.q12_kv_cache.faults import Written

BUGS = (
    "no_offset",
    "stuck",
    "rotated_twice",
    "unrotated",
    "causal_flag",
    "unmasked",
    "forgets",
    "fed_twice",
    "stale",
    "swapped",
    "repeated_heads",
)
"""In the order of `faults.FAULTS`."""
PROMPT = "今天天气很好，我们一起去"
OTHER = "def add(first, second):\n    return first + second\n\n\ndef subtract(first, second):\n    return"
"""Somebody else's prompt, cut or repeated to the length of one's own."""
SECONDS_A_RUN = PerDevice(cpu=0.5, cuda=0.4)
SHOWN_TEXT = 80
"""Characters in the table."""


@dataclass(frozen=True)
class BugsParams(Params):
    """`bug` is looked at step by step; all of them are run."""

    bug: str = choice("no_offset", BUGS, primary=True, view=True)
    prompt: str = text(PROMPT, primary=True, max_length=400, label="bugs_prompt")
    new: int = whole(24, 2, 100, unit="tokens")


class Case(TypedDict):
    """A run against the right one. The logits are those after the right tokens; `text` is its own.

    `nats` is how much less likely the right tokens become, a token on average; `same_tokens` how many of
    its own are those of the right run before the first other one.
    """

    largest_logit_difference: float
    by_step: list[float]
    nats: float
    same_tokens: int
    text: str
    bytes_per_token: int


class BugsResult(TypedDict, total=False):
    """Each mistake by name, beside `clean` and `rounding`: the right run, and the same without a cache."""

    new: Required[int]
    clean: Case
    rounding: Case
    no_offset: Case
    stuck: Case
    rotated_twice: Case
    unrotated: Case
    causal_flag: Case
    unmasked: Case
    forgets: Case
    fed_twice: Case
    stale: Case
    swapped: Case
    repeated_heads: Case
    view: Chosen


class Chosen(TypedDict):
    """The mistake that is looked at."""

    bug: str


class Bugs(Experiment[BugsParams, BugsResult]):
    """Greedy decoding with a cache, right and with each mistake."""

    def seconds(self, params: BugsParams, device: DeviceClass) -> float:
        return 1 + (len(BUGS) + 2) * SECONDS_A_RUN.on(device) * (0.2 + params.new / 30)

    def measure(self, params: BugsParams, ctx: Context) -> BugsResult:
        """The right run first: the mistakes are then fed its tokens."""
        import torch

        from labs.q12_kv_cache.faults import FAULTS, Decode, Written

        ctx.progress(0.0, "loading")
        loaded = ctx.model(DEFAULT_MODEL)
        model, tokenizer = loaded.model, loaded.tokenizer
        ids = loaded.prompt_ids(params.prompt)
        others = tokenizer.encode(OTHER)
        others = [tokenizer.bos_id, *(others * (1 + len(ids) // len(others)))][: len(ids)]
        prompt, other = (torch.tensor(each, device=ctx.device) for each in (ids, others))
        with torch.inference_mode():
            clean = Decode(model, prompt, other, params.new).run(None, ctx.check_cancelled)
            whole_text = torch.cat((prompt, torch.tensor(clean.ids[:-1], device=ctx.device)))[None]
            again = Written(model(whole_text)[:, len(ids) - 1 :], clean.ids, 0)  # logits [1, new, V]
            found: dict[str, Case] = {
                "clean": _case(clean, clean, tokenizer.decode),
                "rounding": _case(again, clean, tokenizer.decode),
            }
            for index, (name, kind) in enumerate(FAULTS.items()):
                ctx.progress((index + 1) / (len(FAULTS) + 1), "breaking", index=index + 1)
                written = kind(model, prompt, other, params.new).run(clean.ids, ctx.check_cancelled)
                found[name] = _case(written, clean, tokenizer.decode)
        return {"new": params.new, **found}  # type: ignore[typeddict-item]

    def view(self, params: BugsParams, result: BugsResult) -> Chosen:
        """The mistake to look at."""
        return {"bug": params.bug}

    def show(self, result: BugsResult, text: Words) -> Shown:
        """`difference`: every mistake's largest; `steps`: the chosen one's at each step."""
        chosen = result["view"]["bug"]
        names = ("clean", "rounding", *BUGS)
        rows: list[Row] = [
            {
                text("bugs.bug"): text(f"bug.{name}"),
                text("axis.difference"): case["largest_logit_difference"],
                text("bugs.nats"): case["nats"],
                text("bugs.same"): case["same_tokens"],
                text("bugs.bytes"): case["bytes_per_token"],
                text("bugs.text"): one_line(case["text"]),
            }
            for name in names
            for case in (_of(result, name),)
        ]
        return Shown(
            {"difference": _differences(result, text), "steps": _steps(result, chosen, text)},
            rows,
            notes=[
                text(f"why.{chosen}"),
                *(
                    [text("bugs.nothing_yet", new=result["new"])]
                    * (not _of(result, chosen)["largest_logit_difference"])
                ),
                text("bugs.right_text", text=one_line(result["clean"]["text"])),
                text("bugs.wrong_text", text=one_line(_of(result, chosen)["text"])),
            ],
            numbers={
                f"{text('bug.no_offset')} ({text('bugs.logits')})": result["no_offset"][
                    "largest_logit_difference"
                ]
            },
        )


def _case(written: Written, clean: Written, decode: Callable[[list[int]], str]) -> Case:
    difference = (written.logits[0] - clean.logits[0]).abs().amax(-1)  # [new]
    right = clean.logits[0].argmax(-1, keepdim=True)  # [new, 1]
    nats = [-run.logits[0].log_softmax(-1).gather(1, right).mean() for run in (written, clean)]
    return {
        "largest_logit_difference": float(difference.max()),
        "by_step": difference.tolist(),
        "nats": float(nats[0] - nats[1]),
        "same_tokens": common_start(written.ids, clean.ids),
        "text": decode(written.ids),
        "bytes_per_token": written.cache_bytes,
    }


def one_line(text: str) -> str:
    """Its beginning, without line breaks."""
    return " ".join(text.split())[:SHOWN_TEXT]


def common_start(first: Sequence[int], second: Sequence[int]) -> int:
    """How many of both begin alike.

    >>> common_start([1, 2, 3], [1, 2, 4])
    2
    """
    pairs = zip(first, second, strict=True)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _of(result: BugsResult, name: str) -> Case:
    return cast(Case, result[name])  # type: ignore[literal-required]


def _differences(result: BugsResult, text: Words) -> Figure:
    """Rounding is what the right run and one without a cache are apart; what hides nothing lies there too."""
    figure, chosen = Figure(height=420), result["view"]["bug"]
    rounding = result["rounding"]["largest_logit_difference"]
    sizes = {name: max(_of(result, name)["largest_logit_difference"], rounding / 3) for name in BUGS}
    ordered = sorted(BUGS, key=sizes.__getitem__)
    for names, role in (([name for name in ordered if name != chosen], "peer"), ([chosen], "measured")):
        figure.bars(
            [sizes[name] for name in names],
            [text(f"bug.{name}") for name in names],
            cast(Role, role),
            labels=[f" {small_number(_of(result, name)['largest_logit_difference'])}" for name in names],
            horizontal=True,
            showlegend=False,
            hover="%{y}: %{x:.3g}",
        )
    labels = [text(f"bug.{name}") for name in ordered]
    figure.line([rounding] * 2, [labels[0], labels[-1]], "formula", text("bug.rounding"), hover="%{x:.2g}")
    low, high = min(sizes.values()), max(sizes.values())
    figure.x_axis(
        text("axis.difference"),
        log=True,
        ticks=power_ticks(low / 2, 10 * high),
        span=(math.log10(low / 2), math.log10(6 * high)),
    )
    figure.y_axis(showgrid=False, categoryorder="array", categoryarray=labels)
    return figure


def _steps(result: BugsResult, chosen: str, text: Words) -> Figure:
    figure, floor = Figure(), result["rounding"]["largest_logit_difference"] / 10
    tokens = list(range(1, result["new"] + 1))
    shown: tuple[tuple[str, Role, str], ...] = (
        ("rounding", "formula", "circle"),
        (chosen, "measured", "square"),
    )
    drawn = {name: [max(value, floor) for value in _of(result, name)["by_step"]] for name, _, _ in shown}
    for name, role, symbol in shown:
        figure.line(
            tokens, drawn[name], role, text(f"bug.{name}"), symbol=symbol, size=7, hover="%{x}: %{y:.2g}"
        )
    highest = max(map(max, drawn.values()))
    figure.x_axis(text("axis.new"))
    figure.y_axis(
        text("axis.difference"),
        log=True,
        ticks=power_ticks(floor, 10 * highest),
        span=(math.log10(floor / 2), math.log10(3 * highest)),
    )
    return figure
