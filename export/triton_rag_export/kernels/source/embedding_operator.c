// The operator Embedding: from the token ids of several texts, one behind another, to normalized rows.

#include <stdlib.h>

#include "operators.h"

enum { IDS, LENGTHS, WORDS, POSITIONS, NORM_WEIGHT, NORM_BIAS, WORD_SCALES, INPUTS };
static const int input_types[INPUTS] = {INT32, INT32, ANY_TYPE, FLOATS, FLOATS, FLOATS, FLOATS};

#define TOKENS_A_TASK 64

struct kernel {
  const runtime* api;
  struct embedding embedding;
};

struct work {
  const struct embedding* embedding;
  long tokens;
};

static status* create(const struct custom_operator* self, const runtime* api, const kernel_info* info, void** made) {
  struct kernel* kernel = calloc(1, sizeof *kernel);
  kernel->api = api;
  kernel->embedding.weights = (enum weights)int_attribute(api, info, "weight_bits", FLOAT_WEIGHTS);
  kernel->embedding.norm.kind = LAYER_NORM;
  kernel->embedding.norm.epsilon = float_attribute(api, info, "epsilon", 0);
  *made = kernel;
  return NULL;
}

static void run_task(void* data, size_t task) {
  const struct work* work = data;
  long row = (long)task * TOKENS_A_TASK, left = work->tokens - row;
  arithmetic->embed(work->embedding, row, row + (left < TOKENS_A_TASK ? left : TOKENS_A_TASK));
}

// Each token's place in its text; refuses ids and places that the tables have no row for.
static status* place_tokens(const runtime* api, const context* run, const int32_t* ids, int32_t* places) {
  const int32_t* lengths = input_data(api, run, LENGTHS);
  long texts = input_dimension(api, run, LENGTHS, 0), tokens = input_dimension(api, run, IDS, 0);
  long words = input_dimension(api, run, WORDS, 0), positions = input_dimension(api, run, POSITIONS, 0);
  status* failed = check_lengths(api, "Embedding", lengths, texts, tokens);
  for (long text = 0; text < texts && !failed; text++) {
    if (lengths[text] > positions)
      failed = refuse(api, "Embedding: text %ld has %d tokens; allowed: 1 to %ld", text, lengths[text], positions);
    for (int32_t place = 0; place < lengths[text] && !failed; place++) *places++ = place;
  }
  for (long token = 0; token < tokens && !failed; token++)
    if (ids[token] < 0 || ids[token] >= words)
      failed = refuse(api, "Embedding: token %ld has the id %d; allowed: 0 to %ld", token, ids[token], words - 1);
  return failed;
}

static status* run(void* data, context* run_of_node) {
  const struct kernel* kernel = data;
  const runtime* api = kernel->api;
  struct embedding embedding = kernel->embedding;
  long tokens = input_dimension(api, run_of_node, IDS, 0);
  int32_t* places = malloc((size_t)(tokens + 1) * sizeof *places);
  embedding.width = input_dimension(api, run_of_node, WORDS, 1);
  embedding.ids = input_data(api, run_of_node, IDS);
  embedding.places = places;
  embedding.words = input_data(api, run_of_node, WORDS);
  embedding.word_scales = input_data(api, run_of_node, WORD_SCALES);
  embedding.positions = input_data(api, run_of_node, POSITIONS);
  embedding.norm.weight = input_data(api, run_of_node, NORM_WEIGHT);
  embedding.norm.bias = input_data(api, run_of_node, NORM_BIAS);
  status* failed = place_tokens(api, run_of_node, embedding.ids, places);
  if (!failed) failed = output_rows(api, run_of_node, tokens, embedding.width, &embedding.result);
  struct work work = {&embedding, tokens};
  size_t tasks = (size_t)(tokens + TOKENS_A_TASK - 1) / TOKENS_A_TASK;
  if (!failed && tasks) failed = PARALLEL_FOR(run_of_node, run_task, tasks, 0, &work);
  free(places);
  return failed;
}

const struct custom_operator embedding_operator = {
    OPERATOR_FUNCTIONS, .operator_name = "Embedding",   .input_types = input_types,
    .inputs = INPUTS,   .required_inputs = WORD_SCALES, .create = create,
    .run = run};
