"""What the commands share: options that choose a model and where it runs, and how results are printed."""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minimind_core.files.checkpoint import LoadedModel

DEFAULT_MODEL = "minimind-26m"
MOST = 10**12
"""Of anything that is counted on a command line."""


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """--model and --tokenizer."""
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME",
        help=f"a shipped name, a checkpoint's folder, a .pth file or a transformers folder ({DEFAULT_MODEL})",
    )
    parser.add_argument("--tokenizer", metavar="PATH", help="its tokenizer, if not where it should be")


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """--device and --dtype."""
    add_device_argument(parser)
    parser.add_argument(
        "--dtype",
        choices=("auto", "fp32", "bf16", "fp16"),
        default="auto",
        help="precision of the weights; auto is bf16 on a GPU that has it, else fp32",
    )


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """--device."""
    parser.add_argument("--device", type=_device, default="auto", help="auto, cpu, cuda, cuda:1, mps (auto)")


def add_data_argument(parser: argparse.ArgumentParser, text: str) -> None:
    """--data: one file or more, of which `text` says what is in them."""
    parser.add_argument("--data", nargs="+", required=True, type=Path, metavar="FILE", help=text)


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def load(options: argparse.Namespace) -> LoadedModel:
    """The model that the options name, where they say. Raises a MiniMindError with one sentence."""
    from minimind_core.device import pick_device, pick_dtype
    from minimind_core.files.checkpoint import load_model

    device = pick_device(options.device)
    return load_model(options.model, device, pick_dtype(options.dtype, device), options.tokenizer)


def where(loaded: LoadedModel) -> dict[str, Any]:
    """Model, device, dtype and versions, as every JSON result carries them."""
    from minimind_core.device import describe

    return {"model": loaded.name, **describe(loaded.model.device, loaded.model.dtype)}


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    return _within(int(text), 1)


def whole(text: str) -> int:
    """A whole number of at least 0, for argparse."""
    return _within(int(text), 0)


def _within(number: int, least: int) -> int:
    if not least <= number <= MOST:
        raise argparse.ArgumentTypeError(f"must be from {least} to {MOST:,}")
    return number


def print_json(data: dict[str, Any]) -> None:
    """One JSON object on one line. NaN and infinity, which JSON lacks, become null."""
    print(json.dumps(_finite(data), ensure_ascii=False))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells in aligned columns: the first column to the left, the others to the right.

    >>> print(table([["", "loss"], ["zh", "2.5"]]))
        loss
    zh   2.5
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is none of auto, cpu, cuda, cuda:N, mps")
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
