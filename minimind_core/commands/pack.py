"""`pack`: tokenize text for a recipe once, so that later runs start at once.

python -m minimind_core pack minimind-26m --data CORPUS/train-00.jsonl.xz --out runs/train-00.6.4k.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

from minimind_core.atomic_file import check_target
from minimind_core.bounded import cannot_write
from minimind_core.command_options import add_data_argument, add_json_argument, print_json
from minimind_core.progress import progress_bar

HELP = "tokenize training text for a recipe once"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `pack`."""
    parser.add_argument("recipe", help="name of a recipe: its tokenizer and mixture are used")
    add_data_argument(parser, "JSON Lines files, plain or .xz")
    parser.add_argument("--out", required=True, type=Path, help="the .npz file to write")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Pack and save."""
    from minimind_core.training.pretraining import load_corpus
    from minimind_core.training.recipes import find_recipe

    try:
        check_target(options.out)
    except OSError as error:
        raise cannot_write(options.out, error) from error
    reports: list[str] = []
    with progress_bar("packing", "B", options.json) as on_progress:
        corpus, _ = load_corpus(options.data, find_recipe(options.recipe), reports.append, on_progress)
    corpus.save(options.out)
    facts = {"out": str(options.out), "tokens": len(corpus.ids), "documents": len(corpus.document_starts)}
    if options.json:
        print_json(facts)
    else:
        for report in reports:
            print(report)
        print(f"{options.out}: {facts['tokens']:,} tokens in {facts['documents']:,} documents")
    return 0
