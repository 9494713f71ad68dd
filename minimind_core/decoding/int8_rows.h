// y = W x for several rows x, with W in int8: products of integers by AVX-512's VNNI instructions.
//
// An activation is an integer of 24 bits times the scale of its group of 64 inputs, kept as three signed
// bytes. Bytes times int8 weights are added exactly, so that a product is as precise as one in fp32, and
// a row's numbers do not depend on how many rows or threads there are.
#pragma once
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

constexpr int64_t GROUP = 64;        // inputs that share a scale, as quantize.GROUP_SIZE
constexpr int64_t LANES = 16;        // 32-bit numbers of a vector
constexpr int64_t TILE = 2 * LANES;  // outputs multiplied at once
constexpr int64_t ROWS = 4;          // rows multiplied at once: 3 bytes, 2 vectors, so 24 sums in registers
constexpr int64_t DIGITS = 3;        // bytes of an activation
constexpr float LARGEST = 8.355e6f;  // of the integers; below 127 * 65536 + 127 * 256 + 127
constexpr float SMALLEST = 1e-30f;   // a group with nothing above it counts as zero

struct Matrix {
  const uint8_t* weights;  // [outputs / TILE, groups, GROUP / 4, TILE, 4], each plus 128
  const float* scales;     // [outputs / TILE, groups, TILE]
  int64_t outputs, inputs;
};

struct Activations {  // the inputs of a product
  std::vector<int32_t> digits;  // [rows / ROWS, groups, GROUP / 4, DIGITS, ROWS], highest first
  std::vector<int32_t> sums;    // [rows, groups, DIGITS]: -128 times their sum, as weights have 128 more
  std::vector<float> scales;    // [rows, groups]
  int64_t groups = 0;

  void fit(int64_t rows, int64_t size) {
    groups = size / GROUP;
    digits.resize((rows + ROWS - 1) / ROWS * ROWS * groups * DIGITS * GROUP / 4);
    sums.resize(rows * groups * DIGITS);
    scales.resize(rows * groups);
  }

  int32_t* block(int64_t row, int64_t group) {
    return &digits[(row / ROWS * groups + group) * GROUP / 4 * DIGITS * ROWS];
  }
};

static void quantize_group(const float* x, Activations& out, int64_t row, int64_t group) {
  __m512i top = _mm512_setzero_si512();  // compared by bits, which puts infinity and NaN above all numbers
  for (int64_t i = 0; i < GROUP; i += LANES)
    top = _mm512_max_epu32(top, _mm512_castps_si512(_mm512_abs_ps(_mm512_loadu_ps(x + i))));
  const float largest = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epu32(top))));
  const bool finite = largest <= std::numeric_limits<float>::max(), zero = largest < SMALLEST;
  const int64_t index = row * out.groups + group;
  out.scales[index] = zero ? 0.0f : largest / LARGEST;  // not finite, it makes NaN of the zeros below
  const __m512 inverse = _mm512_set1_ps(!finite || zero ? 0.0f : LARGEST / largest);
  __m512i sums[DIGITS] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
  int32_t* block = out.block(row, group) + row % ROWS;
  for (int64_t i = 0; i < GROUP; i += LANES) {
    __m512i rest = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), inverse));
    for (int64_t digit = DIGITS - 1; digit >= 0; --digit) {
      const __m128i bytes = _mm512_cvtepi32_epi8(rest);
      alignas(16) int32_t fours[4];
      _mm_store_si128(reinterpret_cast<__m128i*>(fours), bytes);
      for (int64_t k = 0; k < 4; ++k) block[((i / 4 + k) * DIGITS + digit) * ROWS] = fours[k];
      sums[digit] = _mm512_add_epi32(sums[digit], _mm512_cvtepi8_epi32(bytes));
      rest = _mm512_srai_epi32(_mm512_add_epi32(rest, _mm512_set1_epi32(128)), 8);
    }
  }
  for (int64_t digit = 0; digit < DIGITS; ++digit)
    out.sums[index * DIGITS + digit] = -128 * _mm512_reduce_add_epi32(sums[digit]);
}

