// Attention over a cache, exact and in place: scores, softmax, weighted values.
//
// Keys lie in blocks of sixteen positions, channel by channel, so that one load brings a channel of sixteen
// keys and scores need no sum across lanes; values lie position by position. A tile takes TILE_QUERIES queries
// (the heads that share a key and value head, of one or more rows) over the same keys. Each query sums in the
// order of its keys, and keys beyond its own limit count as zero: its result has the same bits in every tile.

#include <math.h>
#include <stdlib.h>

#include "compute.h"
#include "lanes.h"

#if defined(__AVX512F__)
#define TILE_QUERIES 6
#define TILE_BLOCKS 4
#else
#define TILE_QUERIES 3
#define TILE_BLOCKS 2
#endif

// log2(e): scores are exponents of two, whose powers are cheaper.
#define BASE_TWO 1.44269504f

// Sixteen numbers of a cache of 32, 16 or 8 bits; the scales of bytes are applied elsewhere.
ALWAYS_INLINE floats load_lanes(const void* cache, long place, int bits) {
  if (bits == 32) return load_floats((const float*)cache + place);
  if (bits == 16) return load_halves((const uint16_t*)cache + place);
  small_ints narrow;
  memcpy(&narrow, (const int8_t*)cache + place, sizeof narrow);
  return __builtin_convertvector(narrow, floats);
}

static void normalize_head(float* x, const float* weight, long size, float epsilon) {
  floats squares = {0};
  for (long d = 0; d < size; d += LANES) squares += load_some(x + d, size - d) * load_some(x + d, size - d);
  float factor = 1.0f / sqrtf(sum_of_lanes(squares) / (float)size + epsilon);
  for (long d = 0; d < size; d += LANES)
    store_some(x + d, load_some(x + d, size - d) * factor * load_some(weight + d, size - d), size - d);
}

// Turn the pairs (d, d + size / 2) by the position's angles.
static void rotate(float* x, const float* cosines, const float* sines, long size) {
  long half = size / 2;
  for (long d = 0; d < half; d++) {
    float a = x[d], b = x[d + half];
    x[d] = a * cosines[d] - b * sines[d];
    x[d + half] = b * cosines[d] + a * sines[d];
  }
}

static void place_head(const struct attention* step, float* x, const float* norm, long position) {
  if (norm) normalize_head(x, norm, step->size, step->epsilon);
  long half = step->size / 2;
  if (step->cosines) rotate(x, step->cosines + position * half, step->sines + position * half, step->size);
}

static long first_row(const struct attention* step, long share) {
  long row = 0;
  for (long before = 0; before < share; before++) row += step->share_lengths[before];
  return row;
}

// Where a head's keys begin in the cache.
static long key_base(const struct attention* step, long share, long kv_head) {
  return (step->share_slots[share] * step->kv_heads + kv_head) * step->positions * step->size;
}

// Where a head's values begin in the cache.
static long value_base(const struct attention* step, long share, long kv_head) {
  return (step->share_slots[share] * step->kv_heads + kv_head) * step->positions * step->value_width;
}

// Write a number into a cache; what a smaller one cannot hold becomes its largest.
ALWAYS_INLINE void write_number(void* cache, long place, float x, int bits, const float* scale) {
  if (bits == 32) {
    ((float*)cache)[place] = x;
  } else if (bits == 16) {
    ((_Float16*)cache)[place] = (_Float16)(x > 65504.0f ? 65504.0f : x < -65504.0f ? -65504.0f : x);
  } else {
    float steps = nearbyintf(x / *scale);
    ((int8_t*)cache)[place] = (int8_t)(steps > 127 ? 127 : steps < -128 ? -128 : steps);
  }
}

ALWAYS_INLINE void write_row(const struct attention* step, int bits, const float* key, const float* value, long kv_head,
                             long block, long line) {
  const float* key_scale = bits == 8 ? step->key_scale + kv_head * step->size : NULL;
  const float* value_scale = bits == 8 ? step->value_scale + kv_head * step->size : NULL;
  for (long d = 0; d < step->size; d++) {
    write_number(step->key_cache, block + d * LANES, key[d], bits, key_scale ? key_scale + d : NULL);
    write_number(step->value_cache, line + d, value[d], bits, value_scale ? value_scale + d : NULL);
  }
}

// Sixteen keys and values of floats that nothing is done to, into a block of their own.
static void store_block(const struct attention* step, const float* keys, const float* values, long block, long line) {
  long size = step->size;
  for (long d = 0; d < size; d += LANES) {
    floats channels[LANES];
    for (int row = 0; row < LANES; row++) channels[row] = load_some(keys + row * step->key_width + d, size - d);
    transpose(channels);
    for (long each = d; each < size && each < d + LANES; each++)
      store_floats((float*)step->key_cache + block + each * LANES, channels[each - d]);
  }
  for (int row = 0; row < LANES; row++)
    memcpy((float*)step->value_cache + line + row * step->value_width, values + row * step->key_width,
           (size_t)size * sizeof(float));
}

