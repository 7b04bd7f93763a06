// Sixteen lanes at a time, whatever the processor: clang splits these vectors into registers of its width.

#ifndef TRITON_RAG_LANES_H
#define TRITON_RAG_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define LANES 16
#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef float floats __attribute__((vector_size(64)));
typedef int32_t ints __attribute__((vector_size(64)));
typedef int8_t small_ints __attribute__((vector_size(16)));
typedef uint8_t lines __attribute__((vector_size(64)));
typedef uint8_t small_unsigned __attribute__((vector_size(16)));
typedef _Float16 halves __attribute__((vector_size(32)));

ALWAYS_INLINE floats load_floats(const float* from) {
  floats values;
  memcpy(&values, from, sizeof values);
  return values;
}

ALWAYS_INLINE lines load_line(const uint8_t* from) {
  lines values;
  memcpy(&values, from, sizeof values);
  return values;
}

// Sixteen numbers of two bytes.
ALWAYS_INLINE floats load_halves(const uint16_t* from) {
  halves values;
  memcpy(&values, from, sizeof values);
  return __builtin_convertvector(values, floats);
}

ALWAYS_INLINE void store_floats(float* to, floats values) { memcpy(to, &values, sizeof values); }

// The first `count` lanes, zeros behind them.
ALWAYS_INLINE floats load_some(const float* from, long count) {
  if (count >= LANES) return load_floats(from);
  floats values = {0};
  memcpy(&values, from, (size_t)count * sizeof(float));
  return values;
}

ALWAYS_INLINE void store_some(float* to, floats values, long count) {
  if (count >= LANES)
    store_floats(to, values);  // of a size known when this is compiled: no call
  else
    memcpy(to, &values, (size_t)count * sizeof(float));
}

ALWAYS_INLINE floats all_lanes(float value) { return (floats){0} + value; }

// 0, 1, 2, ...
ALWAYS_INLINE ints lane_numbers(void) {
  return (ints){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
}

ALWAYS_INLINE floats choose(ints condition, floats yes, floats no) {
  return (floats)((condition & (ints)yes) | (~condition & (ints)no));
}

ALWAYS_INLINE floats larger(floats a, floats b) { return choose(a > b, a, b); }

#define SWAP_EIGHTS(x) __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
#define SWAP_FOURS(x) __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11)
#define SWAP_TWOS(x) __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)

// Lanes are added in a tree of fixed order, so that a sum has the same bits on every path that comes here.
ALWAYS_INLINE float sum_of_lanes(floats x) {
  x += SWAP_EIGHTS(x);
  x += SWAP_FOURS(x);
  x += SWAP_TWOS(x);
  return x[0] + x[1];
}

ALWAYS_INLINE float largest_lane(floats x) {
  x = larger(x, SWAP_EIGHTS(x));
  x = larger(x, SWAP_FOURS(x));
  x = larger(x, SWAP_TWOS(x));
  return x[0] > x[1] ? x[0] : x[1];
}

// 1 / x to about one unit in the last place, by Newton's step where there is a first guess: a division takes the
// time of eight multiplications.
ALWAYS_INLINE floats reciprocal(floats x) {
#if defined(__AVX512F__)
  floats guess = (floats)_mm512_rcp14_ps((__m512)x);
  return guess + guess * (1.0f - x * guess);
#else
  return 1.0f / x;
#endif
}

// Round to the nearest whole number, halves to even, for |x| < 2^22: adding 1.5 * 2^23 leaves the whole
// number in the lowest bits.
ALWAYS_INLINE ints rounded(floats x) { return (ints)(x + 12582912.0f) - 0x4b400000; }

// Sixteen vectors as rows become columns.
ALWAYS_INLINE void transpose(floats x[LANES]) {
#pragma clang loop unroll(full)
  for (int step = 8; step; step /= 2)
#pragma clang loop unroll(full)
    for (int i = 0; i < LANES; i++) {
      if (i & step) continue;
      floats a = x[i], b = x[i + step];
      switch (step) {
        case 8:
          x[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
          x[i + step] = __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
          break;
        case 4:
          x[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
          x[i + step] = __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
          break;
        case 2:
          x[i] = __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
          x[i + step] = __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
          break;
        default:
          x[i] = __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
          x[i + step] = __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
      }
    }
}

// e^x to about two units in the last place: 2^n times a polynomial (Cephes' coefficients) on |r| <= ln(2) / 2.
ALWAYS_INLINE floats exponential(floats x) {
  x = choose(x < -87.0f, all_lanes(-87.0f), x);
  x = choose(x > 88.0f, all_lanes(88.0f), x);
  ints n = rounded(x * 1.44269504f);
  floats whole = __builtin_convertvector(n, floats);
  floats r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
  floats p = all_lanes(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * (floats)((n + 127) << 23);
}

// 2^x for x <= 0, to about two units in the last place; not a number stays so. 2^n times a polynomial, fitted to
// the smallest relative error, on |r| <= 1/2; adding 1.5 * 2^23 rounds, and leaves n in the lowest bits.
ALWAYS_INLINE floats power_of_two(floats x) {
  x = choose(x < -126.0f, all_lanes(-126.0f), x);
  floats shifted = x + 12582912.0f;
  floats r = x - (shifted - 12582912.0f);
  floats p = all_lanes(1.326556783e-3f);
  p = p * r + 9.671508335e-3f;
  p = p * r + 5.550730973e-2f;
  p = p * r + 2.402224243e-1f;
  p = p * r + 6.931470037e-1f;
  p = p * r + 1.0f;
  return p * (floats)(((ints)shifted + 127) << 23);
}

#endif
