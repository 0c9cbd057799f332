#ifndef GRAPE_KERNEL_SETS_H
#define GRAPE_KERNEL_SETS_H

#include "CVectorKernels.h"

extern const grape_kernels grape_kernels_scalar;
extern const grape_kernels grape_kernels_avx2;
extern const grape_kernels grape_kernels_avx512;
extern const grape_kernels grape_kernels_neon;

/// Bytes that a kernel has asked for ahead of what it compares, and the most points that these are.
#define GRAPE_AHEAD_BYTES 8192
#define GRAPE_AHEAD_POINTS 64

/// How many points ahead a kernel asks for what it will read: the lines are the cost, not the arithmetic.
static inline size_t grape_lookahead(const grape_query *query) {
    size_t points = GRAPE_AHEAD_BYTES / query->stride;
    return points > GRAPE_AHEAD_POINTS ? GRAPE_AHEAD_POINTS : points > 2 ? points : 2;
}

/// Asks for the points of a batch at `from` and behind it, before `to`.
static inline void grape_prefetch_points(
    const grape_query *query, const uint32_t *ordinals, size_t from, size_t to, size_t count) {
    if (to > count) to = count;
    for (size_t i = from; i < to; i += 1) grape_prefetch(grape_slot(query, ordinals[i]), query->stride);
}

#endif
