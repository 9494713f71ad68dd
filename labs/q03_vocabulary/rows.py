"""Rows that are hardly ever used, in six vocabularies, and those that our model never learned.

Thirteen bytes stand in no UTF-8 text, so their rows were never an input and never a target. All they ever got
is the head's push away from every context, the same for each: they point the same way, and so does every
other row that was never trained. Source of the idea: Land and Bartolo 2024, for tied embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, choice
from labs.contract.drawing import Figure
from labs.q03_vocabulary.cut import legible
from labs.q03_vocabulary.shipped import (
    ByTokenizer,
    beginning,
    held_out_texts,
    shipped_tokenizers,
    vocab_sizes,
)
from labs.tools.budgets import PerDevice

if TYPE_CHECKING:
    from minimind_core.tokenizer import Tokenizer

IMPOSSIBLE = (0xC0, 0xC1, *range(0xF5, 0x100))
"""Bytes that no UTF-8 text holds (RFC 3629)."""
RARE = 10
"""Uses below which a row counts as rarely met."""
ALIKE = 0.9
"""Cosine from which a row counts as never trained."""
EVERY = 12
"""Of the other rows one in so many is drawn."""
DOCUMENTS = 8
"""Encoded between two looks for a cancel."""
LISTED = 80


@dataclass(frozen=True)
class RowsParams(Params):
    """How many thousand characters are counted."""

    thousands: int = choice(1000, (100, 300, 1000), primary=True)


class Point(TypedDict):
    """One row of the embedding: its norm, and its cosine to the mean of the impossible bytes' rows."""

    token: str
    norm: float
    cosine: float
    uses: int


class RowsResult(TypedDict):
    """Percent of rows by tokenizer: never used, and used fewer than RARE times.

    `untrained` rows look like the impossible bytes (`reference`), `others` are a sample of the rest.
    `low_norm` says how many of as many rows with the smallest norms are among the untrained.
    """

    characters: int
    vocab_sizes: dict[str, int]
    rare_rows_percent: ByTokenizer
    unused_rows_percent: ByTokenizer
    reference: list[Point]
    untrained: list[Point]
    others: list[Point]
    low_norm: int
    model_entries: int


class Rows(Experiment[RowsParams, RowsResult]):
    """Counts each row's uses in a text, and looks for the rows of our model that were never trained."""

    def seconds(self, params: RowsParams, device: DeviceClass) -> float:
        """Encoding with six tokenizers."""
        return PerDevice(cpu=5.0, cuda=3.0).on(device) + 0.008 * params.thousands

    def measure(self, params: RowsParams, ctx: Context) -> RowsResult:
        """The counted text is no training text of the tokenizers."""
        ctx.progress(0.0, "tokenizers")
        documents = list(beginning(_documents(), 1000 * params.thousands))
        tokenizers = shipped_tokenizers(ctx.part(0.0, 0.2, "tokenizers"))
        rare, unused = {}, {}
        for number, (name, tokenizer) in enumerate(tokenizers.items()):
            on_progress = ctx.part(0.2 + 0.12 * number, 0.32 + 0.12 * number, "encoding")
            counts = np.zeros(tokenizer.vocab_size, np.int64)
            for start in range(0, len(documents), DOCUMENTS):
                on_progress(start / len(documents))
                counts += uses(tokenizer, documents[start : start + DOCUMENTS])
            rare[name], unused[name] = (100 * float((counts < limit).mean()) for limit in (RARE, 1))
        ctx.progress(0.95, "loading")
        loaded = ctx.model()
        embedding = loaded.model.model.embed_tokens.weight.detach().float().cpu().numpy()  # [V, C]
        return {
            "characters": sum(map(len, documents)),
            "vocab_sizes": vocab_sizes(tokenizers),
            "rare_rows_percent": rare,
            "unused_rows_percent": unused,
            **_points(embedding, loaded.tokenizer, uses(loaded.tokenizer, documents)),  # type: ignore[typeddict-item]
        }

    def show(self, result: RowsResult, text: Words) -> Shown:
        """`rare`: percent of rows by vocabulary; `untrained`: norm and direction of our model's rows."""
        found = len(result["untrained"])
        return Shown(
            {"rare": _rare(result, text), "untrained": _untrained(result, text)},
            _rows(result, text),
            [
                text("note.rare", characters=result["characters"], **result["rare_rows_percent"]),
                text("note.untrained", found=found, low=result["low_norm"], entries=result["model_entries"]),
            ],
            {text("rare_of_large"): result["rare_rows_percent"]["large"], text("untrained_rows"): found},
        )


