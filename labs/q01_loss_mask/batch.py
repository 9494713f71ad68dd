"""A batch of texts as X, Y and mask, each pair with the model's own loss, under every rule for the mask.

The forward needs the batch alone; the rule and the mean only choose among its losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict, cast, get_args

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Shown, Words, choice, switch, text, whole
from labs.contract.fields import ParamError
from labs.q01_loss_mask.batch_figures import figures, table
from labs.q01_loss_mask.batch_notes import notes
from labs.q01_loss_mask.pieces import piece
from labs.q01_loss_mask.rows import (
    Framing,
    Mask,
    Mean,
    Rows,
    Rule,
    Side,
    count_targets,
    make_rows,
    mask_of,
    mean_loss,
)
from labs.q01_loss_mask.toys import TOYS
from labs.q01_loss_mask.typed_rows import read_ids, split
from labs.tools.budgets import PerDevice
from minimind_core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from minimind_core.files.checkpoint import LoadedModel
    from minimind_core.model.minimind import MiniMind

TEXTS = {
    "zh": "今天天气很好; 孩子们在公园里一边走一边唱歌",
    "en": "The weather is nice today; The children play in the park and sing all day long",
}
"""What a page begins with, by the reader's language: a short text and a longer one."""
MOST_ROWS = 8
OTHER_FILLERS = (77, 78)
"""Ordinary tokens, of which one stands in for the padding once, to see who notices."""
SECONDS_A_TOKEN = PerDevice(cpu=1.2e-3, cuda=1e-5)


@dataclass(frozen=True)
class BatchParams(Params):
    """Texts stand between semicolons; a row of `max_length` ids has one pair less."""

    rows: str = text(TEXTS["zh"], openings=TEXTS, max_length=8000, primary=True)
    rows_are: str = choice("text", ("text", "ids"))
    max_length: int = whole(16, 2, 512, unit="tokens")
    mask: str = choice("y", get_args(Rule), view=True, primary=True)
    mean: str = choice("token", get_args(Mean), view=True)
    specials: bool = switch(True)
    pad_side: str = choice("right", get_args(Side))
    pad_is_eos: bool = switch(False)
    eos_when_cut: bool = switch(False)
    weights: str = choice("trained", ("trained", "fresh", *TOYS))

    def check_together(self) -> None:
        """Raise ParamError for rows without room or without a whole batch of ids."""
        if self.specials and self.max_length < 3:
            sentence = "No room for text between BOS and EOS; use a maximum length of at least 3."
            raise ParamError("together", "max_length", sentence, key="q01.no_room")
        texts = split(self.rows)
        if len(texts) > MOST_ROWS:
            sentence = f"There are {len(texts)} texts; the most is {MOST_ROWS}."
            raise ParamError(
                "together", "rows", sentence, key="q01.many_texts", count=len(texts), most=MOST_ROWS
            )
        if self.rows_are == "ids":
            for one in texts:
                read_ids(one)


class BatchView(TypedDict):
    """The chosen rule: its pairs reach `offset` ids ahead, mask int32 [N, T - offset]; by `weights`."""

    weights: str
    rule: str
    mean: str
    offset: int
    mask: NDArray[np.int32]
    count: int
    reported: float | None
    by_rule: dict[str, float | None]
    counts: dict[str, int]


class BatchResult(TypedDict):
    """N rows of T ids; `losses` [N, T - 1] of the next id, `skipping` [N, T - 2] of the one after it."""

    ids: NDArray[np.int32]
    pieces: list[list[str]]
    real: NDArray[np.int32]
    lengths: list[int]
    cut: list[bool]
    pad_id: int
    losses: NDArray[np.float32]
    skipping: NDArray[np.float32]
    targets: int
    pairs: int
    formula_targets: int
    masked: float
    ignore_index: float
    unequal: NotRequired[int]
    """Pairs whose loss is not the same to the last bit with labels of -100 as times the mask of Y."""
    filler_change: float
    """Largest change of a logit at a real position when padding is another token; 0 without padding."""
    view: NotRequired[BatchView]


