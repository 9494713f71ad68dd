"""What a lab is made of: experiments, each one class in one file that is read from top to bottom.

    class Decode(Experiment[DecodeParams, DecodeResult]):
        \"\"\"One decode step with 8, 2 and 1 KV heads, over the batch.\"\"\"

        takes = 2.0                                     # seconds of a run, or PerDevice(cpu=2.0, cuda=0.5)
        def seconds(self, params, device): ...          # in its place, where they depend on the settings
        def formula(self, params): ...                  # the formula's side, instant; optional
        def measure(self, params, ctx): ...             # worker only; torch is imported inside
        def so_far(self, params, partials): ...         # a result from what a run has emitted; optional
        def view(self, params, result): ...             # what the view fields make of a result; optional
        def show(self, result, text): ...               # -> Shown: figures, rows, notes, numbers, sentence
        def on_machine(self, params, machine, text): ... # what the formula says of a machine; optional

so that a slider never waits for a model. It is called by its lab and its file: "q06/decode". A class with any
other public name, or without an estimate or `measure`, fails when it is imported. A lab's folder names its
experiments in `EXPERIMENTS`, the primary first, and has its words in `en.toml` and `zh.toml`.

A result is plain data, JSON values and float32 or int32 arrays; its declared type is a TypedDict, so that it
travels as it is and mypy knows its keys. Nothing here imports torch, plotly or a lab.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import shlex
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Generic, Literal, Protocol, TypedDict, TypeVar, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from labs.contract.drawing import Figure
from labs.contract.machine import Machine
from labs.contract.params import Params, lab_of

DeviceClass = Literal["cpu", "cuda"]
"""What limits and time estimates are given for; Apple's mps counts as cpu."""
Data = Mapping[str, Any]
"""A result whose experiment is not known: JSON values and arrays by key, 2 MB at most as JSON."""
Numbers = dict[str, float]
Counts = dict[str, int]
"""By name, as a path names them: "speedup.gqa"."""
Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
"""The arrays that a result can hold."""
Row = dict[str, str | int | float]
"""One row of a table, by the column's title, which names the unit."""
Partials = Sequence[Mapping[str, Any]]
"""What a run has emitted, in order."""
OnProgress = Callable[[float], None]
"""Takes the share of a part that is done, 0 to 1; raises Cancelled if nobody waits any more."""

DEFAULT_MODEL = "minimind-26m"
_PARTS = {"seconds", "formula", "measure", "so_far", "view", "show", "on_machine"}
_SETTINGS = {"id", "version", "keep", "drawn_by_formula", "takes"}

P = TypeVar("P", bound=Params)
R = TypeVar("R", bound=Mapping[str, Any])
T = TypeVar("T")


class SecondsOnDevice(Protocol):
    """Seconds by kind of device, such as a `PerDevice` of `labs.tools.budgets`."""

    def on(self, device: str) -> float:
        """Those of "cpu", "cuda" or "mps"."""
        ...


class Words(Protocol):
    """The words for a key of the lab's catalogue in the reader's language, `{name}` filled from values.

    Raises KeyError for a key that neither the lab nor all labs together have.
    """

    def __call__(self, key: str, **values: Any) -> str:
        """The filled text."""
        ...


class ThreeNumbers(TypedDict, total=False):
    """The sentence that a lab is about: what is commonly said, what the formula says, what was measured.

    `low` and `high` are quartiles where the number was measured many times in one run.
    """

    said: float
    formula: float
    measured: float
    unit: str
    low: float
    high: float


@dataclass(frozen=True)
class Shown:
    """What a reader sees of a result. The first figure is the main one."""

    figures: Mapping[str, Figure]
    """By name; `figure.<experiment>.<name>` in the catalogue is the title."""
    rows: Sequence[Row] = ()
    """The exact numbers as a table."""
    notes: Sequence[str] = ()
    """Sentences that belong below the main figure."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What pinned runs are compared by, under a label with the unit."""
    sentence: ThreeNumbers | None = None


class Cancelled(BaseException):
    """Raised by `Context.check_cancelled`. Not an Exception, so that no lab swallows it by accident."""


class Context(ABC):
    """What `measure` is given: the device, models by name, and the line to the person who waits."""

    @property
    @abstractmethod
    def device(self) -> str:
        """ "cpu", "cuda" or "mps"."""

    @property
    @abstractmethod
    def dtype(self) -> str:
        """What to compute in: "fp32", "bf16" or "fp16" (`minimind_core.device.DTYPES`)."""

    @abstractmethod
    def model(self, name: str | None = None) -> Any:
        """The model of that name or path (`minimind_core.files.checkpoint.LoadedModel`), kept between runs.

        None means the checkpoint that the user chose. "random:PRESET" is an untrained model of that shape.
        Raises CheckpointError with one sentence.
        """

    @abstractmethod
    def progress(self, fraction: float, doing: str = "", **values: Any) -> None:
        """Report how far the run is (0 to 1) and what it does now. Also checks for a cancel.

        `doing` is a key under `progress` in the lab's catalogue or the shared one, filled from `values`;
        without it the last one stands.
        """

    @abstractmethod
    def emit(self, partial: Mapping[str, Any]) -> None:
        """Send one piece of the result ahead, for live plots and streamed text. Also checks for a cancel."""

    @abstractmethod
    def check_cancelled(self) -> None:
        """Raise Cancelled if nobody waits for this run any more. Call it at least twice a second."""

    def part(self, start: float, end: float, doing: str = "", **values: Any) -> OnProgress:
        """Begin the part of the run from fraction `start` to `end`; returns what hears the part's own share.

        on_progress = ctx.part(0.2, 0.8, "timing")
        on_progress(0.5)        # the run is half done
        """
        self.progress(start, doing, **values)
        return lambda share: self.progress(start + (end - start) * share)

    def parts(
        self, items: Collection[T], start: float = 0.0, end: float = 1.0
    ) -> Iterator[tuple[T, Callable[..., OnProgress]]]:
        """The items, each with what begins its own equal part of the run between two fractions.

        for name, part in ctx.parts(WAYS, 0.2, 0.8):
            on_progress = part("timing", way=name)
        """
        share = (end - start) / max(1, len(items))
        for index, item in enumerate(items):
            yield item, partial(self.part, start + share * index, start + share * (index + 1))


