// The weights of a block on their way into shared memory.

// A ring of SLOTS through which they pass: unit after unit, each a layer or the head.
struct Stream {
    static constexpr int PARTS = 4;  // a unit is fetched bit by bit: at once it would hold up the exchange
    Shared& shared;
    const Element* weights;
    int units;

    // Fetch some of PARTS of a unit; its gate opens after the last.
    DEVICE void fetch_parts(int unit, int first, int last) {
        if (unit >= units || threadIdx.x != THREADS - 1) return;
        const int layer = unit % (LAYERS + 1), slot = unit % SLOTS, size = layer < LAYERS ? LAYER : HEAD;
        const int part = (size / 8 + PARTS - 1) / PARTS * 8;
        const int begin = first * part, end = last < PARTS ? last * part : size;
        Word* gate = &shared.fetched[slot];
        if (first == 0) expect(gate, size * ELEMENT_BYTES);
        fetch(shared.weights[slot] + begin, weights + layer * LAYER + begin, (end - begin) * ELEMENT_BYTES, gate);
    }

    DEVICE void start() {
        if (threadIdx.x == THREADS - 1)
            for (int slot = 0; slot < SLOTS; ++slot) open_gate(&shared.fetched[slot]);
        __syncthreads();
        for (int unit = 0; unit < SLOTS; ++unit) fetch_parts(unit, 0, PARTS);
    }

    DEVICE const Element* wait(int unit) {
        wait_fetched(&shared.fetched[unit % SLOTS], unit / SLOTS % 2);
        return shared.weights[unit % SLOTS];
    }

    // Fetch into the place of the unit before this one; every thread must be past its last use of it.
    DEVICE void replace_before(int unit, int first, int last) {
        if (unit) fetch_parts(unit - 1 + SLOTS, first, last);
    }
};
