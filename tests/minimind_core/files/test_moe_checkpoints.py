"""Mixtures of experts by path: MiniMind's of 2025 and of 2026, and transformers' Qwen3-MoE, both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from minimind_core.__main__ import main
from minimind_core.commands.info import run as info
from minimind_core.errors import ConfigError
from minimind_core.files.checkpoint import load_model, save_checkpoint
from minimind_core.files.export_hf import export_hf
from minimind_core.files.hf_config import read_hf_config, write_hf_config
from minimind_core.model.config import ModelConfig
from minimind_core.tokenizer import ByteTokenizer
from tests.minimind_core.checkpoint_samples import HF_TINY, TINY, random_ids, random_model, sentence
from tests.minimind_core.llama_twins import difference, twin_logits

EIGHT_HEADS = TINY.replace(num_heads=8, head_dim=8, max_length=512)
OF_2025 = EIGHT_HEADS.replace(num_experts=4, num_experts_per_tok=2, n_shared_experts=1)
"""minimind2-moe, but for its size: two of four experts and a shared one."""
OF_2026 = TINY.replace(num_experts=4, qk_norm=True, rms_norm_eps=1e-6, max_length=768)
"""minimind-3-moe: one of four."""
MINIMIND2_JSON = {
    "model_type": "minimind",
    "use_moe": True,
    "hidden_act": "silu",
    "num_attention_heads": 8,
    "num_experts_per_tok": 2,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "scoring_func": "softmax",
    "aux_loss_alpha": 0.01,
    "seq_aux": True,
    "norm_topk_prob": True,
    "intermediate_size": 192,
    "rms_norm_eps": 1e-5,
    "rope_theta": 1e6,
    "max_position_embeddings": 512,
}
"""As MiniMind's class of 2025 writes it."""
MINIMIND3_JSON = {
    "model_type": "minimind",
    "use_moe": True,
    "num_experts": 4,
    "num_experts_per_tok": 1,
    "moe_intermediate_size": 192,
    "intermediate_size": 64,
    "norm_topk_prob": True,
    "router_aux_loss_coef": 5e-4,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 768,
    "rope_theta": 1e6,
}
"""The same of 2026."""


@pytest.fixture
def byte_folder(tmp_path: Path) -> Path:
    (tmp_path / "tokenizer.json").write_text(ByteTokenizer().to_json())
    return tmp_path


def stored(config: ModelConfig) -> dict[str, Tensor]:
    """As upstream's trainers save it: by its own names, in fp16, the tied matrix twice."""
    state = {name: tensor.half() for name, tensor in random_model(config).state_dict().items()}
    return state | {"lm_head.weight": state["model.embed_tokens.weight"].clone()}


def logits_from(state: dict[str, Tensor], config: ModelConfig) -> Tensor:
    """What our forward gives for these tensors; `test_feed_forward.py` has it written out."""
    model = random_model(config, seed=1)
    model.load_state_dict({name: state[name].float() for name in model.state_dict()})
    return model(random_ids(config))


@pytest.mark.parametrize(
    ("config", "family", "routing"),
    [
        (OF_2025, "MiniMind2", {"num_experts_per_tok": 2, "norm_topk_prob": True}),
        (OF_2026, "MiniMind-3", {"num_experts_per_tok": 1, "norm_topk_prob": True}),
    ],
)
@torch.no_grad()
def test_a_pth(byte_folder: Path, config: ModelConfig, family: str, routing: dict[str, Any]) -> None:
    state = stored(config)
    experts = {name for name in state if name.startswith("model.layers.1.mlp.")}
    assert "model.layers.1.mlp.experts.3.down_proj.weight" in experts
    assert "model.layers.1.mlp.gate.weight" in experts and len(experts) == 1 + 3 * (
        4 + config.n_shared_experts
    )
    torch.save(state, byte_folder / "full_sft_64_moe.pth")
    loaded = load_model(byte_folder / "full_sft_64_moe.pth")
    assert loaded.config == config and loaded.meta["family"] == family
    assert routing.items() <= loaded.meta["assumed"].items(), "what no tensor shows is said"
    assert torch.equal(loaded.model(random_ids(config)), logits_from(state, config))


@pytest.mark.parametrize(("config", "written"), [(OF_2025, MINIMIND2_JSON), (OF_2026, MINIMIND3_JSON)])
@torch.no_grad()
def test_a_folder_of_miniminds_class(byte_folder: Path, config: ModelConfig, written: dict[str, Any]) -> None:
    torch.save(stored(config), byte_folder / "pytorch_model.bin")
    (byte_folder / "config.json").write_text(json.dumps(written))
    loaded = load_model(byte_folder)
    assert loaded.config == config and loaded.meta["assumed"] == {}
    assert torch.equal(loaded.model(random_ids(config)), logits_from(stored(config), config))


def test_one_of_the_experts_of_2025_is_not_normed_and_one_of_2026_is() -> None:
    """Upstream's gate of 2025 divides by the sum for two and more only."""
    here = Path("folder")
    assert not read_hf_config(MINIMIND2_JSON | {"num_experts_per_tok": 1}, here)["norm_topk_prob"]
    assert read_hf_config(MINIMIND2_JSON, here)["norm_topk_prob"]
    assert read_hf_config(MINIMIND3_JSON, here)["norm_topk_prob"]
    assert not read_hf_config({"model_type": "qwen3_moe", "num_experts": 4}, here)["norm_topk_prob"]


def test_a_dense_folder_has_no_experts_whatever_its_class_writes() -> None:
    dense = MINIMIND3_JSON | {"use_moe": False}
    assert read_hf_config(dense, Path("folder"))["num_experts"] == 0


