// What the attention operators share: attributes, shares, and cutting work into tasks.

#include "attention_operators.h"

#include <stdlib.h>

// Shares of at most so many rows are stored and attended in one task each head; longer ones are cut.
#define SHORT_SHARE 8
// Queries that read each panel of keys and values together: more would leave cores idle.
#define QUERIES_A_TASK 72

struct piece {
  int32_t share, row, row_end;
};

struct work {
  const struct attention* step;
  const struct piece* pieces;
  int halves;
};

status* create_attention(const runtime* api, const kernel_info* info, struct attention_kernel** made) {
  struct attention_kernel* kernel = calloc(1, sizeof *kernel);
  struct attention* step = &kernel->step;
  kernel->api = api;
  step->heads = int_attribute(api, info, "heads", 0);
  step->kv_heads = int_attribute(api, info, "kv_heads", step->heads);
  step->size = int_attribute(api, info, "head_size", 0);
  step->value_width = (step->size + 15) / 16 * 16;
  step->result_width = step->heads * step->size;
  step->cache_bits = (int)int_attribute(api, info, "cache_bits", 32);
  step->scale = float_attribute(api, info, "scale", 1);
  step->epsilon = float_attribute(api, info, "epsilon", 0);
  *made = kernel;
  if (step->heads > 0 && step->kv_heads > 0 && step->heads % step->kv_heads == 0 && step->size > 0 &&
      (step->cache_bits == 8 || step->cache_bits == 16 || step->cache_bits == 32))
    return NULL;
  status* failed = refuse(api, "attention of %ld heads over %ld of %ld channels in %d bits; allowed: a multiple, from 1, "
                          "in 8, 16 or 32", step->heads, step->kv_heads, step->size, step->cache_bits);
  free(kernel);
  return failed;
}

status* check_shares(const runtime* api, const struct attention* step, long room, long rows) {
  long sum = 0;
  for (long share = 0; share < step->shares; share++) {
    int32_t slot = step->share_slots[share], past = step->share_pasts[share], length = step->share_lengths[share];
    if (slot < 0 || slot >= step->slots || past < 0 || length < 1 || (long)past + length > room)
      return refuse(api, "attention: %d rows behind %d of slot %d; there are %ld slots of %ld", length, past, slot,
                    step->slots, room);
    sum += length;
  }
  return sum == rows ? NULL : refuse(api, "attention: the shares have %ld rows, the input %ld", sum, rows);
}

static void run_piece(void* data, size_t task) {
  const struct work* work = data;
  long head = (long)task % work->step->kv_heads;
  const struct piece* piece = &work->pieces[(long)task / work->step->kv_heads];
  if (work->halves & STORE) arithmetic->store(work->step, piece->share, head, piece->row, piece->row_end);
  if (work->halves & ATTEND) arithmetic->attend(work->step, piece->share, head, piece->row, piece->row_end);
}

status* run_attention(const runtime* api, context* run, const struct attention* step, int halves) {
  long rows = 0, longest = 0;
  for (long share = 0; share < step->shares; share++) {
    rows += step->share_lengths[share];
    longest = step->share_lengths[share] > longest ? step->share_lengths[share] : longest;
  }
  if (rows == 0) return NULL;
  int is_short = longest <= SHORT_SHARE;
  int32_t rows_a_task = (int32_t)(QUERIES_A_TASK * step->kv_heads / step->heads);
  if (is_short || rows_a_task < SHORT_SHARE) rows_a_task = SHORT_SHARE;
  struct piece* pieces = malloc((size_t)(rows / rows_a_task + step->shares) * sizeof *pieces);
  size_t count = 0;
  for (long share = 0; share < step->shares; share++)
    for (int32_t row = 0, length = step->share_lengths[share]; row < length; row += rows_a_task)
      pieces[count++] = (struct piece){(int32_t)share, row, row + rows_a_task < length ? row + rows_a_task : length};
  // A piece of a long share attends over keys that another one stores: all are stored first.
  size_t tasks = count * (size_t)step->kv_heads;
  status* failed = NULL;
  struct work work = {step, pieces, halves};
  if (!is_short && halves == (STORE | ATTEND)) {
    work.halves = STORE;
    failed = PARALLEL_FOR(run, run_piece, tasks, 0, &work);
    work.halves = ATTEND;
  }
  if (!failed) failed = PARALLEL_FOR(run, run_piece, tasks, 0, &work);
  free(pieces);
  return failed;
}
