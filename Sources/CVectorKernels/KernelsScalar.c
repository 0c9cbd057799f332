// HOT PATH on machines without the other sets, and the twin that the others are tested against.
#include "KernelSets.h"

#define FLOAT_KERNEL(NAME, TERM, RESULT)                                                                               \
    static void NAME(const grape_query *query, const uint32_t *ordinals, size_t count, float *distances) {             \
        const float *q = query->query;                                                                                 \
        for (size_t i = 0; i < count; i += 1) {                                                                        \
            const float *x = (const float *)grape_slot(query, ordinals[i]);                                            \
            float sums[4] = {0, 0, 0, 0};                                                                              \
            for (size_t d = 0; d < query->length; d += 4) {                                                            \
                for (size_t lane = 0; lane < 4; lane += 1) {                                                           \
                    float a = q[d + lane], b = x[d + lane];                                                            \
                    sums[lane] += TERM;                                                                                \
                }                                                                                                      \
            }                                                                                                          \
            float sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);                                                     \
            distances[i] = grape_finite(RESULT);                                                                       \
        }                                                                                                              \
    }

FLOAT_KERNEL(negated_dot, a * b, -sum)
FLOAT_KERNEL(squared_euclidean, (a - b) * (a - b), sum)
FLOAT_KERNEL(manhattan, __builtin_fabsf(a - b), sum)

static void codes(const grape_query *query, const uint32_t *ordinals, size_t count, float *distances) {
    const uint64_t *planes = query->query;
    const size_t ahead = grape_lookahead(query);
    grape_prefetch_points(query, ordinals, 0, ahead, count);
    for (size_t i = 0; i < count; i += 1) {
        grape_prefetch_points(query, ordinals, i + ahead, i + ahead + 1, count);
        const uint8_t *slot = grape_slot(query, ordinals[i]);
        const uint64_t *code = (const uint64_t *)slot;
        uint64_t sum = 0;
        for (size_t plane = 0; plane < GRAPE_QUERY_PLANES; plane += 1) {
            const uint64_t *bits = planes + plane * query->length;
            uint64_t ones = 0;
            for (size_t word = 0; word < query->length; word += 1)
                ones += (uint64_t)__builtin_popcountll(code[word] & bits[word]);
            sum += ones << plane;
        }
        distances[i] = grape_code_distance(query, slot, sum);
    }
}

const grape_kernels grape_kernels_scalar = {"scalar", negated_dot, squared_euclidean, manhattan, codes};
