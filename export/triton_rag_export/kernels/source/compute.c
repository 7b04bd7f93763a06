// All arithmetic for one instruction set; the compiler is told which, and what to call the result.

#include "linear.c"

#include "attention.c"

#include "embedding.c"

#include "pooling.c"

const struct compute COMPUTE = {.linear = run_linear, .finish_rows = finish_rows, .embed = embed,
                                .pool = pool,         .store = store,             .attend = attend};
