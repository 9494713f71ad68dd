"""Where a number first stops being finite: the tensors that enter and leave each module, both ways.

Hooks note the smallest and the largest number of each tensor, forward and backward, in the order in which
the tensors are computed, and leave both on the device; the host asks once, at the end. They change no output
and no gradient. What happens between two modules (softmax, an addition) is seen as a finite number that
leaves one of them and another that enters the next.

Does not say why: Inf and NaN are told apart, and the place is named.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

Phase = Literal["forward", "backward"]
Place = Literal["input", "output", "weight"]
Kind = Literal["finite", "inf", "nan"]


class Seen(NamedTuple):
    """One tensor (in backward: its gradient) where it enters or leaves a module.

    `module` is "" for the model itself and "loss" for what backward starts from. A module's gradients come
    in at its output and go out at its input and its weight.
    """

    phase: Phase
    module: str
    place: Place
    low: float
    high: float

    @property
    def kind(self) -> Kind:
        """Whether it holds a NaN, or else an Inf, or neither."""
        if math.isnan(self.low) or math.isnan(self.high):
            return "nan"
        return "inf" if math.isinf(self.low) or math.isinf(self.high) else "finite"

    def sentence(self) -> str:
        """The same for a log line, without a full stop."""
        what = {"nan": "NaN", "inf": "Inf", "finite": "finite numbers"}[self.kind]
        thing = f"the gradient of the {self.place}" if self.phase == "backward" else f"the {self.place}"
        return f"{what} in {thing} of {self.module or 'the model itself'}, {self.phase}"


class TensorWatch:
    """Hooks on a model while the block is open; `read` afterwards, also where the forward raised.

    with TensorWatch(model) as watch:
        model(ids).sum().backward()
    watch.read()
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._labels: list[tuple[Phase, str, Place]] = []
        self._extremes: list[Tensor] = []
        self._remove: list[Callable[[], None]] = []
        self._ends: dict[int, tuple[Tensor, list[tuple[str, Place]]]] = {}
        """Tensors with the modules that they left and entered; held, so that no other has their id."""

    def __enter__(self) -> TensorWatch:
        for name, module in self.model.named_modules():
            pre = module.register_forward_pre_hook(partial(self._enters, name), with_kwargs=True)
            post = module.register_forward_hook(partial(self._leaves, name))
            self._remove += [pre.remove, post.remove]
            for parameter in module.parameters(recurse=False):
                if parameter.requires_grad:
                    hook = parameter.register_hook(partial(self.note, "backward", name, "weight"))
                    self._remove.append(hook.remove)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for remove in self._remove:
            remove()
        self._remove.clear()
        self._ends.clear()

    def note(self, phase: Phase, module: str, place: Place, tensor: Tensor) -> None:
        """Remember the extremes of a tensor; one that holds no numbers with a fraction is left out."""
        if tensor.is_floating_point() and tensor.numel() and tensor.element_size() > 1:
            self._labels.append((phase, module, place))
            self._extremes.append(torch.stack(tensor.detach().aminmax()))  # a NaN is passed on as both

    def read(self) -> list[Seen]:
        """All tensors in the order in which they were computed. Waits for the device."""
        by_kind = defaultdict(list)
        for index, pair in enumerate(self._extremes):
            by_kind[pair.dtype, pair.device].append(index)
        seen: dict[int, Seen] = {}
        for indices in by_kind.values():
            pairs = torch.stack([self._extremes[index] for index in indices]).tolist()  # [tensors, 2]
            seen |= {
                index: Seen(*self._labels[index], *pair) for index, pair in zip(indices, pairs, strict=True)
            }
        return [seen[index] for index in range(len(seen))]

    def first_nonfinite(self) -> Seen | None:
        """The first tensor that holds an Inf or a NaN."""
        return next((one for one in self.read() if one.kind != "finite"), None)

    def _enters(self, name: str, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._note_all(name, "input", (args, kwargs))

    def _leaves(self, name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        """Returns nothing: what a forward hook returns would replace the output."""
        self._note_all(name, "output", output)

    def _note_all(self, name: str, place: Place, values: Any) -> None:
        """Note all tensors of a call, and let their gradients be noted when they are there."""
        for tensor in tree_leaves(values):
            if not isinstance(tensor, Tensor):
                continue
            self.note("forward", name, place, tensor)
            if tensor.requires_grad and torch.is_grad_enabled():
                if id(tensor) not in self._ends:
                    self._ends[id(tensor)] = (tensor, [])
                    tensor.register_hook(partial(self._gradient, id(tensor)))
                self._ends[id(tensor)][1].append((name, place))

    def _gradient(self, key: int, gradient: Tensor) -> None:
        """The module that was given the tensor last is the first to have sent its gradient back."""
        for name, place in reversed(self._ends[key][1]):
            self.note("backward", name, place, gradient)


def first_nonfinite(model: nn.Module, loss: Callable[[], Tensor], *, backward: bool = True) -> Seen | None:
    """The first tensor of a step that holds an Inf or a NaN, in the order of execution; None where none does.

    `loss` computes a scalar by calling `model`. Outputs, `.grad` and hooks are afterwards as they were.
    """
    with TensorWatch(model) as watch:
        value = loss()
        watch.note("forward", "loss", "output", value)
        weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if backward and value.requires_grad:
            torch.autograd.grad(value, weights, allow_unused=True)
    return watch.first_nonfinite()


def nonfinite_state(model: nn.Module, optimizers: Iterable[torch.optim.Optimizer] = ()) -> list[str]:
    """Names of the weights, and of what optimizers remember of them, that hold an Inf or a NaN."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    kept = {name: parameter for parameter, name in names.items()}
    for optimizer in optimizers:
        for parameter, memory in optimizer.state.items():
            kept |= {
                f"{names.get(parameter, 'a weight')} ({what})": value
                for what, value in memory.items()
                if isinstance(value, Tensor) and value.is_floating_point()
            }
    return [name for name, value in kept.items() if not value.isfinite().all()]
