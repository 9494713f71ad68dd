// What the persistent kernel asks of the machine, on one core of a CPU: every thread of every block is a fiber.
//
// Fibers run in turn and switch where a thread of a GPU would wait, or look at a word of another block. A fetch is
// done at once, which is the earliest that a reader of the old weights could be overtaken.

#include <math.h>
#include <string.h>
#include <ucontext.h>

#include <functional>
#include <vector>

#define __global__
#define DEVICE inline
#define __launch_bounds__(...)

typedef unsigned long long Word;

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

struct Index {
    unsigned x;
};

struct Meeting {  // of the threads of a warp or of a block
    unsigned arrived = 0, times = 0;
    float values[32];
};

struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    bool done = false;
    Meeting* meeting = nullptr;  // the last it came to
    unsigned time = 0;

    bool waits() const { return meeting && meeting->times == time; }
};

constexpr unsigned PATIENCE = 1u << 14, STACK = 1u << 16;  // looks; far more than any wait takes

static Index threadIdx, blockIdx;
static std::vector<Fiber> fibers;
static std::vector<Meeting> warps, blocks;
static std::vector<std::vector<unsigned char>> memories;
static ucontext_t scheduler;
static unsigned current, threads_a_block;
static std::function<void()> kernel;

static bool failed;

static void step_aside() { swapcontext(&fibers[current].context, &scheduler); }

static void give_up() {
    failed = true;
    step_aside();  // for good
}

static void meet(Meeting& meeting, unsigned size) {
    fibers[current].meeting = &meeting, fibers[current].time = meeting.times;
    if (++meeting.arrived == size) meeting.arrived = 0, ++meeting.times;
    if (fibers[current].waits()) step_aside();
}

static void __syncthreads() { meet(blocks[blockIdx.x], threads_a_block); }

template <class Number>
static Number __shfl_xor_sync(unsigned, Number value, int step) {
    Meeting& warp = warps[current / 32];
    memcpy(&warp.values[current % 32], &value, 4);
    meet(warp, 32);
    Number other;
    memcpy(&other, &warp.values[current % 32 ^ step], 4);
    meet(warp, 32);
    return other;
}

static unsigned __float_as_uint(float x) {
    unsigned bits;
    memcpy(&bits, &x, 4);
    return bits;
}

static float __uint_as_float(unsigned bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static float rsqrtf(float x) { return 1.0f / sqrtf(x); }

static unsigned char* shared_memory() {
    auto& memory = memories[blockIdx.x];
    return memory.data() + (128 - reinterpret_cast<size_t>(memory.data()) % 128);
}

struct float4 {
    float x, y, z, w;
};

template <class Letter>
static Letter read(const Letter* from) {
    step_aside();
    return *from;
}

template <class Letter>
static void write(Letter* to, Letter value) {
    *to = value;
}

static uint4 read_past_l1(const uint4* from) { return *from; }

static void fence() {}

static void open_gate(Word* gate) { *gate = 0; }

// Bytes to come are counted in a gate's upper half, the times it opened in its lower.
static void expect(Word* gate, unsigned bytes) { *gate += static_cast<Word>(bytes) << 32; }

static void fetch(void* into, const void* from, unsigned bytes, Word* gate) {
    memcpy(into, from, bytes);
    *gate -= static_cast<Word>(bytes) << 32;
    *gate += *gate >> 32 == 0;
}

// A gate of this parity is open when it was passed an odd or an even number of times.
static void wait_fetched(Word* gate, unsigned parity) {
    for (unsigned tries = 0; *gate >> 32 || *gate % 2 == parity; step_aside())
        if (++tries == PATIENCE) give_up();
}

static void run_fiber() {
    kernel();
    fibers[current].done = true;
    step_aside();
}

// Whether every thread came to its end.
static bool launch(unsigned grid, unsigned block, unsigned shared_bytes, std::function<void()> run) {
    const unsigned count = grid * block;
    kernel = run, threads_a_block = block, failed = false;
    fibers.assign(count, {}), warps.assign(count / 32, {}), blocks.assign(grid, {});
    memories.assign(grid, std::vector<unsigned char>(shared_bytes + 128, 0xff));  // NaN wherever nothing is written
    for (Fiber& fiber : fibers) {
        fiber.stack.resize(STACK);
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data(), fiber.context.uc_stack.ss_size = STACK;
        makecontext(&fiber.context, run_fiber, 0);
    }
    for (unsigned left = count; left && !failed;) {
        left = 0;
        for (current = 0; current < count && !failed; ++current) {
            if (fibers[current].done) continue;
            ++left;
            if (fibers[current].waits()) continue;
            threadIdx.x = current % block, blockIdx.x = current / block;
            swapcontext(&scheduler, &fibers[current].context);
        }
    }
    return !failed;
}
