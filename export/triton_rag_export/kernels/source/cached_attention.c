// The operator CachedAttention: the new rows of all slots, written into their caches and attended over them.
//
// The caches are inputs that the operator writes: ONNX Runtime hands over the caller's own memory, and nothing
// is copied. Rows are packed; a share is what one slot brings.

#include "attention_operators.h"

enum {
  ROWS, KEY_CACHE, VALUE_CACHE, SLOTS, PASTS, LENGTHS, COSINES, SINES,
  QUERY_NORM, KEY_NORM, KEY_SCALE, VALUE_SCALE, BIAS, INPUTS
};

static const int input_types[INPUTS] = {FLOATS, ANY_TYPE, ANY_TYPE, INT32,  INT32,  INT32, FLOATS,
                                        FLOATS, FLOATS,   FLOATS,   FLOATS, FLOATS, FLOATS};

static status* create(const struct custom_operator* self, const runtime* api, const kernel_info* info, void** made) {
  struct attention_kernel* kernel;
  status* failed = create_attention(api, info, &kernel);
  if (failed) return failed;
  struct attention* step = &kernel->step;
  step->is_causal = 1;
  step->query_width = step->key_width = (step->heads + 2 * step->kv_heads) * step->size;
  *made = kernel;
  return NULL;
}

static void read_inputs(const runtime* api, const context* run, struct attention* step) {
  step->slots = input_dimension(api, run, KEY_CACHE, 0);
  step->positions = input_dimension(api, run, VALUE_CACHE, 2);
  step->shares = input_dimension(api, run, SLOTS, 0);
  step->bias_width = input_dimension(api, run, BIAS, 1);
  step->queries = input_data(api, run, ROWS);
  step->keys = step->queries + step->heads * step->size;
  step->values = step->keys + step->kv_heads * step->size;
  step->key_cache = input_data(api, run, KEY_CACHE);
  step->value_cache = input_data(api, run, VALUE_CACHE);
  step->share_slots = input_data(api, run, SLOTS);
  step->share_pasts = input_data(api, run, PASTS);
  step->share_lengths = input_data(api, run, LENGTHS);
  step->cosines = input_data(api, run, COSINES);
  step->sines = input_data(api, run, SINES);
  step->query_norm = input_data(api, run, QUERY_NORM);
  step->key_norm = input_data(api, run, KEY_NORM);
  step->key_scale = input_data(api, run, KEY_SCALE);
  step->value_scale = input_data(api, run, VALUE_SCALE);
  step->bias = input_data(api, run, BIAS);
}

static status* run(void* data, context* run_of_node) {
  const struct attention_kernel* kernel = data;
  const runtime* api = kernel->api;
  struct attention step = kernel->step;
  read_inputs(api, run_of_node, &step);
  long rows = input_dimension(api, run_of_node, ROWS, 0), room = step.positions;
  if (step.cosines && input_dimension(api, run_of_node, COSINES, 0) < room)
    room = input_dimension(api, run_of_node, COSINES, 0);
  status* failed = check_shares(api, &step, room, rows);
  if (!failed && step.cache_bits == 8 && !(step.key_scale && step.value_scale))
    failed = refuse(api, "attention: a cache of 8 bits without scales of keys and values");
  if (!failed) failed = output_rows(api, run_of_node, rows, step.heads * step.size, &step.result);
  return failed ? failed : run_attention(api, run_of_node, &step, STORE | ATTEND);
}

const struct custom_operator cached_attention_operator = {
    OPERATOR_FUNCTIONS, .operator_name = "CachedAttention", .input_types = input_types,
    .inputs = INPUTS,   .required_inputs = COSINES,         .create = create,
    .run = run};
