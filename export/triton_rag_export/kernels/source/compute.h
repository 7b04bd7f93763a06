// What an operator asks of the arithmetic, which is compiled once for each instruction set.
//
// All arithmetic of a row has one order, whatever rows stand beside it and however work is cut: a row's result
// has the same bits alone and in any company.

#ifndef TRITON_RAG_COMPUTE_H
#define TRITON_RAG_COMPUTE_H

#include <stdint.h>

// Columns of a packed weight that lie together. Bytes lie as (groups, inputs / 4, GROUP, 4), four inputs of a
// column side by side as the dot product of bytes reads them, inputs filled up to a multiple of four with 128,
// which means zero; floats and halves as (groups, inputs, GROUP); codes of four bits as block_product.c says.
#define GROUP 64

enum activation { PLAIN = 0, SILU = 1, GELU_TANH = 2, RELU = 3, GELU = 4 };
enum weights { FLOAT_WEIGHTS = 32, HALF_WEIGHTS = 16, BYTE_WEIGHTS = 8, BLOCK_WEIGHTS = 4 };
enum norm_kind { NO_NORM = 0, RMS_NORM = 1, LAYER_NORM = 2, FACTORS_ALONE = 3 };

// What is done to a whole row: (row - mean) / deviation * weight + bias, less of it by its kind.
struct norm {
  enum norm_kind kind;
  float epsilon;
  const float* weight;  // (width)
  const float* bias;    // (width), or none
};

// result = result_norm(activation(norm(rows) @ weight + bias) + residual); bytes are multiplied with one scale a row
// and a column.
// A gated layer's group holds GROUP / 2 gates and the ups of the same columns: activation(gate) * up.
struct linear {
  long rows, inputs, outputs;
  enum weights weights;
  enum activation activation;
  int is_gated;
  struct norm norm, result_norm;
  const float* values;        // (rows, inputs)
  const void* weight;
  const float* weight_scale;  // (groups * GROUP), of bytes
  // (groups * GROUP), sums of a column's bytes, where the bytes of a row lie around a zero point of its own; none:
  // around zero.
  const int32_t* weight_sums;
  const float* bias;          // (groups * GROUP), or none
  const float* residual;      // (rows, outputs), or none
  float* result;              // (rows, outputs)
};

// Attention of packed rows over each slot's cache.
struct attention {
  long heads, kv_heads, size;  // size: channels of a head
  long slots, positions;       // of the caches; positions a multiple of 16
  long shares;                 // how many slots bring rows
  long query_width;            // floats from a row of queries to the next
  long key_width;              // the same for keys and values
  float scale, epsilon;
  int is_causal;
  int cache_bits;  // of a cached number: 32, 16, or 8 with scales
  const float *queries, *keys, *values;  // of the first row; keys are none where nothing is stored
  const int32_t *share_slots, *share_pasts, *share_lengths;
  const int32_t* limits;            // keys that a slot's rows see, where not causal
  void *key_cache;    // (slots, kv_heads, positions / 16, size, 16)
  void *value_cache;  // (slots, kv_heads, positions, value_width)
  long value_width;   // size, rounded up to 16
  const float *cosines, *sines;     // (positions, size / 2), or none
  const float *query_norm, *key_norm;   // (size), or none
  const float *key_scale, *value_scale; // (kv_heads, size), for a cache of bytes
  const float* bias;  // (heads, bias_width), or none: of a key d places behind its row at bias_width / 2 + d
  long bias_width;
  long result_width;  // floats from a row of results to the next
  float* result;      // of the first row: (heads, size)
};

// Rows of tokens: what words and positions give, normalized.
struct embedding {
  long width;
  enum weights weights;      // of the words: floats, halves, or signed bytes with a scale a word
  struct norm norm;
  const int32_t *ids, *places;  // (tokens)
  const void* words;         // (vocabulary, width)
  const float* word_scales;  // (vocabulary), of bytes
  const float* positions;    // (places, width)
  float* result;             // (tokens, width)
};

// One vector of the rows of a text: their mean or the first, and of length one if wanted.
struct pooling {
  long width;
  int is_mean, is_normalized;
};

struct compute {
  // Rows [row, row_end) and groups of columns [group, group_end).
  void (*linear)(const struct linear* layer, long row, long row_end, long group, long group_end);
  // Apply the norm of the result to rows [row, row_end), which are complete.
  void (*finish_rows)(const struct linear* layer, long row, long row_end);
  // Tokens [row, row_end).
  void (*embed)(const struct embedding* embedding, long row, long row_end);
  // The vector of a text's rows, (count, width).
  void (*pool)(const struct pooling* pooling, const float* rows, long count, float* vector);
  // Write the keys and values of rows [row, row_end) of a share into the cache of one head.
  void (*store)(const struct attention* step, long share, long kv_head, long row, long row_end);
  // Attend with rows [row, row_end) of a share and the query heads of one key and value head.
  void (*attend)(const struct attention* step, long share, long kv_head, long row, long row_end);
};

extern const struct compute compute_generic, compute_avx2, compute_avx_vnni, compute_avx512_vnni;

#endif
