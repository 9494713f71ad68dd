// Products of matrices with a vector, a row at a time by a warp.

// Replaces each of COUNT numbers by its sum over lanes that differ in the bits from FIRST on; every lane has it.
template <int COUNT, int FIRST = 1, int END = LANES>
DEVICE void add_lanes(float (&x)[COUNT]) {
#pragma unroll
    for (int step = END / 2; step >= FIRST; step /= 2)
#pragma unroll
        for (int n = 0; n < COUNT; ++n) x[n] += __shfl_xor_sync(0xffffffffu, x[n], step);
}

// A vector spread over the lanes of a warp: eight numbers of every 256 to each.
template <int WIDTH>
struct Spread {
    static constexpr int PIECES = (WIDTH + 8 * LANES - 1) / (8 * LANES);
    float x[PIECES][8];

    DEVICE static int start(int piece) { return 8 * (piece * LANES + threadIdx.x % LANES); }

    DEVICE explicit Spread(const float* vector) : x{} {
#pragma unroll
        for (int piece = 0; piece < PIECES; ++piece)
            if (start(piece) < WIDTH) read_eight(vector + start(piece), x[piece]);
    }

    // This lane's part of the sum of squares.
    DEVICE float squares() const {
        float sum = 0.0f;
#pragma unroll
        for (int piece = 0; piece < PIECES; ++piece)
#pragma unroll
            for (int j = 0; j < 8; ++j) sum += x[piece][j] * x[piece][j];
        return sum;
    }

    DEVICE void multiply(const Element* factors) {
#pragma unroll
        for (int piece = 0; piece < PIECES; ++piece) {
            if (start(piece) >= WIDTH) continue;
            float factor[8];
            widen(*reinterpret_cast<const Eight*>(factors + start(piece)), factor);
#pragma unroll
            for (int j = 0; j < 8; ++j) x[piece][j] *= factor[j];
        }
    }

    // This lane's part of the product with a row.
    DEVICE float times(const Element* row) const {
        float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};  // chains short enough not to wait for each other
#pragma unroll
        for (int piece = 0; piece < PIECES; ++piece) {
            if (start(piece) >= WIDTH) continue;
            float weight[8];
            widen(*reinterpret_cast<const Eight*>(row + start(piece)), weight);
#pragma unroll
            for (int j = 0; j < 8; ++j) sums[j % 4] += weight[j] * x[piece][j];
        }
        return (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }
};

// Products of COUNT rows, or COUNT pairs of rows (TOGETHER = 2), with a vector: each goes to `use(number, first,
// second)`, in every lane of its warp. With a norm the vector goes through RMSNorm, whose scale is multiplied
// afterwards: its sum then runs beside those of the rows.
template <int COUNT, int TOGETHER, int WIDTH, class Use>
DEVICE void multiply(const Element* rows, const float* vector, const Element* norm, Use use) {
    constexpr int EACH = (COUNT + WARPS - 1) / WARPS;
    const int warp = threadIdx.x / LANES;
    if (warp >= COUNT) return;
    float sums[EACH * TOGETHER + 1];
    Spread<WIDTH> spread(vector);
    sums[EACH * TOGETHER] = norm ? spread.squares() : 0.0f;
    if (norm) spread.multiply(norm);
#pragma unroll
    for (int n = 0; n < EACH * TOGETHER; ++n) {
        const int row = (warp + n / TOGETHER * WARPS) * TOGETHER + n % TOGETHER;
        sums[n] = row < COUNT * TOGETHER ? spread.times(rows + row * WIDTH) : 0.0f;
    }
    add_lanes(sums);
    const float scale = norm ? rsqrtf(sums[EACH * TOGETHER] / WIDTH + EPS) : 1.0f;
#pragma unroll
    for (int n = 0; n < EACH; ++n)
        if (warp + n * WARPS < COUNT)
            use(warp + n * WARPS, sums[n * TOGETHER] * scale, sums[(n + 1) * TOGETHER - 1] * scale);
}

DEVICE bool first_lane() { return threadIdx.x % LANES == 0; }
