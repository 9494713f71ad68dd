// Several decode steps of one request in one kernel: greedy tokens by a model whose sizes are constants here.
//
// Every block runs all the time on a multiprocessor of its own and computes the same few rows of every matrix. The
// rows of a block lie in memory in the order of their use and stream into its shared memory ahead of it. Sums are
// fp32 and in a fixed order, so the same tokens come every time.
//
// The files are compiled as one text in this order: hopper.cuh (what the machine does itself), layout.cuh,
// exchange.cuh, products.cuh, attention.cuh, stream.cuh, this. `persistent_step.py` packs the weights and launches.

// ---- The phases of a layer ----

// Queries, keys and values of the newest token, rotated.
DEVICE void project_heads(Shared& shared, const Element* layer, Exchange& exchange, unsigned epoch) {
    multiply<PAIRS, 2, HIDDEN>(layer + PROJECTION, shared.hidden, layer, [&](int pair, float first, float second) {
        const int number = blockIdx.x * PAIRS + pair, head = number / HALF;
        const float cosine = head < HEADS + KV_HEADS ? shared.cosines[pair] : 1.0f;
        const float sine = head < HEADS + KV_HEADS ? shared.sines[pair] : 0.0f;
        const float turned[2] = {first * cosine - second * sine, second * cosine + first * sine};
        for (int k = 0; k < 2; ++k)
            publish_by_warp(&exchange.qkv[head * HEAD_DIM + number % HALF + k * HALF], turned[k], epoch);
    });
}

DEVICE void add_attention(Shared& shared, const Element* layer, Exchange& exchange, unsigned epoch) {
    multiply<OUTPUTS, 1, QUERIES>(layer + OUTPUT, shared.attended, nullptr, [&](int output, float product, float) {
        const int row = blockIdx.x * OUTPUTS + output;
        publish_by_warp(&exchange.middle[row], shared.hidden[row] + product, epoch);
    });
}

DEVICE void gate_and_up(Shared& shared, const Element* layer, Exchange& exchange, unsigned epoch) {
    const Element *rows = layer + GATE_AND_UP, *norm = layer + SECOND_NORM;
    multiply<GATES, 2, HIDDEN>(rows, shared.middle, norm, [&](int row, float gate, float up) {
        publish_by_warp(&exchange.gated[blockIdx.x * GATES + row], gate / (1.0f + expf(-gate)) * up, epoch);
    });
}

DEVICE void add_down(Shared& shared, const Element* layer, Exchange& exchange, unsigned epoch) {
    multiply<OUTPUTS, 1, INTERMEDIATE>(layer + DOWN, shared.gated, nullptr, [&](int output, float product, float) {
        const int row = blockIdx.x * OUTPUTS + output;
        publish_by_warp(&exchange.hidden[row], shared.middle[row] + product, epoch);
    });
}

// ---- The next token ----

struct Choice {  // the largest logit so far; of equal ones the first
    float logit;
    int id;

    DEVICE void offer(float other_logit, int other_id) {
        if (other_logit > logit || (other_logit == logit && other_id < id)) logit = other_logit, id = other_id;
    }
};

// Publishes the block's best logit; logits [VOCAB] are kept as well.
DEVICE void score(Shared& shared, const Element* head, Exchange& exchange, float* logits, unsigned epoch) {
    Choice choice = {minus_infinity(), VOCAB};
    multiply<SCORES, 1, HIDDEN>(head + HIDDEN, shared.hidden, head, [&](int row, float logit, float) {
        const int id = blockIdx.x * SCORES + row;
        if (first_lane()) logits[id] = logit;
        choice.offer(logit, id);
    });
    const int warp = threadIdx.x / LANES;
    if (first_lane()) shared.best[warp] = choice.logit, shared.best_id[warp] = choice.id;
    __syncthreads();
    if (threadIdx.x) return;
#pragma unroll
    for (int other = 1; other < WARPS; ++other) choice.offer(shared.best[other], shared.best_id[other]);
    const Word word = static_cast<Word>(__float_as_uint(choice.logit)) << 32 | choice.id << 2 | (epoch & 3u);
    for (int copy = 0; copy < COPIES; ++copy) write(in_copy(copy, &exchange.best[blockIdx.x]), word);
}