class Experiment(ABC, Generic[P, R]):
    """One measurement of a lab, with parameters P and result R. Instances hold nothing.

    `version` is raised whenever the same parameters would give another result. `keep` is False for runs
    that are worth watching again rather than finding in the result store. `drawn_by_formula`: `show` also
    takes what `formula` gives, so that sliders show it at once, before any run. `takes` are the seconds of a
    run with any settings.
    """

    id: ClassVar[str]
    """The lab's key and the file's name, unless given."""
    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    drawn_by_formula: ClassVar[bool] = False
    takes: ClassVar[float | SecondsOnDevice]
    params: type[P]
    result: type[R]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__parameters__:  # type: ignore[attr-defined]
            return  # a kind of experiments, whose types are still to come
        unknown = [name for name in vars(cls) if not name.startswith("_") and name not in _PARTS | _SETTINGS]
        if unknown:
            raise TypeError(
                f"{cls.__name__}.{unknown[0]} is no part of an experiment; the parts are "
                f"{', '.join(sorted(_PARTS | _SETTINGS))}. Helpers are functions or begin with _."
            )
        for base in getattr(cls, "__orig_bases__", ()):
            if isinstance(origin := get_origin(base), type) and issubclass(origin, Experiment):
                cls.params, cls.result = get_args(base)
        if not hasattr(cls, "params"):
            raise TypeError(f"{cls.__name__} needs its two types: Experiment[Params, Result].")
        if not hasattr(cls, "takes") and cls.seconds is Experiment.seconds:
            raise TypeError(f"{cls.__name__} needs an estimate: takes, or seconds(params, device).")
        if not hasattr(cls, "id"):
            cls.id = f"{lab_of(cls.__module__)}/{cls.__module__.rpartition('.')[2]}"

    def seconds(self, params: P, device: DeviceClass) -> float:
        """An estimate of how long a run takes; `takes` unless it depends on the settings."""
        return self.takes if isinstance(self.takes, int | float) else self.takes.on(device)

    def formula(self, params: P) -> Data | None:
        """The formula's side, with NumPy at most; None where there is none.

        What a run measures stands at the same path, so that a prediction is answered by both.
        """
        return None

    @abstractmethod
    def measure(self, params: P, ctx: Context) -> R:
        """Run it. For the worker and the command line only: this loads torch."""

    def so_far(self, params: P, partials: Partials) -> R | None:
        """What a run has so far, in the shape of its result; None where nothing is drawn live."""
        return None

    def view(self, params: P, result: R) -> Data | None:
        """What the view fields make of a result, with NumPy at most; None where there are none."""
        return None

    def show(self, result: R, text: Words) -> Shown:
        """Figures, rows, notes and numbers of a completed result."""
        return Shown({})

    def on_machine(self, params: P, machine: Machine, text: Words) -> str:
        """What the formula says of a machine whose three numbers are known, in words; "" for nothing."""
        return ""

    @property
    def lab(self) -> str:
        """ "q13" of "q13/next_token": the question's key, or the name of a lab of no question."""
        return self.id.partition("/")[0]

    @property
    def name(self) -> str:
        """ "next_token" of "q13/next_token"."""
        return self.id.partition("/")[2]

    @property
    def title(self) -> str:
        """Key of the title in all catalogues; `about` beside it is the sentence below the title."""
        return f"{self.lab}.{self.name}.title"

    @property
    def instant(self) -> bool:
        """True where no setting needs a run: all that can be set, and something can, is how it is viewed."""
        specs = self.params.specs()
        return bool(specs) and all(spec.view for spec in specs)

    def complete(self, params: P, result: R) -> R:
        """`result` with what the view fields make of it under "view". Instant; no torch."""
        view = self.view(params, result)
        return result if view is None else {**result, "view": view}  # type: ignore[return-value]

    def source(self) -> str:
        """The text of `measure`: the code behind the run."""
        return textwrap.dedent(inspect.getsource(self.measure))

    def command(
        self, params: P, *, device: str = "auto", dtype: str = "fp32", model: str = DEFAULT_MODEL
    ) -> str:
        """The command line that repeats a run, to copy."""
        words = ["python", "-m", "labs", "run", self.id]
        for name, value in params.changes().items():
            words += ["--set", f"{name}={value}"]
        if device != "auto":
            words += ["--device", device]
        if dtype != "fp32":
            words += ["--dtype", dtype]
        if model != DEFAULT_MODEL:
            words += ["--model", model]
        return shlex.join(words)

    def key(self, params: P, **where: Any) -> str:
        """Equal for runs that would measure the same; `where` adds device, weights and the like."""
        what = {"experiment": self.id, "version": self.version, "params": params.measured(), **where}
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]
