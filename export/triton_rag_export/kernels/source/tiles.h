// A tile's sums are registers, so its height must be known when this is compiled: WITH_HEIGHT makes a call for each
// height up to the most, in which HEIGHT is a constant, and takes the one that is wanted.

#ifndef TRITON_RAG_TILES_H
#define TRITON_RAG_TILES_H

#define HEIGHT_CASE(height, most, call) \
  case height: \
    if (height <= (most)) { \
      enum { HEIGHT = height }; \
      call; \
    } \
    break;

#define WITH_HEIGHT(wanted, most, call) \
  switch (wanted) { \
    HEIGHT_CASE(1, most, call) \
    HEIGHT_CASE(2, most, call) \
    HEIGHT_CASE(3, most, call) \
    HEIGHT_CASE(4, most, call) \
    HEIGHT_CASE(5, most, call) \
    HEIGHT_CASE(6, most, call) \
  }

#endif
