"""A GGUF file holds the checkpoint, weights, settings and tokenizer, as three others read it."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers
from torch import Tensor

from minimind_core.errors import ConfigError, FileError, MiniMindError
from minimind_core.files.checkpoint import LoadedModel, load_model
from minimind_core.files.export_gguf import GgufDtype, adjacent_pairs, export_gguf
from minimind_core.files.gguf_vocabulary import CHAT_TEMPLATE, CONTROL, NORMAL, UNUSED, vocabulary
from minimind_core.model.config import ModelConfig, RopeScaling
from minimind_core.model.rope import apply_rope
from minimind_core.tokenizer import BYTE_CHARACTERS, ByteTokenizer, Tokenizer, load_tokenizer
from minimind_core.training.conversations import Turn, encode_turns
from tests.minimind_core.checkpoint_samples import TINY, random_model, sentence

gguf = pytest.importorskip("gguf")
WORDS = load_tokenizer("1k")
SMALL = TINY.replace(vocab_size=1024)
QWEN3 = SMALL.replace(qk_norm=True, tie_word_embeddings=False, rms_norm_eps=1e-6, rope_theta=1e4)
CONFIGS = [SMALL, SMALL.replace(num_kv_heads=4, tie_word_embeddings=False), QWEN3]
NAMES = ["llama", "untied", "qwen3"]


def loaded(config: ModelConfig = SMALL, tokenizer: Tokenizer = WORDS) -> LoadedModel:
    return LoadedModel(random_model(config), tokenizer, config, "tiny", Path("tiny"), {})


def fields(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


def read_by_transformers(path: Path, config: ModelConfig) -> dict[str, Tensor]:
    """Dequantised by gguf, and named and ordered by transformers, in a way that is none of ours."""
    pytest.importorskip("transformers")
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    from minimind_core.files.peers import as_transformers

    twin = as_transformers(random_model(config, seed=1))
    tensors = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=twin)["tensors"]
    return {name: torch.as_tensor(tensor).float() for name, tensor in tensors.items()}


def rounded(weight: Tensor, dtype: GgufDtype) -> Tensor:
    """What the type keeps of a matrix.

    Q8_0 has one FP16 scale, absmax / 127, for 32 numbers in a row, and rounds halves away from zero.
    """
    if weight.dim() == 1 or dtype == "F32":
        return weight
    if dtype != "Q8_0":
        return weight.to({"F16": torch.float16, "BF16": torch.bfloat16}[dtype]).float()
    blocks = weight.reshape(-1, 32)
    step = blocks.abs().amax(1, keepdim=True) / 127
    scaled = blocks * (1 / step)
    whole = (scaled.abs() + 0.5).floor() * scaled.sign()
    return (whole * step.half().float()).view(weight.shape)


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16", "Q8_0"])
@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_every_tensor_is_the_checkpoints(tmp_path: Path, config: ModelConfig, dtype: GgufDtype) -> None:
    source = loaded(config)
    export_gguf(source, tmp_path / "m.gguf", dtype)
    found, state = read_by_transformers(tmp_path / "m.gguf", config), source.model.state_dict()
    assert set(found) == set(state)
    for name, weight in state.items():
        assert torch.equal(found[name], rounded(weight, dtype)), name


def test_scores_are_the_same_in_the_order_that_llama_cpp_rotates() -> None:
    """Neighbouring dimensions turned together give what halves give, once the rows are reordered."""
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(heads * 8, 16, generator=generator) for heads in (4, 2)]
    hidden = torch.randn(5, 16, generator=generator)
    angles = torch.arange(5)[:, None] * torch.tensor([1.0, 0.3, 0.1, 0.03])  # [T, D/2]

    def by_halves(weight: Tensor) -> Tensor:
        both = torch.cat((angles, angles), -1)
        return apply_rope((hidden @ weight.T).view(5, -1, 8).transpose(0, 1), both.cos(), both.sin())

    def by_neighbours(weight: Tensor) -> Tensor:
        ordered = adjacent_pairs(weight, len(weight) // 8)
        pairs = torch.view_as_complex((hidden @ ordered.T).view(5, -1, 4, 2).contiguous())
        turned = pairs * torch.polar(torch.ones_like(angles), angles)[:, None]
        return torch.view_as_real(turned).flatten(2).transpose(0, 1)

    ours, theirs = ([turn(weight) for weight in weights] for turn in (by_halves, by_neighbours))
    for head in range(4):
        mine, other = (queries[head] @ keys[head // 2].T for queries, keys in (ours, theirs))
        torch.testing.assert_close(mine, other)


def test_the_settings_of_a_llama(tmp_path: Path) -> None:
    export_gguf(loaded(), tmp_path / "m.gguf", "F16")
    found = fields(tmp_path / "m.gguf")
    assert found["general.architecture"] == "llama" and found["general.file_type"] == 1
    wanted = {
        "vocab_size": 1024,
        "context_length": 32,
        "embedding_length": 64,
        "block_count": 2,
        "feed_forward_length": 192,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
        "attention.key_length": 32,
        "attention.value_length": 32,
        "attention.layer_norm_rms_epsilon": pytest.approx(1e-5),
        "rope.dimension_count": 32,
        "rope.freq_base": 1e6,
    }
    assert {name: found[f"llama.{name}"] for name in wanted} == wanted
    assert not [name for name in found if "scaling" in name]


@pytest.mark.parametrize(
    ("scaling", "wanted"),
    [
        (RopeScaling("pi", 4.0, 32), {"type": "linear", "factor": 4.0}),
        (
            RopeScaling("yarn", 4.0, 32, beta_fast=16.0, beta_slow=2.0),
            {
                "type": "yarn",
                "factor": 4.0,
                "original_context_length": 32,
                "yarn_beta_fast": 16.0,
                "yarn_beta_slow": 2.0,
            },
        ),
    ],
    ids=["linear", "yarn"],
)
def test_a_stretched_rope_is_named(tmp_path: Path, scaling: RopeScaling, wanted: dict[str, Any]) -> None:
    export_gguf(loaded(SMALL.replace(rope_scaling=scaling)), tmp_path / "m.gguf")
    found = fields(tmp_path / "m.gguf")
    prefix = "llama.rope.scaling."
    assert {n.removeprefix(prefix): v for n, v in found.items() if n.startswith(prefix)} == wanted
    assert found["llama.context_length"] == 128


def test_a_temperature_of_yarn_is_one_factor_of_llama_cpps_own(tmp_path: Path) -> None:
    scaling = RopeScaling("yarn", 16.0, 32, attention_factor=1.0)
    export_gguf(loaded(SMALL.replace(rope_scaling=scaling)), tmp_path / "m.gguf")
    factor = fields(tmp_path / "m.gguf")["llama.rope.scaling.attn_factor"]
    assert factor * (1 + 0.1 * np.log(16)) == pytest.approx(1.0)


def test_ntk_is_the_larger_base_that_it_is(tmp_path: Path) -> None:
    export_gguf(loaded(SMALL.replace(rope_scaling=RopeScaling("ntk", 4.0, 32))), tmp_path / "m.gguf")
    assert fields(tmp_path / "m.gguf")["llama.rope.freq_base"] == pytest.approx(1e6 * 4 ** (32 / 30))


def test_the_tokenizer_is_in_the_file(tmp_path: Path) -> None:
    export_gguf(loaded(), tmp_path / "m.gguf")
    prefix = "tokenizer.ggml."
    found = {n.removeprefix(prefix): v for n, v in fields(tmp_path / "m.gguf").items() if prefix in n}
    model = json.loads(WORDS.to_json())["model"]
    assert (found["model"], found["pre"]) == ("gpt2", "dbrx")
    assert [found[f"{role}_token_id"] for role in ("padding", "bos", "eos")] == [0, 1, 2]
    assert (found["add_bos_token"], found["add_eos_token"]) == (True, False)
    assert found["tokens"][:3] == ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    assert found["token_type"] == [CONTROL] * 3 + [NORMAL] * 1021
    assert found["merges"] == [" ".join(pair) for pair in model["merges"]]
    assert {piece: index for index, piece in enumerate(found["tokens"])} == model["vocab"]


def test_the_chat_template_writes_what_we_train_on() -> None:
    turns = [Turn("system", "Be brief."), Turn("user", "Hi\n"), Turn("assistant", "你好")]
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    template = jinja2.Environment().from_string(CHAT_TEMPLATE)
    written = template.render(messages=messages)
    assert WORDS.encode(written, allow_special=True) == encode_turns(turns, WORDS)
    asked = template.render(messages=messages[:2], add_generation_prompt=True)
    assert written.startswith(asked.removesuffix("<|im_start|>assistant\n")) and asked.endswith("assistant\n")


def test_a_larger_embedding_has_unused_rows() -> None:
    known = vocabulary(WORDS, 1030)
    assert known.types[1024:] == [UNUSED] * 6 and len(set(known.tokens)) == 1030


def splitting_by(pre_tokenizer: Any) -> Tokenizer:
    vocab = {character: index for index, character in enumerate(BYTE_CHARACTERS.values())} | {"ab": 256}
    backend = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=[("a", "b")]))
    backend.pre_tokenizer, backend.decoder = pre_tokenizer, decoders.ByteLevel()
    backend.add_special_tokens(["<|endoftext|>"])
    return Tokenizer(backend, ("<|endoftext|>",) * 3)


def test_a_strangers_pre_tokenizer_is_named_or_refused() -> None:
    gpt2 = splitting_by(pre_tokenizers.ByteLevel(add_prefix_space=False))
    known = vocabulary(gpt2, 258)
    assert (known.pre_tokenizer, known.chat_template) == ("gpt-2", None)
    odd = splitting_by(
        pre_tokenizers.Sequence([pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(use_regex=False)])
    )
    assert "no name for the way" in sentence(lambda: vocabulary(odd, 258))


@pytest.mark.parametrize(
    ("config", "tokenizer", "said"),
    [
        (SMALL.replace(position="alibi"), WORDS, "cannot be exported"),
        (SMALL.replace(num_experts=2, qk_norm=True), WORDS, "mixture of experts"),
        (TINY, ByteTokenizer(), "without merges"),
    ],
    ids=["alibi", "experts", "bytes"],
)
def test_what_llama_cpp_cannot_read_is_refused(
    tmp_path: Path, config: ModelConfig, tokenizer: Tokenizer, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        export_gguf(loaded(config, tokenizer), tmp_path / "m.gguf")
    assert not list(tmp_path.iterdir())


def test_without_the_package_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MiniMindError, match=r'pip install "gguf==0\.19\.0"\.$'):
        export_gguf(loaded(), tmp_path / "m.gguf")
    required = (Path(__file__).resolve().parents[3] / "requirements-dev.txt").read_text().splitlines()
    assert "gguf==0.19.0" in required


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_gguf(loaded(), tmp_path / "m.gguf")
    before = (tmp_path / "m.gguf").read_bytes()

    def full(_writer: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gguf.GGUFWriter, "write_tensors_to_file", full)
    with pytest.raises(FileError, match="No space left"):
        export_gguf(loaded(QWEN3), tmp_path / "m.gguf")
    assert (tmp_path / "m.gguf").read_bytes() == before and os.listdir(tmp_path) == ["m.gguf"]


# --- llama.cpp itself, where llama-cpp-python is installed ---

TEXTS = ["Once upon a time, there was a little rabbit named", "今天天气", "def fibonacci(n):\n    "]


@pytest.mark.slow
@pytest.mark.parametrize("text", TEXTS, ids=["english", "chinese", "code"])
def test_llama_cpp_writes_the_same_greedy_text(tmp_path: Path, text: str) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    source = load_model("minimind-26m")
    export_gguf(source, tmp_path / "m.gguf")
    peer = llama_cpp.Llama(str(tmp_path / "m.gguf"), n_ctx=256, n_threads=1, verbose=False)
    prompt = source.prompt_ids(text)
    assert peer.tokenize(text.encode(), add_bos=True, special=False) == prompt
    ids, theirs = torch.tensor([prompt]), []
    for index in peer.generate(prompt, temp=0.0):
        theirs.append(index)
        if len(theirs) == 60:
            break
    with torch.inference_mode():
        for _ in range(60):
            ids = torch.cat([ids, source.model(ids)[:, -1].argmax(-1, keepdim=True)], 1)
    assert theirs == ids[0, len(prompt) :].tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        *CONFIGS,
        SMALL.replace(rope_scaling=RopeScaling("pi", 4.0, 32)),
        QWEN3.replace(rope_scaling=RopeScaling("yarn", 4.0, 32, attention_factor=1.0)),
    ],
    ids=[*NAMES, "linear", "yarn"],
)
def test_llama_cpp_computes_the_same_logits(tmp_path: Path, config: ModelConfig) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    source = loaded(config)
    export_gguf(source, tmp_path / "m.gguf")
    peer = llama_cpp.Llama(
        str(tmp_path / "m.gguf"), n_ctx=128, n_threads=1, logits_all=True, type_k=0, type_v=0, verbose=False
    )
    ids = torch.randint(3, 1024, (1, 100), generator=torch.Generator().manual_seed(1))
    peer.eval(ids[0].tolist())
    with torch.inference_mode():
        ours = source.model(ids)[0]
    assert ours.std() > 0.5
    assert (torch.as_tensor(peer.scores[:100]) - ours).abs().max() < 1e-2