@pytest.mark.parametrize("normed", [True, False])
@torch.no_grad()
def test_transformers_qwen3_moe(byte_folder: Path, normed: bool) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    reference = transformers.Qwen3MoeForCausalLM(
        transformers.Qwen3MoeConfig(
            **HF_TINY,
            intermediate_size=48,
            moe_intermediate_size=160,
            num_experts=4,
            num_experts_per_tok=2,
            norm_topk_prob=normed,
            rope_theta=1e6,
        )
    ).eval()
    reference.save_pretrained(byte_folder)
    loaded = load_model(byte_folder)
    assert (loaded.config.num_experts, loaded.config.intermediate_size) == (4, 160)
    assert loaded.config.norm_topk_prob is normed and loaded.meta["assumed"] == {}
    assert difference(loaded.model(random_ids()), reference(random_ids()).logits) < 1e-4


@torch.no_grad()
def test_an_export_is_loaded_by_transformers_and_by_us(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = TINY.replace(qk_norm=True, num_experts=4, num_experts_per_tok=2)
    model, ids = random_model(config), random_ids(config)
    save_checkpoint(tmp_path / "own", config, model.state_dict(), name="tiny-moe", tokenizer="byte")
    export_hf(load_model(tmp_path / "own"), tmp_path / "hf")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "hf").eval()
    assert type(theirs).__name__ == "Qwen3MoeForCausalLM"
    assert difference(model(ids), theirs(ids).logits) < 1e-4
    assert difference(twin_logits(model, ids), theirs(ids).logits) < 1e-4
    assert torch.equal(load_model(tmp_path / "hf").model(ids), model(ids))


@pytest.mark.parametrize("config", [OF_2025, OF_2025.replace(qk_norm=True), OF_2026.replace(qk_norm=False)])
def test_what_no_class_of_transformers_computes_is_not_exported(config: ModelConfig) -> None:
    with pytest.raises(ConfigError, match="transformers has no class"):
        write_hf_config(config, "float32")


@torch.no_grad()
def test_int8_keeps_each_expert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, ids = random_model(OF_2025), random_ids(OF_2025)
    save_checkpoint(
        tmp_path / "own", OF_2025, model.state_dict(), name="tiny", tokenizer="byte", dtype="int8"
    )
    loaded = load_model(tmp_path / "own")
    assert loaded.config == OF_2025
    for name, tensor in loaded.model.state_dict().items():
        assert difference(tensor, model.state_dict()[name]) <= model.state_dict()[name].abs().max() / 127
    # a few tokens near a border go to another expert, whatever the router is rounded to
    assert (loaded.model(ids) - model(ids)).abs().median() < 0.2
    info(_options(tmp_path / "own", json=False))
    said = capsys.readouterr().out
    assert "active a token" in said and "num experts per tok" in said
    info(_options(tmp_path / "own", json=True))
    card = json.loads(capsys.readouterr().out)
    experts = 2 * 2 * 3 * 64 * 192  # layers, experts that a token does not meet, matrices of one
    assert card["num_parameters"] - card["active_parameters"] == experts


def _options(model: Path, **options: Any) -> Any:
    return type("Options", (), {"model": str(model), "tokenizer": None, **options})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"n_routed_experts": 8}, "num_experts=8 but the tensors have 4"),
        ({"n_shared_experts": 2}, "n_shared_experts=2 but the tensors have 1"),
        ({"num_experts_per_tok": 5}, "num_experts_per_tok must lie in 1-4"),
        ({"num_experts_per_tok": "two"}, "num_experts_per_tok must be a whole number"),
        ({"scoring_func": "sigmoid"}, "scoring_func='sigmoid'"),
        ({"use_moe": False}, "num_experts=0 but the tensors have 4"),
        ({"model_type": "qwen3_moe", "mlp_only_layers": [0]}, "mlp_only_layers=[0]"),
        ({"model_type": "qwen3_moe", "decoder_sparse_step": 2}, "decoder_sparse_step=2"),
    ],
)
def test_experts_that_ours_are_not_are_refused(
    byte_folder: Path, changes: dict[str, Any], expected: str
) -> None:
    torch.save(stored(OF_2025), byte_folder / "pytorch_model.bin")
    (byte_folder / "config.json").write_text(json.dumps(MINIMIND2_JSON | changes))
    assert expected in sentence(lambda: load_model(byte_folder))


@pytest.mark.parametrize(
    "lost", ["1.mlp.experts.2.up_proj", "0.mlp.gate", "1.mlp.shared_experts.0.down_proj"]
)
def test_an_expert_that_is_missing_is_named(byte_folder: Path, lost: str) -> None:
    state = stored(OF_2025)
    del state[f"model.layers.{lost}.weight"]
    torch.save(state, byte_folder / "moe.pth")
    assert f"lacks tensor 'model.layers.{lost}.weight'" in sentence(
        lambda: load_model(byte_folder / "moe.pth")
    )


def test_the_commands_run_it_and_say_that_nothing_is_compiled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "own")
    save_checkpoint(folder, OF_2026, random_model(OF_2026).state_dict(), name="tiny", tokenizer="byte")
    told = {}
    for method in ("cached", "compiled"):
        options = ["--model", folder, "--device", "cpu", "--max-new-tokens", "6", "--temperature", "0"]
        assert main(["generate", "--prompt", "ab", *options, "--method", method, "--json"]) == 0
        told[method] = json.loads(capsys.readouterr().out)
    assert told["cached"]["new_token_ids"] == told["compiled"]["new_token_ids"]
    said = [any("not compiled on a CPU" in note for note in each["notes"]) for each in told.values()]
    assert said == [False, True]
