// Attention over a cache, exact and in place: scores, softmax, weighted values.
//
// A task takes the queries (the heads that share a key and value head) of some rows. It goes through the keys, and
// then the values, in panels that stay in the first cache, and each panel is read by all its queries, TILE_QUERIES at
// a time. Each query sums in the order of its keys, and none beyond its own limit: its result has the same bits in every
// tile and task.

#include <stdlib.h>

#include "lanes.h"
#include "tiles.h"

#include "store_heads.c"

#if defined(__AVX512F__)
#define TILE_QUERIES 6
#define TILE_BLOCKS 4
#else
#define TILE_QUERIES 3
#define TILE_BLOCKS 2
#endif

#define MOST_QUERIES 96  // that read each panel together
#define PANEL_BLOCKS 4  // of keys that are turned into floats at a time
#define LOG2_E 1.44269504f

// Sixteen numbers of a cache of 32, 16 or 8 bits; the scales of bytes are applied elsewhere.
ALWAYS_INLINE floats load_lanes(const void* cache, long place, int bits) {
  if (bits == 32) return load_floats((const float*)cache + place);
  if (bits == 16) return load_halves((const uint16_t*)cache + place);
  small_ints narrow;
  memcpy(&narrow, (const int8_t*)cache + place, sizeof narrow);
  return __builtin_convertvector(narrow, floats);
}

// What one task does, in one piece of memory that begins with the limits.
struct task {
  long count;      // of queries
  long size;       // of a head, in channels
  long stride;     // floats from a query's scores to the next
  long width;      // of a position's values, and of a query's sums
  long* limits;    // keys that each query sees
  float* queries;  // (count, size)
  float* scores;   // (count, stride)
  float* sums;     // (count, width), of weighted values
};

// Blocks of keys or values as they lie in a cache, or turned into floats.
struct panel {
  const void* numbers;
  long place, block, block_end;
  int bits;
};

ALWAYS_INLINE void score_blocks(int height, int blocks, int bits, const struct task* task, long query,
                                const struct panel* panel, long block) {
  long size = task->size, place = panel->place + (block - panel->block) * size * LANES;
  const float* queries = task->queries + query * size;
  floats sums[TILE_QUERIES][TILE_BLOCKS];
  for (int m = 0; m < height; m++)
    for (int b = 0; b < blocks; b++) sums[m][b] = (floats){0};
  for (long d = 0; d < size; d++)
#pragma clang loop unroll(full)
    for (int b = 0; b < blocks; b++) {
      floats key = load_lanes(panel->numbers, place + (b * size + d) * LANES, bits);
      for (int m = 0; m < height; m++) sums[m][b] += queries[m * size + d] * key;
    }
  for (int m = 0; m < height; m++)
    for (int b = 0; b < blocks; b++)
      store_floats(task->scores + (query + m) * task->stride + (block + b) * LANES, sums[m][b]);
}

ALWAYS_INLINE void score_tile(int height, int bits, const struct task* task, long query, long block_end,
                              const struct panel* panel) {
  long block = panel->block;
  for (; block + TILE_BLOCKS <= block_end; block += TILE_BLOCKS)
    score_blocks(height, TILE_BLOCKS, bits, task, query, panel, block);
  for (; block < block_end; block++) score_blocks(height, 1, bits, task, query, panel, block);
}

// Keys of a panel.
struct keys {
  long first, end;
};

ALWAYS_INLINE void sum_vectors(int height, int vectors, int bits, const struct task* task, long query, struct keys keys,
                               const struct panel* panel, long d) {
  floats sums[TILE_QUERIES][TILE_BLOCKS];
  for (int m = 0; m < height; m++)
    for (int v = 0; v < vectors; v++)
      sums[m][v] = load_floats(task->sums + (query + m) * task->width + d + v * LANES);
  const float* weights = task->scores + query * task->stride;
  long place = panel->place + (keys.first - panel->block * LANES) * task->width + d;
  for (long key = keys.first; key < keys.end; key++, place += task->width)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      floats value = load_lanes(panel->numbers, place + v * LANES, bits);
      for (int m = 0; m < height; m++) sums[m][v] += weights[m * task->stride + key] * value;
    }
  for (int m = 0; m < height; m++)
    for (int v = 0; v < vectors; v++)
      store_floats(task->sums + (query + m) * task->width + d + v * LANES, sums[m][v]);
}

ALWAYS_INLINE void sum_tile(int height, int bits, const struct task* task, long query, struct keys keys,
                            const struct panel* panel) {
  long d = 0;
  for (; d + TILE_BLOCKS * LANES <= task->width; d += TILE_BLOCKS * LANES)
    sum_vectors(height, TILE_BLOCKS, bits, task, query, keys, panel, d);
  for (; d + 2 * LANES <= task->width; d += 2 * LANES)
    sum_vectors(height, 2, bits, task, query, keys, panel, d);
  for (; d < task->width; d += LANES) sum_vectors(height, 1, bits, task, query, keys, panel, d);
}

