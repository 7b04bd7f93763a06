// All arithmetic for one instruction set; the compiler is told which, and what to call the result.

#include "linear.c"

#include "attention.c"

const struct compute COMPUTE = {.linear = run_linear, .store = store, .attend = attend};