class Batch(Experiment[BatchParams, BatchResult]):
    """X, Y and mask of a batch, the model's loss at every pair, and what each rule makes of them."""

    def seconds(self, params: BatchParams, device: DeviceClass) -> float:
        """Each row is read twice, the second time with other padding."""
        return 0.3 + len(split(params.rows)) * params.max_length * SECONDS_A_TOKEN.on(device)

    def formula(self, params: BatchParams) -> dict[str, int] | None:
        """The targets of typed ids; how many ids a text has only the tokenizer knows."""
        if params.rows_are != "ids":
            return None
        lengths = [len(read_ids(one)) + 2 * params.specials for one in split(params.rows)]
        return {"targets": count_targets([min(length, params.max_length) for length in lengths])}

    def measure(self, params: BatchParams, ctx: Context) -> BatchResult:
        """Reads the batch row by row, and once more with another filler."""
        import torch
        import torch.nn.functional as F

        from labs.q01_loss_mask import labels

        ctx.progress(0.0, "loading")
        loaded = ctx.model(params.weights if params.weights in TOYS else None)
        model = _fresh(loaded, ctx) if params.weights == "fresh" else loaded.model
        framing = _framing(params, loaded)
        rows = make_rows(_encoded(params, loaded), framing)
        lengths = rows.real.sum(1).tolist()
        check_targets(lengths)
        other = next(filler for filler in OTHER_FILLERS if filler != framing.pad_id)
        on_progress = ctx.part(0.1, 1.0, "reading")
        losses, skipping, labelled, change = [], [], [], 0.0
        with torch.inference_mode():
            for index in range(len(rows.ids)):
                on_progress(index / len(rows.ids))
                ids, also = (
                    torch.tensor(batch[index : index + 1], dtype=torch.int64, device=ctx.device)
                    for batch in (rows.ids, np.where(rows.real, rows.ids, other))
                )  # [1, T]
                logits = model(ids).float()  # [1, T, V]
                losses.append(F.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="none"))  # [T - 1]
                skipping.append(F.cross_entropy(logits[0, :-2], ids[0, 2:], reduction="none"))  # [T - 2]
                labelled.append(labels.losses_by_label(logits, ids, rows.real[index]))  # [T - 1]
                if not rows.real[index].all():
                    on_progress((index + 0.5) / len(rows.ids))
                    change = max(change, _change(logits, model(also).float(), rows.real[index]))
            every, by_label = (torch.stack(each).cpu() for each in (losses, labelled))  # [N, T - 1]
            mask = torch.tensor(mask_of("y", rows, framing.pad_id))
        return {
            "ids": rows.ids,
            "pieces": [[piece(loaded.tokenizer, index) for index in row] for row in rows.ids.tolist()],
            "real": rows.real.astype(np.int32),
            "lengths": lengths,
            "cut": rows.cut,
            "pad_id": framing.pad_id,
            "losses": every.numpy(),
            "skipping": torch.stack(skipping).cpu().numpy(),
            "targets": int(mask.sum()),
            "pairs": every.numel(),
            "formula_targets": count_targets(lengths),
            "masked": float((every * mask).sum() / mask.sum()),
            "ignore_index": float(by_label.sum() / mask.sum()),
            "unequal": int((by_label != every * mask).sum()),
            "filler_change": change,
        }

    def view(self, params: BatchParams, result: BatchResult) -> BatchView | None:
        """The pairs that the chosen rule keeps, and the loss that each rule would report.

        None for what the formula gives, a count alone.
        """
        if "losses" not in result:
            return None
        rows = Rows(result["ids"], result["real"].astype(bool), result["cut"])
        mean = cast(Mean, params.mean)
        masks = {rule: _moved(rule, mask_of(rule, rows, result["pad_id"])) for rule in get_args(Rule)}
        losses = {rule: result["skipping" if rule == "double_shift" else "losses"] for rule in masks}
        by_rule = {rule: mean_loss(losses[rule], mask, mean) for rule, mask in masks.items()}
        chosen = masks[params.mask]
        return {
            "weights": params.weights,
            "rule": params.mask,
            "mean": params.mean,
            "offset": 2 if params.mask == "double_shift" else 1,
            "mask": chosen.astype(np.int32),
            "count": int(chosen.sum()),
            "reported": by_rule[params.mask],
            "by_rule": by_rule,
            "counts": {rule: int(mask.sum()) for rule, mask in masks.items()},
        }

    def show(self, result: BatchResult, text: Words) -> Shown:
        """The pairs with their losses, what each rule reports, and the loss as a sum of two areas."""
        return Shown(
            figures(result, text),
            rows=table(result, text),
            notes=notes(result, text),
            numbers={
                text("targets"): result["view"]["count"],
                text("masked"): result["masked"],
                text("ignore_index"): result["ignore_index"],
            },
            sentence={
                "said": result["pairs"],
                "formula": result["formula_targets"],
                "measured": result["targets"],
                "unit": text("unit.targets"),
            },
        )


def check_targets(lengths: Sequence[int]) -> None:
    """Raise ConfigError for a batch in which nothing can be predicted."""
    if count_targets(lengths):
        return
    if max(lengths) == 0:
        raise ConfigError("0 tokens: no target exists. See Q2.", key="q01.no_tokens")
    raise ConfigError(
        "One token has nothing to predict; write more, or add BOS and EOS.", key="q01.one_token"
    )


def _fresh(loaded: LoadedModel, ctx: Context) -> MiniMind:
    """An untrained model of the same shape."""
    from labs.tools.models import untrained

    ctx.progress(0.05, "building")
    return untrained(loaded.config, ctx.device).to(loaded.model.dtype).eval()


def _framing(params: BatchParams, loaded: LoadedModel) -> Framing:
    config = loaded.config
    return Framing(
        params.max_length,
        config.eos_id if params.pad_is_eos else config.pad_id,
        config.bos_id if params.specials else None,
        config.eos_id if params.specials else None,
        cast(Side, params.pad_side),
        params.eos_when_cut,
    )


def _encoded(params: BatchParams, loaded: LoadedModel) -> list[list[int]]:
    """The ids of each text. Raises ConfigError for an id that the model lacks."""
    if params.rows_are == "text":
        return [loaded.tokenizer.encode(one) for one in split(params.rows)]
    texts = [read_ids(one) for one in split(params.rows)]
    size, largest = loaded.config.vocab_size, max((index for ids in texts for index in ids), default=0)
    if largest >= size:
        sentence = f"There is no token {largest}; this model's ids go up to {size - 1}."
        raise ConfigError(sentence, key="q01.vocabulary", given=largest, last=size - 1)
    return texts


def _change(one: Tensor, other: Tensor, real: Mask) -> float:
    """Largest difference of two logits [1, T, V] at real positions [T]."""
    import torch

    places = torch.tensor(real, device=one.device)
    return float((one - other)[0, places].abs().max()) if real.any() else 0.0


def _moved(rule: Rule, mask: Mask) -> Mask:
    """A mask [N, T - 1] over the pairs of its rule: those of a double shift end one place earlier."""
    return mask[:, 1:] if rule == "double_shift" else mask