def uses(tokenizer: Tokenizer, documents: list[str]) -> NDArray[np.int64]:
    """How often each id stands in the documents, int64 [V]."""
    ids = [np.array(one, np.int64) for one in tokenizer.encode_batch(documents)]
    return np.bincount(np.concatenate(ids), minlength=tokenizer.vocab_size)


def alike(embedding: NDArray[np.float32], reference: list[int]) -> NDArray[np.float32]:
    """Cosine of each row [V, C] to the mean of the reference's directions, [V]."""
    directions = embedding / np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-12)
    mean = directions[reference].mean(0)
    return directions @ (mean / np.linalg.norm(mean))


def _points(
    embedding: NDArray[np.float32], tokenizer: Tokenizer, counts: NDArray[np.int64]
) -> dict[str, object]:
    """The parts of a result that are about the model's rows."""
    known = {tokenizer.token_bytes(index): index for index in range(tokenizer.vocab_size)}
    reference = [known[bytes([byte])] for byte in IMPOSSIBLE]
    norms, cosines = np.linalg.norm(embedding, axis=1), alike(embedding, reference)

    def points(rows: list[int]) -> list[Point]:
        return [
            {
                "token": legible(tokenizer.token_bytes(row)),
                "norm": round(float(norms[row]), 4),
                "cosine": round(float(cosines[row]), 4),
                "uses": int(counts[row]),
            }
            for row in rows
        ]

    found = [int(row) for row in np.argsort(-cosines, kind="stable") if cosines[row] >= ALIKE]
    lowest = np.argsort(norms, kind="stable")[: len(found)]
    others = [row for row in range(tokenizer.vocab_size) if row not in set(found)]
    return {
        "reference": points(reference),
        "untrained": points([row for row in found if row not in reference]),
        "others": points(others[::EVERY]),
        "low_norm": len(set(found) & set(lowest.tolist())),
        "model_entries": tokenizer.vocab_size,
    }


def _documents() -> list[str]:
    """Chinese, English and code that are held out, then more of Python's library and help."""
    from labs.tools import heldout

    return [text for texts in held_out_texts().values() for text in texts] + heldout.training()


def _rare(result: RowsResult, text: Words) -> Figure:
    """Stacked: rows without a use, and with a few."""
    figure = Figure(barmode="stack")
    sizes = [f"{size:,}" for size in result["vocab_sizes"].values()]
    rare, unused = result["rare_rows_percent"], result["unused_rows_percent"]
    hover = "%{x}: %{y:.1f}%"
    figure.bars(sizes, list(unused.values()), "measured", text("never_used"), hover=hover)
    few = [rare[name] - unused[name] for name in rare]
    figure.bars(sizes, few, "measured", text("few_uses"), hover=hover, opacity=0.45)
    totals = list(rare.values())
    figure.words(sizes, totals, [f"{total:.0f}%" for total in totals], textposition="top center")
    figure.x_axis(text("axis.entries"), category=True)
    figure.y_axis(text("axis.rows"), span=(0, 112))
    return figure


def _untrained(result: RowsResult, text: Words) -> Figure:
    figure = Figure()
    for name, role, symbol, size in (
        ("others", "peer", "circle", 4),
        ("untrained", "measured", "circle", 8),
        ("reference", "said", "x", 9),
    ):
        points: list[Point] = result[name]  # type: ignore[literal-required]
        figure.marks(
            [point["norm"] for point in points],
            [point["cosine"] for point in points],
            role,  # type: ignore[arg-type]
            text(f"rows_of.{name}"),
            symbol=symbol,
            size=size,
            customdata=[point["token"] for point in points],
            hover="%{customdata}: %{x:.3f}, %{y:.3f}",
        )
    figure.x_axis(text("axis.norm"))
    figure.y_axis(text("axis.cosine"), span=(-0.5, 1.08))
    return figure


def _rows(result: RowsResult, text: Words) -> list[Row]:
    return [
        {
            text("column.token"): point["token"],
            text("axis.cosine"): point["cosine"],
            text("axis.norm"): point["norm"],
            text("column.uses"): point["uses"],
        }
        for point in (*result["reference"], *result["untrained"])[:LISTED]
    ]
