"""The lines of the length bench: the chosen model under each treatment, and its relatives. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from labs.contract.columns import Context
from labs.q07_rope.params import LengthsParams
from labs.q07_rope.reading import Row
from labs.q07_rope.twins import twin, with_longer_table
from minimind_core.model.config import RopeScaling, RopeScalingKind
from minimind_core.model.minimind import MiniMind

KINDS: tuple[RopeScalingKind, ...] = ("pi", "ntk", "yarn")
TREATMENTS = ("none", *KINDS)
"""What the third prediction chooses among."""
SPECIMENS = {
    "rope": "nano-rope",
    "rope_1e4": "nano-rope-1e4",
    "learned": "nano-learned",
    "sinusoidal": "nano-sinusoidal",
    "alibi": "nano-alibi",
    "none": "nano-none",
}
"""One recipe and one tokenizer, alike but for their positions."""
UPSTREAM = RopeScaling("yarn", 16.0, 2048, attention_factor=1.0)
SHIFT = 100_000


def base_name(model: str) -> str:
    """The line that the treatments are measured against: "rope" for every RoPE model but one."""
    return "rope_1e4" if model == SPECIMENS["rope_1e4"] else "rope"


def rows(params: LengthsParams, model: MiniMind, lengths: tuple[int, ...], ctx: Context) -> Iterator[Row]:
    """The lines in the order in which they are read, what the predictions ask for first."""
    trained, longer = lengths[0], lengths[1:]
    yield Row(base_name(params.model), _always(model), lengths)
    for kind in KINDS:
        yield Row(
            kind, partial(stretched, params, model, kind, trained), lengths if params.factor else longer
        )
    yield Row("upstream", _always(twin(model, scaling=UPSTREAM)), lengths)
    if params.window:
        yield Row("window", _always(model), longer, window=trained)
    if params.shift:
        yield Row("shifted", _always(model), (trained,), offset=SHIFT)
    if params.others and params.model in SPECIMENS.values():
        yield from _relatives(params, lengths, ctx)


def cost(row: Row, length: int) -> float:
    """Relative time of a token in chunks of a length; attention with a mask is dearer."""
    written_out = row.window or row.offset or row.name == "alibi"
    return 1 + length / (800 if written_out else 5000)


def stretched(
    params: LengthsParams, model: MiniMind, kind: RopeScalingKind, trained: int, length: int
) -> MiniMind:
    """The model with its frequencies stretched, by length over trained length unless a factor was set."""
    factor = params.factor or length / trained
    unscaled = 1.0 if kind == "yarn" and not params.temperature else None
    return twin(
        model, scaling=RopeScaling(kind, factor, params.original or trained, attention_factor=unscaled)
    )


def _relatives(params: LengthsParams, lengths: tuple[int, ...], ctx: Context) -> Iterator[Row]:
    for name, specimen in SPECIMENS.items():
        if name == base_name(params.model):
            continue
        model: MiniMind = ctx.model(specimen).model
        ends = model.config.position == "learned"
        yield Row(name, _always(model), lengths[:1] if ends else lengths)
        if ends and lengths[1:]:
            longer = with_longer_table(model, lengths[-1], params.seed)
            yield Row("learned_longer", _always(longer), lengths[1:])


def _always(model: MiniMind) -> Callable[[int], MiniMind]:
    """The same model for chunks of any length."""
    return lambda _length: model
