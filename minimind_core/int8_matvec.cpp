// y = W x for one row x, with W in int8 and one fp32 scale for each group of inputs.
// Built by int8_linear.py when it is first needed; rows are split over torch's own threads.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

constexpr int64_t GROUP = 64;      // as quantize.GROUP_SIZE
constexpr int64_t LANES = 16;
constexpr int64_t ROWS_A_TASK = 64;  // fewer would cost more in waking threads than they save

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
    for (int64_t row = begin; row < end; ++row) {
      float total[LANES] = {0};  // lane by lane, so that a row is added up across lanes only once
      for (int64_t group = 0; group < groups; ++group) {
        const int8_t* w = weights + (row * groups + group) * GROUP;
        const float* in = inputs + group * GROUP;
        float sum[LANES] = {0};
        for (int64_t k = 0; k < GROUP; k += LANES)
          for (int64_t lane = 0; lane < LANES; ++lane) sum[lane] += in[k + lane] * static_cast<float>(w[k + lane]);
        const float s = scales[row * groups + group];
        for (int64_t lane = 0; lane < LANES; ++lane) total[lane] += sum[lane] * s;
      }
      float row_total = 0;
      for (float part : total) row_total += part;
      outputs[row] = row_total;
    }
  });
  return y;
}

TORCH_LIBRARY(minimind, library) {
  library.def("int8_matvec(Tensor x, Tensor q, Tensor scale) -> Tensor");
}
TORCH_LIBRARY_IMPL(minimind, CPU, library) { library.impl("int8_matvec", &int8_matvec); }
