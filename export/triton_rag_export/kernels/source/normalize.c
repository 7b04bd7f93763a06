// Normalizations of a row; its mean and its squares are summed in one order, whatever stands beside it.

static void normalize(const struct norm* norm, long width, const float* from, float* to) {
  float mean = 0, factor = 1;
  if (norm->kind == LAYER_NORM) {
    floats sum = {0};
    for (long i = 0; i < width; i += LANES) sum += load_some(from + i, width - i);
    mean = sum_of_lanes(sum) / (float)width;
  }
  if (norm->kind != FACTORS_ALONE) {
    floats squares = {0};
    for (long i = 0; i < width; i += LANES) {
      floats x = load_some(from + i, width - i) - mean;
      if (width - i < LANES) x = choose(lane_numbers() < (int)(width - i), x, all_lanes(0));
      squares += x * x;
    }
    factor = 1.0f / sqrtf(sum_of_lanes(squares) / (float)width + norm->epsilon);
  }
  for (long i = 0; i < width; i += LANES) {
    floats x = (load_some(from + i, width - i) - mean) * factor * load_some(norm->weight + i, width - i);
    if (norm->bias) x += load_some(norm->bias + i, width - i);
    store_some(to + i, x, width - i);
  }
}
