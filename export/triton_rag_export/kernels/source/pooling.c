// One vector of a text: the mean of its rows, summed from the first to the last, or its first row.

static void pool(const struct pooling* pooling, const float* rows, long count, float* vector) {
  long width = pooling->width;
  memcpy(vector, rows, (size_t)width * sizeof(float));
  if (pooling->is_mean) {
    for (long row = 1; row < count; row++)
      for (long i = 0; i < width; i++) vector[i] += rows[row * width + i];
    for (long i = 0; i < width; i++) vector[i] /= (float)count;
  }
  if (!pooling->is_normalized) return;
  floats squares = {0};
  for (long i = 0; i < width; i += LANES) {
    floats x = load_some(vector + i, width - i);
    squares += x * x;
  }
  float length = sqrtf(sum_of_lanes(squares));
  for (long i = 0; i < width; i++) vector[i] /= length < 1e-12f ? 1e-12f : length;
}
