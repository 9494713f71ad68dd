"""What a lab is made of: experiments, their parameters, where they are found, and how results travel.

Reading order: `experiment.py`, `calculator.py`, `fields.py`, `shapes.py`, `params.py`, `table.py`,
`drawing.py`, `registry.py`, `jsonable.py`. The names that an experiment's file needs are imported from here.
"""

from labs.contract.calculator import Calculator
from labs.contract.drawing import Figure, Role
from labs.contract.experiment import (
    DEFAULT_MODEL,
    Cancelled,
    Context,
    Counts,
    Data,
    DeviceClass,
    Experiment,
    Floats,
    Ints,
    Numbers,
    OnProgress,
    Partials,
    Row,
    Shown,
    ThreeNumbers,
    Words,
)
from labs.contract.fields import Field, ParamError, choice, order, real, switch, text, whole
from labs.contract.params import Params
from labs.contract.table import table

__all__ = [
    "DEFAULT_MODEL",
    "Calculator",
    "Cancelled",
    "Context",
    "Counts",
    "Data",
    "DeviceClass",
    "Experiment",
    "Field",
    "Figure",
    "Floats",
    "Ints",
    "Numbers",
    "OnProgress",
    "ParamError",
    "Params",
    "Partials",
    "Role",
    "Row",
    "Shown",
    "ThreeNumbers",
    "Words",
    "choice",
    "order",
    "real",
    "switch",
    "table",
    "text",
    "whole",
]
