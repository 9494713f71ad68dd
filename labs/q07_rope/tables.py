"""The exact numbers of Question 7's results, row by row."""

from __future__ import annotations

from labs.contract.columns import Result, Row, Text
from labs.q07_rope.labels import position_names
from labs.q07_rope.params import ANGLES, ARITHMETICS, STARTS
from labs.tools.seeds import telling


def invariance(result: Result, text: Text) -> list[Row]:
    """The error of each arithmetic at every power of ten, over the score's standard deviation."""
    places = [result["starts"].index(start) for start in STARTS]
    return (
        [
            {
                text("q07.column.start"): start,
                **{text(f"q07.{name}"): float(result["error"][name][place]) for name in ARITHMETICS},
            }
            for start, place in zip(STARTS, places, strict=True)
        ]
        if "error" in result
        else []
    )


def spectrum(result: Result, text: Text) -> list[Row]:
    """Each pair: its wavelength, its turns within the length, and its multipliers."""
    return [
        {
            text("q07.column.pair"): pair,
            text("q07.axis.wavelength"): wave,
            text("q07.column.turns"): result["length"] / wave,
            **{text(f"q07.scaling.{name}"): values[pair] for name, values in result["multipliers"].items()},
        }
        for pair, wave in enumerate(result["wavelength"])
    ]


def shift(result: Result, text: Text) -> list[Row]:
    """Each offset: the largest change of a logit and the perplexity, by type of angle."""
    return (
        [
            {
                text("q07.column.shift"): offset,
                **{
                    f"{text(f'q07.angles.{name}')}: {text(f'q07.axis.{what}')}": result[what][name][
                        str(offset)
                    ]
                    for what in ("difference", "perplexity")
                    for name in ANGLES
                },
            }
            for offset in result["offsets"]
        ]
        if "offsets" in result
        else []
    )


def lengths(result: Result, text: Text) -> list[Row]:
    """Each line: perplexity at every length, how far the longest is off, and the ends of its chunks."""
    longest = str(result["lengths"][-1])
    start = result["perplexity"][result["base"]][str(result["trained"])]
    rows: list[Row] = []
    for name, values in result["perplexity"].items():
        own = values.get(str(result["trained"]), start)
        row: Row = {text("q07.column.row"): text(f"q07.row.{name}")}
        row |= {f"{length:,}": values.get(str(length), "–") for length in result["lengths"]}
        row[text("q07.column.growth")] = values[longest] / own if longest in values else "–"
        row[text("q07.column.tail")] = result["tail"][name].get(longest, "–")
        rows.append(row)
    return rows


def seeds(result: Result, text: Text) -> list[Row]:
    """Each kind: loss at the trained length from every seed, their mean, and the range of the growth."""
    words, names = telling.words(text, "q07"), position_names(text)
    rows, spans = telling.table(result["loss"], names, words), result["judged_growth"]["range"]
    return [
        row
        | {
            words("growth")
            % {"longest": f"{result['lengths'][-1]:,}"}: f"{spans[kind]['low']:.3g}–{spans[kind]['high']:.3g}"
        }
        for row, kind in zip(rows, result["loss"], strict=True)
    ]
