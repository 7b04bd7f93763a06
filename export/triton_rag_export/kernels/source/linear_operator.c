// The operator Linear: a linear layer with its normalization before and its activation, gate, residual sum and
// normalization behind, all in one node.

#include <stdatomic.h>
#include <stdlib.h>

#include "operators.h"

enum {
  VALUES, WEIGHT, WEIGHT_SCALE, NORM_WEIGHT, NORM_BIAS, BIAS, RESIDUAL, WEIGHT_SUMS, RESULT_NORM_WEIGHT,
  RESULT_NORM_BIAS, INPUTS
};

static const int input_types[INPUTS] = {FLOATS, ANY_TYPE, FLOATS, FLOATS, FLOATS,
                                        FLOATS, FLOATS,   INT32,  FLOATS, FLOATS};

// Rows that a task quantizes for itself: fewer would read the weights too often, more would leave cores idle.
#define LEAST_ROWS_A_TASK 24
#define MOST_ROWS_A_TASK 96

struct kernel {
  const runtime* api;
  struct linear layer;
};

struct work {
  const struct linear* layer;
  long rows_a_task, groups_a_task, row_tasks, column_tasks, groups;
  atomic_long* finished;  // (row_tasks), column tasks of each, where the result has a norm
};

static status* create(const struct custom_operator* self, const runtime* api, const kernel_info* info, void** made) {
  struct kernel* kernel = calloc(1, sizeof *kernel);
  kernel->api = api;
  kernel->layer.inputs = int_attribute(api, info, "input_width", 0);
  kernel->layer.outputs = int_attribute(api, info, "output_width", 0);
  kernel->layer.weights = (enum weights)int_attribute(api, info, "weight_bits", FLOAT_WEIGHTS);
  kernel->layer.norm.kind = (enum norm_kind)int_attribute(api, info, "norm", NO_NORM);
  kernel->layer.result_norm.kind = (enum norm_kind)int_attribute(api, info, "result_norm", NO_NORM);
  kernel->layer.activation = (enum activation)int_attribute(api, info, "activation", PLAIN);
  kernel->layer.is_gated = (int)int_attribute(api, info, "is_gated", 0);
  kernel->layer.norm.epsilon = float_attribute(api, info, "epsilon", 0);
  kernel->layer.result_norm.epsilon = float_attribute(api, info, "result_epsilon", 0);
  *made = kernel;
  if (kernel->layer.inputs > 0 && kernel->layer.outputs > 0) return NULL;
  free(kernel);
  return refuse(api, "Linear: input_width and output_width must be given");
}

static void run_task(void* data, size_t task) {
  const struct work* work = data;
  long row_task = (long)task % work->row_tasks, row = row_task * work->rows_a_task;
  long group = (long)task / work->row_tasks * work->groups_a_task;
  long row_end = row + work->rows_a_task, group_end = group + work->groups_a_task;
  if (row_end > work->layer->rows) row_end = work->layer->rows;
  if (group_end > work->groups) group_end = work->groups;
  arithmetic->linear(work->layer, row, row_end, group, group_end);
  // Who completes rows normalizes them, while they are near.
  if (work->finished && atomic_fetch_add(&work->finished[row_task], 1) + 1 == work->column_tasks)
    arithmetic->finish_rows(work->layer, row, row_end);
}

static long parts(long whole, long part) { return (whole + part - 1) / part; }

// Many rows are cut by rows, so that each is quantized once; few by columns, and each task quantizes all rows.
static struct work cut(const struct linear* layer, long groups) {
  long tasks = (long)task_count, rows_a_task = parts(layer->rows, tasks);
  if (rows_a_task < LEAST_ROWS_A_TASK) rows_a_task = LEAST_ROWS_A_TASK;
  if (rows_a_task > MOST_ROWS_A_TASK) rows_a_task = MOST_ROWS_A_TASK;
  struct work work = {.layer = layer, .rows_a_task = rows_a_task, .groups = groups};
  work.row_tasks = parts(layer->rows, rows_a_task);
  long column_tasks = parts(tasks, work.row_tasks);
  if (column_tasks > groups) column_tasks = groups;
  work.groups_a_task = parts(groups, column_tasks);
  work.column_tasks = parts(groups, work.groups_a_task);
  return work;
}

static void read_inputs(const runtime* api, const context* run, struct linear* layer) {
  layer->rows = input_dimension(api, run, VALUES, 0);
  layer->values = input_data(api, run, VALUES);
  layer->weight = input_data(api, run, WEIGHT);
  layer->weight_scale = input_data(api, run, WEIGHT_SCALE);
  layer->weight_sums = input_data(api, run, WEIGHT_SUMS);
  layer->norm.weight = input_data(api, run, NORM_WEIGHT);
  layer->norm.bias = input_data(api, run, NORM_BIAS);
  layer->bias = input_data(api, run, BIAS);
  layer->residual = input_data(api, run, RESIDUAL);
  layer->result_norm.weight = input_data(api, run, RESULT_NORM_WEIGHT);
  layer->result_norm.bias = input_data(api, run, RESULT_NORM_BIAS);
}

static status* run(void* data, context* run_of_node) {
  const struct kernel* kernel = data;
  const runtime* api = kernel->api;
  struct linear layer = kernel->layer;
  read_inputs(api, run_of_node, &layer);
  if (input_dimension(api, run_of_node, VALUES, 1) != layer.inputs)
    return refuse(api, "Linear: a row has %ld values; the layer reads %ld",
                  input_dimension(api, run_of_node, VALUES, 1), layer.inputs);
  status* failed = output_rows(api, run_of_node, layer.rows, layer.outputs, &layer.result);
  if (failed || layer.rows == 0) return failed;
  struct work work = cut(&layer, input_dimension(api, run_of_node, WEIGHT, 0));
  if (layer.result_norm.kind != NO_NORM) work.finished = calloc((size_t)work.row_tasks, sizeof *work.finished);
  failed = PARALLEL_FOR(run_of_node, run_task, (size_t)(work.row_tasks * work.column_tasks), 0, &work);
  free(work.finished);
  return failed;
}

const struct custom_operator linear_operator = {
    OPERATOR_FUNCTIONS, .operator_name = "Linear", .input_types = input_types,
    .inputs = INPUTS,   .required_inputs = WEIGHT_SCALE,     .create = create,
    .run = run};
