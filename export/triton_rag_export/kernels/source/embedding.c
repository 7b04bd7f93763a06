// Rows of tokens, to begin with: the word's vector, the position's added, and both normalized.

static void embed(const struct embedding* embedding, long row, long row_end) {
  long width = embedding->width;
  for (; row < row_end; row++) {
    const float* position = embedding->positions + embedding->places[row] * width;
    float* result = embedding->result + row * width;
    long word = embedding->ids[row] * width;
    float scale = embedding->word_scales ? embedding->word_scales[embedding->ids[row]] : 1;
    for (long i = 0; i < width; i++) {
      float x = embedding->weights == FLOAT_WEIGHTS  ? ((const float*)embedding->words)[word + i]
                : embedding->weights == HALF_WEIGHTS ? (float)((const _Float16*)embedding->words)[word + i]
                                                     : (float)((const int8_t*)embedding->words)[word + i];
      result[i] = x * scale + position[i];
    }
    normalize(&embedding->norm, width, result, result);
  }
}
