"""What a lab is: a table of experiments, and what an experiment is given and gives back.

A lab is a folder `labs/qNN_slug/` whose `__init__.py` lists `EXPERIMENTS`, the primary first. For an
experiment `qNN/name` the function `name` stands in each of

    params.py     the Params class (see `fields.py`)
    measure.py    name(params, ctx) -> Result       the only file that may import torch; worker only
    analytic.py   name(params) -> Result            the formula's side, instant; optional
    live.py       name(params, partials) -> Result  a result so far, from what a run has emitted; optional
    view.py       name(params, result) -> Result    what the view fields make of a result, NumPy; optional
    figures.py    name(result, text) -> {name: figure}   pure plotly, the main figure first
    tables.py     name(result, text) -> [{column: value}]   the exact numbers, row by row; optional
    notes.py      name(result, text) -> [sentence]  what has to be said beside the main figure; optional
    numbers.py    name(result, text) -> {label: number}     what pinned runs are compared by; optional
    en.toml, zh.toml   its words, with the same keys; `qNN.figure.name.x` is what figure x is called
    errors_zh.toml     what its errors say, by their `key`; English stands where they are raised; optional

so that a slider never waits for a model. `view`, `figures` and the rest also take what `live` gives,
and for an experiment that is `drawn_by_formula` what `analytic` gives. A result may have a "sentence":
{"said", "formula", "measured", "unit"}, the three numbers that the lab is about.

Nothing here imports torch, plotly or a lab: those are loaded by name on first use. Figures carry
`meta={"role": Role}` on each trace and no colours of their own: the page paints by role, so that a
colour means the same everywhere and in both themes.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

from labs.contract.fields import Params

DeviceClass = Literal["cpu", "cuda"]
"""What limits and time estimates are given for; Apple's mps counts as cpu."""
Role = Literal["predicted", "formula", "measured", "recorded", "said", "peer", "removed"]
"""What a trace means; the page owns the colours."""
Result = dict[str, Any]
"""Plain data: JSON values and float32 or int32 arrays, 2 MB at most as JSON (`jsonable.py`)."""
Row = dict[str, str | int | float]
"""One row of a table, by the column's title, which names the unit."""
Text = Callable[[str], str]
"""The words for a key of the lab's string catalogue, in the reader's language."""

DEFAULT_MODEL = "minimind-26m"


class Cancelled(BaseException):
    """Raised by `Context.check_cancelled`. Not an Exception, so that no lab swallows it by accident."""


class Context(Protocol):
    """What `measure` is given."""

    @property
    def device(self) -> str:
        """ "cpu", "cuda" or "mps"."""
        ...

    @property
    def dtype(self) -> str:
        """What to compute in: "fp32", "bf16" or "fp16" (`minimind_core.device.DTYPES`)."""
        ...

    def model(self, name: str | None = None) -> Any:
        """The model of that name or path (`minimind_core.files.checkpoint.LoadedModel`), kept between runs.

        None means the checkpoint that the user chose. "random:PRESET" is an untrained model of that shape.
        Raises CheckpointError with one sentence.
        """
        ...

    def progress(self, fraction: float, text: str = "") -> None:
        """Say how far the run is (0 to 1) and what it does now. Also checks for a cancel."""
        ...

    def emit(self, partial: Mapping[str, Any]) -> None:
        """Send one piece of the result ahead, for live plots and streamed text. Also checks for a cancel."""
        ...

    def check_cancelled(self) -> None:
        """Raise Cancelled if nobody waits for this run any more. Call it at least twice a second."""
        ...


@dataclass(frozen=True)
class Experiment:
    """One measurement of a lab.

    `seconds(params, device_class)` estimates a run. `version` is raised whenever the same parameters
    would give another result. `keep` is False for runs that are worth watching again rather than
    finding in the result store. `drawn_by_formula` says that the figures can draw what `analytic` gives,
    so that sliders show it at once, before any run.
    """

    id: str
    package: str
    params: type[Params]
    seconds: Callable[[Any, DeviceClass], float]
    version: int = 1
    keep: bool = True
    drawn_by_formula: bool = False

    @property
    def question(self) -> str:
        """ "q13" of "q13/next_token"."""
        return self.id.partition("/")[0]

    @property
    def name(self) -> str:
        """ "next_token" of "q13/next_token"."""
        return self.id.partition("/")[2]

    @property
    def title(self) -> str:
        """Key of the title in the string catalogues; `.about` after it is the sentence below the title."""
        return f"{self.question}.{self.name}.title"

    @property
    def instant(self) -> bool:
        """True where no setting needs a run: all that can be set is how something is viewed."""
        return all(spec.view for spec in self.params.specs())

    def measure(self, params: Params, ctx: Context) -> Result:
        """Run it. For the worker and the command line only: this loads torch."""
        return self._call("measure", params, ctx)

    def analytic(self, params: Params) -> Result | None:
        """The formula's side, or None where there is none."""
        return self._call("analytic", params) if self._has("analytic") else None

    def live(self, params: Params, partials: Sequence[Mapping[str, Any]]) -> Result | None:
        """What a run has so far, completed; None before its first partial and where nothing is drawn live."""
        if not partials or not self._has("live"):
            return None
        return self.complete(params, self._call("live", params, partials))

    def complete(self, params: Params, result: Result) -> Result:
        """`result` with what the view fields make of it under "view". Instant; no torch."""
        return {**result, "view": self._call("view", params, result)} if self._has("view") else result

    def figures(self, result: Result, text: Text) -> dict[str, Any]:
        """plotly figures of a completed result by name, the main one first; `text` gives their words."""
        return self._call("figures", result, text)

    def table(self, result: Result, text: Text) -> list[Row]:
        """The exact numbers of a completed result; empty where the lab has no table."""
        return self._call("tables", result, text) if self._has("tables") else []

    def notes(self, result: Result, text: Text) -> list[str]:
        """Sentences that belong below the main figure of a completed result; often none."""
        return self._call("notes", result, text) if self._has("notes") else []

    def numbers(self, result: Result, text: Text) -> dict[str, float]:
        """The main numbers of a completed result, by a label with the unit; often empty."""
        return self._call("numbers", result, text) if self._has("numbers") else {}

    def source(self) -> str:
        """The text of the function that measures: the code behind the run."""
        path = _module_path(f"{self.package}.measure")
        assert path is not None, f"{self.package} has no measure.py"
        return _functions(path)[self.name]

    def command(
        self, params: Params, *, device: str = "auto", dtype: str = "fp32", model: str = DEFAULT_MODEL
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

    def key(self, params: Params, **where: Any) -> str:
        """Equal for runs that would measure the same; `where` adds device, weights and the like."""
        what = {"experiment": self.id, "version": self.version, "params": params.measured(), **where}
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]

    def _has(self, part: str) -> bool:
        module = f"{self.package}.{part}"
        return _module_path(module) is not None and hasattr(importlib.import_module(module), self.name)

    def _call(self, part: str, *arguments: Any) -> Any:
        return getattr(importlib.import_module(f"{self.package}.{part}"), self.name)(*arguments)


def constant(cpu: float, cuda: float) -> Callable[[Any, DeviceClass], float]:
    """A time estimate in seconds that does not depend on the parameters."""
    return lambda _params, device_class: cuda if device_class == "cuda" else cpu


@cache
def _functions(path: Path) -> dict[str, str]:
    """The functions of a file by name, as they are written."""
    text = path.read_text(encoding="utf-8")
    return {
        node.name: ast.get_source_segment(text, node) or ""
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef)
    }


@cache
def _module_path(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec is not None and spec.origin is not None else None
