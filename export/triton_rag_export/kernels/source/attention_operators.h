// What the attention operators share: attributes, shares, and cutting work into tasks.

#ifndef TRITON_RAG_ATTENTION_OPERATORS_H
#define TRITON_RAG_ATTENTION_OPERATORS_H

#include "operators.h"

struct attention_kernel {
  const runtime* api;
  struct attention step;
};

// Read the attributes that every attention has; the width of rows follows from them.
status* create_attention(const runtime* api, const kernel_info* info, struct attention_kernel** made);

// Refuse shares that do not fit `room` tokens of a slot, or `rows` rows in all.
status* check_shares(const runtime* api, const struct attention* step, long room, long rows);

// Which halves of an attention to do.
enum { STORE = 1, ATTEND = 2 };

// Do it for every share and every head of the keys, in parallel.
status* run_attention(const runtime* api, context* run, const struct attention* step, int halves);

#endif
