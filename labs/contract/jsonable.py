"""Results as JSON: float32 and int32 arrays travel as base64, and NaN and infinity survive.

    encode({"logits": np.zeros(2, np.float32)})
    # {"logits": {"__array__": "float32", "shape": [2], "base64": "AAAAAAAAAAA="}}

Does not compress, and keeps no class but dict, list, str, bool, int, float, None and ndarray.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np

MAX_RESULT_BYTES = 2 * 2**20
"""A result larger than this would slow the page that draws it."""
_DTYPES = ("float32", "int32")


def encode(value: Any) -> Any:
    """Plain JSON data for `value`. A class or a dtype that has no JSON form is a programmer's error."""
    if isinstance(value, np.ndarray):
        assert value.dtype.name in _DTYPES, f"convert {value.dtype} arrays to one of {_DTYPES} first"
        little_endian = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"))
        return {
            "__array__": value.dtype.name,
            "shape": list(value.shape),
            "base64": base64.b64encode(little_endian.tobytes()).decode("ascii"),
        }
    if isinstance(value, np.generic):
        return encode(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return {"__float__": str(value)}
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    assert value is None or isinstance(value, str | bool | int | float), f"{type(value)} has no JSON form"
    return value


def decode(value: Any) -> Any:
    """The reverse of `encode`; tuples come back as lists."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "__array__" in value:
        raw = np.frombuffer(base64.b64decode(value["base64"]), np.dtype(value["__array__"]).newbyteorder("<"))
        return raw.astype(value["__array__"]).reshape(value["shape"])
    if "__float__" in value:
        return float(value["__float__"])
    return {key: decode(item) for key, item in value.items()}


def dumps(value: Any, *, indent: int | None = None) -> str:
    """`encode` as JSON text, Chinese left readable."""
    return json.dumps(encode(value), ensure_ascii=False, allow_nan=False, indent=indent)


def dump_bytes(value: Any) -> bytes:
    """`dumps` as UTF-8. Half a character, for which UTF-8 has no bytes, comes back from `loads` too."""
    return dumps(value).encode("utf-8", "surrogatepass")


def loads(text: str | bytes) -> Any:
    """The reverse of `dumps` and `dump_bytes`. Raises ValueError on text that is not JSON."""
    return decode(json.loads(text))
