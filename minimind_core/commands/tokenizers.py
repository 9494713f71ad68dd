"""`tokenizers`: train the six shipped tokenizers again.

    python -m minimind_core tokenizers --data CORPUS/train-00.jsonl.xz --eval CORPUS/val.jsonl.xz

The same files give the same bytes, on any machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minimind_core.atomic_file import check_target
from minimind_core.bounded import cannot_write
from minimind_core.command_options import add_data_argument, add_json_argument, print_json, table
from minimind_core.files.checkpoint_config import WEIGHTS_FOLDER
from minimind_core.progress import progress_bar

if TYPE_CHECKING:
    from minimind_core.tokenizer import Tokenizer
    from minimind_core.training.data import Document

HELP = "train the six shipped tokenizers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `tokenizers`."""
    add_data_argument(parser, "texts to learn from: JSON Lines, plain or .xz")
    parser.add_argument(
        "--eval",
        nargs="*",
        default=[],
        type=Path,
        metavar="FILE",
        help="held-out texts, to tell the bytes a token",
    )
    parser.add_argument(
        "--out",
        default=WEIGHTS_FOLDER / "tokenizers",
        type=Path,
        metavar="FOLDER",
        help="where NAME.json.xz go (weights/tokenizers)",
    )
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Train, save and tell sizes."""
    from minimind_core.training.data import ReadReport, read_documents
    from minimind_core.training.train_tokenizers import SIZES, train_family

    try:
        check_target(options.out / f"{min(SIZES)}.json.xz")
    except OSError as error:
        raise cannot_write(options.out, error) from error
    documents = read_documents(options.data, ReadReport())
    family = train_family(documents, SIZES, show_progress=not options.json and sys.stderr.isatty())
    held_out = list(read_documents(options.eval, ReadReport()))
    written: list[dict[str, Any]] = []
    with progress_bar("saving", "tokenizer", options.json) as on_progress:
        for name, tokenizer in family.items():
            on_progress(len(written), len(family))
            written.append(_saved(name, tokenizer, options.out, held_out))
    if options.json:
        print_json({"folder": str(options.out), "tokenizers": written})
        return 0
    languages = sorted(written[0]["bytes_per_token"])
    rows = [
        [
            item["name"],
            f"{item['entries']:,}",
            f"{item['file_bytes']:,}",
            item["fingerprint"],
            *(f"{item['bytes_per_token'][language]:.3f}" for language in languages),
        ]
        for item in written
    ]
    header = ["", "entries", "bytes", "fingerprint", *(f"{name} bytes/token" for name in languages)]
    print(table([header, *rows]))
    return 0


def _saved(name: str, tokenizer: Tokenizer, folder: Path, held_out: Sequence[Document]) -> dict[str, Any]:
    """Write one tokenizer and measure it."""
    from minimind_core.training.train_tokenizers import bytes_per_token

    path = folder / f"{name}.json.xz"
    try:
        tokenizer.save(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    return {
        "name": name,
        "entries": tokenizer.vocab_size,
        "file_bytes": path.stat().st_size,
        "fingerprint": tokenizer.fingerprint,
        "bytes_per_token": bytes_per_token(tokenizer, held_out),
    }
