// Some tokens through a whole model, as one call: fp32, with int8 weights. A row of the batch is a token of
// anybody: the newest of each request, or many of one prompt. Built and called by cpu_step.py, whose
// structures mirror those below.
//
// Threads enter once. From `attend` on, every function is called by all of them together: its loop is shared
// out, and nobody goes on before it is done.
#include <omp.h>

#include <algorithm>
#include <cmath>

#include "int8_pack.h"
#include "int8_rows.h"

struct Layer {
  const float *attention_norm, *feed_forward_norm;  // [hidden]
  const float *query_norm, *key_norm;               // [head_dim], or null
  Matrix qkv, output, gate_up, down;
};

struct Model {
  int64_t num_layers, vocab, hidden, intermediate, num_heads, num_kv_heads, head_dim;
  const float *embedding, *final_norm, *inv_freq;  // [vocab, hidden], [hidden], [head_dim / 2]
  const Layer* layers;
  Matrix head;
  float eps, attention_factor;
};

struct Cache {
  float *const *keys, *const *values;  // of each layer [blocks, num_kv_heads, block_size, head_dim]
  int64_t block_stride, head_stride, place_stride;
  const int64_t* tables;  // [owners, ..]: the blocks of each
  int64_t table_stride, block_size;
  int64_t* positions;  // [owners, capacity]: of the token in each place, negative where there is none
  int64_t position_stride, capacity;
};

struct Batch {
  int64_t rows;
  const int64_t *ids, *positions, *owners;  // [rows]; an owner is a row of the cache
  float* logits;                            // [rows, vocab], or null where nobody asks
};

struct Scratch {
  std::vector<float> hidden, projected, attended, normed, between, cosines, sines, scores;
  std::vector<int64_t> places, counts;  // where in a layer's keys the places are that each row sees
  Activations inputs, gated;

  void fit(const Model& model, int64_t capacity, int64_t rows, int64_t threads) {
    const int64_t width = model.num_heads * model.head_dim;
    hidden.resize(rows * model.hidden);
    normed.resize(rows * model.hidden);
    attended.resize(rows * width);
    projected.resize(rows * (width + 2 * model.num_kv_heads * model.head_dim));
    cosines.resize(rows * model.head_dim / 2);
    sines.resize(rows * model.head_dim / 2);
    scores.resize(threads * (capacity + LANES));
    places.resize(rows * capacity);
    counts.resize(rows);
    inputs.fit(rows, std::max(model.hidden, width));
    between.resize(rows * model.intermediate);
    gated.fit(rows, model.intermediate);
  }
};

static __m512 exponential(__m512 x) {  // relative error about 1e-7
  x = _mm512_max_ps(_mm512_set1_ps(-87.0f), x);  // NaN stays NaN
  const __m512 doublings = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0);
  __m512 rest = _mm512_fnmadd_ps(doublings, _mm512_set1_ps(0.693359375f), x);
  rest = _mm512_fnmadd_ps(doublings, _mm512_set1_ps(-2.12194440e-4f), rest);
  __m512 sum = _mm512_set1_ps(1.0f / 5040);
  for (float term : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(term));
  return _mm512_scalef_ps(sum, doublings);
}

static float dot(const float* a, const float* b, int64_t size) {
  __m512 sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < size; i += LANES)
    sum = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum);
  return _mm512_reduce_add_ps(sum);
}

// x * weight / sqrt(mean(x^2) + eps); `normed` may be x.
static void rms_norm(const float* x, const float* weight, float eps, int64_t size, float* normed) {
  const __m512 factor = _mm512_set1_ps(1.0f / std::sqrt(dot(x, x, size) / size + eps));
  for (int64_t i = 0; i < size; i += LANES) {
    const __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(x + i), factor);
    _mm512_storeu_ps(normed + i, _mm512_mul_ps(scaled, _mm512_loadu_ps(weight + i)));
  }
}

// Turns every pair (i, i + head_dim / 2) of one head.
static void rotate(float* head, const float* cosines, const float* sines, int64_t half) {
  for (int64_t i = 0; i < half; ++i) {
    const float first = head[i], second = head[half + i];
    head[i] = first * cosines[i] - second * sines[i];
    head[half + i] = second * cosines[i] + first * sines[i];
  }
}

static int64_t place_of(const Cache& cache, int64_t owner, int64_t place) {
  const int64_t block = cache.tables[owner * cache.table_stride + place / cache.block_size];
  return block * cache.block_stride + place % cache.block_size * cache.place_stride;
}

