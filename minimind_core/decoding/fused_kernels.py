"""The Triton kernels of `fused_step.py`: a decoder layer for one token in five launches.

At one token every product is a matrix times a vector and costs about as much as its launch, so each kernel
does all that can be done where its input is: the norm before a product, the rotation and the cache write
after it, the residual sum. The tile of weights is loaded first, since it depends on nothing before it.

Imports triton, so only `fused_step.py` imports this, and only where triton is. Sums are fp32; what is
rounded between operations is rounded where the plain model rounds.

Shapes: C hidden_size, H num_heads, K num_kv_heads, G = H / K, D head_dim, I intermediate_size, V vocab_size,
S capacity of the cache, N splits. BLOCK is the width of a row, up to the next power of two.
"""
# A kernel's arguments are pointers and constants of the compiler.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def begin(ids, positions, embedding, hidden, cache_positions, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    """hidden [C] = the token's row of embedding [V, C]; its slot in the cache is taken from now on."""
    token, position = tl.load(ids), tl.load(positions)
    cols = tl.arange(0, BLOCK)
    inside = cols < WIDTH
    tl.store(hidden + cols, tl.load(embedding + token * WIDTH + cols, mask=inside), mask=inside)
    tl.store(cache_positions + position, position)


@triton.jit
def project_heads(
    hidden,
    norm,
    weight,
    positions,
    inv_freq,
    queries,
    keys,
    values,
    head_stride,
    EPS: tl.constexpr,
    FACTOR: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    NUM_HEADS: tl.constexpr,
    NUM_KV_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    PAIRS: tl.constexpr,
):
    """Norm, the joined projection [(H + 2K) * D, C], RoPE: queries [H, D], cached keys, values [K, S, D].

    A program makes PAIRS pairs (i, i + D/2) of one head, which are rotated together.
    """
    head, pairs = tl.program_id(0), tl.program_id(1) * PAIRS + tl.arange(0, PAIRS)
    cols = tl.arange(0, BLOCK)
    first_rows = head * 2 * HALF + pairs
    first_tile = _tile(weight, first_rows, cols, WIDTH)
    second_tile = _tile(weight, first_rows + HALF, cols, WIDTH)
    position = tl.load(positions)
    x = _normed(hidden, norm, cols, EPS, WIDTH)
    first, second = _rounded(_product(first_tile, x), hidden), _rounded(_product(second_tile, x), hidden)
    if head < NUM_HEADS + NUM_KV_HEADS:
        angle = position.to(tl.float32) * tl.load(inv_freq + pairs)
        cos, sin = tl.cos(angle) * FACTOR, tl.sin(angle) * FACTOR
        turned = first * cos - second * sin
        second = second * cos + first * sin
        first = turned
    if head < NUM_HEADS:
        _store_pair(queries + head * 2 * HALF + pairs, first, second, HALF)
    elif head < NUM_HEADS + NUM_KV_HEADS:
        _store_pair(
            keys + (head - NUM_HEADS) * head_stride + position * 2 * HALF + pairs, first, second, HALF
        )
    else:
        offset = (head - NUM_HEADS - NUM_KV_HEADS) * head_stride + position * 2 * HALF
        _store_pair(values + offset + pairs, first, second, HALF)