static void store(const struct attention* step, long share, long kv_head, long row, long row_end) {
  long size = step->size, start = first_row(step, share);
  long keys = key_base(step, share, kv_head), values = value_base(step, share, kv_head);
  int is_plain = step->cache_bits == 32 && !step->key_norm && !step->cosines;
  while (row < row_end) {
    float key[size];
    const float* from = step->keys + (start + row) * step->key_width + kv_head * size;
    const float* value = step->values + (start + row) * step->key_width + kv_head * size;
    long position = step->share_pasts[share] + row;
    long block = keys + position / LANES * LANES * size + position % LANES;
    long line = values + position * step->value_width;
    if (is_plain && position % LANES == 0 && row_end - row >= LANES) {
      store_block(step, from, value, block, line);
      row += LANES;
      continue;
    }
    memcpy(key, from, (size_t)size * sizeof(float));
    place_head(step, key, step->key_norm, position);
    row++;
    switch (step->cache_bits) {
      case 8: write_row(step, 8, key, value, kv_head, block, line); break;
      case 16: write_row(step, 16, key, value, kv_head, block, line); break;
      default: write_row(step, 32, key, value, kv_head, block, line); break;
    }
  }
}

struct tile {
  int queries;
  long limits[TILE_QUERIES];  // keys that each query sees
  long blocks;                // of the query that sees most
  long stride;                // floats from a query's scores to the next
  float* query;               // (TILE_QUERIES, size)
  float* scores;              // (TILE_QUERIES, stride)
  float sums[TILE_QUERIES];
};

// Where the keys and values of a head lie.
struct places {
  long keys, values, kv_head;
};

ALWAYS_INLINE void score_blocks(int queries, int blocks, int bits, struct tile* tile, const void* keys, long place,
                                long size, long block) {
  floats sums[TILE_QUERIES][TILE_BLOCKS];
  for (int m = 0; m < queries; m++)
    for (int b = 0; b < blocks; b++) sums[m][b] = (floats){0};
  for (long d = 0; d < size; d++)
#pragma clang loop unroll(full)
    for (int b = 0; b < blocks; b++) {
      floats key = load_lanes(keys, place + ((block + b) * size + d) * LANES, bits);
      for (int m = 0; m < queries; m++) sums[m][b] += tile->query[m * size + d] * key;
    }
  for (int m = 0; m < queries; m++)
    for (int b = 0; b < blocks; b++) store_floats(tile->scores + m * tile->stride + (block + b) * LANES, sums[m][b]);
}