// softmax(scores) in place but for the division: returns one over their sum. Reads up to a whole vector.
static float weigh(float* scores, int64_t count) {
  const float lowest = -std::numeric_limits<float>::infinity();
  for (int64_t i = count; i % LANES; ++i) scores[i] = lowest;
  __m512 top = _mm512_set1_ps(lowest), sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < count; i += LANES) top = _mm512_max_ps(top, _mm512_loadu_ps(scores + i));
  const __m512 largest = _mm512_set1_ps(_mm512_reduce_max_ps(top));
  for (int64_t i = 0; i < count; i += LANES) {
    const __m512 weights = exponential(_mm512_sub_ps(_mm512_loadu_ps(scores + i), largest));
    _mm512_storeu_ps(scores + i, weights);
    const int64_t left = std::min(LANES, count - i);
    sum = _mm512_mask_add_ps(sum, static_cast<__mmask16>((1u << left) - 1), sum, weights);
  }
  return 1.0f / _mm512_reduce_add_ps(sum);
}

// sum of weights[i] * values[places[i]] for 16 numbers of a head after the other.
static void mix(const float* weights, const float* values, const int64_t* places, int64_t count, float factor,
                int64_t size, float* out) {
  for (int64_t d = 0; d < size; d += LANES) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < count; ++i)
      sum = _mm512_fmadd_ps(_mm512_set1_ps(weights[i]), _mm512_loadu_ps(values + places[i] + d), sum);
    _mm512_storeu_ps(out + d, _mm512_mul_ps(sum, _mm512_set1_ps(factor)));
  }
}

// Embeddings, rotations, and which places each row sees.
static void begin(const Model& model, const Cache& cache, const Batch& batch, Scratch& scratch) {
  const int64_t half = model.head_dim / 2;
#pragma omp for schedule(static)
  for (int64_t row = 0; row < batch.rows; ++row) {
    const int64_t position = batch.positions[row];
    const float* embedded = model.embedding + batch.ids[row] * model.hidden;
    std::copy_n(embedded, model.hidden, &scratch.hidden[row * model.hidden]);
    for (int64_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(position) * model.inv_freq[i];
      scratch.cosines[row * half + i] = std::cos(angle) * model.attention_factor;
      scratch.sines[row * half + i] = std::sin(angle) * model.attention_factor;
    }
    const int64_t* marked = cache.positions + batch.owners[row] * cache.position_stride;
    int64_t count = 0;
    for (int64_t place = 0; place < cache.capacity; ++place)
      if (marked[place] >= 0 && marked[place] <= position)
        scratch.places[row * cache.capacity + count++] = place_of(cache, batch.owners[row], place);
    scratch.counts[row] = count;
  }
}

// New keys, normed and rotated, and new values go into the cache: a later row of the same owner sees them.
static void keep(
    const Model& model, int64_t index, const Cache& cache, const Batch& batch, Scratch& scratch) {
  const int64_t size = model.head_dim, half = size / 2, heads = model.num_heads + 2 * model.num_kv_heads;
  const float* norm = model.layers[index].key_norm;
#pragma omp for schedule(static)
  for (int64_t row = 0; row < batch.rows; ++row) {
    const int64_t place = place_of(cache, batch.owners[row], batch.positions[row]);
    for (int64_t head = 0; head < model.num_kv_heads; ++head) {
      float* key = &scratch.projected[(row * heads + model.num_heads + head) * size];
      if (norm) rms_norm(key, norm, model.eps, size, key);
      rotate(key, &scratch.cosines[row * half], &scratch.sines[row * half], half);
      const int64_t offset = head * cache.head_stride + place;
      std::copy_n(key, size, cache.keys[index] + offset);
      std::copy_n(key + model.num_kv_heads * size, size, cache.values[index] + offset);
    }
  }
}

static void attend(
    const Model& model, int64_t index, const Cache& cache, const Batch& batch, Scratch& scratch) {
  const int64_t size = model.head_dim, half = size / 2, group = model.num_heads / model.num_kv_heads;
  const int64_t heads = model.num_heads + 2 * model.num_kv_heads;
  const float* norm = model.layers[index].query_norm;
  const float factor = 1.0f / std::sqrt(static_cast<float>(size));
  float* scores = &scratch.scores[omp_get_thread_num() * (cache.capacity + LANES)];
#pragma omp for schedule(dynamic)
  for (int64_t task = 0; task < batch.rows * model.num_kv_heads; ++task) {
    const int64_t row = task / model.num_kv_heads, kv_head = task % model.num_kv_heads;
    const float* keys = cache.keys[index] + kv_head * cache.head_stride;
    const float* values = cache.values[index] + kv_head * cache.head_stride;
    const int64_t* places = &scratch.places[row * cache.capacity];
    const int64_t count = scratch.counts[row];
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      float* query = &scratch.projected[(row * heads + head) * size];
      if (norm) rms_norm(query, norm, model.eps, size, query);
      rotate(query, &scratch.cosines[row * half], &scratch.sines[row * half], half);
      for (int64_t i = 0; i < count; ++i) scores[i] = dot(query, keys + places[i], size) * factor;
      const float share = weigh(scores, count);
      float* attended = &scratch.attended[(row * model.num_heads + head) * size];
      mix(scores, values, places, count, share, size, attended);
    }
  }
}

