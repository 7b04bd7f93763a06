// The operator Pooling: one vector of each text, from the rows of all of them, one text behind another.

#include <stdlib.h>

#include "operators.h"

enum { ROWS, LENGTHS, INPUTS };
static const int input_types[INPUTS] = {FLOATS, INT32};

struct kernel {
  const runtime* api;
  struct pooling pooling;
};

static status* create(const struct custom_operator* self, const runtime* api, const kernel_info* info, void** made) {
  struct kernel* kernel = calloc(1, sizeof *kernel);
  kernel->api = api;
  kernel->pooling.is_mean = (int)int_attribute(api, info, "is_mean", 1);
  kernel->pooling.is_normalized = (int)int_attribute(api, info, "is_normalized", 0);
  *made = kernel;
  return NULL;
}

static status* run(void* data, context* run_of_node) {
  const struct kernel* kernel = data;
  const runtime* api = kernel->api;
  struct pooling pooling = kernel->pooling;
  const float* rows = input_data(api, run_of_node, ROWS);
  const int32_t* lengths = input_data(api, run_of_node, LENGTHS);
  long texts = input_dimension(api, run_of_node, LENGTHS, 0), width = input_dimension(api, run_of_node, ROWS, 1);
  float* vectors = NULL;
  status* failed = check_lengths(api, "Pooling", lengths, texts, input_dimension(api, run_of_node, ROWS, 0));
  if (!failed) failed = output_rows(api, run_of_node, texts, width, &vectors);
  pooling.width = width;
  for (long text = 0; text < texts && !failed; text++, vectors += width) {
    arithmetic->pool(&pooling, rows, lengths[text], vectors);
    rows += lengths[text] * width;
  }
  return failed;
}

const struct custom_operator pooling_operator = {
    OPERATOR_FUNCTIONS, .operator_name = "Pooling", .input_types = input_types,
    .inputs = INPUTS,   .required_inputs = INPUTS,  .create = create,
    .run = run};