// What all of a tile's queries see they sum together, the rest each by itself: no query touches a value behind its
// limit, which may be infinite or no number.
ALWAYS_INLINE void sum_panel(int height, int bits, const struct task* task, long query, const struct panel* panel) {
  const long* limits = task->limits + query;
  struct keys seen = {panel->block * LANES, panel->block_end * LANES};
  for (int m = 0; m < height; m++) seen.end = limits[m] < seen.end ? limits[m] : seen.end;
  if (seen.end < seen.first) seen.end = seen.first;
  WITH_HEIGHT(height, TILE_QUERIES, sum_tile(HEIGHT, bits, task, query, seen, panel))
  for (int m = 0; m < height; m++) {
    struct keys own = {seen.end, panel->block_end * LANES < limits[m] ? panel->block_end * LANES : limits[m]};
    if (own.first < own.end) sum_tile(1, bits, task, query + m, own, panel);
  }
}

ALWAYS_INLINE void read_panel(int bits, const struct task* task, const struct panel* panel, int is_values) {
  for (long query = 0; query < task->count; query += TILE_QUERIES) {
    long left = task->count - query, limit = 0;
    int height = left < TILE_QUERIES ? (int)left : TILE_QUERIES;
    for (int m = 0; m < height; m++) limit = task->limits[query + m] > limit ? task->limits[query + m] : limit;
    if (limit <= panel->block * LANES) continue;
    if (is_values) {
      sum_panel(height, bits, task, query, panel);
    } else {
      long needed = (limit + LANES - 1) / LANES, block_end = panel->block_end < needed ? panel->block_end : needed;
      WITH_HEIGHT(height, TILE_QUERIES, score_tile(HEIGHT, bits, task, query, block_end, panel))
    }
  }
}

ALWAYS_INLINE void to_floats(float* to, const void* numbers, long place, long count, int bits) {
  for (long each = 0; each < count; each += LANES) store_floats(to + each, load_lanes(numbers, place + each, bits));
}

// Go through the keys or values of `blocks`, of which each has `count` numbers in the cache.
static void read_cache(const struct task* task, const void* numbers, long place, int bits, long blocks, long count,
                       int is_values) {
  if (bits == 32 || task->count <= 2 * TILE_QUERIES) {  // too few queries to share floats among
    long at_once = task->count <= TILE_QUERIES ? blocks : PANEL_BLOCKS;
    for (long block = 0; block < blocks; block += at_once) {
      long end = block + at_once < blocks ? block + at_once : blocks;
      struct panel panel = {numbers, place + block * count, block, end, bits};
      if (bits == 32) read_panel(32, task, &panel, is_values);
      if (bits == 16) read_panel(16, task, &panel, is_values);
      if (bits == 8) read_panel(8, task, &panel, is_values);
    }
    return;
  }
  float* unfolded = malloc((size_t)(PANEL_BLOCKS * count) * sizeof(float));
  for (long block = 0; block < blocks; block += PANEL_BLOCKS) {
    long end = block + PANEL_BLOCKS < blocks ? block + PANEL_BLOCKS : blocks;
    struct panel panel = {unfolded, 0, block, end, 32};
    if (bits == 16) to_floats(unfolded, numbers, place + block * count, (end - block) * count, 16);
    if (bits == 8) to_floats(unfolded, numbers, place + block * count, (end - block) * count, 8);
    read_panel(32, task, &panel, is_values);
  }
  free(unfolded);
}

// What is added to a query's scores by how far a key stands from it; farther keys than the table knows get its
// last entry on their side.
struct bias {
  const float* table;  // none: nothing
  long width, first;   // the entry of the first key, possibly outside
};

ALWAYS_INLINE floats biases(const struct bias* bias, long key) {
  long entry = bias->first + key, last = bias->width - 1;
  if (entry >= 0 && entry + LANES <= bias->width) return load_floats(bias->table + entry);
  if (entry + LANES <= 0) return all_lanes(bias->table[0]);
  if (entry > last) return all_lanes(bias->table[last]);
  floats values;
  for (long lane = 0; lane < LANES; lane++, entry++)
    values[lane] = bias->table[entry < 0 ? 0 : entry > last ? last : entry];
  return values;
}

// The largest of whole blocks; four chains, since one would wait for itself.
static floats largest_of(const float* scores, long blocks) {
  floats lowest = all_lanes(-3.0e38f), largest[4] = {lowest, lowest, lowest, lowest};
  long block = 0;
  for (; block + 4 <= blocks; block += 4)
#pragma clang loop unroll(full)
    for (int chain = 0; chain < 4; chain++)
      largest[chain] = larger(load_floats(scores + (block + chain) * LANES), largest[chain]);
  for (; block < blocks; block++) largest[0] = larger(load_floats(scores + block * LANES), largest[0]);
  return larger(larger(largest[0], largest[1]), larger(largest[2], largest[3]));
}

