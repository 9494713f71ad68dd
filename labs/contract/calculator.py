"""A calculator: an experiment that runs no model, for `view` makes all of it from what is set."""

from __future__ import annotations

import inspect
import textwrap
from typing import cast

from labs.contract.experiment import Context, Data, Experiment, P, R


class Calculator(Experiment[P, R]):
    """Base of the calculators. Their results have "model", which is None, and what `view` adds."""

    drawn_by_formula = True
    takes = 0.01

    def formula(self, params: P) -> Data:
        """Nothing: see `view`."""
        return {"model": None}

    def measure(self, params: P, ctx: Context) -> R:
        """Nothing: see `view`."""
        return cast(R, self.formula(params))

    def source(self) -> str:
        """The text of `view`: the code behind the numbers."""
        return textwrap.dedent(inspect.getsource(self.view))
