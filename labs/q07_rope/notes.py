"""Sentences below the figures of Question 7: exact readings, and what a device could not do."""

from __future__ import annotations

from labs.contract.columns import Result, Text
from labs.q07_rope.labels import position_names
from labs.q07_rope.params import LIVE_REACH
from labs.tools.seeds import telling


def invariance(result: Result, text: Text) -> list[str]:
    """The two scores of the first pair of vectors at the chosen start, and how far the pairings are apart."""
    view = result["view"]
    values = {**view, "start": f"{view['start']:,}", "arithmetic": text(f"q07.{view['arithmetic']}")}
    return [
        text("q07.note.sentence") % values,
        text("q07.note.first") % values,
        text("q07.note.layouts") % result["layouts"]["difference"],
    ]


def spectrum(result: Result, text: Text) -> list[str]:
    """YaRN's bands and target, of the sliders and of the dictionary; how near the core is to the formula."""
    notes = []
    for name, key in (("yarn", "q07.note.bands"), ("custom", "q07.note.custom")):
        if name in result["bands"]:
            notes.append(
                text(key)
                % {
                    **result["bands"][name],
                    **result["temperature"][name],
                    "target": f"{result['target'][name]:,}",
                }
            )
    if "core" in result:
        notes.append(text("q07.note.core") % {"apart": max(*result["core"].values(), 1e-16)})
    return notes


def shift(result: Result, text: Text) -> list[str]:
    """What decides the size of a change: how long the text is, and how sharp attention."""
    return [text("q07.note.shift") % result] if "tokens" in result else []


def lengths(result: Result, text: Text) -> list[str]:
    """How sure the growth is, what happened past the learned table, where longer readings come from."""
    notes, end = _growth(result, text), result.get("table_end")
    notes += [text("q07.note.table_end") % {**end, "last": end["rows"] - 1}] if end and end["error"] else []
    if result.get("capped"):
        stored = result["view"]["stored"]
        limit = {"limit": f"{LIVE_REACH:,}"}
        notes.append(
            text("q07.note.stored") % {**limit, **stored} if stored else text("q07.note.capped") % limit
        )
    return notes


def seeds(result: Result, text: Text) -> list[str]:
    """What losses and growth say about the kinds, and how they were trained; nothing before the end."""
    if "judged" not in result:
        return []
    words, names = telling.words(text, "q07"), position_names(text)
    said = [
        words(what)
        % {
            "trained": result["length"],
            "longest": f"{result['lengths'][-1]:,}",
            "verdict": telling.verdict(result[key], names, words),
        }
        for what, key in (("at_trained", "judged"), ("at_longest", "judged_growth"))
    ]
    return [*said, *telling.conditions(result, words)]


def _growth(result: Result, text: Text) -> list[str]:
    """The untreated model at the longest length, over documents; nothing while a run goes on."""
    base, longest = result["base"], str(result["lengths"][-1])
    growth = result.get("growth", {}).get(base, {})
    if longest not in growth:
        return []
    values = {
        "row": text(f"q07.row.{base}"),
        "length": f"{int(longest):,}",
        "growth": growth[longest],
        "trained": result["trained"],
        **result["growth_range"][base][longest],
        "documents": result["documents"],
        "tokens": f"{result['tokens']:,}",
    }
    return [text("q07.note.growth") % values]
