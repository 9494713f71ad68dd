"""`pack`: tokenize text for a recipe once, so that later runs start at once.

python -m minimind_core pack minimind-26m --data CORPUS/train-00.jsonl.xz --out runs/train-00.6.4k.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

from minimind_core.command_options import print_json

HELP = "tokenize training text for a recipe once"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `pack`."""
    parser.add_argument("recipe", help="name of a recipe: its tokenizer and mixture are used")
    parser.add_argument("--data", nargs="+", required=True, type=Path, help="JSON Lines files, plain or .xz")
    parser.add_argument("--out", required=True, type=Path, help="the .npz file to write")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(options: argparse.Namespace) -> int:
    """Pack and save."""
    from minimind_core.training.pretraining import load_corpus
    from minimind_core.training.recipes import find_recipe

    say = (lambda text: None) if options.json else print
    corpus, _ = load_corpus(options.data, find_recipe(options.recipe), say)
    corpus.save(options.out)
    facts = {"out": str(options.out), "tokens": len(corpus.ids), "documents": len(corpus.document_starts)}
    if options.json:
        print_json(facts)
    else:
        print(f"{options.out}: {facts['tokens']:,} tokens in {facts['documents']:,} documents")
    return 0
