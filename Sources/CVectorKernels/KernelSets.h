#ifndef GRAPE_KERNEL_SETS_H
#define GRAPE_KERNEL_SETS_H

#include "CVectorKernels.h"

extern const grape_kernels grape_kernels_scalar;
extern const grape_kernels grape_kernels_avx2;
extern const grape_kernels grape_kernels_avx512;
extern const grape_kernels grape_kernels_neon;

/// Vectors are asked for so many points ahead: the lines are the cost, not the arithmetic.
#define GRAPE_VECTOR_LOOKAHEAD 2

static inline void grape_prefetch_vector(const grape_query *query, const uint32_t *ordinals, size_t i, size_t count) {
    if (i >= count) return;
    const uint8_t *slot = grape_slot(query, ordinals[i]);
    const uint8_t *end = slot + query->stride;
    for (; slot < end; slot += 64) __builtin_prefetch(slot, 0, 3);
}

static inline void grape_prefetch_first_vectors(const grape_query *query, const uint32_t *ordinals, size_t count) {
    for (size_t i = 0; i < GRAPE_VECTOR_LOOKAHEAD; i += 1) grape_prefetch_vector(query, ordinals, i, count);
}

/// Codes fit one or two cache lines: they are asked for this many points ahead.
#define GRAPE_CODE_LOOKAHEAD 8

static inline void grape_prefetch_codes(const grape_query *query, const uint32_t *ordinals, size_t from, size_t to) {
    for (size_t i = from; i < to; i += 1) {
        const uint8_t *slot = grape_slot(query, ordinals[i]);
        for (size_t line = 0; line < query->stride && line < 256; line += 64) __builtin_prefetch(slot + line, 0, 3);
    }
}

/// Asks for the first points of a batch; the loop of the kernel asks for the one `GRAPE_CODE_LOOKAHEAD` further on.
static inline void grape_prefetch_first_codes(const grape_query *query, const uint32_t *ordinals, size_t count) {
    grape_prefetch_codes(query, ordinals, 0, count < GRAPE_CODE_LOOKAHEAD ? count : GRAPE_CODE_LOOKAHEAD);
}

static inline void grape_prefetch_next_code(
    const grape_query *query, const uint32_t *ordinals, size_t i, size_t count) {
    size_t next = i + GRAPE_CODE_LOOKAHEAD;
    if (next < count) grape_prefetch_codes(query, ordinals, next, next + 1);
}

#endif
