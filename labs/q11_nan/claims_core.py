"""The claims of Question 11 about torch and the core, made to happen on small models. Imports torch."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import default_collate

from labs.claims.checks import Check, Finding
from labs.q11_nan.claims import given
from labs.tools.models import hooked
from minimind_core.model.config import PRESETS
from minimind_core.model.minimind import MiniMind
from minimind_core.training.batches import Batch
from minimind_core.training.trainer import Trainer
from minimind_core.training.training_config import TrainingConfig

SMALL = PRESETS["nano-rope"].replace(num_layers=8)


def planted_infinity() -> dict[str, str]:
    """Where the first Inf and the first NaN stand when an entry of a projection is Inf."""
    model, seen = _model(), dict[str, Tensor]()
    planted = model.model.get_submodule(f"layers.{given('block')}.mlp.up_proj")
    watched = [(name, module) for name, module in model.model.named_modules() if name]
    with (
        planted.register_forward_hook(_plant),
        hooked(module.register_forward_hook(_keep(seen, name)) for name, module in watched),
        torch.inference_mode(),
    ):
        model(_tokens())
    first = {
        kind: next(name for name, out in seen.items() if test(out).any())
        for kind, test in (("infinite", torch.isinf), ("nan", torch.isnan))
    }
    block = seen[f"layers.{given('block')}"]
    return {
        "first_infinite": first["infinite"],
        "first_nan": first["nan"],
        "block_output": "NaN" if block.isnan().any() else "Inf" if block.isinf().any() else "finite",
    }


def bad_row() -> dict[str, str]:
    """The loss with one NaN row of the embedding, tied or not, its token in the batch or not."""

    def outcome(tied: bool, present: bool) -> str:
        model, ids = _model(tied), _tokens()
        row = int(ids[0, 3]) if present else SMALL.vocab_size - 1
        with torch.no_grad():
            model.model.embed_tokens.weight[row] = torch.nan
            loss = F.cross_entropy(model(ids)[0, :-1], ids[0, 1:])
        return "finite" if loss.isfinite() else "NaN"

    return {
        "tied_absent": outcome(True, False),
        "untied_absent": outcome(False, False),
        "untied_present": outcome(False, True),
    }


def recovery() -> dict[str, Any]:
    """A step of AdamW after poisoned moments, with weights restored alone and with its state."""

    def after_step(with_state: bool) -> str:
        weight, optimizer = _trained()
        good, state = weight.detach().clone(), optimizer.state_dict()
        saved = copy.deepcopy(state)
        _step(weight, optimizer, torch.nan)
        with torch.no_grad():
            weight.copy_(good)
        if with_state:
            optimizer.load_state_dict(saved)
        _step(weight, optimizer, 1.0)
        return "finite" if weight.isfinite().all() else "NaN"

    def keeps_half(schedule: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler]) -> bool:
        weight, optimizer = _trained()
        scheduler, group = schedule(optimizer), optimizer.param_groups[0]
        planned = group["lr"]
        group["lr"] = planned / 2
        _step(weight, optimizer, 1.0)
        scheduler.step()
        return bool(group["lr"] <= planned / 2)

    schedules = torch.optim.lr_scheduler
    return {
        "weights_only": after_step(False),
        "weights_and_optimizer": after_step(True),
        "halved_rate_from_step": keeps_half(lambda opt: schedules.LambdaLR(opt, lambda step: 1 - step / 100)),
        "halved_rate_chained": keeps_half(lambda opt: schedules.StepLR(opt, step_size=100)),
    }


def no_key_to_see() -> dict[str, Any]:
    """Attention of a query that may see nothing, and the gradient that the other rows send to the values."""
    random = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 1, 3, 4, generator=random) for _ in range(3))
    value.requires_grad_()
    mask = torch.ones(3, 3, dtype=torch.bool)
    mask[1] = False
    by_hand = (query @ key.transpose(-1, -2)).masked_fill(~mask, -torch.inf).softmax(-1) @ value
    by_hand[..., [0, 2], :].sum().backward()
    fused = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)[0, 0, 1]
    assert value.grad is not None
    return {
        "by_hand": _told(by_hand[0, 0, 1]),
        "fused": float(fused.detach().abs().max()),
        "value_gradient": _told(value.grad),
    }


def anomaly_mode() -> dict[str, str]:
    """What anomaly mode says to four graphs that are wrong in different ways."""
    zero, one = torch.zeros(1, requires_grad=True), torch.ones(1, requires_grad=True)
    return {
        "nan_in_backward": _anomaly(lambda: torch.where(zero > 0, zero.sqrt(), 0 * zero)),
        "nan_from_forward": _anomaly(lambda: one * (torch.inf * zero.detach())),
        "infinite_gradient": _anomaly(lambda: one * torch.inf),
        "nan_loss_clean_gradient": _anomaly(lambda: one + torch.nan),
    }


def guarded_root() -> dict[str, Any]:
    """`where` around a square root at zero: forward, its gradient, and that with a safe argument inside."""
    x = torch.zeros(1, requires_grad=True)
    y = torch.where(x > 0, x.sqrt(), torch.zeros(1))
    safe = torch.where(x > 0, torch.where(x > 0, x, torch.ones(1)).sqrt(), torch.zeros(1))
    (gradient,), (guarded,) = (torch.autograd.grad(root.sum(), x) for root in (y, safe))
    assert torch.equal(y, safe)
    return {"forward": _told(y), "gradient": _told(gradient), "safe": float(guarded)}


def labels_and_ids() -> dict[str, Any]:
    """An id beyond the vocabulary, and cross-entropy with all labels ignored."""
    try:
        _model()(torch.tensor([[SMALL.vocab_size]]))
        raised = "nothing"
    except IndexError as error:
        raised = type(error).__name__
    logits = torch.zeros(2, 3, requires_grad=True)
    loss = F.cross_entropy(logits, torch.tensor([-100, -100]))
    loss.backward()
    assert logits.grad is not None
    return {
        "too_large": raised,
        "all_ignored_loss": _told(loss),
        "all_ignored_gradient": float(logits.grad.abs().max()),
    }


def fused_kernels() -> dict[str, str]:
    """Scores and an update of AdamW in FP16, written out and fused."""
    query = torch.full((1, 1, 2, given("head_dim")), float(given("activation")), dtype=torch.half)
    fused = F.scaled_dot_product_attention(query, query, torch.ones_like(query))
    return {
        "attention_by_hand": _told(query @ query.transpose(-1, -2)),
        "attention_fused": _told(fused),
        "adamw_by_hand": _told(_half_update(fused=False)),
        "adamw_fused": _told(_half_update(fused=True)),
    }


def fp8_range() -> dict[str, Any]:
    """The largest number of FP8 E4M3, and whether it has an Inf."""
    kind = torch.float8_e4m3fn
    return {
        "largest": torch.finfo(kind).max,
        "has_infinity": bool(torch.tensor([torch.inf]).to(kind).float().isinf().any()),
    }


def none_in_a_batch() -> str:
    """What the default collate says to a None."""
    try:
        default_collate([torch.ones(1), None])
    except TypeError as error:
        return type(error).__name__
    return "nothing"


def _model(tied: bool = True) -> MiniMind:
    torch.manual_seed(0)
    return MiniMind(SMALL.replace(tie_word_embeddings=tied)).eval()


def _tokens() -> Tensor:
    return torch.randint(3, SMALL.vocab_size - 1, (1, 12), generator=torch.Generator().manual_seed(1))


def _keep(seen: dict[str, Tensor], name: str) -> Callable[..., None]:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            seen[name] = output

    return hook


def _plant(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
    output = output.clone()
    output[0, 5, 7] = torch.inf
    return output


def restored_twin() -> Finding:
    """Losses after a saved and restored run against those of a twin that was never interrupted."""
    training = TrainingConfig(steps=6, batch_size=2, seq_len=16, warmup_steps=1, seed=given("block"))
    losses = []
    for interrupted in (False, True):
        trainer = _trainer(training)
        first = [record.loss for record in trainer.steps(until=3)]
        if interrupted:
            with tempfile.TemporaryDirectory() as folder:
                trainer.save(Path(folder) / "state.pt")
                trainer = _trainer(training)
                trainer.load(Path(folder) / "state.pt")
        losses.append(first + [record.loss for record in trainer.steps()])
    equal = losses[0] == losses[1] and len(losses[0]) == training.steps
    return Finding(equal, {"last_losses": losses[1][3:]})


class _RandomTokens:
    """The batch of any step, from the step alone."""

    def batch(self, step: int) -> Batch:
        """Two rows of 16 random tokens and their successors."""
        rows = torch.randint(3, SMALL.vocab_size, (2, 17), generator=torch.Generator().manual_seed(step))
        return Batch(rows[:, :-1], rows[:, 1:])


def _trainer(training: TrainingConfig) -> Trainer:
    torch.manual_seed(training.seed)
    return Trainer(MiniMind(SMALL), _RandomTokens(), training)


def _trained() -> tuple[nn.Parameter, torch.optim.Optimizer]:
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight], lr=0.01)
    for _ in range(3):
        _step(weight, optimizer, 1.0)
    return weight, optimizer


def _half_update(*, fused: bool) -> Tensor:
    weight = nn.Parameter(torch.ones(3, dtype=torch.half))
    weight.grad = torch.zeros_like(weight)
    torch.optim.AdamW([weight], lr=0.01, fused=fused).step()
    return weight.detach()


def _step(weight: nn.Parameter, optimizer: torch.optim.Optimizer, factor: float) -> None:
    optimizer.zero_grad()
    (weight.sum() * factor).backward()
    optimizer.step()


def _anomaly(graph: Callable[[], Tensor]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autograd.set_detect_anomaly(True):
            try:
                graph().sum().backward()
            except RuntimeError as error:
                return type(error).__name__
    return "nothing"


def _told(tensor: Tensor) -> str:
    kinds = {"NaN": tensor.isnan(), "Inf": tensor.isinf(), "finite": tensor.isfinite()}
    return next((kind for kind, found in kinds.items() if found.all()), "mixed")


CHECKS: dict[str, Check] = {
    "Q11-C8": none_in_a_batch,
    "Q11-C11": planted_infinity,
    "Q11-C12": bad_row,
    "Q11-C15": recovery,
    "Q11-C17": no_key_to_see,
    "Q11-C18": anomaly_mode,
    "Q11-C28": guarded_root,
    "Q11-C30": labels_and_ids,
    "Q11-C31": restored_twin,
    "Q11-C34": fused_kernels,
    "Q11-C38": fp8_range,
}
