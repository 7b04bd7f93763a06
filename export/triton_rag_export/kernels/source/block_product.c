// Products of codes of four bits on a grid a block of inputs and a column: weight = scale * (code - zero).
//
// A block of a group is BLOCK_BYTES: the codes of steps s and s + 4 in the low and high halves of a byte, then
// scales as the upper two bytes of floats, then zeros. Reading the weights costs a third less than bytes do; each
// block's sum must be scaled, which arithmetic pays for: it suits few rows.

#define BLOCK 32
#define BLOCK_STEPS (BLOCK / 4)
#define BLOCK_BYTES (GROUP * BLOCK / 2 + GROUP * 2 + GROUP)

#if defined(__AVX512VNNI__)
#define BLOCK_PANELS 2
#else
#define BLOCK_PANELS 1
#endif

ALWAYS_INLINE floats load_upper_halves(const uint16_t* from) {
  typedef uint16_t shorts __attribute__((vector_size(32)));
  shorts values;
  memcpy(&values, from, sizeof values);
  return (floats)(__builtin_convertvector(values, ints) << 16);
}

ALWAYS_INLINE void add_block(int rows, int panel, const int8_t* bytes, long width, const int32_t* sums, long blocks,
                             const uint8_t* weight, floats tile[][BLOCK_PANELS]) {
  ints products[TILE_ROWS][BLOCK_PANELS];
  for (int m = 0; m < rows; m++)
    for (int p = 0; p < BLOCK_PANELS; p++) products[m][p] = (ints){0};
#pragma clang loop unroll(full)
  for (int step = 0; step < BLOCK_STEPS / 2; step++)
    for (int p = 0; p < BLOCK_PANELS; p++) {
      lines codes = load_line(weight + (step * PANELS + panel + p) * LANES * 4);
      lines low = codes & 15, high = codes >> 4;
      for (int m = 0; m < rows; m++) {
        int32_t first, second;
        memcpy(&first, bytes + m * width + step * 4, sizeof first);
        memcpy(&second, bytes + m * width + (step + BLOCK_STEPS / 2) * 4, sizeof second);
        products[m][p] = dot(dot(products[m][p], low, first), high, second);
      }
    }
  const uint16_t* scales = (const uint16_t*)(weight + GROUP * BLOCK / 2);
  const uint8_t* zeros = weight + GROUP * BLOCK / 2 + GROUP * 2;
  for (int p = 0; p < BLOCK_PANELS; p++) {
    small_unsigned narrow;
    memcpy(&narrow, zeros + (panel + p) * LANES, sizeof narrow);
    ints zero = __builtin_convertvector(narrow, ints);
    floats scale = load_upper_halves(scales + (panel + p) * LANES);
    for (int m = 0; m < rows; m++)
      tile[m][p] += __builtin_convertvector(products[m][p] - zero * sums[m * blocks], floats) * scale;
  }
}

ALWAYS_INLINE void multiply_blocks_tile(int rows, const struct quantized* from, long start, const uint8_t* weight,
                                        floats* results) {
  long blocks = from->width / BLOCK;
  for (int panel = 0; panel < PANELS; panel += BLOCK_PANELS) {
    floats tile[TILE_ROWS][BLOCK_PANELS];
    for (int m = 0; m < rows; m++)
      for (int p = 0; p < BLOCK_PANELS; p++) tile[m][p] = (floats){0};
    for (long block = 0; block < blocks; block++)
      add_block(rows, panel, from->bytes + start * from->width + block * BLOCK, from->width,
                from->sums + start * blocks + block, blocks, weight + block * BLOCK_BYTES, tile);
    for (int m = 0; m < rows; m++)
      for (int p = 0; p < BLOCK_PANELS; p++) results[m * PANELS + panel + p] = tile[m][p] * from->scales[start + m];
  }
}

static void run_blocks(const struct linear* layer, long row, long row_end, long group, long group_end) {
  struct quantized rows = quantize_rows(layer, row, row_end, BLOCK);
  long count = row_end - row, tiles = (count + TILE_ROWS - 1) / TILE_ROWS;
  for (; group < group_end; group++) {
    const uint8_t* weight = (const uint8_t*)layer->weight + group * (rows.width / BLOCK) * BLOCK_BYTES;
    for (long tile = 0, start = 0; tile < tiles; tile++) {
      long height = (count - start) / (tiles - tile);
      floats results[TILE_ROWS * PANELS];
      WITH_HEIGHT(height, TILE_ROWS, multiply_blocks_tile(HEIGHT, &rows, start, weight, results))
      finish(layer, row + start, height, group, results);
      start += height;
    }
  }
  free(rows.memory);
}