static void quantize(const float* x, int64_t size, Activations& out, int64_t row) {
  for (int64_t group = 0; group < size / GROUP; ++group) quantize_group(x + group * GROUP, out, row, group);
}

// use(0), use(1), .. use(N - 1), as constants: an array that is indexed by nothing else is kept in registers.
template <int N, typename Use>
static inline __attribute__((always_inline)) void each(Use use) {
  if constexpr (N > 0) {
    each<N - 1>(use);
    use(std::integral_constant<int, N - 1>());
  }
}

// sum += the four products of each 32 bits. As an intrinsic, GCC 12 copies every sum twice and stores it too,
// which took 2.2 times as long.
static inline void add_products(__m512i& sum, __m512i weights, __m512i inputs) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(inputs));
}

// A tile for N rows, from `row` on, the first of a block: totals [N][2].
template <int N>
static void multiply(const Matrix& matrix, int64_t tile, Activations& x, int64_t row, __m512 (*totals)[2]) {
  const int64_t groups = matrix.inputs / GROUP;
  const uint8_t* weights = matrix.weights + tile * groups * GROUP * TILE;
  const float* scales = matrix.scales + tile * groups * TILE;
  each<N>([&](auto r) { totals[r][0] = totals[r][1] = _mm512_setzero_ps(); });
  for (int64_t group = 0; group < groups; ++group, scales += TILE) {
    const int64_t index = row * x.groups + group;
    __m512i sums[N * DIGITS][2];
    each<N * DIGITS>([&](auto i) __attribute__((always_inline)) {
      const int64_t place = (index + i / DIGITS * x.groups) * DIGITS + i % DIGITS;
      sums[i][0] = sums[i][1] = _mm512_set1_epi32(x.sums[place]);
    });
    const int32_t* digits = x.block(row, group);
    for (int64_t k = 0; k < GROUP / 4; ++k, weights += 4 * TILE, digits += DIGITS * ROWS) {
      const __m512i left = _mm512_loadu_si512(weights), right = _mm512_loadu_si512(weights + 4 * LANES);
      each<N * DIGITS>([&](auto i) __attribute__((always_inline)) {
        const __m512i four = _mm512_set1_epi32(digits[i % DIGITS * ROWS + i / DIGITS]);
        add_products(sums[i][0], left, four);
        add_products(sums[i][1], right, four);
      });
    }
    each<N * 2>([&](auto i) __attribute__((always_inline)) {
      constexpr int r = i / 2, side = i % 2;
      const __m512i lower =
          _mm512_add_epi32(_mm512_slli_epi32(sums[r * DIGITS + 1][side], 8), sums[r * DIGITS + 2][side]);
      const __m512 higher = _mm512_cvtepi32_ps(sums[r * DIGITS][side]);
      const __m512 sum = _mm512_fmadd_ps(higher, _mm512_set1_ps(65536.0f), _mm512_cvtepi32_ps(lower));
      const __m512 activation_scale = _mm512_set1_ps(x.scales[index + r * x.groups]);
      const __m512 scale = _mm512_mul_ps(_mm512_loadu_ps(scales + side * LANES), activation_scale);
      totals[r][side] = _mm512_fmadd_ps(sum, scale, totals[r][side]);
    });
  }
}

// A tile for all rows: use(row, first of 16 outputs, their numbers).
template <typename Use>
static void multiply_rows(const Matrix& matrix, int64_t tile, Activations& x, int64_t rows, Use use) {
  __m512 totals[ROWS][2];
  for (int64_t row = 0; row < rows; row += ROWS) {
    const int64_t count = std::min(ROWS, rows - row);
    if (count == 4) multiply<4>(matrix, tile, x, row, totals);
    else if (count == 3) multiply<3>(matrix, tile, x, row, totals);
    else if (count == 2) multiply<2>(matrix, tile, x, row, totals);
    else multiply<1>(matrix, tile, x, row, totals);
    for (int64_t r = 0; r < count; ++r)
      for (int64_t side = 0; side < 2; ++side) use(row + r, tile * TILE + side * LANES, totals[r][side]);
  }
}
