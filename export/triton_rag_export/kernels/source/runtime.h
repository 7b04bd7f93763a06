// What we use of ONNX Runtime's C interface, by its place in the table of functions.
//
// The table only ever grows at its end, so a place means the same in every later version; version 17
// (ONNX Runtime 1.17) is the first with all of these. Source: the documentation of onnxruntime_c_api.h.

#ifndef TRITON_RAG_RUNTIME_H
#define TRITON_RAG_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#define RUNTIME_VERSION 17

typedef struct status status;    // none: success
typedef struct context context;  // one run of one node
typedef struct value value;
typedef struct shape_info shape_info;
typedef struct kernel_info kernel_info;
typedef struct session_options session_options;
typedef struct domain domain;

enum { FLOATS = 1, INT32 = 6, ANY_TYPE = 0 };
enum { REQUIRED = 0, OPTIONAL = 1 };
enum { INVALID_ARGUMENT = 2 };

typedef struct runtime {
  void* functions[275];
} runtime;

#define FUNCTION(place, result, ...) ((result(*)(__VA_ARGS__))api->functions[place])
#define CREATE_STATUS FUNCTION(0, status*, int, const char*)
#define CREATE_DOMAIN FUNCTION(26, status*, const char*, domain**)
#define DOMAIN_ADD FUNCTION(27, status*, domain*, const struct custom_operator*)
#define ADD_DOMAIN FUNCTION(28, status*, session_options*, domain*)
#define TENSOR_DATA FUNCTION(51, status*, const value*, void**)
#define ELEMENT_COUNT FUNCTION(64, status*, const shape_info*, size_t*)
#define DIMENSION_COUNT FUNCTION(61, status*, const shape_info*, size_t*)
#define DIMENSIONS FUNCTION(62, status*, const shape_info*, int64_t*, size_t)
#define SHAPE_OF FUNCTION(65, status*, const value*, shape_info**)
#define FLOAT_ATTRIBUTE FUNCTION(85, status*, const kernel_info*, const char*, float*)
#define INT_ATTRIBUTE FUNCTION(86, status*, const kernel_info*, const char*, int64_t*)
#define INPUT FUNCTION(90, status*, const context*, size_t, const value**)
#define OUTPUT FUNCTION(91, status*, context*, size_t, const int64_t*, size_t, value**)
#define RELEASE_STATUS FUNCTION(93, void, status*)
#define RELEASE_SHAPE FUNCTION(99, void, shape_info*)
#define PARALLEL_FOR FUNCTION(274, status*, const context*, void (*)(void*, size_t), size_t, size_t, void*)

typedef struct runtime_base {
  const runtime* (*get)(uint32_t version);
  const char* (*version)(void);
} runtime_base;

// An operator as ONNX Runtime wants it described, functions in this order.
struct custom_operator {
  uint32_t version;
  void* (*create_kernel)(const struct custom_operator*, const runtime*, const kernel_info*);
  const char* (*name)(const struct custom_operator*);
  const char* (*provider)(const struct custom_operator*);
  int (*input_type)(const struct custom_operator*, size_t);
  size_t (*input_count)(const struct custom_operator*);
  int (*output_type)(const struct custom_operator*, size_t);
  size_t (*output_count)(const struct custom_operator*);
  void (*compute)(void*, context*);
  void (*destroy)(void*);
  int (*input_characteristic)(const struct custom_operator*, size_t);
  int (*output_characteristic)(const struct custom_operator*, size_t);
  int (*input_memory)(const struct custom_operator*, size_t);
  int (*variadic_inputs)(const struct custom_operator*);
  int (*variadic_inputs_alike)(const struct custom_operator*);
  int (*variadic_outputs)(const struct custom_operator*);
  int (*variadic_outputs_alike)(const struct custom_operator*);
  status* (*create)(const struct custom_operator*, const runtime*, const kernel_info*, void**);
  status* (*run)(void*, context*);
  status* (*infer_shapes)(const struct custom_operator*, void*);
  int (*first_version)(const struct custom_operator*);
  int (*last_version)(const struct custom_operator*);
  void* reserved[4];  // of later versions
  // Ours, behind what the runtime reads.
  const char* operator_name;
  const int* input_types;
  size_t inputs, required_inputs;
};

#endif
