// Rows of tokens, to begin with: the word's vector, the position's added, and both normalized.

ALWAYS_INLINE floats load_word(const struct embedding* embedding, long place, long count) {
  float values[LANES] = {0};
  if (embedding->weights == FLOAT_WEIGHTS) return load_some((const float*)embedding->words + place, count);
  if (count >= LANES) {
    if (embedding->weights == HALF_WEIGHTS) return load_halves((const uint16_t*)embedding->words + place);
    small_ints narrow;
    memcpy(&narrow, (const int8_t*)embedding->words + place, sizeof narrow);
    return __builtin_convertvector(narrow, floats);
  }
  for (long i = 0; i < count; i++)
    values[i] = embedding->weights == HALF_WEIGHTS ? (float)((const _Float16*)embedding->words)[place + i]
                                                   : (float)((const int8_t*)embedding->words)[place + i];
  return load_floats(values);
}

static void embed(const struct embedding* embedding, long row, long row_end) {
  long width = embedding->width;
  for (; row < row_end; row++) {
    const float* position = embedding->positions + embedding->places[row] * width;
    float* result = embedding->result + row * width;
    float scale = embedding->word_scales ? embedding->word_scales[embedding->ids[row]] : 1;
    for (long i = 0; i < width; i += LANES) {
      floats word = load_word(embedding, embedding->ids[row] * width + i, width - i);
      store_some(result + i, word * scale + load_some(position + i, width - i), width - i);
    }
    normalize(&embedding->norm, width, result, result);
  }
}
