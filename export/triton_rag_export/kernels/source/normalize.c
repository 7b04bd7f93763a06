// Normalizations of a row; its mean and its squares are summed in one order, whatever stands beside it.

// Of what is left when the mean is taken off; four chains, since one would wait for itself.
static float sum_of_squares(const float* from, long count, float mean) {
  floats sums[4] = {{0}};
  for (long start = 0; start < count; start += 4 * LANES)
#pragma clang loop unroll(full)
    for (long chain = 0; chain < 4; chain++) {
      long left = count - start - chain * LANES;
      if (left <= 0) break;
      floats x = load_some(from + count - left, left) - mean;
      if (left < LANES) x = choose(lane_numbers() < (int)left, x, all_lanes(0));
      sums[chain] += x * x;
    }
  return sum_of_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

static void normalize(const struct norm* norm, long width, const float* from, float* to) {
  float mean = 0, factor = 1;
  if (norm->kind == LAYER_NORM) {
    floats sum = {0};
    for (long i = 0; i < width; i += LANES) sum += load_some(from + i, width - i);
    mean = sum_of_lanes(sum) / (float)width;
  }
  if (norm->kind != FACTORS_ALONE)
    factor = 1.0f / sqrtf(sum_of_squares(from, width, mean) / (float)width + norm->epsilon);
  for (long i = 0; i < width; i += LANES) {
    floats x = (load_some(from + i, width - i) - mean) * factor * load_some(norm->weight + i, width - i);
    if (norm->bias) x += load_some(norm->bias + i, width - i);
    store_some(to + i, x, width - i);
  }
}
