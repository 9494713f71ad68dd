"""The shape of a model: one frozen dataclass, checked when it is made. No torch here.

Does not count anything (that is `cost.py`) and holds no training settings (`training_config.py`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

from minimind_core.errors import require
from minimind_core.written_settings import as_table, built

LARGEST = 2**31 - 1
"""Of any length, width or count: far beyond every model, and every integer type holds it."""
MAX_NUMBER = 1e12
"""Of any base, factor or epsilon; beyond it floating point rounds what is computed from it to nothing."""
SIZES = (
    *("vocab_size", "hidden_size", "num_layers", "num_heads"),
    *("num_kv_heads", "head_dim", "intermediate_size", "max_length"),
)
"""Of ModelConfig: the whole numbers that every model has."""
EXPERT_FIELDS = ("num_experts", "num_experts_per_tok", "n_shared_experts", "norm_topk_prob")
"""Of ModelConfig; a dense model has no use for them."""
PositionKind = Literal["rope", "learned", "sinusoidal", "alibi", "none"]
RopeScalingKind = Literal["pi", "ntk", "yarn"]


@dataclass(frozen=True)
class RopeScaling:
    """How RoPE frequencies are stretched beyond the trained length (see `rope.py` for the sources).

    `original_length` is the length that the weights were trained at; the target length is
    `factor * original_length`. `attention_factor` multiplies cos and sin; None means the paper's
    0.1 ln(factor) + 1 for YaRN (Peng et al. 2023) and 1 for the others.
    """

    kind: RopeScalingKind
    factor: float = 1.0
    original_length: int = 512
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float | None = None

    def __post_init__(self) -> None:
        require(
            self.kind in get_args(RopeScalingKind),
            f"RoPE scaling must be one of {_known(RopeScalingKind)}, not {self.kind!r:.40}.",
            key="model.scaling",
            known=_known(RopeScalingKind),
            given=f"{self.kind!r:.40}",
        )
        numbers = ["factor", "original_length", "beta_fast", "beta_slow"]
        for name in [*numbers, *(["attention_factor"] if self.attention_factor is not None else [])]:
            check_number(name, getattr(self, name))
        require(self.factor >= 1, "Factor must be at least 1; 1 means no scaling.", key="model.factor")
        require(
            self.original_length >= 1, "The original length must be at least 1.", key="model.original_length"
        )
        require(
            self.beta_fast > self.beta_slow > 1 / MAX_NUMBER,
            "beta_fast must be larger than beta_slow, and both positive.",
            key="model.betas",
        )


@dataclass(frozen=True)
class ModelConfig:
    """A Llama-like decoder. The defaults are MiniMind2-Small: 25,829,888 parameters.

    >>> ModelConfig(num_kv_heads=8).group_size
    1
    """

    vocab_size: int = 6400
    hidden_size: int = 512
    num_layers: int = 8
    num_heads: int = 8
    num_kv_heads: int = 2
    head_dim: int = 64
    intermediate_size: int = 1408
    max_length: int = 512
    """Trained length in tokens. RoPE, ALiBi, sinusoidal and none run beyond it; learned does not."""
    rms_norm_eps: float = 1e-5
    position: PositionKind = "rope"
    rope_theta: float = 1e6
    rope_scaling: RopeScaling | None = None
    qk_norm: bool = False
    """RMSNorm over head_dim on queries and keys before RoPE, as MiniMind-3 and Qwen3 do."""
    tie_word_embeddings: bool = True
    num_experts: int = 0
    """Feed-forwards of `intermediate_size` that a router chooses from in every layer; 0 is a dense model."""
    num_experts_per_tok: int = 1
    """How many of them a token goes through: those of the largest softmax probability."""
    n_shared_experts: int = 0
    """Further ones that every token goes through, as in DeepSeekMoE (Dai et al. 2024) and MiniMind2."""
    norm_topk_prob: bool = True
    """Whether the weights of a token's experts are divided by their sum."""
    pad_id: int = 0
    bos_id: int = 1
    eos_id: int = 2

    def __post_init__(self) -> None:
        self._check_sizes()
        self._check_positions()
        self._check_experts()
        check_number("rms_norm_eps", self.rms_norm_eps)
        require(self.rms_norm_eps > 0, "rms_norm_eps must be positive.", key="model.epsilon")
        require(
            all(
                isinstance(i, int) and 0 <= i < self.vocab_size
                for i in (self.pad_id, self.bos_id, self.eos_id)
            ),
            f"Special token ids must lie in 0-{self.vocab_size - 1}.",
            key="model.special",
            last=self.vocab_size - 1,
        )

    def _check_sizes(self) -> None:
        for name in SIZES:
            value = getattr(self, name)
            require(
                isinstance(value, int) and not isinstance(value, bool) and value >= 1,
                f"{name} must be a whole number of at least 1, not {value!r:.40}.",
                key="model.whole",
                name=name,
                given=f"{value!r:.40}",
            )
            require(
                value <= LARGEST,
                f"{name} must be at most {LARGEST:,}, not {value!r:.40}.",
                key="model.most",
                name=name,
                most=LARGEST,
                given=f"{value!r:.40}",
            )
        require(
            self.num_heads % self.num_kv_heads == 0,
            f"{self.num_heads} query heads cannot be split evenly over {self.num_kv_heads} KV heads.",
            key="model.heads",
            query=self.num_heads,
            shared=self.num_kv_heads,
        )

    def _check_positions(self) -> None:
        require(
            self.position in get_args(PositionKind),
            f"position must be one of {_known(PositionKind)}, not {self.position!r:.40}.",
            key="written.choice",
            name="position",
            known=_known(PositionKind),
            given=f"{self.position!r:.40}",
        )
        require(
            self.head_dim % 2 == 0 or self.position != "rope",
            "Head dimension must be even: RoPE rotates pairs.",
            key="model.pairs",
        )
        check_number("rope_theta", self.rope_theta)
        require(
            self.rope_theta > 1,
            "Base must be larger than 1, or the frequencies do not fall.",
            key="model.base",
        )
        require(
            isinstance(self.rope_scaling, RopeScaling | None),
            f"rope_scaling must be a RopeScaling or None, not {self.rope_scaling!r:.40}.",
            key="model.no_scaling",
            given=f"{self.rope_scaling!r:.40}",
        )
        require(
            self.rope_scaling is None or self.position == "rope",
            "RoPE scaling needs position='rope'.",
            key="model.scaling_without_rope",
        )

    def _check_experts(self) -> None:
        for name in ("num_experts", "num_experts_per_tok", "n_shared_experts"):
            value = getattr(self, name)
            require(
                isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST,
                f"{name} must be a whole number from 0 to {LARGEST:,}, not {value!r:.40}.",
                key="model.count",
                name=name,
                most=LARGEST,
                given=f"{value!r:.40}",
            )
        require(
            isinstance(self.norm_topk_prob, bool),
            f"norm_topk_prob of the experts must be true or false, not {self.norm_topk_prob!r:.40}.",
            key="written.truth",
            name="norm_topk_prob",
            given=f"{self.norm_topk_prob!r:.40}",
        )
        require(
            self.num_experts == 0 or 1 <= self.num_experts_per_tok <= self.num_experts,
            f"num_experts_per_tok must lie in 1-{self.num_experts}, the experts that there are.",
            key="model.experts_per_token",
            experts=self.num_experts,
        )
        require(
            self.num_experts > 0 or self.n_shared_experts == 0,
            "Shared experts stand beside others; give num_experts, or leave n_shared_experts at 0.",
            key="model.shared_experts",
        )

    @property
    def group_size(self) -> int:
        """Query heads that share one KV head."""
        return self.num_heads // self.num_kv_heads

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data, of a dense model without what experts need; `from_dict` reads it back."""
        values = dataclasses.asdict(self)
        unused = () if self.num_experts else EXPERT_FIELDS
        return {name: value for name, value in values.items() if name not in unused}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ModelConfig:
        """Read `to_dict`'s form. Raises ConfigError on an unknown key, with the nearest known one."""
        values = dict(as_table("model", data))
        if isinstance(values.get("rope_scaling"), dict):
            values["rope_scaling"] = built(RopeScaling, "rope_scaling", values["rope_scaling"])
        return built(cls, "model", values)

    def replace(self, **changes: Any) -> ModelConfig:
        """A copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)


def check_number(name: str, value: Any) -> None:
    """Raise ConfigError unless `value` is a number of at most MAX_NUMBER, either sign; NaN is none."""
    require(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER,
        f"{name} must be a number of at most {MAX_NUMBER:g}, not {value!r:.40}.",
        key="model.number",
        name=name,
        most=f"{MAX_NUMBER:g}",
        given=f"{value!r:.40}",
    )


def _known(kinds: Any) -> str:
    return ", ".join(get_args(kinds))


def swiglu_width(hidden_size: int) -> int:
    """MiniMind2's feed-forward width: 8/3 of the hidden size, rounded up to a multiple of 64.

    >>> swiglu_width(512)
    1408
    """
    return 64 * -(-int(8 * hidden_size / 3) // 64)


_NANO = ModelConfig(
    vocab_size=1024,
    hidden_size=128,
    num_layers=5,
    num_heads=8,
    num_kv_heads=2,
    head_dim=32,
    intermediate_size=320,
)

PRESETS: dict[str, ModelConfig] = {
    "minimind-26m": ModelConfig(),
    "draft-1l": ModelConfig(num_layers=1),
    "nano-rope": _NANO,
    "nano-rope-1e4": _NANO.replace(rope_theta=1e4),
    "nano-learned": _NANO.replace(position="learned"),
    "nano-sinusoidal": _NANO.replace(position="sinusoidal"),
    "nano-alibi": _NANO.replace(position="alibi"),
    "nano-none": _NANO.replace(position="none"),
    "nano-mha": _NANO.replace(num_kv_heads=8),
    "nano-mqa": _NANO.replace(num_kv_heads=1),
    "byte-128": ModelConfig(
        vocab_size=259,
        hidden_size=128,
        num_layers=4,
        num_heads=4,
        num_kv_heads=4,
        head_dim=32,
        intermediate_size=swiglu_width(128),
        max_length=128,
    ),
    "toy": ModelConfig(
        vocab_size=1024,
        hidden_size=64,
        num_layers=3,
        num_heads=4,
        num_kv_heads=2,
        head_dim=16,
        intermediate_size=swiglu_width(64),
        max_length=64,
    ),
}
"""Every shipped shape by name. The specimens of one family differ from `nano-rope` in one thing."""
