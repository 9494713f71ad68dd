"""`import`: turn an official MiniMind checkpoint into a folder of ours.

    python -m minimind_core import full_sft_512.pth --tokenizer tokenizer.json --out runs/full_sft_512

Takes a `.pth` state dict (never running code from it) or a transformers folder. Values stay exactly as they
are, unless --dtype asks for another form. A foreign file also runs without this: give its path as --model.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minimind_core.command_options import add_json_argument, print_json
from minimind_core.progress import progress_bar

HELP = "turn an official MiniMind checkpoint into a folder of ours"
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "int8": "int8"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `import`."""
    parser.add_argument("source", metavar="SOURCE", help="a .pth file or a transformers folder")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the checkpoint goes")
    parser.add_argument("--tokenizer", metavar="PATH", help="its tokenizer.json, if not beside it")
    parser.add_argument("--name", help="name of the checkpoint (that of the source)")
    parser.add_argument("--dtype", choices=tuple(DTYPES), help="stored form (that of the source)")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Read, save, and say what the source did not tell."""
    from minimind_core.files.atomic_folder import check_folder
    from minimind_core.files.checkpoint import OWN_FILES, save_checkpoint
    from minimind_core.files.import_minimind import import_minimind
    from minimind_core.model.cost import num_parameters

    check_folder(options.out, OWN_FILES)
    with progress_bar("reading", "B", options.json) as on_progress:
        imported = import_minimind(options.source, options.tokenizer, on_progress)
    name = options.name or imported.meta["name"]
    dtype: Any = DTYPES[options.dtype] if options.dtype else imported.meta["dtype"]
    with progress_bar("writing", "B", options.json) as on_progress:
        save_checkpoint(
            options.out,
            imported.config,
            imported.state_dict,
            name=name,
            dtype=dtype,
            tokenizer=imported.tokenizer,
            trained={"imported_from": imported.meta},
            on_progress=on_progress,
        )
    assumed, parameters = imported.meta["assumed"], num_parameters(imported.config)
    if options.json:
        print_json(
            {
                "name": name,
                "folder": str(options.out),
                "dtype": dtype,
                "parameters": parameters,
                "family": imported.meta["family"],
                "assumed": assumed,
            }
        )
        return 0
    print(f"{options.out}: {name}, {imported.meta['family']}, {parameters:,} parameters, stored as {dtype}")
    if assumed:
        settings = ", ".join(f"{key} = {value:g}" for key, value in assumed.items())
        print(f"The source does not tell {settings}: assumed as in {imported.meta['family']}.")
    return 0
