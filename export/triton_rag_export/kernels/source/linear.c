// Linear layers with what comes before and after them: normalization, bias, activation, gate, residual sum.
//
// Decoding reads each weight once: it is bound by memory. Tiles of TILE_ROWS rows use a weight again in registers
// and a group's weights in the first-level cache: prefill is bound by arithmetic.

#include <math.h>
#include <stdlib.h>

#include "compute.h"
#include "lanes.h"

#if defined(__AVX512F__)
#define TILE_ROWS 6
#define TILE_PANELS 4
#else
#define TILE_ROWS 4
#define TILE_PANELS 1
#endif
#define PANELS (GROUP / LANES)

static void normalize(const struct linear* layer, const float* from, float* to) {
  long inputs = layer->inputs;
  float mean = 0;
  if (layer->norm == LAYER_NORM) {
    floats sum = {0};
    for (long i = 0; i < inputs; i += LANES) sum += load_some(from + i, inputs - i);
    mean = sum_of_lanes(sum) / (float)inputs;
  }
  floats squares = {0};
  for (long i = 0; i < inputs; i += LANES) {
    floats x = load_some(from + i, inputs - i) - mean;
    if (inputs - i < LANES) x = choose(lane_numbers() < (int)(inputs - i), x, all_lanes(0));
    squares += x * x;
  }
  float factor = 1.0f / sqrtf(sum_of_lanes(squares) / (float)inputs + layer->epsilon);
  for (long i = 0; i < inputs; i += LANES) {
    floats x = (load_some(from + i, inputs - i) - mean) * factor * load_some(layer->norm_weight + i, inputs - i);
    if (layer->norm_bias) x += load_some(layer->norm_bias + i, inputs - i);
    store_some(to + i, x, inputs - i);
  }
}

ALWAYS_INLINE floats sigmoid(floats x) { return 1.0f / (1.0f + exponential(-x)); }

// GELU with the error function of Abramowitz and Stegun 7.1.26 (error below 1.5e-7).
ALWAYS_INLINE floats gelu(floats x) {
  floats z = absolute(x) * 0.70710678f;
  floats t = 1.0f / (1.0f + 0.3275911f * z);
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

// What comes behind a row's products with one group of columns.
static void finish(const struct linear* layer, long row, long group, floats* products) {
  int panels = layer->is_gated ? PANELS / 2 : PANELS;
  if (layer->bias)
    for (int panel = 0; panel < PANELS; panel++)
      products[panel] += load_floats(layer->bias + group * GROUP + panel * LANES);
  for (int panel = 0; panel < panels; panel++) {
    long column = (group * panels + panel) * LANES, count = layer->outputs - column;
    if (count <= 0) return;
    floats x = activated(layer->activation, products[panel]);
    if (layer->is_gated) x *= products[panel + panels];
    if (layer->residual) x += load_some(layer->residual + row * layer->outputs + column, count);
    store_some(layer->result + row * layer->outputs + column, x, count);
  }
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
