"""How a config.json says that RoPE is stretched: its `rope_scaling` or `rope_parameters`. No torch.

Defaults and nulls are those of transformers 5: a YaRN dictionary that does not name the original length means
the model's own `max_position_embeddings`, and null betas are 32 and 1. What ours does not compute (dynamic,
longrope, llama3, mscale, truncate) is refused by name, never left out. The base, `rope_theta`, is the
caller's: take it out first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from minimind_core.errors import ConfigError
from minimind_core.model.config import MAX_NUMBER, RopeScaling, RopeScalingKind

KINDS: dict[str, RopeScalingKind] = {"linear": "pi", "yarn": "yarn"}
"""transformers' names of what both can compute, and ours."""
ORIGINAL = "original_max_position_embeddings"
YARN_FIELDS = {
    "factor": "factor",
    ORIGINAL: "original_length",
    "beta_fast": "beta_fast",
    "beta_slow": "beta_slow",
    "attention_factor": "attention_factor",
}
"""Hugging Face's name -> the field of RopeScaling."""


def write_rope_dictionary(scaling: RopeScaling) -> dict[str, Any]:
    """The dictionary of a `yarn` or `pi` scaling, as transformers reads it."""
    if scaling.kind == "pi":
        return {"rope_type": "linear", "factor": scaling.factor}
    fields = {theirs: getattr(scaling, ours) for theirs, ours in YARN_FIELDS.items()}
    return {"rope_type": scaling.kind, **{key: value for key, value in fields.items() if value is not None}}


def read_rope_dictionary(
    rope: Mapping[str, Any], max_length: int, kinds: Mapping[str, RopeScalingKind] = KINDS
) -> RopeScaling | None:
    """The scaling that `rope` asks for; None for "default" or nothing.

    `max_length` is the model's `max_position_embeddings`: YaRN's original length where `rope` names none, and
    what linear scaling reaches. `kinds` are the names that may stand as `rope_type`. Raises ConfigError with
    one sentence; of its `values`, `name` is what cannot be computed.

    >>> read_rope_dictionary({"type": "yarn", "factor": 4.0}, 2048).original_length
    2048
    """
    given = {key: value for key, value in rope.items() if key not in ("rope_type", "type")}
    kind = rope.get("rope_type", rope.get("type", "default" if not given else None))
    if kind == "default":
        _refuse_others(given, ())
        return None
    if not isinstance(kind, str) or kind not in kinds:
        raise ConfigError(
            f"rope_type {kind!r:.40} is not computed here; use default, {' or '.join(kinds)}.",
            key="rope.kind",
            name=f"{kind:.40}" if isinstance(kind, str) else repr(kind)[:40],
            known=", ".join(["default", *kinds]),
        )
    _refuse_others(given, YARN_FIELDS if kinds[kind] == "yarn" else ("factor",))
    numbers = {key: _number(key, value) for key, value in given.items() if value is not None}
    if "factor" not in given or (given["factor"] is None and ORIGINAL not in numbers):
        raise ConfigError("The RoPE dictionary lacks 'factor'; add it.", key="rope.factor")
    original = numbers.get(ORIGINAL, max_length)
    factor = numbers.get("factor", max_length / max(original, 1))
    if kinds[kind] != "yarn":
        return RopeScaling(kinds[kind], factor, max(int(max_length / max(factor, 1)), 1))
    return RopeScaling(
        "yarn",
        factor,
        int(original),
        numbers.get("beta_fast") or 32.0,
        numbers.get("beta_slow") or 1.0,
        numbers.get("attention_factor"),
    )


def _refuse_others(given: Mapping[str, Any], allowed: Collection[str]) -> None:
    for key in given:
        if key not in allowed:
            raise ConfigError(
                f"{key!r:.40} in the RoPE dictionary is not computed here; choose a model without it.",
                key="rope.field",
                name=key[:40],
            )


def _number(key: str, value: Any) -> float:
    """The value itself where it is a number that can be computed with."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER:
        return value
    raise ConfigError(
        f"{key!r} in the RoPE dictionary must be a number of at most {MAX_NUMBER:g}.",
        key="rope.number",
        name=key,
        most=MAX_NUMBER,
    )
