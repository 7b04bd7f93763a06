// Linear layers with what comes before and after them: normalization, bias, activation, gate, residual sum.
//
// Decoding reads each weight once: it is bound by memory. Tiles of TILE_ROWS rows use a weight again in registers
// and a group's weights in the first-level cache: prefill is bound by arithmetic.

#include <math.h>
#include <stdlib.h>

#include "compute.h"
#include "lanes.h"
#include "tiles.h"

#if defined(__AVX512F__)
#define TILE_ROWS 6
#define TILE_PANELS 4
#else
#define TILE_ROWS 4
#define TILE_PANELS 1
#endif
#define PANELS (GROUP / LANES)

// Of what is left when the mean is taken off; four chains, since one would wait for itself.
static float sum_of_squares(const float* from, long count, float mean) {
  floats sums[4] = {{0}};
  for (long start = 0; start < count; start += 4 * LANES)
#pragma clang loop unroll(full)
    for (long chain = 0; chain < 4; chain++) {
      long left = count - start - chain * LANES;
      if (left <= 0) break;
      floats x = load_some(from + count - left, left) - mean;
      if (left < LANES) x = choose(lane_numbers() < (int)left, x, all_lanes(0));
      sums[chain] += x * x;
    }
  return sum_of_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

static void normalize(const struct linear* layer, const float* from, float* to) {
  long inputs = layer->inputs;
  float mean = 0;
  if (layer->norm == LAYER_NORM) {
    floats sum = {0};
    for (long i = 0; i < inputs; i += LANES) sum += load_some(from + i, inputs - i);
    mean = sum_of_lanes(sum) / (float)inputs;
  }
  float factor = 1.0f / sqrtf(sum_of_squares(from, inputs, mean) / (float)inputs + layer->epsilon);
  for (long i = 0; i < inputs; i += LANES) {
    floats x = (load_some(from + i, inputs - i) - mean) * factor * load_some(layer->norm_weight + i, inputs - i);
    if (layer->norm_bias) x += load_some(layer->norm_bias + i, inputs - i);
    store_some(to + i, x, inputs - i);
  }
}

ALWAYS_INLINE floats sigmoid(floats x) { return reciprocal(1.0f + exponential(-x)); }

// GELU with the error function of Abramowitz and Stegun 7.1.26 (error below 1.5e-7).
ALWAYS_INLINE floats gelu(floats x) {
  floats z = absolute(x) * 0.70710678f;
  floats t = reciprocal(1.0f + 0.3275911f * z);
  floats p = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
  floats erf = 1.0f - p * exponential(-z * z);
  return 0.5f * x * (1.0f + choose(x < 0.0f, -erf, erf));
}

ALWAYS_INLINE floats activated(enum activation activation, floats x) {
  if (activation == SILU) return x * sigmoid(x);
  // 0.5 x (1 + tanh(y)) = x sigmoid(2y).
  if (activation == GELU_TANH) return x * sigmoid(1.59576912f * (x + 0.044715f * x * x * x));
  if (activation == RELU) return choose(x < 0.0f, all_lanes(0), x);  // what is no number stays none
  if (activation == GELU) return gelu(x);
  return x;
}

ALWAYS_INLINE void finish_as(enum activation activation, int panels, const struct linear* layer, long row, long group,
                             const floats* products) {
  long column = group * panels * LANES, left = layer->outputs - column;
  const float* residual = layer->residual ? layer->residual + row * layer->outputs + column : NULL;
  float* result = layer->result + row * layer->outputs + column;
  for (int panel = 0; panel < panels && left > 0; panel++, left -= LANES) {
    floats x = activated(activation, products[panel]);
    if (panels < PANELS) x *= products[panel + panels];
    if (residual) x += load_some(residual + panel * LANES, left);
    store_some(result + panel * LANES, x, left);
  }
}

// What comes behind a row's products with one group of columns.
static void finish(const struct linear* layer, long row, long group, floats* products) {
  if (layer->bias)
    for (int panel = 0; panel < PANELS; panel++)
      products[panel] += load_floats(layer->bias + group * GROUP + panel * LANES);
#define ACTIVATION_CASE(activation) \
  case activation: \
    if (layer->is_gated) \
      finish_as(activation, PANELS / 2, layer, row, group, products); \
    else \
      finish_as(activation, PANELS, layer, row, group, products); \
    break;
  switch (layer->activation) {
    ACTIVATION_CASE(PLAIN)
    ACTIVATION_CASE(SILU)
    ACTIVATION_CASE(GELU_TANH)
    ACTIVATION_CASE(RELU)
    ACTIVATION_CASE(GELU)
  }
#undef ACTIVATION_CASE
}

#include "quantized_rows.c"

#include "byte_product.c"

#include "block_product.c"

#include "float_product.c"

static void run_linear(const struct linear* layer, long row, long row_end, long group, long group_end) {
  if (layer->weights == BYTE_WEIGHTS)
    run_bytes(layer, row, row_end, group, group_end);
  else if (layer->weights == BLOCK_WEIGHTS)
    run_blocks(layer, row, row_end, group, group_end);
  else
    run_floats(layer, row, row_end, group, group_end);
}
