"""Our attention kernel compiled for a GPU, on a machine that needs none: each dtype that the choice gives it.

    python -m tests.minimind_core.compiled_kernels

Prints as JSON, for every floating dtype of torch, whether the kernel is chosen and, where it is, what the
compiler said against it. A process of its own, which tells a CPU build of torch that it knows CUDA.
"""

from __future__ import annotations

import json

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

torch.backends.cuda.is_built = lambda: True  # else the kernels are not made
from minimind_core.model import decode_attention  # noqa: E402
from minimind_core.model.attention import has_step_kernel  # noqa: E402

TARGET = GPUTarget("cuda", 90, 32)
GROUP, HEAD_DIM = 4, 64
NAMES = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16", torch.float64: "fp64"}
"""What Triton calls them."""


def compiled(dtype: torch.dtype, whole: bool) -> str:
    """What the compiler says against the kernel for queries, keys and values of `dtype`; "" for nothing.

    `whole`: the cache is read in one part, and what comes out is of that dtype too.
    """
    given = f"*{NAMES.get(dtype, str(dtype))}"
    tile = decode_attention.WHOLE if whole else decode_attention.IN_PARTS
    pointers = {
        **dict.fromkeys(("queries", "keys", "values"), given),
        **dict.fromkeys(("key_positions", "query_positions", "newest_slots"), "*i64"),
        **dict.fromkeys(("sums", "largest", "totals"), given if whole else "*fp32"),
    }
    scalars = dict.fromkeys(("row_stride", "head_stride", "position_stride", "split_length"), "i32")
    constants = {
        "SCALE": HEAD_DIM**-0.5,
        "GROUP": GROUP,
        "ROWS": decode_attention.TILE_ROWS,
        "HEAD_DIM": HEAD_DIM,
        "SLOTS": tile.slots,
        "IS_WHOLE": whole,
    }
    signature = {**pointers, **scalars, **dict.fromkeys(constants, "constexpr")}
    try:
        source = ASTSource(decode_attention._kernel, signature, constants)
        triton.compile(source, TARGET, {"num_warps": tile.warps, "num_stages": tile.stages})
    except Exception as error:  # whatever it raises for such a dtype is the answer
        return str(error)
    return ""


def main() -> None:
    """See the module's docstring."""
    known = (value for value in vars(torch).values() if isinstance(value, torch.dtype))
    floating = sorted({dtype for dtype in known if dtype.is_floating_point}, key=str)
    cuda = torch.device("cuda")
    chosen = {dtype: has_step_kernel("sdpa", cuda, dtype, GROUP, HEAD_DIM) for dtype in floating}
    served = [dtype for dtype in floating if chosen[dtype]]
    said = {str(dtype): compiled(dtype, False) + compiled(dtype, True) for dtype in served}
    print(json.dumps({"chosen": {str(dtype): used for dtype, used in chosen.items()}, "said": said}))


if __name__ == "__main__":
    main()
