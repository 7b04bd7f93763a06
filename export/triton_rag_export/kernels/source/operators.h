// What the operators share: reading inputs, checking, cutting work into tasks.

#ifndef TRITON_RAG_OPERATORS_H
#define TRITON_RAG_OPERATORS_H

#include "compute.h"
#include "runtime.h"

// Arithmetic for the processor that this runs on.
extern const struct compute* arithmetic;
// Tasks that keep every core busy without waiting for a slow one.
extern size_t task_count;

// The data of an input; NULL where an optional one is left out.
void* input_data(const runtime* api, const context* run, size_t index);
// The size of one dimension of an input, from the front; 0 where there is none.
long input_dimension(const runtime* api, const context* run, size_t index, size_t dimension);
long int_attribute(const runtime* api, const kernel_info* info, const char* name, long otherwise);
float float_attribute(const runtime* api, const kernel_info* info, const char* name, float otherwise);
status* refuse(const runtime* api, const char* format, ...);
// Refuse texts without tokens, or of another number of tokens in all than `tokens`.
status* check_lengths(const runtime* api, const char* name, const int32_t* lengths, long texts, long tokens);
// Memory for the first output, (rows, width).
status* output_rows(const runtime* api, context* run, long rows, long width, float** data);

extern const struct custom_operator linear_operator, cached_attention_operator, source_attention_operator,
    store_source_operator, cross_attention_operator, embedding_operator, pooling_operator;

#define OPERATOR_FUNCTIONS                                                                       \
  .version = RUNTIME_VERSION, .name = operator_name, .provider = operator_provider,              \
  .input_type = operator_input_type, .input_count = operator_input_count,                        \
  .output_type = operator_output_type, .output_count = operator_output_count,                    \
  .destroy = operator_destroy, .input_characteristic = operator_input_characteristic,            \
  .output_characteristic = operator_output_characteristic, .input_memory = operator_input_memory, \
  .variadic_inputs = operator_one, .variadic_inputs_alike = operator_one,                        \
  .variadic_outputs = operator_one, .variadic_outputs_alike = operator_one,                      \
  .first_version = operator_one, .last_version = operator_one

const char* operator_name(const struct custom_operator*);
const char* operator_provider(const struct custom_operator*);
int operator_input_type(const struct custom_operator*, size_t);
size_t operator_input_count(const struct custom_operator*);
int operator_output_type(const struct custom_operator*, size_t);
size_t operator_output_count(const struct custom_operator*);
void operator_destroy(void*);
int operator_input_characteristic(const struct custom_operator*, size_t);
int operator_output_characteristic(const struct custom_operator*, size_t);
int operator_input_memory(const struct custom_operator*, size_t);
int operator_one(const struct custom_operator*);

#endif
