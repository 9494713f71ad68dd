"""The length bench: the same tokens in longer and longer chunks, for kinds and treatments of positions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

from labs.claims.recordings import recorded
from labs.contract import DEFAULT_MODEL, Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words
from labs.contract.fields import ParamError, choice, real, switch, whole
from labs.contract.fields import text as free_text
from labs.q07_rope.length_figures import length_figures
from labs.q07_rope.length_summary import (
    SCALINGS,
    ByLength,
    LengthSummary,
    Losses,
    StoredRun,
    perplexity,
    summarised,
)
from labs.q07_rope.scaling import LOW_FACTOR
from labs.tools.budgets import PerDevice, free_bytes
from labs.tools.sampler import seed
from minimind_core.errors import DataError
from minimind_core.model.config import RopeScaling, RopeScalingKind

if TYPE_CHECKING:
    from torch import Tensor

    from labs.q07_rope.bench_lines import Line
    from minimind_core.model.minimind import MiniMind
    from minimind_core.tokenizer import Tokenizer

REACHES = (0, 512, 1024, 2048, 4096, 8192)
LONGEST = PerDevice(cpu=2048, cuda=8192)
"""The longest chunks that a device reads while somebody waits."""
DOCUMENTS, DOCUMENTS_26M = PerDevice(cpu=2, cuda=8), PerDevice(cpu=1, cuda=8)
"""What is read unless a number was asked for."""
SLOWER_26M = 5.7
"""Than the small models, on a CPU."""
BIAS_HEADS = 8
"""Of the specimen with ALiBi, which writes a bias out for every head and pair of tokens."""
LONGEST_TRAINED = 512
"""Checkpoints that were trained on more begin here as well."""
UPSTREAM = RopeScaling("yarn", 16.0, 2048, attention_factor=1.0)
SHIFT = 100_000


@dataclass(frozen=True)
class LengthsParams(Params):
    """A model and its treatments. 0 leaves a number to us: what suits the device, or what the weights saw."""

    model: str = choice("nano-rope", ("nano-rope", "nano-rope-1e4", "byte-128", DEFAULT_MODEL), primary=True)
    reach: int = choice(
        0,
        REACHES,
        primary=True,
        sentence="The longest length must be one of 512, 1024, 2048, 4096 and 8192 tokens.",
    )
    text: str = choice("both", ("both", "code", "english", "chinese"), primary=True)
    factor: float = real(0, 0, 64, step=1, label="factor_or_auto", low_sentence=LOW_FACTOR)
    original: int = whole(0, 0, 32_768, step=64, label="original_or_auto", unit="tokens")
    temperature: bool = switch(True)
    window: bool = switch(True)
    shift: bool = switch(True, label="shift_positions")
    others: bool = switch(True)
    documents: int = whole(0, 0, 32)
    pasted: str = free_text("", max_length=6000)
    seed: int = seed()

    def check_together(self) -> None:
        """A factor below 1 would move the trained positions further apart."""
        if 0 < self.factor < 1:
            raise ParamError("low", "factor", LOW_FACTOR, key="q07.factor.low")

    def documents_on(self, device: str) -> int:
        """How many documents are read on a device."""
        return self.documents or (DOCUMENTS_26M if self.model == DEFAULT_MODEL else DOCUMENTS).on(device)


class LengthsView(TypedDict):
    """None where nothing is missing, or nothing comparable was recorded."""

    stored: StoredRun | None


class LengthsResult(LengthSummary, total=False):
    """The summary, and what was read; of a run under way the perplexities alone."""

    model: str
    documents: int
    tokens: int
    capped: bool
    """Whether longer chunks were asked for than this device reads."""
    view: LengthsView


class Lengths(Experiment[LengthsParams, LengthsResult]):
    """Perplexity of the same tokens in chunks of growing length, for models and treatments of positions."""

    version = 2

    def seconds(self, params: LengthsParams, device: DeviceClass) -> float:
        lines = 13 if params.others and params.model.startswith("nano") else 7
        documents = params.documents_on(device)
        if device == "cuda":
            return 1 + 0.06 * lines * documents
        longest = min(params.reach or LONGEST.cpu, LONGEST.cpu)
        slower = SLOWER_26M if params.model == DEFAULT_MODEL else 1.0
        return 1 + lines * documents * longest * 3.3e-4 * slower

    def measure(self, params: LengthsParams, ctx: Context) -> LengthsResult:
        from labs.q07_rope.bench_lines import past_the_table
        from labs.q07_rope.rotations import rope_model

        ctx.progress(0.0, "reading")
        loaded = rope_model(ctx, params.model)
        lengths = lengths_for(params.reach, loaded.config.max_length, ctx.device)
        documents = _documents(params, loaded.tokenizer, lengths[-1], ctx.device)
        lines = list(_lines(params, loaded.model, lengths, ctx))
        total = sum(line.cost(length) for line in lines for length in line.lengths)
        losses: dict[str, dict[int, Losses]] = {}
        partials: list[dict[str, Any]] = []
        done = 0.0
        for line in lines:
            for length in line.lengths:
                ctx.progress(done / total, "chunks", line=line.name, length=length)
                nats = line.read(length, documents, ctx.check_cancelled)
                losses.setdefault(line.name, {})[length] = nats
                done += line.cost(length)
                partials.append({"row": line.name, "length": length, "perplexity": perplexity(nats)})
                ctx.emit(partials[-1])
        return {
            **summarised(self.so_far(params, partials), losses),
            "model": loaded.name,
            "documents": len(documents),
            "tokens": documents[:, 1:].numel(),
            "capped": params.reach > LONGEST.on(ctx.device),
            "table_end": past_the_table(ctx.model("nano-learned").model),
        }

    def so_far(self, params: LengthsParams, partials: Partials) -> LengthsResult:
        """The untreated model at its trained length is read first."""
        perplexities: dict[str, ByLength] = {}
        for reading in partials:
            perplexities.setdefault(reading["row"], {})[str(reading["length"])] = reading["perplexity"]
        return {
            "trained": partials[0]["length"],
            "lengths": sorted({reading["length"] for reading in partials}),
            "base": partials[0]["row"],
            "perplexity": perplexities,
        }

    def view(self, params: LengthsParams, result: LengthsResult) -> LengthsView:
        """With the recorded run of a GPU, where longer chunks were asked for than this device reads."""
        comparable = result.get("capped") and result["model"] == LengthsParams().model
        for record in recorded(self.id) if comparable else ():
            stored = record["result"]
            longer = [length for length in stored["lengths"] if length > result["lengths"][-1]]
            if longer:
                return {
                    "stored": {
                        "perplexity": stored["perplexity"],
                        "lengths": [length for length in longer if length <= params.reach],
                        "device": record["device_name"],
                        "date": record["date"][:10],
                    }
                }
        return {"stored": None}

    def show(self, result: LengthsResult, text: Words) -> Shown:
        stored = result["view"]["stored"] if "view" in result else None
        figures = length_figures(result, stored, text)
        if "tail" not in result:
            return Shown(figures)
        longest = str(result["lengths"][-1])
        return Shown(
            figures,
            rows=[_row(result, line, text) for line in result["perplexity"]],
            notes=_notes(result, text),
            numbers={
                text(f"row.{line}"): by_length[longest]
                for line, by_length in result["perplexity"].items()
                if longest in by_length
            },
        )


def lengths_for(asked: int, trained: int, device: str) -> tuple[int, ...]:
    """The lengths that are read, doubling from the trained one to the one asked for, or one that suits.

    What suits a GPU is the longest for which four float32 biases fit into its memory.
    """
    most = LONGEST.on(device)

    def suits(reach: int) -> bool:
        return LONGEST.cpu < reach <= most and 4 * 4 * BIAS_HEADS * reach**2 <= (free_bytes(device) or 0)

    start, reach = min(trained, LONGEST_TRAINED), min(asked, most)
    reach = reach or next(filter(suits, REACHES[::-1]), LONGEST.cpu)
    return tuple(start << doubling for doubling in range(16) if start << doubling <= reach)


def _documents(params: LengthsParams, tokenizer: Tokenizer, length: int, device: str) -> Tensor:
    """Stretches of text, int64 [D, length + 1]. Raises DataError where the pasted one is too short."""
    from labs.tools import heldout

    texts = [params.pasted] if params.pasted.strip() else heldout.held_out(params.text)
    tokens = len(tokenizer.encode(params.pasted))
    if params.pasted.strip() and tokens < length:
        raise DataError(
            f"The pasted text has {tokens:,} tokens; chunks of {length:,} need more. "
            "Lower the longest length or paste more.",
            key="q07.pasted",
            tokens=tokens,
            length=length,
        )
    return heldout.windows(tokenizer, texts, params.documents_on(device), length, params.seed)


def _lines(params: LengthsParams, model: MiniMind, lengths: tuple[int, ...], ctx: Context) -> Iterator[Line]:
    """The lines in the order in which they are read, what the predictions ask for first."""
    from labs.q07_rope.bench_lines import SPECIMENS, Line, always, base_name, relatives
    from labs.q07_rope.rotations import twin

    def stretched(kind: RopeScalingKind, length: int) -> MiniMind:
        factor, original = params.factor or length / lengths[0], params.original or lengths[0]
        unscaled = 1.0 if kind == "yarn" and not params.temperature else None
        return twin(model, scaling=RopeScaling(kind, factor, original, attention_factor=unscaled))

    trained, longer = lengths[0], lengths[1:]
    yield Line(base_name(params.model), always(model), lengths)
    for kind in SCALINGS:  # by length over trained length, which treats nothing at the trained one
        yield Line(kind, partial(stretched, kind), lengths if params.factor else longer)
    yield Line("upstream", always(twin(model, scaling=UPSTREAM)), lengths)
    if params.window:
        yield Line("window", always(model), longer, window=trained)
    if params.shift:
        yield Line("shifted", always(model), (trained,), offset=SHIFT)
    if params.others and params.model in SPECIMENS.values():
        yield from relatives(base_name(params.model), lengths, params.seed, ctx)


def _row(result: LengthsResult, line: str, text: Words) -> Row:
    """A line: perplexity at every length, the longest over the trained one, and the ends of its chunks."""
    perplexities, lengths = result["perplexity"], result["lengths"]
    by_length, trained, longest = perplexities[line], str(result["trained"]), str(lengths[-1])
    start = by_length.get(trained, perplexities[result["base"]][trained])
    return {
        text("column.row"): text(f"row.{line}"),
        **{f"{length:,}": by_length.get(str(length), "–") for length in lengths},
        text("column.growth"): by_length[longest] / start if longest in by_length else "–",
        text("column.tail"): result["tail"][line].get(longest, "–"),
    }


def _notes(result: LengthsResult, text: Words) -> list[str]:
    """How sure the growth is, what happened past the learned table, where longer readings come from."""
    base, length, end = result["base"], result["lengths"][-1], result["table_end"]
    notes = []
    if length != result["trained"]:
        growth, span = result["growth"][base][str(length)], result["growth_range"][base][str(length)]
        read = {"trained": result["trained"], "documents": result["documents"], "tokens": result["tokens"]}
        name = text(f"row.{base}")
        notes.append(text("note.growth", row=name, length=length, growth=growth, **span, **read))
    if end["error"]:
        notes.append(text("note.table_end", **end, last=end["rows"] - 1))
    if result["capped"]:
        stored, limit = result["view"]["stored"], LONGEST.cpu
        note = text("note.stored", limit=limit, **stored) if stored else text("note.capped", limit=limit)
        notes.append(note)
    return notes
