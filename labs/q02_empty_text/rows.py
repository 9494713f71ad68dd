"""Lines of a corpus through the loader: what each is worth in targets, and which filter lets it pass."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict

from labs.contract import Context, Data, Experiment, Params, Row, Shown, Words
from labs.contract.drawing import Figure, Role
from labs.contract.fields import choice, text, whole
from labs.q02_empty_text.row_kinds import DATASETS, load_row
from minimind_core.errors import DataError, TokenizerError
from minimind_core.tokenizer import SPECIAL_TOKENS, load_tokenizer

LINE = '{"text": ""}'
STANDARD = {
    "ordinary": {"text": "今天天气很好。"},
    "empty": {"text": ""},
    "blanks": {"text": " \n\t "},
    "character": {"text": "好"},
    "full_stop": {"text": "。"},
    "nul": {"text": "\0"},
    "zero_width": {"text": "\u200b\u200b"},
    "literal_padding": {"text": SPECIAL_TOKENS[0] * 3},
    "null": {"text": None},
    "number": {"text": 5},
    "no_text": {"content": "x"},
}
"""What a corpus of millions of lines holds sooner or later; a blank and a broken line come on top."""
BROKEN = {"blank_line": "", "cut_line": '{"text": "half a li'}
UNUSABLE = ("character", "full_stop", "nul", "literal_padding")
"""One id, which the shift costs, or padding alone; strip() leaves all of them something."""
FILTERS = ("none", "strip", "targets")
OUTCOMES: dict[str, tuple[Role, str]] = {
    "kept": ("measured", "circle"),
    "dropped": ("peer", "circle-open"),
    "harmful": ("said", "x"),
    "raises": ("removed", "star"),
}
"""`harmful`: kept though it has no target. `raises`: the loader ends with an exception."""


@dataclass(frozen=True)
class RowsParams(Params):
    """One line of your own comes first."""

    line: str = text(LINE, max_length=20_000, primary=True)
    dataset: str = choice("bare", DATASETS, primary=True)
    length: int = whole(64, 2, 512, unit="tokens")


class Line(TypedDict):
    """One line: its ids and targets (None where it has no text), what each filter does, and the error."""

    name: str
    text: str
    tokens: int | None
    targets: int | None
    outcomes: dict[str, str]
    reason: str
    error: str


class RowsResult(TypedDict):
    """`harmful` counts the standard lines that a filter keeps without a target, `passed_by_strip` the same by
    the formula's side; `collates` is what each collate makes of a batch whose second row is None.
    """

    lines: list[Line]
    harmful: dict[str, int]
    reasons: dict[str, int]
    collates: dict[str, str]
    passed_by_strip: int


class Rows(Experiment[RowsParams, RowsResult]):
    """Your line and the usual suspects through tokenizer, filters and collate."""

    takes = 0.6

    def formula(self, params: RowsParams) -> Data:
        """Where nothing adds BOS and EOS, strip() lets through what has one id or only padding."""
        return {"harmful": {"strip": _passed_by_strip(params.dataset), "targets": 0}}

    def measure(self, params: RowsParams, ctx: Context) -> RowsResult:
        ctx.progress(0.0, "reading")
        tokenizer = load_tokenizer("6.4k")
        written = {name: json.dumps(row, ensure_ascii=False) for name, row in STANDARD.items()}

        def ids_of(value: object) -> list[int]:
            return load_row(value, tokenizer, params.dataset, params.length).ids

        lines = []
        for number, (name, line) in enumerate(({"yours": params.line} | written | BROKEN).items(), 1):
            ctx.check_cancelled()
            lines.append(_examined(name, line, number, ids_of, tokenizer.pad_id))
        kinds = [kind for line in lines[1:] for kind, how in line["outcomes"].items() if how == "harmful"]
        return {
            "lines": lines,
            "harmful": {kind: kinds.count(kind) for kind in FILTERS},
            "reasons": dict(Counter(line["reason"] for line in lines)),
            "collates": _collates(),
            "passed_by_strip": _passed_by_strip(params.dataset),
        }

    def show(self, result: RowsResult, text: Words) -> Shown:
        """A mark a line and filter; the table has the counts."""
        lines = result["lines"]
        rows: list[Row] = [
            {
                text("row"): text(f"line.{line['name']}"),
                text("written"): _printable(line["text"][:80]),
                text("tokens"): "–" if line["tokens"] is None else line["tokens"],
                text("row_targets"): "–" if line["targets"] is None else line["targets"],
                text("reason"): text(f"reason.{line['reason']}"),
                text("error"): line["error"] or "–",
            }
            for line in lines
        ]
        notes = [text("rows.sentence"), text("rows.change")]
        notes += [text(f"note.collate_{name}", says=says) for name, says in result["collates"].items()]
        return Shown(
            {"filters": _board(lines, text)},
            rows,
            notes,
            numbers={text(f"filter.{kind}"): count for kind, count in result["harmful"].items()},
            sentence={
                "said": 0,
                "formula": result["passed_by_strip"],
                "measured": result["harmful"]["strip"],
                "unit": text("rows.unit"),
            },
        )


def _examined(name: str, line: str, number: int, ids_of: Callable[[object], list[int]], pad_id: int) -> Line:
    """What becomes of one line of the file."""
    try:
        row = json.loads(line)
        value = row["text"]
        ids = ids_of(value)
    except json.JSONDecodeError as error:
        return _refused(name, line, "not_json", f"line {number}: {error.msg}")
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, brackets without end
        return _refused(name, line, "not_json", f"line {number}: {type(error).__name__}")
    except (KeyError, TypeError) as error:
        return _refused(name, line, "no_text", f"line {number}: {type(error).__name__}")
    except DataError:
        return _refused(name, line, "not_a_string", f"line {number}: {type(value).__name__}")
    except TokenizerError:
        return _refused(name, line, "half_character", f"line {number}: UnicodeEncodeError")
    targets = sum(token != pad_id for token in ids[1:])
    kept = {"none": True, "strip": bool(value.strip()), "targets": targets > 0}
    outcomes = {
        kind: ("kept" if targets else "harmful") if passes else "dropped" for kind, passes in kept.items()
    }
    return {
        "name": name,
        "text": line,
        "tokens": len(ids),
        "targets": targets,
        "outcomes": outcomes,
        "reason": "empty" if not value.strip() else "usable" if targets else "no_target",
        "error": "",
    }


def _refused(name: str, line: str, reason: str, error: str) -> Line:
    """A line that is no row: without a filter, or with one that calls strip, the loader raises."""
    outcomes = {"none": "raises", "strip": "raises", "targets": "dropped"}
    return {
        "name": name,
        "text": line,
        "tokens": None,
        "targets": None,
        "outcomes": outcomes,
        "reason": reason,
        "error": error,
    }


def _collates() -> dict[str, str]:
    """What torch's own collate and one that filters make of [row, None], and of nothing but None."""
    import torch
    from torch.utils.data import default_collate

    def filtering(samples: Sequence[object]) -> str:
        kept = [sample for sample in samples if sample is not None]
        return str(len(default_collate(kept))) if kept else "None"

    row = torch.ones(2)
    try:
        default_collate([row, None])
        default = "nothing"
    except TypeError as error:
        default = f"TypeError: {error}"
    return {"default": default, "filtering": filtering([row, None]), "nothing_left": filtering([None, None])}


def _passed_by_strip(dataset: str) -> int:
    """Standard lines that strip() keeps and that have no target, by counting ids."""
    return len(UNUSABLE) if dataset == "bare" else 0


def _printable(line: str) -> str:
    """The line with every character that cannot be seen as its number."""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in line)


def _board(lines: Sequence[Line], text: Words) -> Figure:
    names = [text(f"line.{line['name']}") for line in lines]
    figure = Figure(height=120 + 26 * len(lines))
    for how, (role, symbol) in OUTCOMES.items():
        here = [
            (place, name, line)
            for name, line in zip(names, lines, strict=True)
            for place, kind in enumerate(FILTERS)
            if line["outcomes"][kind] == how
        ]
        if here:
            figure.marks(
                [place for place, _, _ in here],
                [name for _, name, _ in here],
                role,
                text(f"outcome.{how}"),
                symbol=symbol,
                size=12,
                hover="%{y}",
            )
    ticks = {float(place): text(f"filter.{kind}") for place, kind in enumerate(FILTERS)}
    figure.x_axis(ticks=ticks, span=(-0.6, len(FILTERS) - 0.4), showgrid=False, zeroline=False)
    figure.y_axis(category=True, categoryorder="array", categoryarray=names[::-1])
    return figure
