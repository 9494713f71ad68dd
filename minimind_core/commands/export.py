"""`export`: write a model for other programs.

    python -m minimind_core export --format hf --out exported/minimind-26m

`hf` is a Hugging Face folder that transformers and vLLM load unchanged. llama.cpp's converter knows
tokenizers by a hash of their ids: add a line for this one to `get_vocab_base_pre` in its conversion/base.py,
with the hash that it prints and `res = "llama-bpe"`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from minimind_core.command_options import add_json_argument, add_model_arguments, print_json
from minimind_core.progress import progress_bar

HELP = "write a model for transformers and vLLM, and with one step for llama.cpp"
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `export`."""
    parser.add_argument("--format", choices=("hf",), default="hf", help="hf: a Hugging Face folder (hf)")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="new, or an older export")
    parser.add_argument("--dtype", choices=tuple(DTYPES), default="fp32", help="of the stored weights (fp32)")
    add_model_arguments(parser)
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Write the folder and name its files."""
    from minimind_core.files.atomic_folder import check_folder
    from minimind_core.files.checkpoint import load_model
    from minimind_core.files.export_hf import OWN_FILES, export_hf

    check_folder(options.out, OWN_FILES)
    loaded = load_model(options.model, tokenizer=options.tokenizer)
    with progress_bar("writing", "B", options.json) as on_progress:
        export_hf(loaded, options.out, DTYPES[options.dtype], on_progress)  # type: ignore[arg-type]
    files = {path.name: path.stat().st_size for path in sorted(options.out.iterdir())}
    if options.json:
        print_json(
            {
                "model": loaded.name,
                "format": options.format,
                "dtype": options.dtype,
                "folder": str(options.out),
                "files": files,
            }
        )
    else:
        print(f"{options.out}: {loaded.name} in {options.dtype}, {sum(files.values()) / 1e6:.1f} MB")
        print(f"Load it with AutoModelForCausalLM.from_pretrained({str(options.out)!r}).")
    return 0
