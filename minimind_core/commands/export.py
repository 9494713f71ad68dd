"""`export`: write a model for other programs.

    python -m minimind_core export --format hf --out exported/minimind-26m
    python -m minimind_core export --format gguf --dtype q8_0 --out exported/minimind-26m.gguf

`hf` is a Hugging Face folder that transformers and vLLM load unchanged. `gguf` is one file, tokenizer and
chat template included, that llama.cpp and Ollama load unchanged; it needs `pip install gguf==0.19.0`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from minimind_core.command_options import add_json_argument, add_model_arguments, print_json
from minimind_core.errors import ConfigError
from minimind_core.progress import progress_bar

HELP = "write a model for transformers and vLLM, or for llama.cpp and Ollama"
DTYPES = {
    "hf": {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"},
    "gguf": {"fp32": "F32", "bf16": "BF16", "fp16": "F16", "q8_0": "Q8_0"},
}
"""What each format calls the types that it can store."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `export`."""
    parser.add_argument(
        "--format", choices=tuple(DTYPES), default="hf", help="hf: a folder; gguf: one file (hf)"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="PATH", help="new, or an older export")
    parser.add_argument(
        "--dtype", choices=tuple(DTYPES["gguf"]), default="fp32", help="of the stored weights (fp32)"
    )
    add_model_arguments(parser)
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Write the folder or the file, and name what was written."""
    if options.dtype not in DTYPES[options.format]:
        raise ConfigError(f"{options.dtype} is a type of GGUF; add --format gguf, or choose another --dtype.")
    name, files = (_write_hf if options.format == "hf" else _write_gguf)(options)
    if options.json:
        print_json(
            {
                "model": name,
                "format": options.format,
                "dtype": options.dtype,
                "folder": str(options.out if options.format == "hf" else options.out.parent),
                "files": files,
            }
        )
    else:
        print(f"{options.out}: {name} in {options.dtype}, {sum(files.values()) / 1e6:.1f} MB")
        if options.format == "hf":
            print(f"Load it with AutoModelForCausalLM.from_pretrained({str(options.out)!r}).")
        else:
            print(f"Run it with llama-completion -m {options.out} -p 'Once upon a time'.")
    return 0


def _write_hf(options: argparse.Namespace) -> tuple[str, dict[str, int]]:
    """A folder; the model's name and the bytes of each file."""
    from minimind_core.files.atomic_folder import check_folder
    from minimind_core.files.checkpoint import load_model
    from minimind_core.files.export_hf import OWN_FILES, export_hf

    check_folder(options.out, OWN_FILES)
    loaded = load_model(options.model, tokenizer=options.tokenizer)
    with progress_bar("writing", "B", options.json) as on_progress:
        export_hf(loaded, options.out, DTYPES["hf"][options.dtype], on_progress)  # type: ignore[arg-type]
    return loaded.name, {path.name: path.stat().st_size for path in sorted(options.out.iterdir())}


def _write_gguf(options: argparse.Namespace) -> tuple[str, dict[str, int]]:
    """One file; the model's name and its bytes."""
    from minimind_core.atomic_file import check_target
    from minimind_core.bounded import cannot_write
    from minimind_core.files.checkpoint import load_model
    from minimind_core.files.export_gguf import export_gguf, gguf_package

    gguf_package()
    try:
        check_target(options.out)
    except OSError as error:
        raise cannot_write(options.out, error) from error
    loaded = load_model(options.model, tokenizer=options.tokenizer)
    with progress_bar("converting", "B", options.json) as on_progress:
        export_gguf(loaded, options.out, DTYPES["gguf"][options.dtype], on_progress)  # type: ignore[arg-type]
    return loaded.name, {options.out.name: options.out.stat().st_size}
