"""The command that writes a text of the playground again, for a POSIX shell. Pure, no torch."""

from __future__ import annotations

import shlex

from labs.playground.continuation import ContinuationParams


def generate_command(params: ContinuationParams, *, count: int, model: str, device: str, dtype: str) -> str:
    """`python -m minimind_core generate` for the first `count` tokens that `params` gave on that device.

    Every setting is written out that could have another default there; `shlex` quotes the rest.
    """
    options = {
        "--prompt": params.prompt,
        "--max-new-tokens": count,
        "--temperature": params.temperature,
        "--top-p": params.top_p,
    }
    changed = params.changes()
    options |= {
        f"--{name.replace('_', '-')}": changed[name]
        for name in ("top_k", "min_p", "repetition_penalty")
        if name in changed
    }
    options |= {"--seed": params.seed, "--model": model, "--device": device, "--dtype": dtype}
    words = ["python", "-m", "minimind_core", "generate"]
    for name, value in options.items():
        words += [f"{name}={value}"] if str(value).startswith("-") else [name, str(value)]
    command = shlex.join(words)
    # A lone dash means standard input there, so it has to come that way.
    return f"printf %s - | {command}" if params.prompt == "-" else command
