// Weights in fp32 as the tiles of int8 that int8_rows.h multiplies, where int8 holds them exactly.
#pragma once
#include <numeric>

#include "int8_rows.h"

constexpr float LEVELS = 127.0f;            // of an int8 weight, as quantize.LEVELS
constexpr float MAX_ABS = 127.0f * 65504.0f;  // of a weight, as quantize.MAX_ABS: its scale is an fp16

// The scale of a group with this largest number: a 127th of it, rounded up to the next fp16.
static float scale_of(float largest) {
  const __m256i half = _mm512_cvtps_ph(_mm512_set1_ps(largest / LEVELS), _MM_FROUND_TO_POS_INF);
  return _mm512_cvtss_f32(_mm512_cvtph_ps(half));
}

// A group of 64 weights of one output into its column of a tile; false where int8 changes one of them.
static bool pack_group(const float* weights, uint8_t* column, float& scale) {
  __m512 top = _mm512_setzero_ps();
  for (int64_t i = 0; i < GROUP; i += LANES)
    top = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(weights + i)), top);
  const float largest = _mm512_reduce_max_ps(top);  // NaN is passed over, and differs from its own product
  if (!(largest <= MAX_ABS)) return false;
  scale = scale_of(largest);
  const __m512 scales = _mm512_set1_ps(scale), divisor = _mm512_set1_ps(scale == 0.0f ? 1.0f : scale);
  bool exact = true;
  for (int64_t i = 0; i < GROUP; i += LANES) {
    const __m512 weight = _mm512_loadu_ps(weights + i);
    const __m512i rounded = _mm512_cvtps_epi32(_mm512_div_ps(weight, divisor));
    const __m512 again = _mm512_mul_ps(_mm512_cvtepi32_ps(rounded), scales);
    exact &= _mm512_cmp_ps_mask(again, weight, _CMP_EQ_OQ) == 0xffff;
    alignas(16) int32_t fours[4];
    const __m512i shifted = _mm512_add_epi32(rounded, _mm512_set1_epi32(128));
    _mm_store_si128(reinterpret_cast<__m128i*>(fours), _mm512_cvtepi32_epi8(shifted));
    for (int64_t k = 0; k < 4; ++k)
      std::copy_n(reinterpret_cast<uint8_t*>(fours + k), 4, column + (i / 4 + k) * 4 * TILE);
  }
  return exact;
}

// Matrices of one input, one below the other: fp32 [outputs[i], inputs] each.
struct Parts {
  const float* const* weights;
  const int64_t* outputs;
  int64_t count, inputs;

  int64_t rows() const { return std::accumulate(outputs, outputs + count, int64_t(0)); }

  const float* row(int64_t index) const {
    int64_t part = 0;
    while (index >= outputs[part]) index -= outputs[part++];
    return weights[part] + index * inputs;
  }
};

// They become the weights and scales of a Matrix; false where int8 does not hold them.
static bool pack(const Parts& from, int64_t threads, uint8_t* weights, float* scales) {
  const int64_t groups = from.inputs / GROUP, tiles = from.rows() / TILE;
  bool exact = true;
#pragma omp parallel for num_threads(threads) reduction(&& : exact)
  for (int64_t tile = 0; tile < tiles; ++tile)
    for (int64_t column = 0; column < TILE; ++column) {
      const float* row = from.row(tile * TILE + column);
      for (int64_t group = 0; group < groups; ++group) {
        const int64_t block = tile * groups + group;
        uint8_t* place = weights + block * GROUP * TILE + 4 * column;
        exact = pack_group(row + group * GROUP, place, scales[block * TILE + column]) && exact;
      }
    }
  return exact;
}
