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
  int32_t* sums;   // (rows, blocks), of the bytes of a block
  long width;      // inputs, rounded up to whole blocks
  long block;      // a multiple of LANES, or all of a row
  void* memory;    // of all these
};

// Bytes of a row, its largest absolute value / 127 each. A row with a value that is no number gets a scale
// that is none either, so that nothing made of it looks sound.
static void quantize_row(const struct linear* layer, long row, long first, struct quantized* to, float* normal) {
  const float* from = layer->values + row * layer->inputs;
  long inputs = layer->inputs, place = row - first;
  if (layer->norm != NO_NORM) {
    normalize(layer, from, normal);
    from = normal;
  }
  ints largest = {0};  // absolute values as bits, which have their order; what is no number is above all
  for (long i = 0; i < inputs; i += LANES) {
    ints bits = (ints)absolute(load_some(from + i, inputs - i));
    largest = __builtin_elementwise_max(bits, largest);
  }
  int32_t* block_sums = to->sums + place * (to->width / to->block);
  int32_t most_bits = __builtin_reduce_max(largest);
  float most;
  memcpy(&most, &most_bits, sizeof most);
  float factor = most > 0 ? 127.0f / most : 0;
  int8_t* bytes = to->bytes + place * to->width;
  for (long start = 0; start < to->width; start += to->block) {
    ints sums = {0};
    for (long i = start; i < start + to->block; i += LANES) {
      ints whole = i < inputs ? rounded(load_some(from + i, inputs - i) * factor) : (ints){0};
      small_ints narrow = __builtin_convertvector(whole, small_ints);
      long count = to->width - i;
      if (count >= LANES)
        memcpy(bytes + i, &narrow, LANES);
      else
        memcpy(bytes + i, &narrow, (size_t)count);
      sums += whole;
    }
    int32_t sum = 0;
    for (int i = 0; i < LANES; i++) sum += sums[i];
    *block_sums++ = sum;
  }
  to->scales[place] = most * (1.0f / 127.0f) + most * 0.0f;
}

// Quantize rows [row, row_end), with sums of blocks of so many bytes; 0: of whole rows.
static struct quantized quantize_rows(const struct linear* layer, long row, long row_end, long block) {
  long count = row_end - row, unit = block ? block : 4;
  struct quantized rows = {.width = (layer->inputs + unit - 1) / unit * unit};
  rows.block = block ? block : rows.width;
  size_t normal_size = (size_t)(layer->inputs + LANES) * sizeof(float), blocks = (size_t)(rows.width / rows.block);
  rows.memory = malloc(normal_size + (size_t)count * ((blocks + 1) * sizeof(float) + (size_t)rows.width) + LANES);
  rows.scales = (float*)((char*)rows.memory + normal_size);
  rows.sums = (int32_t*)(rows.scales + count);
  rows.bytes = (int8_t*)(rows.sums + (size_t)count * blocks);
  for (long each = row; each < row_end; each++) quantize_row(layer, each, row, &rows, rows.memory);
  return rows;
}
