// The operators of a model that reads a source: SourceAttention, of all its tokens to all; StoreSource, which
// writes the keys and values that a decoder will attend to; CrossAttention, a decoder's rows over them.

#include <stdlib.h>

#include "attention_operators.h"

static status* create(const struct custom_operator* self, const runtime* api, const kernel_info* info, void** made) {
  struct attention_kernel* kernel = NULL;
  status* failed = create_attention(api, info, &kernel);
  *made = kernel;
  if (failed || kernel->step.cache_bits != 8) return failed;
  free(kernel);
  return refuse(api, "attention over a source: caches of 8 bits; allowed: 16 and 32");
}

enum { SOURCE_ROWS, SOURCE_BIAS, SOURCE_LENGTHS, SOURCE_INPUTS };
static const int source_types[SOURCE_INPUTS] = {FLOATS, FLOATS, INT32};

// Rows of a source that a task takes at least, when there are fewer sources and heads than tasks: each task lays
// out the keys and values of its head anew.
#define LEAST_ROWS_A_TASK 48

// Rows [row, row_end) of the source whose first row is `start`.
struct source_piece {
  long start, row, row_end;
  int32_t length;
};

struct source_work {
  const struct attention* all;
  const struct source_piece* pieces;
};

// One head: its keys and values are laid out as a cache of one slot that lives as long as the task.
static void run_source_piece(void* data, size_t task) {
  const struct source_work* work = data;
  struct attention step = *work->all;
  const struct source_piece* piece = &work->pieces[(long)task / step.heads];
  long head = (long)task % step.heads, before = piece->start * step.query_width + head * step.size;
  int32_t slot = 0, past = 0, length = piece->length;
  step.queries += before;
  step.keys += before;
  step.values += before;
  step.result += piece->start * step.result_width + head * step.size;
  if (step.bias) step.bias += head * step.bias_width;
  step.heads = step.kv_heads = step.slots = step.shares = 1;
  step.positions = (length + 15) / 16 * 16;
  step.share_slots = &slot;
  step.share_pasts = &past;
  step.share_lengths = step.limits = &length;
  step.key_cache = malloc((size_t)(step.positions * (step.size + step.value_width)) * sizeof(float));
  step.value_cache = (float*)step.key_cache + step.positions * step.size;
  arithmetic->store(&step, 0, 0, 0, length);
  arithmetic->attend(&step, 0, 0, piece->row, piece->row_end);
  free(step.key_cache);
}

// Cut sources so that there are tasks enough; returns the number of pieces.
static long cut_sources(const struct attention* step, long rows, struct source_piece* pieces) {
  long wanted = ((long)task_count + step->heads - 1) / step->heads, count = 0, start = 0;
  long rows_a_piece = wanted > step->shares ? (rows + wanted - 1) / wanted : rows;
  if (rows_a_piece < LEAST_ROWS_A_TASK) rows_a_piece = LEAST_ROWS_A_TASK;
  for (long share = 0; share < step->shares; share++) {
    int32_t length = step->share_lengths[share];
    for (long row = 0; row < length; row += rows_a_piece)
      pieces[count++] =
          (struct source_piece){start, row, row + rows_a_piece < length ? row + rows_a_piece : length, length};
    start += length;
  }
  return count;
}

// Each source's tokens attend to all tokens of it; without lengths all rows are one source.
static status* run_source(void* data, context* run) {
  const struct attention_kernel* kernel = data;
  const runtime* api = kernel->api;
  struct attention step = kernel->step;
  long rows = input_dimension(api, run, SOURCE_ROWS, 0), size = step.size, heads = step.heads;
  int32_t length = (int32_t)rows;
  step.query_width = step.key_width = 3 * heads * size;
  step.queries = input_data(api, run, SOURCE_ROWS);
  step.keys = step.queries + heads * size;
  step.values = step.keys + heads * size;
  step.bias = input_data(api, run, SOURCE_BIAS);
  step.bias_width = input_dimension(api, run, SOURCE_BIAS, 1);
  step.cache_bits = 32;
  step.share_lengths = input_data(api, run, SOURCE_LENGTHS);
  step.shares = step.share_lengths ? input_dimension(api, run, SOURCE_LENGTHS, 0) : rows > 0;
  if (!step.share_lengths) step.share_lengths = &length;
  status* failed = check_lengths(api, "SourceAttention", step.share_lengths, step.shares, rows);
  if (!failed) failed = output_rows(api, run, rows, heads * size, &step.result);
  if (failed || rows == 0) return failed;
  struct source_piece* pieces = malloc((size_t)(step.shares + rows / LEAST_ROWS_A_TASK) * sizeof *pieces);
  struct source_work work = {&step, pieces};
  size_t tasks = (size_t)(cut_sources(&step, rows, pieces) * heads);
  failed = PARALLEL_FOR(run, run_source_piece, tasks, 0, &work);
  free(pieces);
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