// Scores, which are logarithms to base two, to weights that are not yet divided by their sum.
static float weigh(float* scores, long limit, const struct bias* bias) {
  long whole = limit / LANES, blocks = (limit + LANES - 1) / LANES;
  ints seen = lane_numbers() < (int)(limit - whole * LANES);
  floats sum = {0}, strange = {0};
  if (bias->table)
    for (long b = 0; b < blocks; b++)
      store_floats(scores + b * LANES, load_floats(scores + b * LANES) + biases(bias, b * LANES) * LOG2_E);
  floats largest = largest_of(scores, whole);
  if (whole < blocks) largest = larger(choose(seen, load_floats(scores + whole * LANES), largest), largest);
  float most = largest_lane(largest);
  for (long b = 0; b < whole; b++) {
    floats score = load_floats(scores + b * LANES), x = power_of_two(score - most);
    sum += x;
    strange += score * 0.0f;  // what is infinite or no number must not look sound
    store_floats(scores + b * LANES, x);
  }
  if (whole < blocks) {
    floats score = choose(seen, load_floats(scores + whole * LANES), all_lanes(0));
    floats x = choose(seen, power_of_two(score - most), all_lanes(0));
    sum += x;
    strange += score * 0.0f;
    store_floats(scores + whole * LANES, x);
  }
  return sum_of_lanes(sum + strange);
}

static void prepare_query(const struct attention* step, float* query, const float* from, long kv_head, long position) {
  long size = step->size;
  memcpy(query, from, (size_t)size * sizeof(float));
  place_head(step, query, step->query_norm, position);
  for (long d = 0; d < size; d++) query[d] *= step->scale * LOG2_E;
  if (step->cache_bits == 8)
    for (long d = 0; d < size; d++) query[d] *= step->key_scale[kv_head * size + d];
}

static void attend_rows(const struct attention* step, long share, long kv_head, long row, long row_end) {
  long size = step->size, group = step->heads / step->kv_heads, start = first_row(step, share);
  long past = step->share_pasts[share], width = step->value_width;
  long most = step->is_causal ? past + row_end : step->limits[share], blocks = (most + LANES - 1) / LANES;
  struct task task = {.count = (row_end - row) * group, .size = size, .stride = blocks * LANES, .width = width};
  size_t each_has = sizeof(long) + (size_t)(size + task.stride + width + 1) * sizeof(float);
  task.limits = malloc((size_t)task.count * each_has + LANES * sizeof(float));
  task.queries = (float*)(task.limits + task.count);
  task.scores = task.queries + task.count * size;
  task.sums = task.scores + task.count * task.stride;
  float* totals = task.sums + task.count * width;
  memset(task.sums, 0, (size_t)(task.count * width) * sizeof(float));
  for (long query = 0; query < task.count; query++) {
    long each = row + query / group, head = kv_head * group + query % group;
    const float* from = step->queries + (start + each) * step->query_width + head * size;
    prepare_query(step, task.queries + query * size, from, kv_head, past + each);
    task.limits[query] = step->is_causal ? past + each + 1 : step->limits[share];
  }
  read_cache(&task, step->key_cache, key_base(step, share, kv_head), step->cache_bits, blocks, LANES * size, 0);
  for (long query = 0; query < task.count; query++) {
    long each = row + query / group, head = kv_head * group + query % group;
    struct bias bias = {step->bias ? step->bias + head * step->bias_width : NULL, step->bias_width,
                        step->bias_width / 2 - past - each};
    totals[query] = weigh(task.scores + query * task.stride, task.limits[query], &bias);
  }
  read_cache(&task, step->value_cache, value_base(step, share, kv_head), step->cache_bits, blocks, LANES * width, 1);
  for (long query = 0; query < task.count; query++) {
    long each = row + query / group, head = kv_head * group + query % group;
    float* result = step->result + (start + each) * step->result_width + head * size;
    for (long d = 0; d < size; d += LANES) {
      floats x = load_floats(task.sums + query * width + d) / totals[query];
      if (step->cache_bits == 8) x *= load_some(step->value_scale + kv_head * size + d, size - d);
      store_some(result + d, x, size - d);
    }
  }
  free(task.limits);
}

// Rows [row, row_end) of a share with the query heads of one key and value head, in tasks whose scores stay in the
// second cache.
static void attend(const struct attention* step, long share, long kv_head, long row, long row_end) {
  long rows = MOST_QUERIES * step->kv_heads / step->heads;
  if (rows < 1) rows = 1;
  for (; row < row_end; row += rows) attend_rows(step, share, kv_head, row, row + rows < row_end ? row + rows : row_end);
}