static void norm_inputs(const Model& model, const float* weight, int64_t rows, Scratch& scratch) {
#pragma omp for schedule(static)
  for (int64_t row = 0; row < rows; ++row) {
    float* normed = &scratch.normed[row * model.hidden];
    rms_norm(&scratch.hidden[row * model.hidden], weight, model.eps, model.hidden, normed);
    quantize(normed, model.hidden, scratch.inputs, row);
  }
}

static void attended_inputs(const Model& model, int64_t rows, Scratch& scratch) {
  const int64_t width = model.num_heads * model.head_dim;
#pragma omp for schedule(static)
  for (int64_t row = 0; row < rows; ++row)
    quantize(&scratch.attended[row * width], width, scratch.inputs, row);
}

// out [rows, outputs] = the product, or plus it.
static void product(const Matrix& matrix, Activations& x, int64_t rows, bool add, float* out) {
#pragma omp for schedule(dynamic, 2)
  for (int64_t tile = 0; tile < matrix.outputs / TILE; ++tile)
    multiply_rows(matrix, tile, x, rows, [&](int64_t row, int64_t first, __m512 outputs) {
      float* place = out + row * matrix.outputs + first;
      _mm512_storeu_ps(place, add ? _mm512_add_ps(_mm512_loadu_ps(place), outputs) : outputs);
    });
}

static __m512 silu(__m512 x) {
  const __m512 one = _mm512_set1_ps(1.0f);
  return _mm512_div_ps(x, _mm512_add_ps(one, exponential(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

// silu(gate) * up, a group of 64 at a time, which makes them the inputs of the next product at once.
static void gate(const Model& model, const Matrix& gate_up, int64_t rows, Scratch& scratch) {
  const int64_t size = model.intermediate, tiles = GROUP / TILE;
#pragma omp for schedule(dynamic)
  for (int64_t group = 0; group < size / GROUP; ++group) {
    for (int64_t tile = group * tiles; tile < (group + 1) * tiles; ++tile) {
      multiply_rows(gate_up, tile, scratch.inputs, rows, [&](int64_t row, int64_t first, __m512 gates) {
        _mm512_storeu_ps(&scratch.between[row * size + first], silu(gates));
      });
      const int64_t other = size / TILE + tile;
      multiply_rows(gate_up, other, scratch.inputs, rows, [&](int64_t row, int64_t first, __m512 ups) {
        float* place = &scratch.between[row * size + first - size];
        _mm512_storeu_ps(place, _mm512_mul_ps(_mm512_loadu_ps(place), ups));
      });
    }
    for (int64_t row = 0; row < rows; ++row)
      quantize_group(&scratch.between[row * size + group * GROUP], scratch.gated, row, group);
  }
}

static void mark(const Cache& cache, const Batch& batch) {
  for (int64_t row = 0; row < batch.rows; ++row)
    cache.positions[batch.owners[row] * cache.position_stride + batch.positions[row]] = batch.positions[row];
}

static bool fits(const Model& model, const Cache& cache, const Batch& batch) {
  for (int64_t row = 0; row < batch.rows; ++row) {
    const int64_t id = batch.ids[row], position = batch.positions[row];
    if (id < 0 || id >= model.vocab || position < 0 || position >= cache.capacity) return false;
  }
  return true;
}

// False, and nothing is done, where a token or a position is none.
extern "C" bool minimind_step(const Model* model, const Cache* cache, const Batch* batch, int64_t threads) {
  if (!fits(*model, *cache, *batch)) return false;
  static thread_local Scratch own;
  Scratch& scratch = own;  // the caller's, for all threads
  const int64_t rows = batch->rows;
  scratch.fit(*model, cache->capacity, rows, threads);
  mark(*cache, *batch);
#pragma omp parallel num_threads(threads)
  {
    begin(*model, *cache, *batch, scratch);
    for (int64_t index = 0; index < model->num_layers; ++index) {
      const Layer& layer = model->layers[index];
      norm_inputs(*model, layer.attention_norm, rows, scratch);
      product(layer.qkv, scratch.inputs, rows, false, scratch.projected.data());
      keep(*model, index, *cache, *batch, scratch);
      attend(*model, index, *cache, *batch, scratch);
      attended_inputs(*model, rows, scratch);
      product(layer.output, scratch.inputs, rows, true, scratch.hidden.data());
      norm_inputs(*model, layer.feed_forward_norm, rows, scratch);
      gate(*model, layer.gate_up, rows, scratch);
      product(layer.down, scratch.gated, rows, true, scratch.hidden.data());
    }
    if (batch->logits) {
      norm_inputs(*model, model->final_norm, rows, scratch);
      product(model->head, scratch.inputs, rows, false, batch->logits);
    }
  }
  return true;
}

// False where int8 does not hold them exactly.
extern "C" bool minimind_pack(const Parts* from, int64_t threads, uint8_t* weights, float* scales) {
  return pack(*from, threads, weights, scales);
}
