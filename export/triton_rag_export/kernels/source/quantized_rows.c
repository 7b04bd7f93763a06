// Rows in bytes, each with its own scale, and the dot product of bytes.
//
// Bytes of weights are unsigned, bytes of rows signed: that order lets x86 broadcast four bytes of a row from
// memory inside the dot product.

// sum += weights[16][4] . four, for sixteen columns.
#if defined(__AVX512VNNI__)
ALWAYS_INLINE ints dot(ints sum, lines weights, int32_t four) {
  return (ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)weights, _mm512_set1_epi32(four));
}
#elif defined(__AVX2__)
ALWAYS_INLINE __m256i half_dot(__m256i sum, __m256i weights, __m256i four) {
#if defined(__AVXVNNI__)
  return _mm256_dpbusd_avx_epi32(sum, weights, four);
#else
  // Products of bytes are summed in 32 bits: the shorter way over 16 bits would saturate.
  __m256i wide = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(four));
  __m256i low = _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm256_castsi256_si128(weights)), wide);
  __m256i high = _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm256_extracti128_si256(weights, 1)), wide);
  __m256i sums = _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8);
  return _mm256_add_epi32(sum, sums);
#endif
}

ALWAYS_INLINE ints dot(ints sum, lines weights, int32_t four) {
  __m256i halves[2], parts[2];
  memcpy(halves, &sum, sizeof sum);
  memcpy(parts, &weights, sizeof weights);
  __m256i all = _mm256_set1_epi32(four);
  halves[0] = half_dot(halves[0], parts[0], all);
  halves[1] = half_dot(halves[1], parts[1], all);
  memcpy(&sum, halves, sizeof sum);
  return sum;
}
#else
ALWAYS_INLINE ints dot(ints sum, lines weights, int32_t four) {
  int8_t rows[4];
  memcpy(rows, &four, sizeof rows);
  for (int column = 0; column < LANES; column++)
    for (int k = 0; k < 4; k++) sum[column] += weights[4 * column + k] * rows[k];
  return sum;
}
#endif

struct quantized {
  int8_t* bytes;   // (rows, width)
  float* scales;   // (rows)
  int32_t* zeros;  // (rows), the byte that means zero
  int32_t* sums;   // (rows, blocks), of the bytes of a block
  long width;      // inputs, rounded up to whole blocks
  long block;      // a multiple of LANES, or all of a row
  void* memory;    // of all these
};

// Ends of a range, lane by lane, zero inside; `strange` is zero unless a value is no number.
struct range {
  floats below, most, strange;  // below: the least value's distance to zero
};

ALWAYS_INLINE void widen(struct range* range, floats x) {
  range->below = larger(-x, range->below);
  range->most = larger(x, range->most);
  range->strange += x * 0.0f;
}

#define CHAINS 4  // vectors that do not wait for each other

static struct range range_of(const float* from, long count) {
  struct range ranges[CHAINS] = {0};
  long i = 0;
  for (; i + CHAINS * LANES <= count; i += CHAINS * LANES)
#pragma clang loop unroll(full)
    for (int chain = 0; chain < CHAINS; chain++) widen(&ranges[chain], load_floats(from + i + chain * LANES));
  for (; i < count; i += LANES) widen(&ranges[0], load_some(from + i, count - i));
  for (int chain = 1; chain < CHAINS; chain++) {
    ranges[0].below = larger(ranges[chain].below, ranges[0].below);
    ranges[0].most = larger(ranges[chain].most, ranges[0].most);
    ranges[0].strange += ranges[chain].strange;
  }
  return ranges[0];
}

ALWAYS_INLINE ints byte_range(ints x) {
  ints above = x > 127, below = x < -128;
  return (above & 127) | (below & -128) | (~(above | below) & x);
}

ALWAYS_INLINE ints bytes_of(floats x, float factor, int has_zero, int32_t zero) {
  ints whole = rounded(x * factor);
  return has_zero ? byte_range(whole + zero) : whole;  // zero and an end may have been rounded the same way
}

// Bytes of `count` values, zeros behind them up to `width`; returns their sum.
static int32_t quantize_block(const float* from, long count, float factor, int has_zero, int32_t zero, int8_t* bytes,
                              long width) {
  ints sums = {0};
  long i = 0;
  for (; i + LANES <= count; i += LANES) {
    ints whole = bytes_of(load_floats(from + i), factor, has_zero, zero);
    small_ints narrow = __builtin_convertvector(whole, small_ints);
    memcpy(bytes + i, &narrow, sizeof narrow);
    sums += whole;
  }
  for (; i < width; i += LANES) {
    long left = count > i ? count - i : 0, room = width - i < LANES ? width - i : LANES;
    ints whole = bytes_of(load_some(from + i, left), factor, has_zero, zero) & (lane_numbers() < (int)left);
    small_ints narrow = __builtin_convertvector(whole, small_ints);
    memcpy(bytes + i, &narrow, (size_t)room);
    sums += whole;
  }
  int32_t sum = 0;
  for (int lane = 0; lane < LANES; lane++) sum += sums[lane];
  return sum;
}

// Bytes of a row: its largest absolute value is 127; or, around a zero point, its range from the least to the largest
// value is 255. A row with a value that is no number gets a scale that is none either, so that nothing made of it
// looks sound.
static void quantize_row(const struct linear* layer, long row, long first, struct quantized* to, float* normal) {
  const float* from = layer->values + row * layer->inputs;
  long inputs = layer->inputs, place = row - first;
  if (layer->norm.kind != NO_NORM) {
    normalize(&layer->norm, inputs, from, normal);
    from = normal;
  }
  struct range range = range_of(from, inputs);
  float below = largest_lane(range.below), most = largest_lane(range.most), steps = 255;
  if (!layer->weight_sums) {
    most = most > below ? most : below;
    below = 0;
    steps = 127;
  }
  float factor = most + below > 0 ? steps / (most + below) : 0;
  int32_t zero = layer->weight_sums ? rounded(all_lanes(below * factor - 128))[0] : 0;
  int32_t* sums = to->sums + place * (to->width / to->block);
  int8_t* bytes = to->bytes + place * to->width;
  for (long start = 0; start < to->width; start += to->block) {
    long left = inputs - start;
    long count = left < to->block ? left : to->block;
    *sums++ = quantize_block(from + start, count, factor, layer->weight_sums != NULL, zero, bytes + start, to->block);
  }
  to->zeros[place] = zero;
  to->scales[place] = (most + below) * (1.0f / steps) + sum_of_lanes(range.strange);
}

// Quantize rows [row, row_end), with sums of blocks of so many bytes; 0: of whole rows.
static struct quantized quantize_rows(const struct linear* layer, long row, long row_end, long block) {
  long count = row_end - row, unit = block ? block : 4;
  struct quantized rows = {.width = (layer->inputs + unit - 1) / unit * unit};
  rows.block = block ? block : rows.width;
  size_t normal_size = (size_t)(layer->inputs + LANES) * sizeof(float), blocks = (size_t)(rows.width / rows.block);
  rows.memory = malloc(normal_size + (size_t)count * ((blocks + 2) * sizeof(float) + (size_t)rows.width) + LANES);
  rows.scales = (float*)((char*)rows.memory + normal_size);
  rows.zeros = (int32_t*)(rows.scales + count);
  rows.sums = rows.zeros + count;
  rows.bytes = (int8_t*)(rows.sums + (size_t)count * blocks);
  for (long each = row; each < row_end; each++) quantize_row(layer, each, row, &rows, rows.memory);
  return rows;
}
