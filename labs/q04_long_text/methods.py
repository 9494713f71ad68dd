"""One long text, read in every way: what each costs, what a token can see, and the loss along the text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NotRequired, Required, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Shown, Words, choice, whole
from labs.contract.fields import ParamError
from labs.q04_long_text import attention_share
from labs.q04_long_text import methods_figures as figures
from labs.q04_long_text.methods_figures import WAYS
from labs.q04_long_text.options import (
    OPTIONS,
    Memory,
    Price,
    causal_pairs,
    memory,
    operations,
    plan_windows,
    prices,
    visible_blocks,
    window_count,
)
from labs.q04_long_text.own_document import LONGEST, Document, document, read_document
from labs.tools.budgets import PerDevice
from labs.tools.written import small_number

READ = PerDevice(cpu=896, cuda=8192)
"""Tokens that the model really reads, unless a number was asked for."""
LONGEST_READ = PerDevice(cpu=4096, cuda=8192)
BUCKETS = 16
MILLI_A_TOKEN = PerDevice(cpu=1.25, cuda=0.02)


@dataclass(frozen=True)
class MethodsParams(Params):
    """The costs are those of `length` tokens; the model reads `read` of them, 0 what suits the device.

    A `document` of one's own is read in place of `text`, and has a length of its own.
    """

    length: int = whole(
        8192,
        16,
        LONGEST,
        step=256,
        primary=True,
        unit="tokens",
        sentence="Length must be 16 to 32,768 tokens.",
    )
    window: int = whole(512, 16, 2048, step=16, primary=True, unit="tokens")
    stride: int = whole(256, 1, 2048, step=16, unit="tokens", low_sentence="Stride must be at least 1.")
    local: int = whole(256, 16, 2048, step=16, primary=True, unit="tokens")
    sinks: int = whole(4, 0, 64, unit="tokens")
    read: int = choice(0, (0, 512, 1024, 2048, 4096, 8192))
    text: str = choice("english", ("english", "code", "both", "chinese"))
    document: str = document()
    picture: str = choice("local", OPTIONS, view=True)

    def check_together(self) -> None:
        """A stride larger than the window leaves gaps."""
        self.check_gaps(self.length)

    def check_gaps(self, length: int) -> None:
        """Raise ParamError where windows of a text of `length` tokens would leave some of them unread."""
        if self.stride > self.window < length:
            lost = sum(
                max(0, min(start, length) - (start - self.stride + self.window))
                for start in range(self.stride, length + self.stride, self.stride)
            )
            raise ParamError(
                "together",
                "stride",
                f"Gaps: {lost:,} tokens would never be read. Choose a stride of at most {self.window:,}.",
                key="q04.gaps",
                lost=lost,
                window=self.window,
            )

    def read_on(self, device: str, length: int) -> int:
        """Tokens of a text of `length` that the model reads on a device."""
        return min(self.read or READ.on(device), LONGEST_READ.on(device), length)


class MethodsView(TypedDict):
    """What one option lets a token look at, [BLOCKS, BLOCKS] shares; see `visible_blocks`.

    `gflop` are the operations of each reading of what was read; `memory` that of each option of the length;
    `share` what part of all operations attention is, by length (`attention_share`).
    """

    option: str
    visible: NDArray[np.float32]
    share: dict[str, list[float]]
    memory: dict[str, Memory]
    gflop: NotRequired[dict[str, float]]


class MethodsResult(TypedDict, total=False):
    """Costs of the text that was asked for, and losses of the part that was read.

    `perplexity` is that of the tokens beyond the trained length; `tail` the loss of the last half window by
    what is read before it (`readings.tail`), where the text is longer than a window. `reversed` says what
    reading four parts in reverse order does to a vector of them (`readings.order_kept`). `document` is only
    there where one was pasted; the costs are those of its length then.
    """

    windows: Required[int]
    length: Required[int]
    window: Required[int]
    stride: Required[int]
    options: Required[dict[str, Price]]
    model: str
    trained: int
    read: int
    position: NDArray[np.int32]
    nats: dict[str, NDArray[np.float32]]
    perplexity: dict[str, float]
    tail: dict[str, float]
    reversed: dict[str, float]
    document: Document
    view: MethodsView


class Methods(Experiment[MethodsParams, MethodsResult]):
    """What every way to read a long text costs, and the real model's loss along it."""

    version = 3
    drawn_by_formula = True

    def seconds(self, params: MethodsParams, device: DeviceClass) -> float:
        longest = len(params.document.encode()) if params.document.strip() else params.length
        read = params.read_on(device, longest)
        windows = read * max(1.0, min(params.window, read) / params.stride)
        return 1 + 1e-3 * MILLI_A_TOKEN.on(device) * (windows + 5 * read * (1 + read / 8192))

    def formula(self, params: MethodsParams) -> MethodsResult:
        """Counting alone: the number of windows by its formula, and every price."""
        windows = window_count(params.length, params.window, params.stride)
        return _counted(params, params.length, windows)

    def measure(self, params: MethodsParams, ctx: Context) -> MethodsResult:
        import torch

        from labs.q04_long_text.readings import all_readings, order_kept, tail
        from labs.tools import heldout

        ctx.progress(0.0, "loading")
        loaded, own = ctx.model(), None
        ctx.progress(0.02, "reading")
        if params.document.strip():
            ids, own = read_document(loaded, params.document)
            params.check_gaps(own["priced"])
            read = params.read_on(ctx.device, own["priced"])
            row = torch.tensor(ids[: read + 1])  # [T + 1]
        else:
            read = params.read_on(ctx.device, params.length)
            row = heldout.held_out_windows(loaded.tokenizer, params.text, 1, read, ctx)[0]
        partials: list[dict[str, Any]] = []
        settings = params.window, params.stride, params.local, params.sinks
        for index, (name, losses) in enumerate(
            all_readings(loaded.model, row, *settings, ctx.check_cancelled)
        ):
            ctx.progress(0.05 + 0.95 * index / len(WAYS), f"way_{name}")
            partials.append({"way": name, "own": own, **_summary(losses(), loaded.config.max_length)})
            ctx.emit(partials[-1])
        result: MethodsResult = {
            **self.so_far(params, partials),
            "model": loaded.name,
            "read": read,
            "reversed": order_kept(loaded.model, row, params.window, ctx.check_cancelled),
        }
        if read > params.window:
            result["tail"] = tail(loaded.model, row, params.window, ctx.check_cancelled)
        return result

    def so_far(self, params: MethodsParams, partials: Partials) -> MethodsResult:
        """The ways that were read already; the windows are counted one by one."""
        own: Document | None = partials[0]["own"]
        length = own["priced"] if own else params.length
        counted = _counted(params, length, len(plan_windows(length, params.window, params.stride)))
        if own:
            counted["document"] = own
        return {
            **counted,
            "trained": partials[0]["trained"],
            "position": partials[0]["position"],
            "nats": {part["way"]: part["nats"] for part in partials},
            "perplexity": {part["way"]: part["perplexity"] for part in partials},
        }

    def view(self, params: MethodsParams, result: MethodsResult) -> MethodsView:
        """The picture of the chosen option's mask, and what can be counted beside the result."""
        length = result["length"]
        sizes = length, params.window, params.stride, params.local, params.sinks
        view: MethodsView = {
            "option": params.picture,
            "visible": visible_blocks(params.picture, *sizes),
            "share": attention_share.shares(params.window, params.local),
            "memory": memory(length, params.window, params.local),
        }
        if "read" in result:
            view["gflop"] = _gflop_of_readings(params, result["read"])
        return view

    def show(self, result: MethodsResult, text: Words) -> Shown:
        """Loss along the text and against its price, then what is counted; before a run that alone."""
        counted = {
            "prices": figures.prices(result, text),
            "share": attention_share.drawn(result["view"]["share"], result["length"], text),
            "mask": figures.mask(result, text),
        }
        if "nats" not in result:
            return Shown(counted)
        rows = [figures.row(name, result, text) for name in result["options"]]
        local, sinks = result["perplexity"].get("local"), result["perplexity"].get("sinks")
        notes = [text("methods.sentence", length=result["length"], window=result["window"])]
        if result["length"] <= result["window"]:
            notes.append(text("methods.one_window"))
        if "read" in result:
            who = {name: result[name] for name in ("model", "read", "trained")}
            own = result.get("document")
            notes.append(text("methods.read_own", **who, **own) if own else text("methods.read", **who))
            if own and own["tokens"] > own["priced"]:
                notes.append(text("methods.beginning", **own))
        if "tail" in result:
            notes.append(text("methods.tail", tail=result["window"] // 2, **result["tail"]))
        if "reversed" in result:
            changes = {name: small_number(100 * change) for name, change in result["reversed"].items()}
            notes.append(text("methods.reversed", **changes))
        read = {"position": figures.position(result, text)}
        if any(result["perplexity"].values()) and "gflop" in result["view"]:
            read["tradeoff"] = figures.tradeoff(result, text)
        return Shown(
            {**read, **counted},
            rows=rows,
            notes=[
                *notes,
                *([text("methods.sinks", local=local, sinks=sinks)] if local and sinks else []),
                text("methods.change"),
            ],
            numbers={
                f"{text(f'way.{way}')} ({text('perplexity')})": ppl
                for way, ppl in result["perplexity"].items()
            },
            sentence={
                "said": float(max(1, result["length"] // result["window"])),
                "formula": float(window_count(result["length"], result["window"], result["stride"])),
                "measured": float(result["windows"]),
                "unit": text("windows_unit"),
            },
        )


def _counted(params: MethodsParams, length: int, windows: int) -> MethodsResult:
    return {
        "windows": windows,
        "length": length,
        "window": params.window,
        "stride": params.stride,
        "options": prices(length, params.window, params.stride, params.local),
    }


def _gflop_of_readings(params: MethodsParams, read: int) -> dict[str, float]:
    """Operations of the layers for each reading of the first `read` tokens."""
    price = prices(read, params.window, params.stride, params.local)
    gflop = {way: price[way]["gflop"] for way in ("overlap", "full", "disjoint", "local")}
    sinks = causal_pairs(read, params.local) + causal_pairs(max(0, read - params.local), params.sinks)
    return gflop | {"sinks": operations(read, sinks) / 1e9, "yarn": gflop["full"]}


def _summary(losses: NDArray[np.float32], trained: int) -> dict[str, Any]:
    """The loss in equal stretches, and the perplexity beyond the trained length (0: none there)."""
    parts = np.array_split(losses.astype(np.float64), min(BUCKETS, len(losses)))
    ends = np.cumsum([len(part) for part in parts])
    later = losses[trained:]
    return {
        "trained": trained,
        "position": np.array([end - len(part) / 2 for end, part in zip(ends, parts, strict=True)], np.int32),
        "nats": np.array([part.mean() for part in parts], np.float32),
        "perplexity": math.exp(float(later.mean(dtype=np.float64))) if len(later) else 0.0,
    }
