// The library as ONNX Runtime loads it: chooses the arithmetic for this processor and registers the operators.

#include "operators.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

const struct compute* arithmetic;
size_t task_count;

void* input_data(const runtime* api, const context* run, size_t index) {
  const value* input = NULL;
  void* data = NULL;
  status* failed = INPUT(run, index, &input);
  if (!failed && input) failed = TENSOR_DATA(input, &data);
  if (failed) RELEASE_STATUS(failed);
  return data;
}

long input_dimension(const runtime* api, const context* run, size_t index, size_t dimension) {
  const value* input = NULL;
  shape_info* shape = NULL;
  int64_t sizes[8] = {0};
  size_t count = 0;
  status* failed = INPUT(run, index, &input);
  if (!failed && input) failed = SHAPE_OF(input, &shape);
  if (!failed && shape) failed = DIMENSION_COUNT(shape, &count);
  if (!failed && shape && count <= 8) failed = DIMENSIONS(shape, sizes, count);
  if (shape) RELEASE_SHAPE(shape);
  if (failed) RELEASE_STATUS(failed);
  return dimension < count && count <= 8 ? (long)sizes[dimension] : 0;
}

long int_attribute(const runtime* api, const kernel_info* info, const char* name, long otherwise) {
  int64_t number = otherwise;
  status* failed = INT_ATTRIBUTE(info, name, &number);
  if (failed) RELEASE_STATUS(failed);
  return failed ? otherwise : (long)number;
}

float float_attribute(const runtime* api, const kernel_info* info, const char* name, float otherwise) {
  float number = otherwise;
  status* failed = FLOAT_ATTRIBUTE(info, name, &number);
  if (failed) RELEASE_STATUS(failed);
  return failed ? otherwise : number;
}

status* refuse(const runtime* api, const char* format, ...) {
  char message[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return CREATE_STATUS(INVALID_ARGUMENT, message);
}

status* check_lengths(const runtime* api, const char* name, const int32_t* lengths, long texts, long tokens) {
  long sum = 0;
  for (long text = 0; text < texts; text++) {
    if (lengths[text] < 1) return refuse(api, "%s: text %ld has %d tokens; allowed: 1 or more", name, text, lengths[text]);
    sum += lengths[text];
  }
  return sum == tokens ? NULL : refuse(api, "%s: the texts have %ld tokens, the input %ld", name, sum, tokens);
}

status* output_rows(const runtime* api, context* run, long rows, long width, float** data) {
  int64_t shape[2] = {rows, width};
  value* output = NULL;
  status* failed = OUTPUT(run, 0, shape, 2, &output);
  return failed ? failed : TENSOR_DATA(output, (void**)data);
}

const char* operator_name(const struct custom_operator* self) { return self->operator_name; }
const char* operator_provider(const struct custom_operator* self) { return NULL; }  // the CPU
int operator_input_type(const struct custom_operator* self, size_t index) { return self->input_types[index]; }
size_t operator_input_count(const struct custom_operator* self) { return self->inputs; }
int operator_output_type(const struct custom_operator* self, size_t index) { return FLOATS; }
size_t operator_output_count(const struct custom_operator* self) { return 1; }
void operator_destroy(void* kernel) { free(kernel); }
int operator_output_characteristic(const struct custom_operator* self, size_t index) { return REQUIRED; }
int operator_input_memory(const struct custom_operator* self, size_t index) { return 0; }
int operator_one(const struct custom_operator* self) { return 1; }
int operator_input_characteristic(const struct custom_operator* self, size_t index) {
  return index < self->required_inputs ? REQUIRED : OPTIONAL;
}

#if defined(__x86_64__)
static const char* const names[] = {"generic", "AVX2", "AVX-VNNI", "AVX-512 VNNI"};
static const struct compute* const ranked[] = {&compute_generic, &compute_avx2, &compute_avx_vnni,
                                               &compute_avx512_vnni};

// Whether the processor has the instructions of a rank, and the system keeps their registers across threads.
static int has_rank(int rank) {
  unsigned a, b, c, d, low = 0, high = 0;
  if (rank == 0) return 1;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_FMA) || !(c & bit_F16C)) return 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2) || (low & 0x6) != 0x6) return 0;
  unsigned wide = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL | bit_AVX512CD;
  if (rank == 3) return (low & 0xe6) == 0xe6 && (b & wide) == wide && (c & bit_AVX512VNNI);
  return rank == 1 || (__get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4)));
}
#else
static const char* const names[] = {"generic"};
static const struct compute* const ranked[] = {&compute_generic};
static int has_rank(int rank) { return rank == 0; }
#endif

static int rank_in_use = -1;

// Use the instructions of a rank, as a test does; -1: the best there are. Returns the rank, or -1 where the
// processor lacks it.
int triton_rag_use_rank(int rank) {
  int count = (int)(sizeof ranked / sizeof ranked[0]);
  for (int each = count - 1; rank < 0 && each >= 0; each--)
    if (has_rank(each)) rank = each;
  if (rank >= count || !has_rank(rank)) return -1;
  arithmetic = ranked[rank];
  return rank_in_use = rank;
}

// The name of the instruction set in use.
const char* triton_rag_instruction_set(void) { return names[rank_in_use < 0 ? triton_rag_use_rank(-1) : rank_in_use]; }

status* RegisterCustomOps(session_options* options, const runtime_base* base) {
  const runtime* api = base->get(RUNTIME_VERSION);
  static domain* shared;  // the runtime keeps a pointer for as long as any session lives
  static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
  status* failed = NULL;
  pthread_mutex_lock(&first);
  if (!arithmetic) triton_rag_use_rank(-1);
  if (!shared) {
    domain* made = NULL;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    task_count = (size_t)(cores > 0 ? cores : 1) * 2;
    failed = CREATE_DOMAIN("triton_rag", &made);
    const struct custom_operator* all[] = {&linear_operator, &cached_attention_operator, &source_attention_operator,
                                           &store_source_operator, &cross_attention_operator, &embedding_operator,
                                           &pooling_operator};
    for (size_t each = 0; each < sizeof all / sizeof all[0] && !failed; each++) failed = DOMAIN_ADD(made, all[each]);
    if (!failed) shared = made;
  }
  pthread_mutex_unlock(&first);
  return failed ? failed : ADD_DOMAIN(options, shared);
}
