"""Checkpoints: what is saved is what is loaded, with its tokenizer and a borrowed embedding."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from minimind_core.errors import TokenizerError
from minimind_core.files.checkpoint import load_model, load_state_dict, save_checkpoint
from minimind_core.files.checkpoint_config import StoredDtype
from minimind_core.files.quantize import dequantize_int8, quantize_int8
from minimind_core.model.config import PRESETS
from minimind_core.tokenizer import ByteTokenizer
from minimind_core.training.bpe import train_bpe
from tests.minimind_core.checkpoint_samples import (
    TINY,
    random_ids,
    random_model,
    random_state,
    same,
    save_tiny,
    sentence,
)


def test_fp32_comes_back_bit_for_bit(tmp_path: Path) -> None:
    state = save_tiny(tmp_path / "x", trained={"steps": 3, "文": "中"})
    config, loaded, meta = load_state_dict(tmp_path / "x")
    assert config == TINY and same(state, loaded)
    assert meta["trained"] == {"steps": 3, "文": "中"}
    assert meta["name"] == "tiny" and meta["dtype"] == "float32"


@pytest.mark.parametrize(("dtype", "torch_dtype"), [("float16", torch.float16), ("bfloat16", torch.bfloat16)])
def test_half_precision_is_rounded_once(tmp_path: Path, dtype: StoredDtype, torch_dtype: torch.dtype) -> None:
    state = save_tiny(tmp_path / "x", dtype=dtype)
    _, loaded, _ = load_state_dict(tmp_path / "x")
    assert same({name: tensor.to(torch_dtype).float() for name, tensor in state.items()}, loaded)


def test_int8_rounds_matrices_and_keeps_norms(tmp_path: Path) -> None:
    state = save_tiny(tmp_path / "x", dtype="int8")
    _, loaded, _ = load_state_dict(tmp_path / "x")
    assert list(loaded) and set(loaded) == set(state)
    for name, tensor in state.items():
        expected = tensor if tensor.dim() == 1 else dequantize_int8(*quantize_int8(tensor))
        assert torch.equal(loaded[name], expected), name
    stored = safetensors.torch.load_file(tmp_path / "x" / "model.safetensors")
    assert stored["model.embed_tokens.weight"].dtype == torch.int8
    assert stored["model.embed_tokens.weight.scale"].shape == (259, 1)
    assert stored["model.norm.weight"].dtype == torch.float32


def test_saving_int8_again_changes_nothing(tmp_path: Path) -> None:
    save_tiny(tmp_path / "x", dtype="int8")
    config, first, _ = load_state_dict(tmp_path / "x")
    save_checkpoint(tmp_path / "y", config, first, name="tiny", tokenizer="byte", dtype="int8")
    assert same(first, load_state_dict(tmp_path / "y")[1])
    files = [tmp_path / name / "model.safetensors" for name in "xy"]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("name", ["nano-learned", "toy"])
@pytest.mark.parametrize("tied", [True, False])
def test_every_kind_of_parameter_survives(tmp_path: Path, name: str, tied: bool) -> None:
    config = PRESETS[name].replace(vocab_size=259, num_layers=1, tie_word_embeddings=tied, qk_norm=True)
    state = save_tiny(tmp_path / "x", config=config)
    assert same(state, load_state_dict(tmp_path / "x")[1])


def test_shards_stay_below_15_mib(tmp_path: Path) -> None:
    config = TINY.replace(hidden_size=512, num_heads=8, num_kv_heads=8, head_dim=64, intermediate_size=1408)
    state = save_tiny(tmp_path / "x", config=config)
    shards = sorted((tmp_path / "x").glob("model-*.safetensors"))
    assert [shard.name for shard in shards] == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]
    assert all(shard.stat().st_size < 15 * 2**20 for shard in shards)
    loaded = load_state_dict(tmp_path / "x")[1]
    assert set(loaded) == set(state) and all(torch.equal(loaded[name], state[name]) for name in state)
    shards[0].unlink()
    assert "model-00001-of-00002.safetensors" in sentence(lambda: load_state_dict(tmp_path / "x"))


def test_load_model_computes_the_same_logits(tmp_path: Path) -> None:
    save_tiny(tmp_path / "x")
    loaded = load_model(tmp_path / "x")
    assert not loaded.model.training and loaded.name == "tiny" and isinstance(loaded.tokenizer, ByteTokenizer)
    assert torch.equal(loaded.model(random_ids()), random_model()(random_ids()))
    half = load_model(tmp_path / "x", dtype=torch.bfloat16).model
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}


def test_bare_names_are_shipped_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minimind_core.files.checkpoint_config.WEIGHTS_FOLDER", tmp_path)
    save_tiny(tmp_path / "one")
    assert load_model("one").path == tmp_path / "one"
    assert load_model(tmp_path / "one" / "model.safetensors").path == tmp_path / "one"
    message = sentence(lambda: load_model("two"))
    assert "no checkpoint at 'two'" in message and "one" in message


# --- a shared embedding ---


def save_draft(folder: Path, embedding: Tensor) -> None:
    config = TINY.replace(num_layers=1)
    state = random_state(config, seed=5) | {"model.embed_tokens.weight": embedding}
    save_checkpoint(
        folder, config, state, name="draft", tokenizer="byte", dtype="int8", shares_embedding_with="big"
    )


def test_a_draft_borrows_the_embedding(tmp_path: Path) -> None:
    embedding = save_tiny(tmp_path / "big", dtype="int8")["model.embed_tokens.weight"]
    save_draft(tmp_path / "draft", embedding)
    stored = safetensors.torch.load_file(tmp_path / "draft" / "model.safetensors")
    assert not any("embed_tokens" in name for name in stored)
    _, big, _ = load_state_dict(tmp_path / "big")
    _, draft, _ = load_state_dict(tmp_path / "draft")
    assert torch.equal(draft["model.embed_tokens.weight"], big["model.embed_tokens.weight"])
    assert load_model(tmp_path / "draft").model(random_ids()).shape == (2, 24, 259)


def test_a_draft_notices_a_strange_or_missing_partner(tmp_path: Path) -> None:
    embedding = save_tiny(tmp_path / "big")["model.embed_tokens.weight"]
    assert "not that of 'big'" in sentence(lambda: save_draft(tmp_path / "draft", embedding.roll(1, 0)))
    save_draft(tmp_path / "draft", embedding)
    save_tiny(tmp_path / "big", seed=1)
    assert "another version of 'big'" in sentence(lambda: load_state_dict(tmp_path / "draft"))
    (tmp_path / "big").rename(tmp_path / "renamed")
    assert "put 'big' beside it" in sentence(lambda: load_state_dict(tmp_path / "draft"))


# --- the tokenizer ---


def test_a_tokenizer_object_travels_with_the_checkpoint(tmp_path: Path) -> None:
    tokenizer = train_bpe(["the cat sat on the mat, the cat sat"] * 3, 265)
    config = TINY.replace(vocab_size=tokenizer.vocab_size)
    save_tiny(tmp_path / "x", config=config, tokenizer=tokenizer)
    (tmp_path / "x").rename(tmp_path / "moved")
    assert load_model(tmp_path / "moved").tokenizer.fingerprint == tokenizer.fingerprint


def test_a_tokenizer_file_is_pointed_to(tmp_path: Path) -> None:
    tokenizer = train_bpe(["the cat sat on the mat, the cat sat"] * 3, 265)
    file = tmp_path / "tokenizers" / "small.json.xz"
    tokenizer.save(file)
    save_tiny(tmp_path / "x", config=TINY.replace(vocab_size=tokenizer.vocab_size), tokenizer=file)
    meta = json.loads((tmp_path / "x" / "config.json").read_text())
    assert meta["tokenizer"] == "../tokenizers/small.json.xz"
    assert load_model(tmp_path / "x").tokenizer.encode("cat") == tokenizer.encode("cat")
    train_bpe(["a dog dug a deep dark den, a dog dug"] * 3, tokenizer.vocab_size).save(file)
    assert "another tokenizer" in sentence(lambda: load_model(tmp_path / "x"))
    file.unlink()
    assert "small.json.xz" in sentence(lambda: load_model(tmp_path / "x"))


def test_a_vocabulary_of_another_size_is_refused(tmp_path: Path) -> None:
    config = TINY.replace(vocab_size=300)
    with pytest.raises(TokenizerError, match=r"vocabulary of 300 but the tokenizer has 259"):
        save_tiny(tmp_path / "x", config=config)
    assert not list(tmp_path.iterdir())


def test_the_web_process_reads_names_and_shapes_without_torch() -> None:
    program = (
        "import sys; from minimind_core.files.checkpoint_config import shipped_checkpoints, read_config;"
        "from minimind_core.files.hf_config import write_hf_config; shipped_checkpoints();"
        "sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", program], cwd=root).returncode == 0