@triton.jit
def add_attention(
    sums,
    largest,
    totals,
    weight,
    hidden,
    SPLITS: tl.constexpr,
    GROUP: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
):
    """hidden [C] += weight [C, H * D] times the attention whose splits are joined here.

    sums [K, N, G, D], largest and totals [K, N, G] as `decode_attention.attend_splits` gives them. Each
    program joins them anew: that reads little and saves a launch.
    """
    rows, cols = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, BLOCK)
    tile = _tile(weight, rows, cols, WIDTH)
    inside = cols < WIDTH
    head = cols // HEAD_DIM
    first = head // GROUP * SPLITS * GROUP + head % GROUP  # of split 0, counted in [K, N, G]
    best = tl.full([BLOCK], float("-inf"), tl.float32)
    for split in tl.static_range(SPLITS):
        best = tl.maximum(best, tl.load(largest + first + split * GROUP, mask=inside, other=0.0))
    attended, total = tl.zeros([BLOCK], tl.float32), tl.zeros([BLOCK], tl.float32)
    for split in tl.static_range(SPLITS):
        offset = first + split * GROUP
        share = tl.exp(tl.load(largest + offset, mask=inside, other=0.0) - best)
        attended += share * tl.load(sums + offset * HEAD_DIM + cols % HEAD_DIM, mask=inside, other=0.0)
        total += share * tl.load(totals + offset, mask=inside, other=1.0)
    _add(hidden, rows, _product(tile, _rounded(attended / total, hidden)))


@triton.jit
def gate_and_up(
    hidden,
    norm,
    weight,
    gated,
    EPS: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    INTERMEDIATE: tl.constexpr,
    ROWS: tl.constexpr,
):
    """gated [I] = silu(gate) * up of the normed hidden state; weight [2I, C] holds both."""
    rows, cols = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, BLOCK)
    gate_tile = _tile(weight, rows, cols, WIDTH)
    up_tile = _tile(weight, rows + INTERMEDIATE, cols, WIDTH)
    x = _normed(hidden, norm, cols, EPS, WIDTH)
    gate, up = _rounded(_product(gate_tile, x), hidden), _rounded(_product(up_tile, x), hidden)
    tl.store(gated + rows, gate * tl.sigmoid(gate) * up)


@triton.jit
def add_down(gated, weight, hidden, WIDTH: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr):
    """hidden [C] += weight [C, I] times gated [I]."""
    rows, cols = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, BLOCK)
    tile = _tile(weight, rows, cols, WIDTH)
    x = tl.load(gated + cols, mask=cols < WIDTH, other=0.0).to(tl.float32)
    _add(hidden, rows, _product(tile, x))


@triton.jit
def score(
    hidden,
    norm,
    weight,
    logits,
    EPS: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
):
    """logits [V] = the head [V, C] times the normed hidden state."""
    rows, cols = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, BLOCK)
    tile = _tile(weight, rows, cols, WIDTH)
    tl.store(logits + rows, _product(tile, _normed(hidden, norm, cols, EPS, WIDTH)))


@triton.jit
def _tile(weight, rows, cols, WIDTH: tl.constexpr):
    """Rows of a matrix with WIDTH columns, [ROWS, BLOCK], zeros beyond."""
    return tl.load(weight + rows[:, None] * WIDTH + cols[None, :], mask=(cols < WIDTH)[None, :], other=0.0)


@triton.jit
def _product(tile, x):
    """[ROWS, BLOCK] times [BLOCK], fp32."""
    return tl.sum(tile.to(tl.float32) * x[None, :], 1)


@triton.jit
def _normed(hidden, norm, cols, EPS: tl.constexpr, WIDTH: tl.constexpr):
    """RMSNorm of hidden [C] in fp32, [BLOCK]."""
    x = tl.load(hidden + cols, mask=cols < WIDTH, other=0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(x * x, 0) / WIDTH + EPS)
    return _rounded(x * scale * tl.load(norm + cols, mask=cols < WIDTH, other=0.0).to(tl.float32), hidden)


@triton.jit
def _rounded(x, pointer):
    """fp32 values as the tensor behind `pointer` would hold them."""
    return x.to(pointer.dtype.element_ty).to(tl.float32)


@triton.jit
def _add(hidden, rows, values):
    """hidden[rows] += values: only this program reads and writes these rows."""
    before = tl.load(hidden + rows)
    tl.store(hidden + rows, before.to(tl.float32) + _rounded(values, hidden))


@triton.jit
def _store_pair(pointer, first, second, HALF: tl.constexpr):
    tl.store(pointer, first)
    tl.store(pointer + HALF, second)
