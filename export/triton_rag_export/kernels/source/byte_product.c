// Products of bytes with one scale a row and a column. Weights lie around 128: what that adds, 128 * sum(row), is
// taken off afterwards, exactly.

ALWAYS_INLINE void multiply_bytes_tile(int rows, const int8_t* bytes, long width, const uint8_t* weight, ints* sums) {
  for (int panel = 0; panel < PANELS; panel += TILE_PANELS) {
    ints tile[TILE_ROWS][TILE_PANELS];
    for (int m = 0; m < rows; m++)
      for (int p = 0; p < TILE_PANELS; p++) tile[m][p] = (ints){0};
    const uint8_t* weights = weight + panel * LANES * 4;
    for (long step = 0; step < width; step += 4, weights += GROUP * 4)
#pragma clang loop unroll(full)
      for (int m = 0; m < rows; m++) {
        int32_t four;
        memcpy(&four, bytes + m * width + step, sizeof four);
        for (int p = 0; p < TILE_PANELS; p++) tile[m][p] = dot(tile[m][p], load_line(weights + p * LANES * 4), four);
      }
    for (int m = 0; m < rows; m++)
      for (int p = 0; p < TILE_PANELS; p++) sums[m * PANELS + panel + p] = tile[m][p];
  }
}

// What a row's products with sixteen columns from `column` on stand for.
ALWAYS_INLINE floats scaled(const struct linear* layer, ints sum, const struct quantized* rows, long place, long column) {
  sum -= 128 * rows->sums[place];
  if (layer->weight_sums) {
    ints weight_sum;
    memcpy(&weight_sum, layer->weight_sums + column, sizeof weight_sum);
    sum -= weight_sum * rows->zeros[place];
  }
  floats x = __builtin_convertvector(sum, floats);
  return x * load_floats(layer->weight_scale + column) * rows->scales[place];
}

static void run_bytes(const struct linear* layer, long row, long row_end, long group, long group_end) {
  struct quantized rows = quantize_rows(layer, row, row_end, 0);
  long count = row_end - row, width = rows.width;
  long tiles = (count + TILE_ROWS - 1) / TILE_ROWS;
  for (; group < group_end; group++) {
    const uint8_t* weight = (const uint8_t*)layer->weight + (size_t)group * (size_t)width * GROUP;
    for (long tile = 0, start = 0; tile < tiles; tile++) {  // tiles of almost equal height
      long height = (count - start) / (tiles - tile);
      ints sums[TILE_ROWS * PANELS];
      WITH_HEIGHT(height, TILE_ROWS, multiply_bytes_tile(HEIGHT, rows.bytes + start * width, width, weight, sums))
      floats products[TILE_ROWS * PANELS];
      for (int p = 0; p < PANELS; p++)
        for (long m = 0; m < height; m++)
          products[m * PANELS + p] = scaled(layer, sums[m * PANELS + p], &rows, start + m, group * GROUP + p * LANES);
      finish(layer, row + start, height, group, products);
      start += height;
    }
  }
  free(rows.memory);
}
