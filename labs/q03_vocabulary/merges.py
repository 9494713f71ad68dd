"""BPE learning from a text while one looks on: which pair is joined, how often it stood, what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, text, whole
from labs.contract.drawing import Figure
from labs.contract.fields import choice
from labs.q03_vocabulary.cut import Piece, drawn_cut, laid_out, legible
from labs.q03_vocabulary.market import FILES, MOST_CHARACTERS, check_countable
from labs.q03_vocabulary.shipped import LANGUAGES
from labs.tools.budgets import PerDevice
from minimind_core.tokenizer import SMALLEST_VOCAB

TEXT = (
    "She sells sea shells on the sea shore. The shells she sells are sea shells, I am sure; "
    "and if she sells sea shells on the sea shore, then I am sure she sells sea-shore shells. "
    "学而时习之，不亦说乎？有朋自远方来，不亦乐乎？人不知而不愠，不亦君子乎？"
)
"""A tongue-twister and a saying of Confucius: both repeat themselves, as learning needs."""
OPENINGS = {
    "en": (
        "She sells sea shells on the sea shore. The shells she sells are sea shells, I am sure; "
        "and if she sells sea shells on the sea shore, then I am sure she sells sea-shore shells. "
        "How much wood would a woodchuck chuck if a woodchuck could chuck wood?"
    ),
    "zh": (
        "吃葡萄不吐葡萄皮，不吃葡萄倒吐葡萄皮。四是四，十是十，十四是十四，四十是四十。"
        "学而时习之，不亦说乎？有朋自远方来，不亦乐乎？人不知而不愠，不亦君子乎？"
        "知之为知之，不知为不知，是知也。"
    ),
}
"""The same kind of text in one language."""
SOURCE_CHARACTERS = 40_000
"""Read of a shipped text."""
OPENING_BYTES = 24
"""Of the text that is drawn: its pieces begin as single letters, and a phone has to hold them."""
MOST_ENTRIES = 8_000
MOST_SHOWN, LISTED = 1000, 100
"""Merges that the view can replay, and those in the table."""
POINTS = 300
"""Of the curve, and words of a run to who waits."""


@dataclass(frozen=True)
class MergesParams(Params):
    """`merges_shown` are applied to the beginning of the text."""

    source: str = choice("own", ("own", *LANGUAGES), primary=True)
    text: str = text(TEXT, max_length=MOST_CHARACTERS, openings=OPENINGS, files=FILES)
    vocab_size: int = whole(
        1000,
        SMALLEST_VOCAB,
        MOST_ENTRIES,
        primary=True,
        label="live_vocab_size",
        low_sentence=f"Byte-level BPE needs 256 byte symbols plus 3 specials; {SMALLEST_VOCAB} is the floor.",
    )
    merges_shown: int = whole(12, 0, MOST_SHOWN, primary=True, view=True)


class OneMerge(TypedDict):
    """The two pieces as bytes written in hexadecimal, and how often they stood side by side.

    `tokens` are left in the text after it, `entries` are in the vocabulary.
    """

    left: str
    right: str
    count: int
    tokens: int
    entries: int


class Beginning(TypedDict):
    """The beginning of the text after some merges."""

    pieces: list[Piece]
    merges: int


class MergesResult(TypedDict):
    """Merges in their order, as many as the view can show; `curve` is [entries, tokens] over all.

    `opening` are the words of the beginning. `possible` is False where the text ran out of pairs.
    """

    characters: int
    bytes: int
    opening: list[str]
    merges: list[OneMerge]
    learned: int
    vocab_size: int
    possible: bool
    curve: list[list[int]]
    view: NotRequired[Beginning]


class Merges(Experiment[MergesParams, MergesResult]):
    """Learns a vocabulary from the text, merge by merge."""

    def seconds(self, params: MergesParams, device: DeviceClass) -> float:
        """Grows with the text and, more slowly, with the merges."""
        own = params.source == "own"
        characters = len(params.text) if own else SOURCE_CHARACTERS
        start = PerDevice(cpu=0.3 if own else 2.0, cuda=0.3).on(device)
        return start + characters * 1e-4 + (params.vocab_size - SMALLEST_VOCAB) * 2e-4

    def measure(self, params: MergesParams, ctx: Context) -> MergesResult:
        """Emits the merges since the last word of a run."""
        from labs.q03_vocabulary.byte_pairs import merges

        ctx.progress(0.0, "splitting")
        text = _text_of(params)
        check_countable(text)
        words, wanted = split(text), max(1, params.vocab_size - SMALLEST_VOCAB)
        head = {"characters": len(text), "bytes": len(text.encode()), "opening": opening(words)}
        ctx.emit(head)
        made: list[OneMerge] = []
        every, told = max(1, wanted // POINTS), 0
        for merge in merges(words):
            if merge.entries > params.vocab_size:
                break
            made.append(
                {
                    "left": merge.left.hex(),
                    "right": merge.right.hex(),
                    "count": merge.frequency,
                    "tokens": merge.tokens,
                    "entries": merge.entries,
                }
            )
            if len(made) % every == 0:
                ctx.progress(min(1.0, len(made) / wanted), "merging", count=len(made))
                ctx.emit({"merges": made[told:]})
                told = len(made)
        return _result(head, made, params.vocab_size)

    def so_far(self, params: MergesParams, partials: Partials) -> MergesResult | None:
        """The merges that were learned until now."""
        made = [merge for partial in partials for merge in partial.get("merges", [])]
        return _result(partials[0], made, made[-1]["entries"]) if made else None

    def view(self, params: MergesParams, result: MergesResult) -> Beginning:
        """The beginning after the first merges, replayed by rank."""
        applied = result["merges"][: params.merges_shown]
        return {"pieces": replayed(result["opening"], applied), "merges": len(applied)}

    def show(self, result: MergesResult, text: Words) -> Shown:
        """`beginning`: how the text is cut now; `curve`: tokens of the text over the entries."""
        view, left = result["view"], result["curve"][-1][1]
        cut = drawn_cut(
            {text("after_merges", count=view["merges"]): view["pieces"]},
            [text("count", count=len(view["pieces"]))],
            None,
            text,
        )
        notes = [text("note.merges", left=left, bytes=result["bytes"])]
        if not result["possible"]:
            notes.append(text("note.ran_out", count=result["learned"], entries=result["vocab_size"]))
        return Shown(
            {"beginning": cut, "curve": _curve(result, text)},
            _rows(result, text),
            notes,
            {text("axis.tokens"): float(left)},
        )


def split(text: str) -> list[str]:
    """The words that no merge reaches over, as the pre-tokenizer of our tokenizers cuts them."""
    from tokenizers import Regex, pre_tokenizers

    from minimind_core.training.bpe import SPLIT_PATTERN

    cutter = pre_tokenizers.Split(Regex(SPLIT_PATTERN), behavior="isolated")
    return [word for word, _ in cutter.pre_tokenize_str(text)]


def opening(words: Sequence[str]) -> list[str]:
    """The beginning of the text, OPENING_BYTES or less, in its words."""
    found: list[str] = []
    left = OPENING_BYTES
    for word in words:
        if left <= 0:
            break
        found.append(word.encode()[:left].decode("utf-8", errors="ignore"))
        left -= len(word.encode())
    return found


def replayed(words: Sequence[str], merges: Sequence[OneMerge]) -> list[Piece]:
    """The words as pieces after these merges, each applied everywhere before the next."""
    cut = [[bytes([byte]) for byte in word.encode()] for word in words]
    for merge in merges:
        left, right = bytes.fromhex(merge["left"]), bytes.fromhex(merge["right"])
        cut = [_joined(word, left, right) for word in cut]
    return laid_out(piece for word in cut for piece in word)


def _joined(word: Sequence[bytes], left: bytes, right: bytes) -> list[bytes]:
    result: list[bytes] = []
    for piece in word:
        if result and result[-1] == left and piece == right:
            result[-1] = left + right
        else:
            result.append(piece)
    return result


def _text_of(params: MergesParams) -> str:
    """What is learned from: the text that was typed, or the beginning of a shipped one."""
    if params.source == "own":
        return params.text
    from labs.tools import heldout

    return "\n".join(heldout.held_out(LANGUAGES[params.source]))[:SOURCE_CHARACTERS]


def _result(head: Mapping[str, Any], made: list[OneMerge], wanted: int) -> MergesResult:
    """From what a run knew at its start and the merges until now."""
    points = [[SMALLEST_VOCAB, head["bytes"]], *([merge["entries"], merge["tokens"]] for merge in made)]
    entries = points[-1][0]
    return {
        "characters": head["characters"],
        "bytes": head["bytes"],
        "opening": head["opening"],
        "merges": made[:MOST_SHOWN],
        "learned": len(made),
        "vocab_size": entries,
        "possible": entries == wanted,
        "curve": [*points[: -1 : max(1, len(points) // POINTS)], points[-1]],
    }


def _curve(result: MergesResult, text: Words) -> Figure:
    """Tokens of the whole text over the entries, and where the beginning stands."""
    figure, points = Figure(), result["curve"]
    figure.line(
        [entries for entries, _ in points],
        [tokens for _, tokens in points],
        "measured",
        text("tokens_left"),
        hover="%{x:,}: %{y:,}",
    )
    shown = result["view"]["merges"]
    if shown:
        merge = result["merges"][shown - 1]
        name = text("after_merges", count=shown)
        figure.marks([merge["entries"]], [merge["tokens"]], "peer", name, size=12, hover="%{x:,}: %{y:,}")
    figure.x_axis(text("axis.entries"))
    figure.y_axis(text("axis.tokens"), from_zero=True)
    return figure


def _rows(result: MergesResult, text: Words) -> list[Row]:
    """The first merges; of a text without any, its bytes."""
    listed: list[Row] = [
        {
            text("column.rank"): rank,
            text("column.left"): legible(bytes.fromhex(merge["left"])),
            text("column.right"): legible(bytes.fromhex(merge["right"])),
            text("column.count"): merge["count"],
            text("axis.tokens"): merge["tokens"],
        }
        for rank, merge in enumerate(result["merges"][:LISTED], 1)
    ]
    return listed or [{text("axis.entries"): SMALLEST_VOCAB, text("axis.tokens"): result["bytes"]}]
