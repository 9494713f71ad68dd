// What the kernel asks of the machine, in the instructions of Hopper (compute capability 9.0).

#define DEVICE __device__ __forceinline__

typedef unsigned long long Word;

constexpr unsigned PATIENCE = 1u << 22;  // looks at a word that does not come: seconds, then the launch fails

DEVICE void give_up() { __trap(); }

DEVICE unsigned char* shared_memory() {
    extern __shared__ __align__(128) unsigned char bytes[];
    return bytes;
}

DEVICE unsigned shared_address(const void* pointer) {
    return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

// Words that other blocks write and read: each is whole, none waits for another, and none lies in an L1 cache.
DEVICE unsigned read(const unsigned* from) {
    unsigned value;
    asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(from) : "memory");
    return value;
}

DEVICE uint4 read(const uint4* from) {  // each of the four is whole
    uint4 value;
    asm volatile("ld.relaxed.gpu.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
                 : "l"(from)
                 : "memory");
    return value;
}

DEVICE Word read(const Word* from) {
    Word value;
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(value) : "l"(from) : "memory");
    return value;
}

DEVICE void write(unsigned* to, unsigned value) {
    asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" ::"l"(to), "r"(value) : "memory");
}

DEVICE void write(Word* to, Word value) {
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(to), "l"(value) : "memory");
}

DEVICE uint4 read_past_l1(const uint4* from) { return __ldcg(from); }

// What this thread wrote before reaches the other blocks before what it writes from now on.
DEVICE void fence() { __threadfence(); }

// A gate opens when what was fetched through it lies in shared memory; its parity changes each time.
DEVICE void open_gate(Word* gate) {
    asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(shared_address(gate)) : "memory");
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

// The gate opens when so many bytes have come.
DEVICE void expect(Word* gate, unsigned bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(shared_address(gate)), "r"(bytes)
                 : "memory");
}

// Starts a copy from global to shared memory; both addresses and the size are multiples of 16 bytes.
DEVICE void fetch(void* into, const void* from, unsigned bytes, Word* gate) {
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                     shared_address(into)),
                 "l"(from), "r"(bytes), "r"(shared_address(gate))
                 : "memory");
}

DEVICE void wait_fetched(Word* gate, unsigned parity) {
    unsigned done = 0;
    while (!done)
        asm volatile(
            "{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
            : "=r"(done)
            : "r"(shared_address(gate)), "r"(parity)
            : "memory");
}
