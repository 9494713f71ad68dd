"""`eval`: how well a model predicts held-out text, for each language.

    python -m minimind_core eval --data CORPUS/val.jsonl.xz --max-tokens 50000

Loss is in nats a token. Bits per byte compares models with different tokenizers; perplexity does not.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from minimind_core.command_options import (
    add_data_argument,
    add_device_arguments,
    add_json_argument,
    add_model_arguments,
    load,
    positive,
    print_json,
    table,
    where,
)
from minimind_core.errors import ConfigError
from minimind_core.model.config import ModelConfig
from minimind_core.progress import progress_bar

if TYPE_CHECKING:
    from minimind_core.training.data import Document

HELP = "score a model on held-out text, for each language"
WINDOW = 512
NAMES = {"en": "English", "zh": "Chinese", "code": "code"}
NO_LANGUAGE = "unlabelled"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `eval`."""
    add_data_argument(parser, "JSON Lines with text or conversations, and lang; plain or .xz")
    parser.add_argument(
        "--max-tokens",
        type=positive,
        default=20_000,
        metavar="N",
        help="score at most N tokens of each language (20000)",
    )
    parser.add_argument(
        "--seq-len",
        type=positive,
        metavar="N",
        help=f"tokens a window (the trained length, {WINDOW} at most)",
    )
    add_model_arguments(parser)
    add_device_arguments(parser)
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Score and print a table, or the JSON of design.md section 2."""
    from minimind_core.training.data import ReadReport, read_documents
    from minimind_core.training.evaluate import evaluate

    loaded = load(options)
    seq_len = options.seq_len or min(WINDOW, loaded.config.max_length)
    notes = _notes(loaded.config, seq_len)
    report = ReadReport()
    begin = time.perf_counter()
    with progress_bar("scoring", "row", options.json) as on_progress:
        scores = evaluate(
            loaded.model,
            loaded.tokenizer,
            _labelled(read_documents(options.data, report)),
            max_tokens=options.max_tokens,
            seq_len=seq_len,
            on_progress=on_progress,
        )
    ordered = sorted(scores, key=lambda language: ([*NAMES, language].index(language), language))
    languages = {language: dataclasses.asdict(scores[language]) for language in ordered}
    notes = [report.sentence(), *notes]
    if options.json:
        print_json(
            {
                "languages": languages,
                **where(loaded),
                "seq_len": seq_len,
                "notes": notes,
                "seconds": round(time.perf_counter() - begin, 2),
            }
        )
        return 0
    print(f"{loaded.name}, windows of {seq_len} tokens\n")
    print(
        table(
            [
                ["", "bits/byte", "perplexity", "loss", "tokens", "bytes"],
                *(_row(language, score) for language, score in languages.items()),
            ]
        )
    )
    print("\n" + "\n".join(notes), file=sys.stderr)
    return 0


def _labelled(documents: Iterable[Document]) -> Iterator[Document]:
    for document in documents:
        yield document if document.lang else dataclasses.replace(document, lang=NO_LANGUAGE)


def _notes(config: ModelConfig, seq_len: int) -> list[str]:
    if seq_len <= config.max_length:
        return []
    if config.position == "learned":
        raise ConfigError(
            f"This model has {config.max_length} learned positions; "
            f"use --seq-len {config.max_length} or less."
        )
    return [
        f"Windows of {seq_len} tokens reach beyond the trained length of {config.max_length}: "
        "it works, but expect a worse score."
    ]


def _row(language: str, score: dict[str, Any]) -> list[str]:
    return [
        NAMES.get(language, language),
        f"{score['bits_per_byte']:.4f}",
        f"{score['perplexity']:.2f}",
        f"{score['loss']:.4f}",
        f"{score['tokens']:,}",
        f"{score['bytes']:,}",
    ]
