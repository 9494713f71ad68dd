// How blocks give each other numbers without a barrier.
//
// A number travels in a word whose last two bits are those of its epoch (21 bits of its fraction remain). Whoever
// needs it reads the word until the epoch is right: one way through the L2 cache, where a barrier and the reading
// after it take three. Every word is written in every epoch, and only after all blocks that read its last number
// have been heard of, so two bits tell old from new.

DEVICE unsigned tagged(float value, unsigned epoch) {
    return (__float_as_uint(value) + (value == value ? 2u : 0u) & ~3u) | (epoch & 3u);
}

DEVICE float untagged(unsigned word) { return __uint_as_float(word & ~3u); }

DEVICE bool is_late(unsigned word, unsigned epoch) { return (word ^ epoch) & 3u; }

DEVICE bool is_late(Word word, unsigned epoch) { return (word ^ epoch) & 3u; }

DEVICE bool is_late(const uint4& words, unsigned epoch) {
    return ((words.x ^ epoch) | (words.y ^ epoch) | (words.z ^ epoch) | (words.w ^ epoch)) & 3u;
}

// The same place in another copy. Every block writes all copies and reads its own, so that fewer wait for the
// same lines of the L2 cache.
template <class Place>
DEVICE Place* in_copy(int copy, Place* place) {
    return reinterpret_cast<Place*>(reinterpret_cast<unsigned char*>(place) + copy * sizeof(Exchange));
}

// Every lane of a warp has the number.
DEVICE void publish_by_warp(unsigned* at, float value, unsigned epoch) {
    const int lane = threadIdx.x % LANES;
    if (lane < COPIES) write(in_copy(lane, at), tagged(value, epoch));
}

DEVICE void publish(unsigned* at, float value, unsigned epoch) {
#pragma unroll
    for (int copy = 0; copy < COPIES; ++copy) write(in_copy(copy, at), tagged(value, epoch));
}

// What other blocks write to this place, as soon as it is of this epoch.
template <class Words>
DEVICE Words await(const Words* at, unsigned epoch) {
    Words words = read(at);
    for (unsigned tries = 0; is_late(words, epoch); words = read(at))
        if (++tries == PATIENCE) give_up();
    return words;
}

DEVICE float4 untagged(const uint4& words) {
    return {untagged(words.x), untagged(words.y), untagged(words.z), untagged(words.w)};
}

// COUNT numbers into shared memory, four by each thread; `at(i)` is the word of number i, i in fours.
template <int COUNT, class At>
DEVICE void receive(At at, unsigned epoch, float* into) {
    for (int i = 4 * threadIdx.x; i < COUNT; i += 4 * THREADS)
        *reinterpret_cast<float4*>(into + i) = untagged(await(reinterpret_cast<const uint4*>(at(i)), epoch));
    __syncthreads();
}

template <int COUNT>
DEVICE void receive(const unsigned (&words)[COUNT], unsigned epoch, float* into) {
    receive<COUNT>([&](int i) { return words + i; }, epoch, into);
}
