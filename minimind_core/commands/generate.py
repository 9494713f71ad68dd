"""`generate`: continue a text.

    python -m minimind_core generate --prompt 今天天气 --temperature 0.7 --top-p 0.9 --seed 1
    python -m minimind_core generate --prompt - --max-new-tokens 200 --json < letter.txt

The prompt follows BOS, as texts do in training. The same seed gives the same text on the same device.
"""

from __future__ import annotations

import argparse
import codecs
import contextlib
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from minimind_core.command_options import (
    add_device_arguments,
    add_json_argument,
    add_model_arguments,
    load,
    print_json,
    where,
)
from minimind_core.console import read_input
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.errors import require
from minimind_core.progress import OnProgress, progress_bar

if TYPE_CHECKING:
    from minimind_core.files.checkpoint import LoadedModel

HELP = "continue a text"
NEW_SEEDS = 2**31
MAX_CHARACTERS, MAX_PROMPT, LONG_PROMPT = 1_000_000, 32_768, 4096
"""Of a prompt: what is read, what fits the longest MiniMind in tokens, and from where on it takes a while."""

WAYS = {
    "naive": "everything again for every token",
    "eager": "operation by operation",
    "graph": "a CUDA graph a token",
    "compiled": "a compiled step a token",
    "one_call": "one call a token, int8 weights",
    "one_kernel": "one kernel for many tokens",
}
"""How a text was made, in words."""

CHECK_EVERY = {"cuda": 16}
"""Tokens between two looks, where waiting for each costs more than the token; elsewhere one by one."""


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
        choices=("fastest", "naive", "cached", "compiled", "persistent"),
        default="fastest",
        help="how it is computed, never what (fastest: what this device does best without compiling first)",
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
    prompt = read_input(MAX_CHARACTERS) if options.prompt == "-" else options.prompt
    _check_length(len(prompt), MAX_CHARACTERS, "characters")
    loaded = load(options)
    ids = loaded.prompt_ids(prompt)
    _check_length(len(ids), MAX_PROMPT, "tokens")
    stop_ids = () if options.ignore_eos else (loaded.config.eos_id,)
    printer = _Printer(loaded, prompt)
    new_ids, times, way = _generated(
        loaded, ids, params, options, stop_ids, _unseen if options.json else printer.show
    )
    if not options.json:
        printer.end()
    text = loaded.tokenizer.decode(new_ids)
    reason = "stop" if new_ids[-1] in stop_ids else "length"
    facts: dict[str, Any] = {
        **where(loaded),
        "method": options.method,
        "way": way,
        "seed": params.seed,
        "finish_reason": reason,
        **{name: round(seconds, 4) for name, seconds in times.items()},
        "tokens_per_second": round(len(new_ids) / times["seconds"], 2),
        "notes": _notes(loaded, params, options.method, len(ids) + len(new_ids)),
    }
    if options.json:
        print_json({"prompt_ids": ids, "new_token_ids": new_ids, "text": text, **facts})
    else:
        _print_facts(facts, len(new_ids))
    return 0


def _generated(
    loaded: LoadedModel,
    ids: list[int],
    params: SamplingParams,
    options: argparse.Namespace,
    stop_ids: tuple[int, ...],
    show: Callable[[list[int]], None],
) -> tuple[list[int], dict[str, float], str]:
    """The new ids, the seconds of generating them, apart from these those of compiling before, and the way.

    `show` is given new ids as they come.
    """
    from minimind_core.decoding.generate import Generator, check_prompts

    count, times = options.max_new_tokens, {}
    check_prompts(loaded.config, [ids], count)
    generator = Generator(loaded.model, 1, len(ids) + count, options.method)
    every = CHECK_EVERY.get(loaded.model.device.type, 1)
    with _reading(ids, options.json) as on_prefill:
        if options.method in ("compiled", "persistent"):
            begin = time.perf_counter()
            # the second token is the first compiled step
            generator.generate([ids], params, min(count, 2), on_prefill=on_prefill)
            times["compile_seconds"] = time.perf_counter() - begin
        begin = time.perf_counter()
        done = generator.generate(
            [ids],
            params,
            count,
            stop_ids=stop_ids,
            check_every=every,
            on_prefill=on_prefill,
            on_tokens=lambda rows: show(rows[0]),
        )
    return done.new_ids[0], {"seconds": time.perf_counter() - begin, **times}, generator.way


def _unseen(_new_ids: list[int]) -> None:
    pass


class _Printer:
    """Prints the prompt before the first new ids, and of these whole characters only."""

    def __init__(self, loaded: LoadedModel, prompt: str) -> None:
        self.tokenizer, self.before = loaded.tokenizer, prompt
        self.decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def show(self, new_ids: list[int]) -> None:
        """Print what is whole."""
        special = self.tokenizer.special_ids
        read = b"".join(self.tokenizer.token_bytes(token) for token in new_ids if token not in special)
        print(self.before + self.decoder.decode(read), end="", flush=True)
        self.before = ""

    def end(self) -> None:
        """What still waits for its last byte, and the end of the line."""
        print(self.decoder.decode(b"", final=True))


@contextlib.contextmanager
def _reading(ids: list[int], silent: bool = False) -> Iterator[OnProgress]:
    """Say that a long prompt is being read, with a bar on a terminal; Ctrl+C is heard between its chunks."""
    silent = silent or len(ids) <= LONG_PROMPT
    if not silent:
        print(f"Reading a prompt of {len(ids):,} tokens.", file=sys.stderr, flush=True)
    with progress_bar("reading", "tok", silent) as on_progress:
        yield on_progress


def _check_length(length: int, most: int, unit: str) -> None:
    require(length <= most, f"The prompt has more than {most:,} {unit}; give a shorter one.")


def _notes(loaded: LoadedModel, params: SamplingParams, method: str, length: int) -> list[str]:
    from minimind_core.decoding.step import runs_eagerly

    notes = params.notes(loaded.config.vocab_size)
    if method in ("compiled", "persistent") and runs_eagerly(loaded.config, loaded.model.device):
        notes.append("A mixture of experts is not compiled on a CPU: it ran as with --method cached.")
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
        f"{facts['model']} in {facts['dtype']} on {facts['device_name']}, {WAYS[facts['way']]}; "
        f"seed {facts['seed']}",
        file=sys.stderr,
    )
    for note in facts["notes"]:
        print(note, file=sys.stderr)
