// Attention of the newest token: one block for each head and split of the cache, joined by all blocks.

// One head over one of SPLITS parts of the cache, by a block for each: every SPLITS-th slot. Eight dimensions a
// thread, so that a slot takes MEMBERS of them and the block looks at TEAMS slots in each pass. The softmax is
// online (Milakov and Gimelshein 2018), in powers of two.
struct Attention {
    static constexpr int MEMBERS = HEAD_DIM / 8, TEAMS = THREADS / MEMBERS, AHEAD = 2;
    const int head = blockIdx.x / SPLITS, split = blockIdx.x % SPLITS, kv_head = head / (HEADS / KV_HEADS);
    const int dim = threadIdx.x % MEMBERS * 8, warp = threadIdx.x / LANES;
    Element *keys, *values;
    int position;
    float largest = minus_infinity();  // score that this warp has seen
    float sums[9] = {};  // of this team's values by their shares, and of the shares

    DEVICE Attention(Element* keys, Element* values, int capacity, int position)
        : keys(keys + kv_head * capacity * HEAD_DIM),
          values(values + kv_head * capacity * HEAD_DIM),
          position(position) {}

    DEVICE int slot(int pass) const {
        return split + SPLITS * (pass * TEAMS + static_cast<int>(threadIdx.x) / MEMBERS);
    }

    DEVICE void load(int pass, Eight& key, Eight& value) const {
        if (slot(pass) >= position) return;
        const int offset = slot(pass) * HEAD_DIM + dim;
#pragma unroll
        for (int k = 0; k < ELEMENT_BYTES / 2; ++k) {
            key.part[k] = read_past_l1(reinterpret_cast<const uint4*>(keys + offset) + k);
            value.part[k] = read_past_l1(reinterpret_cast<const uint4*>(values + offset) + k);
        }
    }

    // Eight numbers from the cache, or, of the newest token, as the cache will hold them.
    DEVICE void take(int pass, const Eight& old, const float* newest, float (&x)[8]) const {
        widen(old, x);
        if (slot(pass) != position) return;
#pragma unroll
        for (int j = 0; j < 8; ++j) x[j] = widened(narrowed(newest[dim + j]));
    }

    // The slots of AHEAD passes; those beyond the newest count nothing. `newest`: its query, key and value.
    DEVICE void visit(
        int pass, const Eight (&keys)[AHEAD], const Eight (&values)[AHEAD], const float* newest) {
        float query[8], scores[AHEAD] = {}, higher = largest;
        read_eight(newest + dim, query);
#pragma unroll
        for (int k = 0; k < AHEAD; ++k) {
            float key[8];
            take(pass + k, keys[k], newest + HEAD_DIM, key);
#pragma unroll
            for (int j = 0; j < 8; ++j) scores[k] += query[j] * key[j];
        }
        add_lanes<AHEAD, 1, MEMBERS>(scores);
#pragma unroll
        for (int k = 0; k < AHEAD; ++k) {
            scores[k] = slot(pass + k) <= position ? scores[k] * (LOG2_E * rsqrtf(HEAD_DIM)) : minus_infinity();
            higher = fmaxf(higher, scores[k]);
        }
#pragma unroll
        for (int step = MEMBERS; step < LANES; step *= 2)
            higher = fmaxf(higher, __shfl_xor_sync(0xffffffffu, higher, step));
        const float base = finite(higher), kept = exp2f(largest - base);
        largest = higher;
#pragma unroll
        for (int j = 0; j < 9; ++j) sums[j] *= kept;
#pragma unroll
        for (int k = 0; k < AHEAD; ++k) {
            float value[8];
            take(pass + k, values[k], newest + 2 * HEAD_DIM, value);
            const float share = exp2f(scores[k] - base);
#pragma unroll
            for (int j = 0; j < 8; ++j) sums[j] += share * value[j];
            sums[8] += share;
        }
    }

