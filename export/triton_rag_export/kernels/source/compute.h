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
enum norm { NO_NORM = 0, RMS_NORM = 1, LAYER_NORM = 2 };

// result = activation(norm(rows) @ weight + bias) + residual; bytes are multiplied with one scale a row and a column.
// A gated layer's group holds GROUP / 2 gates and the ups of the same columns: activation(gate) * up.
struct linear {
  long rows, inputs, outputs;
  enum weights weights;
  enum norm norm;
  enum activation activation;
  int is_gated;
  float epsilon;
  const float* values;        // (rows, inputs)
  const float* norm_weight;   // (inputs), with a norm
  const float* norm_bias;     // (inputs), or none
  const void* weight;
  const float* weight_scale;  // (groups * GROUP), of bytes
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
  float* result;                    // (rows, heads, size)
};

struct compute {
  // Rows [row, row_end) and groups of columns [group, group_end).
  void (*linear)(const struct linear* layer, long row, long row_end, long group, long group_end);
  // Write the keys and values of rows [row, row_end) of a share into the cache of one head.
  void (*store)(const struct attention* step, long share, long kv_head, long row, long row_end);
  // Attend with rows [row, row_end) of a share and the query heads of one key and value head.
  void (*attend)(const struct attention* step, long share, long kv_head, long row, long row_end);
};

extern const struct compute compute_generic, compute_avx2, compute_avx_vnni, compute_avx512_vnni;

#endif
