"""Ten things to look at before a run, on the reader's own settings and own lines of text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, choice, text
from labs.contract.drawing import Figure, Role
from labs.tools.budgets import PerDevice
from minimind_core.errors import DataError

SETTINGS = (
    '{"model": {"num_layers": 4}, "training": {"learning_rate": 0.005, "warmup_steps": 10, "dtype": "fp16"}}'
)
LINES = '{"text": "Once upon a time there was a small model."}\n{"text": ""}\n{"text": "a"}'
STATES = ("ok", "note", "mend")


@dataclass(frozen=True)
class ChecklistParams(Params):
    """Settings as JSON, and the lines of a data file: JSON with a "text", or plain text."""

    settings: str = text(SETTINGS, max_length=20_000, primary=True, files=("json",))
    lines: str = text(LINES, max_length=1_000_000, primary=True, files=("jsonl", "json", "txt"))
    tokenizer: str = choice("6.4k", ("byte", "1k", "6.4k"))


class Checked(TypedDict):
    """One item: its state, the sentence that is said (by name) and the numbers in it."""

    name: str
    state: str
    sentence: str
    values: dict[str, str | int | float | bool]


class ChecklistResult(TypedDict):
    """The ten items in order."""

    items: list[Checked]
    counts: dict[str, int]


class Checklist(Experiment[ChecklistParams, ChecklistResult]):
    """The quick checklist, computed instead of ticked."""

    def seconds(self, params: ChecklistParams, device: DeviceClass) -> float:
        return PerDevice(cpu=3 + len(params.lines) / 1e5, cuda=3.0).on(device)

    def measure(self, params: ChecklistParams, ctx: Context) -> ChecklistResult:
        from minimind_core.tokenizer import load_tokenizer
        from minimind_core.training.checklist import checklist, settings_from

        ctx.progress(0.0, "reading")
        texts = texts_in(params.lines)
        ctx.progress(0.3, "trying")
        found = checklist(*settings_from(params.settings), load_tokenizer(params.tokenizer), texts)
        items: list[Checked] = [
            {
                "name": item.name,
                "state": item.state,
                "sentence": f"{item.reason or item.name}.{item.state}",
                "values": dict(item.values),
            }
            for item in found
        ]
        counts = {state: sum(item["state"] == state for item in items) for state in STATES}
        return {"items": items, "counts": counts}

    def show(self, result: ChecklistResult, text: Words) -> Shown:
        rows: list[Row] = [
            {
                text("item"): text(f"item.{item['name']}"),
                text("state"): text(f"state.{item['state']}"),
                text("found"): text(f"check.{item['sentence']}", **item["values"]),
            }
            for item in result["items"]
        ]
        figure = Figure(height=150)
        roles: dict[str, Role] = {"ok": "measured", "note": "said", "mend": "removed"}
        for state, count in result["counts"].items():
            figure.bars(
                [count],
                [text(f"state.{state}")],
                roles[state],
                horizontal=True,
                labels=" {:d}",
                showlegend=False,
            )
        figure.x_axis(text("axis.items"), span=(0, 11), tickvals=[0, 5, 10])
        figure.y_axis(category=True, reverse=True)
        notes = [
            text("note.told", probe=row[text("item")], said=row[text("found")])
            for row, item in zip(rows, result["items"], strict=True)
            if item["state"] != "ok"
        ]
        return Shown({"states": figure}, rows, [text("note.checklist", **result["counts"]), *notes])


def texts_in(lines: str) -> list[str]:
    """The text of each JSON object's "text", and each other line itself.

    Objects may also follow each other on one line, as where a box has swallowed the line breaks.

    >>> texts_in('{"text": "a"} {"text": "b"}\\n\\nplain')
    ['a', 'b', '', 'plain']
    """
    found: list[str] = []
    for number, line in enumerate(lines.splitlines(), start=1):
        rest = line.strip()
        if not rest.startswith("{"):
            found.append(line)
        while rest.startswith("{"):
            text, rest = _first_text(rest, number)
            found.append(text)
    return found


def _first_text(line: str, number: int) -> tuple[str, str]:
    """The text of the object that a line begins with ("" where it is null), and the rest of the line."""
    try:
        value, end = json.JSONDecoder().raw_decode(line)
        text = value["text"]
    except (ValueError, KeyError, RecursionError):
        raise DataError(
            f'Line {number} is no JSON object with a "text"; write it as {{"text": "…"}}.',
            key="q11.line",
            number=number,
        ) from None
    return text if isinstance(text, str) else "", line[end:].strip()
