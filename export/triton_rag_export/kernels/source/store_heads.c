// Heads of queries and keys as attention wants them, and keys and values into the caches.
//
// Keys lie in blocks of sixteen positions, channel by channel, so that one load brings a channel of sixteen
// keys and scores need no sum across lanes; values lie position by position.

#include <math.h>

#include "compute.h"
#include "lanes.h"

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