ALWAYS_INLINE void score(int queries, int bits, struct tile* tile, const void* keys, long place, long size) {
  long block = 0;
  for (; block + TILE_BLOCKS <= tile->blocks; block += TILE_BLOCKS)
    score_blocks(queries, TILE_BLOCKS, bits, tile, keys, place, size, block);
  for (; block < tile->blocks; block++) score_blocks(queries, 1, bits, tile, keys, place, size, block);
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

// What lies behind a limit counts as little as can be.
ALWAYS_INLINE floats cut_off(floats x, long keys, floats behind) {
  return keys >= LANES ? x : choose(lane_numbers() < (int)keys, x, behind);
}

// Scores, as exponents of two, to weights that are not yet divided by their sum.
static void weigh(struct tile* tile, int query, const struct bias* bias) {
  float* scores = tile->scores + query * tile->stride;
  long limit = tile->limits[query];
  floats lowest = all_lanes(-3.0e38f), largest = lowest, sum = {0}, strange = {0};
  for (long key = 0; key < limit; key += LANES) {
    floats x = load_floats(scores + key);
    if (bias->table) x += biases(bias, key) * BASE_TWO;
    x = cut_off(x, limit - key, lowest);
    largest = larger(x, largest);
    strange += x * 0.0f;
    if (bias->table || limit - key < LANES) store_floats(scores + key, x);
  }
  float most = largest_lane(largest);
  for (long key = 0; key < limit; key += LANES) {
    floats x = cut_off(power_of_two(load_floats(scores + key) - most), limit - key, all_lanes(0));
    sum += x;
    store_floats(scores + key, x);
  }
  for (long block = (limit + LANES - 1) / LANES; block < tile->blocks; block++)
    store_floats(scores + block * LANES, all_lanes(0));
  tile->sums[query] = sum_of_lanes(sum + strange);
}

ALWAYS_INLINE void add_values(int queries, int vectors, int bits, const struct tile* tile, const void* values,
                              long place, long width, long keys, floats* sums) {
  floats lanes[TILE_QUERIES][TILE_BLOCKS];
  for (int m = 0; m < queries; m++)
    for (int v = 0; v < vectors; v++) lanes[m][v] = (floats){0};
  for (long j = 0; j < keys; j++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      floats value = load_lanes(values, place + j * width + v * LANES, bits);
      for (int m = 0; m < queries; m++) lanes[m][v] += tile->scores[m * tile->stride + j] * value;
    }
  for (int m = 0; m < queries; m++)
    for (int v = 0; v < vectors; v++) sums[m * TILE_BLOCKS + v] = lanes[m][v];
}

ALWAYS_INLINE void attend_tile(int queries, int bits, const struct attention* step, struct tile* tile,
                               const struct bias* added, struct places places, float* const* results) {
  long size = step->size, keys = 0;
  score(queries, bits, tile, step->key_cache, places.keys, size);
  for (int m = 0; m < queries; m++) {
    weigh(tile, m, &added[m]);
    keys = tile->limits[m] > keys ? tile->limits[m] : keys;
  }
  for (long d = 0; d < size;) {
    floats sums[TILE_QUERIES * TILE_BLOCKS];
    long place = places.values + d, width = step->value_width;
    int vectors = width - d >= TILE_BLOCKS * LANES ? TILE_BLOCKS : width - d >= 2 * LANES ? 2 : 1;
    if (vectors == TILE_BLOCKS)
      add_values(queries, TILE_BLOCKS, bits, tile, step->value_cache, place, width, keys, sums);
    else if (vectors == 2)
      add_values(queries, 2, bits, tile, step->value_cache, place, width, keys, sums);
    else
      add_values(queries, 1, bits, tile, step->value_cache, place, width, keys, sums);
    for (int v = 0; v < vectors; v++, d += LANES)
      for (int m = 0; m < queries; m++) {
        floats x = sums[m * TILE_BLOCKS + v] / tile->sums[m];
        if (bits == 8) x *= load_some(step->value_scale + places.kv_head * size + d, size - d);
        store_some(results[m] + d, x, size - d);
      }
  }
}

ALWAYS_INLINE void attend_any(int bits, const struct attention* step, struct tile* tile,
                              const struct bias* added, struct places places, float* const* results) {
  switch (tile->queries) {
    case 1: attend_tile(1, bits, step, tile, added, places, results); break;
    case 2: attend_tile(2, bits, step, tile, added, places, results); break;
    case 3: attend_tile(3, bits, step, tile, added, places, results); break;
#if TILE_QUERIES > 3
    case 4: attend_tile(4, bits, step, tile, added, places, results); break;
    case 5: attend_tile(5, bits, step, tile, added, places, results); break;
    case 6: attend_tile(6, bits, step, tile, added, places, results); break;
#endif
  }
}

static void prepare_query(const struct attention* step, float* query, const float* from, long kv_head, long position) {
  long size = step->size;
  memcpy(query, from, (size_t)size * sizeof(float));
  place_head(step, query, step->query_norm, position);
  for (long d = 0; d < size; d++) query[d] *= step->scale * BASE_TWO;
  if (step->cache_bits == 8)
    for (long d = 0; d < size; d++) query[d] *= step->key_scale[kv_head * size + d];
}

static void attend(const struct attention* step, long share, long kv_head, long row, long row_end) {
  long size = step->size, group = step->heads / step->kv_heads, start = first_row(step, share);
  long past = step->share_pasts[share];
  long most = step->is_causal ? past + row_end : step->limits[share];
  long stride = (most + LANES - 1) / LANES * LANES;
  float* memory = malloc((size_t)(TILE_QUERIES * (size + stride)) * sizeof(float) + 64);
  struct tile tile = {.stride = stride, .query = memory, .scores = memory + TILE_QUERIES * size};
  struct places places = {key_base(step, share, kv_head), value_base(step, share, kv_head), kv_head};
  for (long query = row * group; query < row_end * group; query += tile.queries) {
    struct bias added[TILE_QUERIES];
    float* results[TILE_QUERIES];
    long left = row_end * group - query;
    tile.queries = left < TILE_QUERIES ? (int)left : TILE_QUERIES;
    tile.blocks = 0;
    for (int m = 0; m < tile.queries; m++) {
      long each = (query + m) / group, head = kv_head * group + (query + m) % group, position = past + each;
      tile.limits[m] = step->is_causal ? position + 1 : step->limits[share];
      long blocks = (tile.limits[m] + LANES - 1) / LANES;
      tile.blocks = blocks > tile.blocks ? blocks : tile.blocks;
      const float* from = step->queries + (start + each) * step->query_width + head * size;
      prepare_query(step, tile.query + m * size, from, kv_head, position);
      added[m] = (struct bias){step->bias ? step->bias + head * step->bias_width : NULL, step->bias_width,
                               step->bias_width / 2 - position};
      results[m] = step->result + (start + each) * step->result_width + head * size;
    }
    switch (step->cache_bits) {
      case 8: attend_any(8, step, &tile, added, places, results); break;
      case 16: attend_any(16, step, &tile, added, places, results); break;
      default: attend_any(32, step, &tile, added, places, results); break;
    }
  }
  free(memory);
}
