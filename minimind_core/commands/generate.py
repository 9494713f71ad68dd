"""`generate`: continue a text.

    python -m minimind_core generate --prompt 今天天气 --temperature 0.7 --top-p 0.9 --seed 1
    python -m minimind_core generate --prompt - --max-new-tokens 200 --json < letter.txt

The prompt follows BOS, as texts do in training. The same seed gives the same text on the same device.
"""

from __future__ import annotations

import argparse
import codecs
import secrets
import sys
import time
from typing import TYPE_CHECKING, Any

from minimind_core.command_options import (
    add_device_arguments,
    add_json_argument,
    add_model_arguments,
    load,
    print_json,
    where,
)
from minimind_core.decoding.sampling_params import SamplingParams

if TYPE_CHECKING:
    from minimind_core.files.checkpoint import LoadedModel

HELP = "continue a text"
NEW_SEEDS = 2**31


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `generate`."""
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="to continue; - reads standard input")
    parser.add_argument("--max-new-tokens", type=int, default=100, metavar="N", help="(100)")
    parser.add_argument("--temperature", type=float, default=0.8, help="0 takes the top token (0.8)")
    parser.add_argument("--top-p", type=float, default=0.9, help="keep the smallest set of this mass (0.9)")
    parser.add_argument("--top-k", type=int, default=0, help="keep the k most likely; 0 keeps all (0)")
    parser.add_argument("--min-p", type=float, default=0.0, help="keep what has this share of the top (0)")
    parser.add_argument("--repetition-penalty", type=float, default=1.0, help="above 1 repeats less (1)")
    parser.add_argument("--seed", type=int, help="repeats a text; without it each run says its own")
    parser.add_argument("--ignore-eos", action="store_true", help="go on after the end of a text")
    parser.add_argument(
        "--method",
        choices=("naive", "cached", "compiled"),
        default="cached",
        help="how it is computed, never what (cached)",
    )
    add_model_arguments(parser)
    add_device_arguments(parser)
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Generate; people see the text as it comes, with what it took on standard error."""
    params = SamplingParams(
        options.temperature,
        options.top_k,
        options.top_p,
        options.min_p,
        options.repetition_penalty,
        secrets.randbelow(NEW_SEEDS) if options.seed is None else options.seed,
    )
    prompt = sys.stdin.read() if options.prompt == "-" else options.prompt
    loaded = load(options)
    ids = loaded.prompt_ids(prompt)
    stop_ids = () if options.ignore_eos else (loaded.config.eos_id,)
    begin = time.perf_counter()
    if options.json or options.method != "cached":
        new_ids = _at_once(loaded, ids, params, options, stop_ids)
        text = loaded.tokenizer.decode(new_ids)
        if not options.json:
            print(prompt + text)
    else:
        new_ids = _as_it_comes(loaded, prompt, ids, params, options.max_new_tokens, stop_ids)
        text = loaded.tokenizer.decode(new_ids)
    seconds = time.perf_counter() - begin
    reason = "stop" if new_ids[-1] in stop_ids else "length"
    facts: dict[str, Any] = {
        **where(loaded),
        "method": options.method,
        "seed": params.seed,
        "finish_reason": reason,
        "seconds": round(seconds, 4),
        "tokens_per_second": round(len(new_ids) / seconds, 2),
        "notes": _notes(loaded, params, len(ids) + len(new_ids)),
    }
    if options.json:
        print_json({"prompt_ids": ids, "new_token_ids": new_ids, "text": text, **facts})
    else:
        _print_facts(facts, len(new_ids))
    return 0


def _at_once(
    loaded: LoadedModel,
    ids: list[int],
    params: SamplingParams,
    options: argparse.Namespace,
    stop_ids: tuple[int, ...],
) -> list[int]:
    from minimind_core.decoding.generate import generate

    return generate(
        loaded.model, [ids], params, options.max_new_tokens, method=options.method, stop_ids=stop_ids
    ).new_ids[0]


def _as_it_comes(
    loaded: LoadedModel,
    prompt: str,
    ids: list[int],
    params: SamplingParams,
    count: int,
    stop_ids: tuple[int, ...],
) -> list[int]:
    """Print the prompt and each new piece of text, whole characters only. Returns the new ids."""
    from minimind_core.decoding.generate import stream

    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    new_ids: list[int] = []
    for token in stream(loaded.model, ids, params, count, stop_ids=stop_ids):
        if not new_ids:
            print(prompt, end="")
        new_ids.append(token.id)
        if token.id not in loaded.tokenizer.special_ids:
            print(decoder.decode(loaded.tokenizer.token_bytes(token.id)), end="", flush=True)
    print(decoder.decode(b"", final=True))
    return new_ids


def _notes(loaded: LoadedModel, params: SamplingParams, length: int) -> list[str]:
    notes = params.notes(loaded.config.vocab_size)
    if length > loaded.config.max_length:
        notes.append(
            f"The text reached {length} tokens and this model was trained to "
            f"{loaded.config.max_length}: it works, but expect worse text beyond."
        )
    return notes


def _print_facts(facts: dict[str, Any], count: int) -> None:
    """What it took, apart from the text: on standard error."""
    print(
        f"\n{count} tokens in {facts['seconds']:.2f} s, {facts['tokens_per_second']:.1f} a second; "
        f"{facts['model']} in {facts['dtype']} on {facts['device_name']}; seed {facts['seed']}",
        file=sys.stderr,
    )
    for note in facts["notes"]:
        print(note, file=sys.stderr)
