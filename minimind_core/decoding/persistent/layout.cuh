// How the model lies over the blocks of the kernel, and how its numbers lie in memory.
//
// Constants from the host: HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD_DIM, INTERMEDIATE, VOCAB, EPS, ROPE_FACTOR;
// ELEMENT_BYTES of a weight (2: bf16, 4: fp32); BLOCKS, WARPS of a block, SPLITS of the cache, SLOTS of weights
// and bytes (SHARED_BYTES) in a block's shared memory, COPIES of what the blocks exchange.

constexpr int LANES = 32, THREADS = LANES * WARPS;
constexpr int QUERIES = HEADS * HEAD_DIM, QKV = QUERIES + 2 * KV_HEADS * HEAD_DIM, HALF = HEAD_DIM / 2;

// What one block computes: pairs of rotated numbers, rows of the output and down projections, pairs of a gate and
// its up, logits.
constexpr int PAIRS = QKV / 2 / BLOCKS, OUTPUTS = HIDDEN / BLOCKS, GATES = INTERMEDIATE / BLOCKS;
constexpr int SCORES = VOCAB / BLOCKS;

// Where the weights of one layer lie in a block's stream, and those of the head: elements from their beginning.
constexpr int PROJECTION = HIDDEN, OUTPUT = PROJECTION + 2 * PAIRS * HIDDEN;
constexpr int SECOND_NORM = OUTPUT + OUTPUTS * QUERIES, GATE_AND_UP = SECOND_NORM + HIDDEN;
constexpr int DOWN = GATE_AND_UP + 2 * GATES * HIDDEN, LAYER = DOWN + OUTPUTS * INTERMEDIATE;
constexpr int HEAD = HIDDEN + SCORES * HIDDEN, SLOT = LAYER > HEAD ? LAYER : HEAD;

#if ELEMENT_BYTES == 2
typedef unsigned short Element;  // bf16: the upper half of a float
#else
typedef float Element;
#endif

struct Eight {  // elements as they lie in memory
    uint4 part[ELEMENT_BYTES / 2];
};

struct Exchange {  // the numbers that blocks give each other; in global memory
    Word best[BLOCKS];
    alignas(16) unsigned qkv[QKV], attended[SPLITS][QUERIES], middle[HIDDEN], gated[INTERMEDIATE];
    alignas(16) unsigned hidden[HIDDEN], weight[SPLITS][HEADS];
};

struct Shared {  // of one block
    alignas(128) Element weights[SLOTS][SLOT];
    alignas(16) float hidden[HIDDEN], attended[QUERIES], middle[HIDDEN], gated[INTERMEDIATE];
    alignas(16) float head[3 * HEAD_DIM], sums[WARPS][HEAD_DIM];
    float largest[WARPS], totals[WARPS], cosines[PAIRS], sines[PAIRS], best[WARPS];
    int best_id[WARPS];
    Word fetched[SLOTS], votes[BLOCKS];
};
static_assert(sizeof(Shared) <= SHARED_BYTES, "persistent_step.py counts too little shared memory");

constexpr float LOG2_E = 1.44269504f;

DEVICE float minus_infinity() { return __uint_as_float(0xff800000u); }

// A maximum to subtract: of nothing it is 0, which avoids inf - inf.
DEVICE float finite(float largest) { return largest == minus_infinity() ? 0.0f : largest; }

DEVICE float widened(Element x) {
#if ELEMENT_BYTES == 2
    return __uint_as_float(static_cast<unsigned>(x) << 16);
#else
    return x;
#endif
}

DEVICE Element narrowed(float x) {
#if ELEMENT_BYTES == 2
    const unsigned bits = __float_as_uint(x);
    const unsigned nearest = bits + 0x7fffu + (bits >> 16 & 1u);  // ties to even
    return static_cast<Element>(x == x ? nearest >> 16 : 0x7fc0u);
#else
    return x;
#endif
}

DEVICE void widen(const Eight& eight, float (&x)[8]) {
#pragma unroll
    for (int k = 0; k < ELEMENT_BYTES / 2; ++k) {
        const unsigned words[4] = {eight.part[k].x, eight.part[k].y, eight.part[k].z, eight.part[k].w};
#pragma unroll
        for (int j = 0; j < 4; ++j) {
#if ELEMENT_BYTES == 2
            x[2 * j] = __uint_as_float(words[j] << 16);
            x[2 * j + 1] = __uint_as_float(words[j] & 0xffff0000u);
#else
            x[4 * k + j] = __uint_as_float(words[j]);
#endif
        }
    }
}

DEVICE void read_eight(const float* from, float (&x)[8]) {
    const float4* fours = reinterpret_cast<const float4*>(from);
    const float4 first = fours[0], second = fours[1];
    x[0] = first.x, x[1] = first.y, x[2] = first.z, x[3] = first.w;
    x[4] = second.x, x[5] = second.y, x[6] = second.z, x[7] = second.w;
}
