"""The playground on the model: one continuation, told token by token. Draws nothing and keeps nothing."""

from __future__ import annotations

import time
from typing import Any

from labs.contract.columns import Context, Result
from labs.playground.params import ContinuationParams
from labs.tools.sampler import settings
from minimind_core.decoding.generate import StreamedToken, stream
from minimind_core.decoding.text_reader import TextReader
from minimind_core.files.checkpoint import LoadedModel
from minimind_core.files.checkpoint_config import WEIGHTS_FOLDER

ALTERNATIVES = 6


def continuation(params: ContinuationParams, ctx: Context) -> Result:
    """A continuation of the prompt. The first partial is what `about` holds in the result, then one a token:

    {"id", "token", "text", "open", "special" (see `TextReader`), "probability" (the model's own), "filtered"
    (after the settings), "rank", "kept", "alternatives": the same down to "filtered", the most likely first}.
    """
    ctx.progress(0.0, "Loading the model")
    loaded = ctx.model()
    eos = loaded.config.eos_id
    prompt_ids = loaded.prompt_ids(params.prompt)
    about = {
        "model": loaded.name,
        "checkpoint": _checkpoint(loaded),
        "device": ctx.device,
        "dtype": ctx.dtype,
        "prompt_tokens": len(prompt_ids),
        "trained_length": loaded.config.max_length,
    }
    ctx.emit({"about": about})
    reader, steps = TextReader(loaded.tokenizer), []
    began = time.perf_counter()
    for token in stream(
        loaded.model,
        prompt_ids,
        settings(params, params.seed),
        params.max_new_tokens,
        stop_ids=(eos,),
        num_alternatives=ALTERNATIVES,
    ):
        steps.append(_told(token, reader))
        ctx.emit(steps[-1])
        ctx.progress(len(steps) / params.max_new_tokens, "Writing")
    seconds = time.perf_counter() - began
    ids = [step["id"] for step in steps]
    return {
        "about": about,
        "steps": steps,
        "text": loaded.tokenizer.decode(ids),
        "ended": ids[-1] == eos,
        "tokens_per_second": len(ids) / seconds,
    }


def _checkpoint(loaded: LoadedModel) -> str:
    """What `load_model` takes to find it again: the name where it is a shipped one, else its path."""
    return loaded.path.name if loaded.path.parent == WEIGHTS_FOLDER else str(loaded.path)


def _told(token: StreamedToken, reader: TextReader) -> dict[str, Any]:
    """The alternatives are read before the token itself: each continues the same text."""
    alternatives = [
        {**reader.peek(other), "probability": own, "filtered": filtered}
        for (other, own), filtered in zip(token.alternatives, token.filtered_alternatives, strict=True)
    ]
    return {
        **reader.read(token.id),
        "probability": token.probability,
        "filtered": token.filtered_probability,
        "rank": token.rank,
        "kept": token.kept,
        "alternatives": alternatives,
    }
