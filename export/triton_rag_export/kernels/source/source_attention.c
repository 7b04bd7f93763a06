// The operators of a model that reads a source: SourceAttention, of all its tokens to all; StoreSource, which
// writes the keys and values that a decoder will attend to; CrossAttention, a decoder's rows over them.

#include <stdlib.h>

#include "attention_operators.h"

static status* create(const struct custom_operator* self, const runtime* api, const kernel_info* info, void** made) {
  return create_attention(api, info, (struct attention_kernel**)made);
}

enum { SOURCE_ROWS, SOURCE_BIAS, SOURCE_INPUTS };
static const int source_types[SOURCE_INPUTS] = {FLOATS, FLOATS};

// One source: its keys and values are laid out as a cache of one slot that lives as long as the call.
static status* run_source(void* data, context* run) {
  const struct attention_kernel* kernel = data;
  const runtime* api = kernel->api;
  struct attention step = kernel->step;
  long rows = input_dimension(api, run, SOURCE_ROWS, 0), size = step.size, heads = step.heads;
  int32_t slot = 0, past = 0, length = (int32_t)rows;
  step.query_width = step.key_width = 3 * heads * size;
  step.queries = input_data(api, run, SOURCE_ROWS);
  step.keys = step.queries + heads * size;
  step.values = step.keys + heads * size;
  step.bias = input_data(api, run, SOURCE_BIAS);
  step.bias_width = input_dimension(api, run, SOURCE_BIAS, 1);
  status* failed = output_rows(api, run, rows, heads * size, &step.result);
  if (failed || rows == 0) return failed;
  step.slots = step.shares = 1;
  step.cache_bits = 32;
  step.positions = (rows + 15) / 16 * 16;
  step.share_slots = &slot;
  step.share_pasts = &past;
  step.share_lengths = step.limits = &length;
  step.key_cache = malloc((size_t)(heads * step.positions * (size + step.value_width)) * sizeof(float));
  step.value_cache = (float*)step.key_cache + heads * step.positions * size;
  failed = run_attention(api, run, &step, STORE | ATTEND);
  free(step.key_cache);
  return failed;
}

enum { STORE_ROWS, STORE_KEYS, STORE_VALUES, STORE_SLOTS, STORE_INPUTS };
static const int store_types[STORE_INPUTS] = {FLOATS, ANY_TYPE, ANY_TYPE, INT32};

// Keys and values side by side. The result says how many rows were written.
static status* run_store(void* data, context* run) {
  const struct attention_kernel* kernel = data;
  const runtime* api = kernel->api;
  struct attention step = kernel->step;
  long rows = input_dimension(api, run, STORE_ROWS, 0);
  int32_t past = 0, length = (int32_t)rows;
  step.key_width = 2 * step.heads * step.size;
  step.keys = input_data(api, run, STORE_ROWS);
  step.values = step.keys + step.heads * step.size;
  step.key_cache = input_data(api, run, STORE_KEYS);
  step.value_cache = input_data(api, run, STORE_VALUES);
  step.slots = input_dimension(api, run, STORE_KEYS, 0);
  step.positions = input_dimension(api, run, STORE_VALUES, 2);
  step.shares = input_dimension(api, run, STORE_SLOTS, 0);
  step.share_slots = input_data(api, run, STORE_SLOTS);
  step.share_pasts = &past;
  step.share_lengths = &length;
  if (step.shares != 1) return refuse(api, "StoreSource: %ld slots; allowed: 1", step.shares);
  float* written = NULL;
  status* failed = check_shares(api, &step, step.positions, rows);
  if (!failed) failed = output_rows(api, run, 1, 1, &written);
  if (!failed) failed = run_attention(api, run, &step, STORE);
  if (!failed) *written = (float)rows;
  return failed;
}

enum { CROSS_ROWS, CROSS_KEYS, CROSS_VALUES, CROSS_SLOTS, CROSS_LENGTHS, CROSS_LIMITS, CROSS_INPUTS };
static const int cross_types[CROSS_INPUTS] = {FLOATS, ANY_TYPE, ANY_TYPE, INT32, INT32, INT32};

static status* run_cross(void* data, context* run) {
  const struct attention_kernel* kernel = data;
  const runtime* api = kernel->api;
  struct attention step = kernel->step;
  long rows = input_dimension(api, run, CROSS_ROWS, 0);
  step.query_width = step.heads * step.size;
  step.queries = input_data(api, run, CROSS_ROWS);
  step.key_cache = input_data(api, run, CROSS_KEYS);
  step.value_cache = input_data(api, run, CROSS_VALUES);
  step.slots = input_dimension(api, run, CROSS_KEYS, 0);
  step.positions = input_dimension(api, run, CROSS_VALUES, 2);
  step.shares = input_dimension(api, run, CROSS_SLOTS, 0);
  step.share_slots = input_data(api, run, CROSS_SLOTS);
  step.share_lengths = input_data(api, run, CROSS_LENGTHS);
  step.limits = input_data(api, run, CROSS_LIMITS);
  int32_t* pasts = calloc((size_t)step.shares + 1, sizeof *pasts);
  step.share_pasts = pasts;
  status* failed = check_shares(api, &step, rows, rows);
  for (long share = 0; !failed && share < step.shares; share++)
    if (step.limits[share] < 1 || step.limits[share] > step.positions)
      failed = refuse(api, "CrossAttention: a source of %d tokens; allowed: 1 to %ld", step.limits[share],
                      step.positions);
  if (!failed) failed = output_rows(api, run, rows, step.heads * step.size, &step.result);
  if (!failed) failed = run_attention(api, run, &step, ATTEND);
  free(pasts);
  return failed;
}

const struct custom_operator source_attention_operator = {
    OPERATOR_FUNCTIONS,       .operator_name = "SourceAttention", .input_types = source_types,
    .inputs = SOURCE_INPUTS,  .required_inputs = SOURCE_BIAS,     .create = create,
    .run = run_source};

const struct custom_operator store_source_operator = {
    OPERATOR_FUNCTIONS,      .operator_name = "StoreSource",    .input_types = store_types,
    .inputs = STORE_INPUTS,  .required_inputs = STORE_INPUTS,   .create = create,
    .run = run_store};

const struct custom_operator cross_attention_operator = {
    OPERATOR_FUNCTIONS,      .operator_name = "CrossAttention", .input_types = cross_types,
    .inputs = CROSS_INPUTS,  .required_inputs = CROSS_INPUTS,   .create = create,
    .run = run_cross};
