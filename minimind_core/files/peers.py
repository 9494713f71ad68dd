"""The same weights in `transformers`, which our speed is compared with and our logits are tested against.

Needs the development requirements; nothing that ships to a user imports this.
"""

from __future__ import annotations

from typing import Any

from minimind_core.errors import MiniMindError
from minimind_core.files.hf_config import write_hf_config
from minimind_core.model.minimind import MiniMind


def as_transformers(model: MiniMind) -> Any:
    """A transformers model on the same device, in the same dtype, holding copies of the same weights."""
    try:
        import transformers
    except ImportError:
        raise MiniMindError(
            "The comparison needs transformers; pip install -r requirements-dev.txt."
        ) from None
    settings = write_hf_config(model.config, "float32")
    config = transformers.AutoConfig.for_model(**settings)
    peer = transformers.AutoModelForCausalLM.from_config(config, dtype=model.dtype).to(model.device)
    state = dict(model.state_dict())
    if model.config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    peer.load_state_dict(state)
    return peer.eval()
