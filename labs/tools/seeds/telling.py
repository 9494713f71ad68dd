"""Notes, table and running state of a series of trainings, in the words of the lab that asks. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labs.contract.columns import Result, Row, Text
from labs.tools.ranking import UNRESOLVED
from labs.tools.seeds.plans import PLANS


def words(text: Text, lab: str) -> Text:
    """The lab's own words for its trainings: "toy" is "q06.seeds.toy" of the lab "q06"."""
    return lambda key: text(f"{lab}.seeds.{key}")


def so_far(partials: Sequence[Mapping[str, Any]], what: str) -> dict[str, list[Any]]:
    """`what` of the finished models by kind, in the order of the seeds."""
    found: dict[str, list[Any]] = {}
    for piece in partials:
        found.setdefault(piece["kind"], []).append(piece[what])
    return found


def verdict(judged: Result, names: Mapping[str, str], text: Text) -> str:
    """Who is ahead and how often luck does that, or whose ranges overlap; and how many orders there were."""
    orders = {tuple(order) for order in judged["orders"]}
    values = {
        "best": names[judged["best"]],
        "chance": 100 * judged["chance"],
        "rivals": text("comma").join(names[kind] for kind in judged["rivals"]),
        "seeds": len(judged["orders"]),
        "orders": len(orders),
    }
    return text("unresolved" if judged["verdict"] == UNRESOLVED else "resolved") % values


def conditions(result: Result, text: Text) -> list[str]:
    """What was trained and on how much; and of a toy run, that it is one."""
    counts = result["parameters"].values()
    values = {
        **result,
        "models": len(counts) * result["seeds"],
        "fewest": f"{min(counts):,}",
        "most": f"{max(counts):,}",
        "dtype": PLANS[result["shape"]].dtype,
        "training_tokens": f"{result['training_tokens']:,}",
        "scored_tokens": f"{result['scored_tokens']:,}",
    }
    return [text("trained") % values, *([text("toy") % values] if result["toy"] else [])]


def table(values: Mapping[str, Sequence[float]], names: Mapping[str, str], text: Text) -> list[Row]:
    """Each kind: its value from every seed, and their mean."""
    return [
        {
            text("kind"): names[kind],
            **{f"{text('seed')} {seed}": value for seed, value in enumerate(each)},
            text("mean"): sum(each) / len(each),
        }
        for kind, each in values.items()
    ]
