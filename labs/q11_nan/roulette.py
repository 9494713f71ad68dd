"""One of many silent bugs is in the model: buy probes until you can name it.

Which it is follows from the number in the address.
Every probe was run on every bug before (`mutants.json`, made by `probe_mutants.py`), so that the page can say
what an answer tells in bits, and what the best order of probes would have taken. The run here puts the bug
into the real model and asks all probes anew.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from labs.contract import Context, Experiment, Params, Row, Shown, Words, choice, switch, whole
from labs.contract.drawing import Figure
from labs.q11_nan.bugs import BUGS, PROBES
from labs.q11_nan.probe_tree import bits, left
from labs.tools.budgets import PerDevice

FILE = Path(__file__).with_name("mutants.json")
MANY = 8
"""Candidates up to which they are all named."""


@cache
def recorded() -> dict[str, Any]:
    """The recorded "answers" by bug and probe on "rows", "paths" of the best tree by bug, its "mean"."""
    content: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return content


@dataclass(frozen=True)
class RouletteParams(Params):
    """The spin, the probes bought, and the bug that is accused."""

    spin: int = whole(1, 1, 9999, primary=True)
    accused: str = choice("open", ("open", *BUGS), primary=True, view=True, label="bug")
    loss: bool = switch(False, view=True, label="ask.loss")
    by_position: bool = switch(False, view=True, label="ask.by_position")
    first_logits: bool = switch(False, view=True, label="ask.first_logits")
    all_logits: bool = switch(False, view=True, label="ask.all_logits")
    future: bool = switch(False, view=True, label="ask.future")
    past: bool = switch(False, view=True, label="ask.past")
    shifted: bool = switch(False, view=True, label="ask.shifted")
    order: bool = switch(False, view=True, label="ask.order")
    attention_map: bool = switch(False, view=True, label="ask.attention_map")
    gradient_norm: bool = switch(False, view=True, label="ask.gradient_norm")
    dead_weights: bool = switch(False, view=True, label="ask.dead_weights")
    repeats: bool = switch(False, view=True, label="ask.repeats")
    twice: bool = switch(False, view=True, label="ask.twice")
    logit_size: bool = switch(False, view=True, label="ask.logit_size")
    first_apart: bool = switch(False, view=True, label="ask.first_apart")
    leak: bool = switch(False, view=True, label="ask.leak")
    itself: bool = switch(False, view=True, label="ask.itself")
    sums: bool = switch(False, view=True, label="ask.sums")
    wiring: bool = switch(False, view=True, label="ask.wiring")
    rotation_pairs: bool = switch(False, view=True, label="ask.rotation_pairs")
    rotation_keys: bool = switch(False, view=True, label="ask.rotation_keys")
    rotation_length: bool = switch(False, view=True, label="ask.rotation_length")
    norm_alone: bool = switch(False, view=True, label="ask.norm_alone")
    target: bool = switch(False, view=True, label="ask.target")


class View(TypedDict):
    """What was bought, who is still possible after that, and the verdict."""

    bought: list[str]
    left: list[str]
    accused: str
    right: bool


class RouletteResult(TypedDict):
    """The bug, the answers measured here, and whether they are the recorded ones."""

    bug: str
    answers: dict[str, str]
    differ: list[str]
    """Probes whose answer here is not the recorded one."""
    view: NotRequired[View]


class Roulette(Experiment[RouletteParams, RouletteResult]):
    """A silent bug in the real model, and probes of the whole and of its parts."""

    version = 3
    takes = PerDevice(cpu=7.0, cuda=2.0)

    def measure(self, params: RouletteParams, ctx: Context) -> RouletteResult:
        import torch

        from labs.q11_nan.mutants import mutated
        from labs.q11_nan.probes import PROBES as ASKED
        from labs.q11_nan.probes import Answers

        ctx.progress(0.0, "loading")
        loaded = ctx.model("minimind-26m")
        rows = torch.tensor(recorded()["rows"], device=ctx.device)  # [B, T]
        name, answers = bug(params.spin), {}
        with mutated("healthy", loaded.model) as subject:
            ctx.progress(0.1, "healthy")
            healthy = Answers(subject, rows)
        with mutated(name, loaded.model) as subject:
            ctx.progress(0.3, "probing")
            wrong = Answers(subject, rows)
            for index, (probe, ask) in enumerate(ASKED.items()):
                ctx.progress(0.4 + 0.6 * index / len(ASKED), "probing")
                answers[probe] = ask(wrong, healthy)
        known = recorded()["answers"][name]
        return {
            "bug": name,
            "answers": answers,
            "differ": [probe for probe in PROBES if answers[probe] != known[probe]],
        }

    def view(self, params: RouletteParams, result: RouletteResult) -> View:
        bought = [probe for probe in PROBES if getattr(params, probe)]
        return {
            "bought": bought,
            "left": left(recorded()["answers"], result["bug"], bought),
            "accused": params.accused,
            "right": params.accused in left(recorded()["answers"], result["bug"], PROBES),
        }

    def show(self, result: RouletteResult, text: Words) -> Shown:
        view, ended = result["view"], result["view"]["accused"] != "open"
        worth, mute = _worth(result, ended)
        rows = _rows(result, text)
        asked = [
            text("note.asked", probe=row[text("probe")], said=row[text("answer")], left=row[text("possible")])
            for row in rows[1:]
        ]
        notes = [*asked, *_notes(result, text)]
        if mute:
            notes.append(text("note.mute", count=mute))
        figures = {"worth": _bars(worth, text)} if worth else {}
        return Shown(figures, rows, notes, {text("possible"): len(view["left"])})


def bug(spin: int) -> str:
    """The bug of that spin, the same everywhere."""
    return random.Random(spin).choice(BUGS)


def kinds() -> int:
    """How many bugs all probes together tell apart: those that answer alike count once."""
    return len({tuple(answers.values()) for answers in recorded()["answers"].values()})


def _rows(result: RouletteResult, text: Words) -> list[Row]:
    """Each bought probe: its answer, what it told then, and how many bugs were left."""
    table, name = recorded()["answers"], result["bug"]
    rows: list[Row] = [_row(text("ask.none"), "", 0.0, len(table), text)]
    for index, probe in enumerate(result["view"]["bought"]):
        before = left(table, name, result["view"]["bought"][:index])
        after = left(table, name, result["view"]["bought"][: index + 1])
        told = math.log2(len(before) / len(after))
        rows.append(_row(text(f"ask.{probe}"), text(f"told.{table[name][probe]}"), told, len(after), text))
    return rows


def _row(probe: str, said: str, told: float, possible: int, text: Words) -> Row:
    return {text("probe"): probe, text("answer"): said, text("bits"): told, text("possible"): possible}


def _notes(result: RouletteResult, text: Words) -> list[str]:
    view, paths = result["view"], recorded()["paths"]
    same = left(recorded()["answers"], result["bug"], PROBES)
    if view["accused"] == "open":
        names = text("comma").join(text(f"bug.{name}") for name in view["left"][:MANY])
        key = "note.candidates" if len(view["left"]) <= MANY else "note.many"
        return [text(key, count=len(view["left"]), names=names)]
    best = paths[result["bug"]]
    notes = [
        text(
            "note.accused_right" if view["right"] else "note.accused_wrong",
            bug=text(f"bug.{result['bug']}"),
            used=len(view["bought"]),
            best=len(best),
            path=text("comma").join(text(f"ask.{probe}") for probe in best),
            mean=recorded()["mean"],
        )
    ]
    notes.append(text("note.partition", probes=len(PROBES), bugs=len(BUGS), kinds=kinds()))
    if len(same) > 1:
        others = [text(f"bug.{name}") for name in same if name != result["bug"]]
        notes.append(text("note.twins", names=text("comma").join(others)))
    if result["differ"]:
        notes.append(
            text("note.differ", names=text("comma").join(text(f"ask.{p}") for p in result["differ"]))
        )
    return notes


def _worth(result: RouletteResult, ended: bool) -> tuple[dict[str, float], int]:
    """Bits that a probe tells on average, most first, and how many tell nothing: of all bugs at first and at
    the end, in between of those that are left."""
    table = recorded()["answers"]
    candidates = list(table) if ended else result["view"]["left"]
    rest = [probe for probe in PROBES if ended or probe not in result["view"]["bought"]]
    worth = {probe: told for probe in rest if (told := bits(table, candidates, probe)) > 0}
    return dict(sorted(worth.items(), key=lambda item: -item[1])), len(rest) - len(worth)


def _bars(worth: dict[str, float], text: Words) -> Figure:
    figure = Figure(height=90 + 26 * len(worth))
    figure.bars(
        list(worth.values()),
        [text(f"ask.{probe}") for probe in worth],
        "formula",
        horizontal=True,
        hover="%{y}: %{x:.2f}",
        labels=" {:.2f}",
    )
    figure.x_axis(text("axis.bits"), span=(0, 4))
    figure.y_axis(category=True, reverse=True)
    return figure