// The best of all blocks, found by every warp for itself. Without any finite logit it is the last id.
DEVICE int choose(Shared& shared, const Exchange& own, unsigned epoch) {
    for (int block = threadIdx.x; block < BLOCKS; block += THREADS)
        shared.votes[block] = await(&own.best[block], epoch);
    __syncthreads();
    Choice choice = {minus_infinity(), VOCAB - 1};
    for (int block = threadIdx.x % LANES; block < BLOCKS; block += LANES)
        choice.offer(__uint_as_float(shared.votes[block] >> 32), static_cast<unsigned>(shared.votes[block]) >> 2);
#pragma unroll
    for (int step = LANES / 2; step; step /= 2) {
        const float logit = __shfl_xor_sync(0xffffffffu, choice.logit, step);
        choice.offer(logit, __shfl_xor_sync(0xffffffffu, choice.id, step));
    }
    return choice.id;
}

DEVICE void set_rotation(Shared& shared, const float* inv_freq, int position) {
    if (threadIdx.x >= PAIRS) return;
    float sine, cosine;
    sincosf(position * inv_freq[(blockIdx.x * PAIRS + threadIdx.x) % HALF], &sine, &cosine);
    shared.cosines[threadIdx.x] = cosine * ROPE_FACTOR;
    shared.sines[threadIdx.x] = sine * ROPE_FACTOR;
}

// ---- The kernel ----

DEVICE void run_layer(
    Shared& shared, Stream& stream, int unit, Attention& attention, Exchange& exchange, const Exchange& own,
    unsigned epoch) {
    const Element* layer = stream.wait(unit);
    project_heads(shared, layer, exchange, epoch);
    if (blockIdx.x < HEADS * SPLITS) attention.run(shared, exchange, own, epoch);
    receive_attention(shared, own, epoch);
    add_attention(shared, layer, exchange, epoch);
    stream.replace_before(unit, 0, 1);
    receive(own.middle, epoch, shared.middle);
    gate_and_up(shared, layer, exchange, epoch);
    stream.replace_before(unit, 1, 2);
    receive(own.gated, epoch, shared.gated);
    add_down(shared, layer, exchange, epoch);
    stream.replace_before(unit, 2, 3);
    receive(own.hidden, epoch, shared.hidden);
    stream.replace_before(unit, 3, Stream::PARTS);
}

// `steps` tokens after the one in ids[0], which stands at positions[0] and is not in the cache yet. weights
// [BLOCKS, a block's stream], embedding [VOCAB, HIDDEN]; cache: LAYERS addresses of keys [KV_HEADS, capacity,
// HEAD_DIM], then LAYERS of values; cache_positions [capacity]. New tokens go to history, by position; its first
// `known` are given and read, whatever is best. logits [VOCAB] are the last step's. first_step counts the steps
// before this launch.
extern "C" __global__ void __launch_bounds__(THREADS, 1) decode(
    const Element* weights, const Element* embedding, const float* inv_freq, const Word* cache,
    long long* cache_positions, long long* ids, long long* positions, long long* history, float* logits,
    Exchange* exchange, int capacity, int known, int steps, int first_step) {
    Shared& shared = *reinterpret_cast<Shared*>(shared_memory());
    const long long block = blockIdx.x;
    Stream stream = {shared, weights + block * (LAYERS * LAYER + HEAD), steps * (LAYERS + 1)};
    const Exchange& own = *in_copy(blockIdx.x % COPIES, exchange);
    const int first_position = static_cast<int>(positions[0]);
    int token = static_cast<int>(ids[0]);
    stream.start();
    set_rotation(shared, inv_freq, first_position);
    for (int step = 0; step < steps; ++step) {
        const int position = first_position + step, unit = step * (LAYERS + 1);
        const unsigned turn = first_step + step;
        for (int i = threadIdx.x; i < HIDDEN; i += THREADS)
            shared.hidden[i] = widened(embedding[static_cast<long long>(token) * HIDDEN + i]);
        __syncthreads();
        for (int layer = 0; layer < LAYERS; ++layer) {
            Element* keys = reinterpret_cast<Element*>(cache[layer]);
            Element* values = reinterpret_cast<Element*>(cache[LAYERS + layer]);
            Attention attention(keys, values, capacity, position);
            run_layer(shared, stream, unit + layer, attention, *exchange, own, turn * LAYERS + layer + 1);
        }
        score(shared, stream.wait(unit + LAYERS), *exchange, logits, turn + 1);
        set_rotation(shared, inv_freq, position + 1);
        token = choose(shared, own, turn + 1);
        if (position + 1 < known) token = static_cast<int>(history[position + 1]);
        stream.replace_before(unit + LAYERS, 0, Stream::PARTS);
        if (blockIdx.x || threadIdx.x) continue;
        cache_positions[position] = position;
        history[position + 1] = token;
        ids[0] = token;
        positions[0] = position + 1;
    }
}
