"""Write a model as one GGUF file, which llama.cpp and Ollama load as it is.

Architecture `llama`, or `qwen3` for a norm of queries and keys. Writes no mixture of experts and no
K-quants; needs the package `gguf`, which only this file imports.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from minimind_core.atomic_file import written_whole
from minimind_core.bounded import cannot_write
from minimind_core.errors import ConfigError, MiniMindError
from minimind_core.files.checkpoint import LoadedModel
from minimind_core.files.gguf_vocabulary import vocabulary
from minimind_core.files.hf_config import write_hf_config
from minimind_core.model.config import ModelConfig
from minimind_core.model.parameter_shapes import EMBEDDING, LM_HEAD
from minimind_core.progress import OnProgress, unheard

GgufDtype = Literal["F32", "BF16", "F16", "Q8_0"]
PACKAGE = "gguf==0.19.0"
FILE_TYPES = {"F32": 0, "F16": 1, "Q8_0": 7, "BF16": 32}
"""What most matrices of a file are (llama.cpp, `llama_ftype`)."""
NAMES = {
    EMBEDDING: "token_embd",
    LM_HEAD: "output",
    "model.norm.weight": "output_norm",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""Our names -> GGUF's; those of a layer without `model.layers.N.` and `blk.N.`."""


def export_gguf(
    loaded: LoadedModel, path: Path, dtype: GgufDtype = "F32", on_progress: OnProgress = unheard
) -> None:
    """Write weights, settings and tokenizer to `path`, whole or not at all.

    Vectors, and matrices whose rows are no whole blocks, are stored finer than `dtype`, as llama.cpp does
    it. A tied output matrix is not stored. `on_progress` is given the bytes of weights converted so far and
    those of all, as fp32. Raises MiniMindError where the package is missing, ConfigError for a model or a
    tokenizer that llama.cpp has no name for, FileError where the file cannot be written.
    """
    gguf = gguf_package()
    settings = write_hf_config(loaded.config, "float32")
    if loaded.config.num_experts:
        raise ConfigError("A mixture of experts is not written as GGUF; export it with --format hf.")
    writer = gguf.GGUFWriter(None, settings["model_type"])
    _add_settings(writer, settings, loaded.config.head_dim)
    writer.add_name(loaded.name)
    writer.add_file_type(FILE_TYPES[dtype])
    _add_tokenizer(writer, loaded)
    tensors = dict(_tensors(loaded.model.state_dict(), loaded.config))
    converted, total = 0, sum(tensor.nbytes for tensor in tensors.values())
    for name, tensor in tensors.items():
        kind = gguf.GGMLQuantizationType[_stored_as(tensor, dtype)]
        writer.add_tensor(name, gguf.quants.quantize(tensor.numpy(), kind), raw_dtype=kind)
        converted += tensor.nbytes
        on_progress(converted, total)
    _write(writer, path)


def gguf_package() -> Any:
    """The module `gguf`. Raises MiniMindError where it is not installed."""
    try:
        import gguf
    except ImportError:
        raise MiniMindError(f'Writing GGUF needs one more package; pip install "{PACKAGE}".') from None
    return gguf


def adjacent_pairs(weight: Tensor, num_heads: int) -> Tensor:
    """Rows of a query or key projection in the order that llama.cpp's `llama` rotates.

    Our RoPE turns dimension i with i + D/2 of a head, theirs 2i with 2i + 1; scores are the same where
    queries and keys are reordered alike. [num_heads * D, in] -> the same shape.
    """
    halves = weight.reshape(num_heads, 2, -1, weight.shape[-1])  # [H, 2, D/2, in]
    return halves.transpose(1, 2).reshape(weight.shape)


def _tensors(state_dict: dict[str, Tensor], config: ModelConfig) -> Iterator[tuple[str, Tensor]]:
    """GGUF's names and fp32 values; the `qwen3` architecture pairs halves as we do."""
    heads = {"attn_q": config.num_heads, "attn_k": config.num_kv_heads}
    for name, parameter in state_dict.items():
        tensor = parameter.detach().float().cpu()
        if name in NAMES:
            yield f"{NAMES[name]}.weight", tensor
            continue
        _, _, layer, *parts, _ = name.split(".")  # model.layers.N.self_attn.q_proj.weight
        kind = NAMES[".".join(parts)]
        if kind in heads and not config.qk_norm:
            tensor = adjacent_pairs(tensor, heads[kind])
        yield f"blk.{layer}.{kind}.weight", tensor.contiguous()


def _stored_as(tensor: Tensor, dtype: GgufDtype) -> GgufDtype:
    """The type of one tensor: vectors stay exact, and Q8_0 stores rows of whole blocks of 32."""
    if tensor.dim() == 1:
        return "F32"
    return "F16" if dtype == "Q8_0" and tensor.shape[-1] % 32 else dtype


def _add_settings(writer: Any, settings: dict[str, Any], head_dim: int) -> None:
    """The shape of the model and its RoPE, from a Hugging Face config."""
    writer.add_vocab_size(settings["vocab_size"])
    writer.add_context_length(settings["max_position_embeddings"])
    writer.add_embedding_length(settings["hidden_size"])
    writer.add_block_count(settings["num_hidden_layers"])
    writer.add_feed_forward_length(settings["intermediate_size"])
    writer.add_head_count(settings["num_attention_heads"])
    writer.add_head_count_kv(settings["num_key_value_heads"])
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(settings["rms_norm_eps"])
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(settings["rope_theta"])
    if settings["rope_scaling"]:
        _add_rope_scaling(writer, settings["rope_scaling"])


def _add_rope_scaling(writer: Any, scaling: dict[str, Any]) -> None:
    """Linear or YaRN. llama.cpp multiplies YaRN's own temperature by the factor that the file names."""
    factor = scaling["factor"]
    writer.add_rope_scaling_type(gguf_package().RopeScalingType(scaling["rope_type"]))
    writer.add_rope_scaling_factor(factor)
    if scaling["rope_type"] == "linear":
        return
    writer.add_rope_scaling_orig_ctx_len(int(scaling["original_max_position_embeddings"]))
    writer.add_rope_scaling_yarn_beta_fast(scaling["beta_fast"])
    writer.add_rope_scaling_yarn_beta_slow(scaling["beta_slow"])
    if "attention_factor" in scaling:
        writer.add_rope_scaling_attn_factors(scaling["attention_factor"] / (0.1 * math.log(factor) + 1))


def _add_tokenizer(writer: Any, loaded: LoadedModel) -> None:
    """The vocabulary; a prompt begins with BOS, as the training documents did, and EOS is never added."""
    tokenizer = loaded.tokenizer
    known = vocabulary(tokenizer, loaded.config.vocab_size)
    writer.add_tokenizer_model("gpt2")  # GGUF's word for byte-level BPE
    writer.add_tokenizer_pre(known.pre_tokenizer)
    writer.add_token_list(known.tokens)
    writer.add_token_types(known.types)
    writer.add_token_merges(known.merges)
    writer.add_bos_token_id(tokenizer.bos_id)
    writer.add_eos_token_id(tokenizer.eos_id)
    writer.add_pad_token_id(tokenizer.pad_id)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    if known.chat_template is not None:
        writer.add_chat_template(known.chat_template)


def _write(writer: Any, path: Path) -> None:
    try:
        with written_whole(path) as partial:
            writer.write_header_to_file(partial)
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
    except OSError as error:
        raise cannot_write(path, error) from error
