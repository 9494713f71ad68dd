"""How the next token is chosen: the settings of one request, checked when they are made. No torch here.

Does not filter or draw anything (that is `sampling.py`), so that a web page can check a person's
settings without loading torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from minimind_core.errors import ConfigError, require

MAX_SEED = 2**63 - 1
LARGEST = 1e30
"""Of a temperature or a penalty; what is computed with it stays within fp32."""
MAX_TOP_K = 2**31 - 1

_LABELS = {
    "temperature": "Temperature",
    "top_k": "Top-k",
    "top_p": "Top-p",
    "min_p": "Min-p",
    "repetition_penalty": "Repetition penalty",
}


@dataclass(frozen=True)
class SamplingParams:
    """Settings of one request. The defaults sample from the model's own distribution, unchanged.

    The filters act in this order, as transformers applies them: repetition penalty, temperature,
    top-k, top-p, min-p. Each of them is off at its default.

    >>> SamplingParams(temperature=0).greedy
    True
    """

    temperature: float = 1.0
    """Divides the logits; below 1 sharpens, above 1 flattens, 0 takes the top token (greedy)."""
    top_k: int = 0
    """Keeps the k most likely tokens; 0 keeps all (Fan et al. 2018)."""
    top_p: float = 1.0
    """Keeps the fewest, most likely tokens whose mass reaches p; 1 keeps all (Holtzman et al. 2019)."""
    min_p: float = 0.0
    """Keeps tokens of at least min_p times the top probability; 0 keeps all (Nguyen et al. 2024)."""
    repetition_penalty: float = 1.0
    """Above 1 makes tokens that were already seen less likely; 1 is off (CTRL, Keskar et al. 2019)."""
    seed: int | None = None
    """The same seed gives the same tokens, alone or in any batch; None is a fresh one each time."""

    def __post_init__(self) -> None:
        for name in _LABELS:
            check_setting(name, getattr(self, name))
        if self.seed is not None and not (isinstance(self.seed, int) and 0 <= self.seed <= MAX_SEED):
            raise ConfigError(
                f"Seed must be a whole number from 0 to 2^63 - 1, not {self.seed!r:.40}.",
                key="sampling.seed",
                given=f"{self.seed!r:.40}",
            )

    @property
    def greedy(self) -> bool:
        """True where the top token is always taken, so that no noise is needed."""
        return self.temperature == 0

    def notes(self, vocab_size: int) -> list[str]:
        """Sentences on valid settings that have an effect one may not expect; often none.

        >>> SamplingParams(top_k=9000).notes(6400)
        ['Top-k 9000 is more than the vocabulary of 6400, so all tokens are kept.']
        """
        notes = []
        if self.greedy:
            notes.append("Temperature 0 is greedy: it takes the top token; top-k, top-p, min-p do nothing.")
        if self.top_k > vocab_size:
            notes.append(
                f"Top-k {self.top_k} is more than the vocabulary of {vocab_size}, so all tokens are kept."
            )
        return notes


def check_setting(name: str, value: Any) -> None:
    """Check one setting by its field name. Raises ConfigError with one sentence that says what is allowed.

    >>> check_setting("top_p", 0.9)
    """
    label = _LABELS[name]
    if not isinstance(value, (int, float)) or value != value:  # NaN: math.isnan would break the graph
        raise ConfigError(
            f"{label} must be a number, not {value!r}.", key="sampling.number", name=name, given=repr(value)
        )
    if name == "temperature":
        require(value >= 0, "Negative temperature would favour the worst tokens.", key="sampling.negative")
        require(
            value < math.inf,
            "Temperature must be finite; large values are already close to uniform.",
            key="sampling.infinite",
        )
        require(
            value <= LARGEST,
            f"Temperature must be at most {LARGEST:g}; that is uniform already.",
            key="sampling.hottest",
            most=f"{LARGEST:g}",
        )
    elif name == "top_k":
        require(
            isinstance(value, int) and value >= 0,
            "Top-k must be a whole number of at least 0; 0 keeps all tokens.",
            key="sampling.top_k",
        )
        require(
            value <= MAX_TOP_K,
            f"Top-k must be at most {MAX_TOP_K:,}; 0 keeps all tokens.",
            key="sampling.most_k",
            most=MAX_TOP_K,
        )
    elif name == "top_p":
        require(0 < value <= 1, "Top-p must be in (0, 1].", key="sampling.top_p")
    elif name == "min_p":
        require(0 <= value <= 1, "Min-p must be in [0, 1]; 0 keeps all tokens.", key="sampling.min_p")
    else:
        _check_penalty(value)


def _check_penalty(value: float) -> None:
    require(
        0 < value < math.inf,
        "Repetition penalty must be positive and finite; 1 switches it off.",
        key="sampling.penalty",
    )
    require(
        1 / LARGEST <= value <= LARGEST,
        f"Repetition penalty must be from {1 / LARGEST:g} to {LARGEST:g}; 1 switches it off.",
        key="sampling.penalty_range",
        least=f"{1 / LARGEST:g}",
        most=f"{LARGEST:g}",
    )
