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

#include "normalize.c"

ALWAYS_INLINE floats sigmoid(floats x) { return reciprocal(1.0f + exponential(-x)); }

// GELU, x times the normal distribution: 0.5 + x p(x^2) with a polynomial fitted on |x| <= 5.2, where the tail is 1e-7
// (error below 2e-7 |x|). No division and no exponential.
ALWAYS_INLINE floats gelu(floats x) {
  floats near = larger(all_lanes(-5.2f), x);  // what is no number stays none
  near = choose(near > 5.2f, all_lanes(5.2f), near);
  floats u = near * near * (float)(2 / (5.2 * 5.2)) - 1.0f;
  floats p = u * -4.81361407e-4f + 1.26857834e-3f;
  p = p * u - 1.22126355e-3f;
  p = p * u + 1.79994712e-3f;
  p = p * u - 4.78927605e-3f;
  p = p * u + 8.56013689e-3f;
  p = p * u - 1.25050070e-2f;
  p = p * u + 1.79547127e-2f;
  p = p * u - 2.47236546e-2f;
  p = p * u + 3.19899730e-2f;
  p = p * u - 3.99298184e-2f;
  p = p * u + 5.00245206e-2f;
  p = p * u - 6.77436665e-2f;
  p = p * u + 1.35949999e-1f;
  return x * (near * p + 0.5f);
}

ALWAYS_INLINE floats activated(enum activation activation, floats x) {
  if (activation == SILU) return x * sigmoid(x);
  // 0.5 x (1 + tanh(y)) = x sigmoid(2y).
  if (activation == GELU_TANH) return x * sigmoid(1.59576912f * (x + 0.044715f * x * x * x));
  if (activation == RELU) return choose(x < 0.0f, all_lanes(0), x);  // what is no number stays none
  if (activation == GELU) return gelu(x);
  return x;
}

// What comes behind the products of a tile's rows with one group of columns, (rows, PANELS).
ALWAYS_INLINE void finish_with(enum activation activation, const struct linear* layer, long row, long rows, long group,
                               const floats* products) {
  long outputs = layer->outputs, panels = layer->is_gated ? PANELS / 2 : PANELS;
  const float* residual = layer->residual ? layer->residual + row * outputs : NULL;
  float* result = layer->result + row * outputs;
  for (long panel = 0; panel < panels; panel++) {
    long column = (group * panels + panel) * LANES, count = outputs - column;
    if (count <= 0) return;
    floats bias = {0}, up_bias = {0};
    if (layer->bias) {
      bias = load_floats(layer->bias + group * GROUP + panel * LANES);
      if (layer->is_gated) up_bias = load_floats(layer->bias + group * GROUP + (panel + panels) * LANES);
    }
    for (long m = 0; m < rows; m++) {
      floats x = activated(activation, products[m * PANELS + panel] + bias);
      if (layer->is_gated) x *= products[m * PANELS + panel + panels] + up_bias;
      if (residual) x += load_some(residual + m * outputs + column, count);
      store_some(result + m * outputs + column, x, count);
    }
  }
}

static void finish(const struct linear* layer, long row, long rows, long group, const floats* products) {
  switch (layer->activation) {  // outside of the loops
    case PLAIN: finish_with(PLAIN, layer, row, rows, group, products); break;
    case SILU: finish_with(SILU, layer, row, rows, group, products); break;
    case GELU_TANH: finish_with(GELU_TANH, layer, row, rows, group, products); break;
    case RELU: finish_with(RELU, layer, row, rows, group, products); break;
    case GELU: finish_with(GELU, layer, row, rows, group, products); break;
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

static void finish_rows(const struct linear* layer, long row, long row_end) {
  for (; row < row_end; row++) {
    float* result = layer->result + row * layer->outputs;
    normalize(&layer->result_norm, layer->outputs, result, result);
  }
}
