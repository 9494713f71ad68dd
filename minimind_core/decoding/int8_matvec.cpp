// y = W x for one row x, with W in int8 and one fp32 scale for each group of inputs.
// Built by int8_linear.py when it is first needed; rows are split over torch's own threads.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#endif

constexpr int64_t GROUP = 64;        // as quantize.GROUP_SIZE
constexpr int64_t ROWS_A_TASK = 64;  // fewer would cost more in waking threads than they save

#if defined(__AVX2__) && defined(__FMA__)
// Compilers widen int8 in several steps; one instruction does it.
static inline __m256 widened(const int8_t* weights) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(weights))));
}

static float row_product(const int8_t* weights, const float* scales, const float* inputs, int64_t groups) {
  __m256 total = _mm256_setzero_ps();
  for (int64_t group = 0; group < groups; ++group, weights += GROUP, inputs += GROUP) {
    __m256 even = _mm256_setzero_ps(), odd = _mm256_setzero_ps();
    for (int64_t k = 0; k < GROUP; k += 16) {
      even = _mm256_fmadd_ps(_mm256_loadu_ps(inputs + k), widened(weights + k), even);
      odd = _mm256_fmadd_ps(_mm256_loadu_ps(inputs + k + 8), widened(weights + k + 8), odd);
    }
    total = _mm256_fmadd_ps(_mm256_add_ps(even, odd), _mm256_set1_ps(scales[group]), total);
  }
  float lanes[8], sum = 0;
  _mm256_storeu_ps(lanes, total);
  for (float lane : lanes) sum += lane;
  return sum;
}
#else
static float row_product(const int8_t* weights, const float* scales, const float* inputs, int64_t groups) {
  float total = 0;
  for (int64_t group = 0; group < groups; ++group, weights += GROUP, inputs += GROUP) {
    float sum = 0;
    for (int64_t k = 0; k < GROUP; ++k) sum += inputs[k] * static_cast<float>(weights[k]);
    total += sum * scales[group];
  }
  return total;
}
#endif

// x fp32 [in], q int8 [out, in], scale fp32 [out, in / GROUP], all contiguous -> fp32 [out]
at::Tensor int8_matvec(const at::Tensor& x, const at::Tensor& q, const at::Tensor& scale) {
  const int64_t rows = q.size(0), groups = scale.size(1);
  TORCH_CHECK(x.numel() == groups * GROUP && q.size(1) == groups * GROUP, "sizes do not match");
  at::Tensor y = at::empty({rows}, x.options());
  const float* inputs = x.data_ptr<float>();
  const float* scales = scale.data_ptr<float>();
  const int8_t* weights = q.data_ptr<int8_t>();
  float* outputs = y.data_ptr<float>();
  at::parallel_for(0, rows, ROWS_A_TASK, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      outputs[row] = row_product(weights + row * groups * GROUP, scales + row * groups, inputs, groups);
  });
  return y;
}

TORCH_LIBRARY(minimind, library) {
  library.def("int8_matvec(Tensor x, Tensor q, Tensor scale) -> Tensor");
}
TORCH_LIBRARY_IMPL(minimind, CPU, library) { library.impl("int8_matvec", &int8_matvec); }