    // This head's attention over this split, and the logarithm of its weight among the splits.
    DEVICE void publish_joined(Shared& shared, Exchange& exchange, unsigned epoch) {
        add_lanes<9, MEMBERS>(sums);
        if (threadIdx.x % LANES < MEMBERS)
            for (int j = 0; j < 8; ++j) shared.sums[warp][dim + j] = sums[j];
        if (first_lane()) shared.largest[warp] = largest, shared.totals[warp] = sums[8];
        __syncthreads();
        if (threadIdx.x >= HEAD_DIM) return;
        float best = minus_infinity(), total = 0.0f, sum = 0.0f;
#pragma unroll
        for (int k = 0; k < WARPS; ++k) best = fmaxf(best, shared.largest[k]);
#pragma unroll
        for (int k = 0; k < WARPS; ++k) {
            const float share = exp2f(shared.largest[k] - finite(best));
            total += shared.totals[k] * share;
            sum += shared.sums[k][threadIdx.x] * share;
        }
        publish(&exchange.attended[split][head * HEAD_DIM + threadIdx.x], total > 0.0f ? sum / total : 0.0f, epoch);
        if (threadIdx.x == 0) publish(&exchange.weight[split][head], best + log2f(total), epoch);
    }

    // Keep the newest key and value. Others read them a token later, after words written behind this fence.
    DEVICE void remember(const float* newest) {
        if (head % (HEADS / KV_HEADS) || split != position % SPLITS || threadIdx.x >= HEAD_DIM) return;
        keys[position * HEAD_DIM + threadIdx.x] = narrowed(newest[HEAD_DIM + threadIdx.x]);
        values[position * HEAD_DIM + threadIdx.x] = narrowed(newest[2 * HEAD_DIM + threadIdx.x]);
        fence();
    }

    DEVICE void run(Shared& shared, Exchange& exchange, const Exchange& own, unsigned epoch) {
        const unsigned* query = own.qkv + head * HEAD_DIM;
        const unsigned* key = own.qkv + (HEADS + kv_head) * HEAD_DIM;
        const unsigned* value = key + KV_HEADS * HEAD_DIM;
        for (int pass = 0; split + SPLITS * TEAMS * pass <= position || pass == 0; pass += AHEAD) {
            Eight old_keys[AHEAD] = {}, old_values[AHEAD] = {};
#pragma unroll
            for (int k = 0; k < AHEAD; ++k) load(pass + k, old_keys[k], old_values[k]);
            if (pass == 0)  // after the loads, which need none of it
                receive<3 * HEAD_DIM>(
                    [&](int i) { return (i < HEAD_DIM ? query : i < 2 * HEAD_DIM ? key : value) + i % HEAD_DIM; },
                    epoch, shared.head);
            visit(pass, old_keys, old_values, shared.head);
        }
        publish_joined(shared, exchange, epoch);
        remember(shared.head);
    }
};

// The attention of all heads, its splits joined, into shared memory: four columns of one head by each thread.
DEVICE void receive_attention(Shared& shared, const Exchange& own, unsigned epoch) {
    for (int i = 4 * threadIdx.x; i < QUERIES; i += 4 * THREADS) {
        uint4 parts[SPLITS];
        unsigned weights[SPLITS];
        bool late = true;  // all of them are looked at together: one after the other would be as many ways
        for (unsigned tries = 0; late; ++tries) {
#pragma unroll
            for (int split = 0; split < SPLITS; ++split) {
                parts[split] = read(reinterpret_cast<const uint4*>(&own.attended[split][i]));
                weights[split] = read(&own.weight[split][i / HEAD_DIM]);
            }
            late = false;
#pragma unroll
            for (int split = 0; split < SPLITS; ++split)
                late |= is_late(parts[split], epoch) || is_late(weights[split], epoch);
            if (tries == PATIENCE) give_up();
        }
        float4 joined = {0.0f, 0.0f, 0.0f, 0.0f};
        float largest = minus_infinity(), total = 0.0f;
#pragma unroll
        for (int split = 0; split < SPLITS; ++split) largest = fmaxf(largest, untagged(weights[split]));
#pragma unroll
        for (int split = 0; split < SPLITS; ++split) {
            const float4 part = untagged(parts[split]);
            const float share = exp2f(untagged(weights[split]) - largest);
            total += share;
            joined.x += share * part.x, joined.y += share * part.y;
            joined.z += share * part.z, joined.w += share * part.w;
        }
        *reinterpret_cast<float4*>(shared.attended + i) = {
            joined.x / total, joined.y / total, joined.z / total, joined.w / total};
    }
    __syncthreads();
}
