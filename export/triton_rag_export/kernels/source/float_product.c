// Products of floats, weights in four bytes or two: for FP32 and FP16, whose arithmetic is FP32.

ALWAYS_INLINE floats load_weights(const void* weight, long place, int is_half) {
  return is_half ? load_halves((const uint16_t*)weight + place) : load_floats((const float*)weight + place);
}

ALWAYS_INLINE void multiply_floats_tile(int rows, int is_half, const float* values, long width, const void* weight,
                                        floats* sums) {
  for (int panel = 0; panel < PANELS; panel += TILE_PANELS) {
    floats tile[TILE_ROWS][TILE_PANELS];
    for (int m = 0; m < rows; m++)
      for (int p = 0; p < TILE_PANELS; p++) tile[m][p] = (floats){0};
    for (long k = 0; k < width; k++) {
      floats weights[TILE_PANELS];
      for (int p = 0; p < TILE_PANELS; p++)
        weights[p] = load_weights(weight, k * GROUP + (panel + p) * LANES, is_half);
#pragma clang loop unroll(full)
      for (int m = 0; m < rows; m++)
        for (int p = 0; p < TILE_PANELS; p++) tile[m][p] += values[m * width + k] * weights[p];
    }
    for (int m = 0; m < rows; m++)
      for (int p = 0; p < TILE_PANELS; p++) sums[m * PANELS + panel + p] = tile[m][p];
  }
}

static void run_floats(const struct linear* layer, long row, long row_end, long group, long group_end) {
  long count = row_end - row, inputs = layer->inputs;
  int is_half = layer->weights == HALF_WEIGHTS;
  const float* values = layer->values + row * inputs;
  float* normal = NULL;
  if (layer->norm.kind != NO_NORM) {
    normal = malloc((size_t)(count * inputs) * sizeof(float));
    for (long m = 0; m < count; m++) normalize(&layer->norm, inputs, values + m * inputs, normal + m * inputs);
    values = normal;
  }
  long tiles = (count + TILE_ROWS - 1) / TILE_ROWS;
  for (; group < group_end; group++) {
    const char* weight = (const char*)layer->weight + group * inputs * GROUP * (is_half ? 2 : 4);
    for (long tile = 0, start = 0; tile < tiles; tile++) {
      long height = (count - start) / (tiles - tile);
      floats sums[TILE_ROWS * PANELS];
      const float* first = values + start * inputs;
      if (is_half) WITH_HEIGHT(height, TILE_ROWS, multiply_floats_tile(HEIGHT, 1, first, inputs, weight, sums))
      else WITH_HEIGHT(height, TILE_ROWS, multiply_floats_tile(HEIGHT, 0, first, inputs, weight, sums))
      finish(layer, row + start, height, group, sums);
      start += height;
    }
  }
  free(normal);
}
