// HOT PATH. AVX-512 (F, BW, DQ, VPOPCNTDQ): Ice Lake, Zen 4 and later.
#include "KernelSets.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vpopcntdq,fma,popcnt")))

TARGET static inline __m512 dot_step(__m512 sum, __m512 a, __m512 b) { return _mm512_fmadd_ps(a, b, sum); }
TARGET static inline __m512 euclidean_step(__m512 sum, __m512 a, __m512 b) {
    __m512 difference = _mm512_sub_ps(a, b);
    return _mm512_fmadd_ps(difference, difference, sum);
}
TARGET static inline __m512 manhattan_step(__m512 sum, __m512 a, __m512 b) {
    return _mm512_add_ps(sum, _mm512_abs_ps(_mm512_sub_ps(a, b)));
}

#define FLOAT_KERNEL(NAME, STEP, SIGN)                                                                                 \
    TARGET static void NAME(                                                                                           \
        const grape_query *query, const uint32_t *ordinals, size_t count, float *distances) {                          \
        const float *q = query->query;                                                                                 \
        const size_t length = query->length, whole = length & ~(size_t)63;                                             \
        const size_t ahead = grape_lookahead(query);                                                                   \
        grape_prefetch_points(query, ordinals, 0, ahead, count);                                                       \
        for (size_t i = 0; i < count; i += 1) {                                                                        \
            grape_prefetch_points(query, ordinals, i + ahead, i + ahead + 1, count);                                   \
            const float *x = (const float *)grape_slot(query, ordinals[i]);                                            \
            __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;                                                \
            size_t d = 0;                                                                                              \
            for (; d < whole; d += 64) {                                                                               \
                s0 = STEP(s0, _mm512_load_ps(q + d), _mm512_load_ps(x + d));                                           \
                s1 = STEP(s1, _mm512_load_ps(q + d + 16), _mm512_load_ps(x + d + 16));                                 \
                s2 = STEP(s2, _mm512_load_ps(q + d + 32), _mm512_load_ps(x + d + 32));                                 \
                s3 = STEP(s3, _mm512_load_ps(q + d + 48), _mm512_load_ps(x + d + 48));                                 \
            }                                                                                                          \
            for (; d < length; d += 16) s0 = STEP(s0, _mm512_load_ps(q + d), _mm512_load_ps(x + d));                   \
            float sum = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));             \
            distances[i] = grape_finite(SIGN sum);                                                                     \
        }                                                                                                              \
    }

FLOAT_KERNEL(negated_dot, dot_step, -)
FLOAT_KERNEL(squared_euclidean, euclidean_step, +)
FLOAT_KERNEL(manhattan, manhattan_step, +)

/// Weighted count of matching bits of 512 dimensions: Σ 2^plane · popcount(code ∧ plane), per 64-bit lane.
TARGET static inline __m512i weighted(__m512i code, __m512i p0, __m512i p1, __m512i p2, __m512i p3) {
    __m512i c0 = _mm512_popcnt_epi64(_mm512_and_si512(code, p0));
    __m512i c1 = _mm512_popcnt_epi64(_mm512_and_si512(code, p1));
    __m512i c2 = _mm512_popcnt_epi64(_mm512_and_si512(code, p2));
    __m512i c3 = _mm512_popcnt_epi64(_mm512_and_si512(code, p3));
    __m512i low = _mm512_add_epi64(c0, _mm512_slli_epi64(c1, 1));
    __m512i high = _mm512_add_epi64(c2, _mm512_slli_epi64(c3, 1));
    return _mm512_add_epi64(low, _mm512_slli_epi64(high, 2));
}

/// Up to 512 dimensions: the planes stay in four registers.
TARGET static void short_codes(const grape_query *query, const uint32_t *ordinals, size_t count, float *distances) {
    const uint64_t *planes = query->query;
    __m512i p0 = _mm512_load_si512(planes), p1 = _mm512_load_si512(planes + 8);
    __m512i p2 = _mm512_load_si512(planes + 16), p3 = _mm512_load_si512(planes + 24);
    const size_t ahead = grape_lookahead(query);
    grape_prefetch_points(query, ordinals, 0, ahead, count);
    for (size_t i = 0; i < count; i += 1) {
        grape_prefetch_points(query, ordinals, i + ahead, i + ahead + 1, count);
        const uint8_t *slot = grape_slot(query, ordinals[i]);
        __m512i sum = weighted(_mm512_load_si512(slot), p0, p1, p2, p3);
        distances[i] = grape_code_distance(query, slot, (uint64_t)_mm512_reduce_add_epi64(sum));
    }
}

TARGET static void codes(const grape_query *query, const uint32_t *ordinals, size_t count, float *distances) {
    const size_t length = query->length;
    if (length == 8) {
        short_codes(query, ordinals, count, distances);
        return;
    }
    const uint64_t *planes = query->query;
    const size_t ahead = grape_lookahead(query);
    grape_prefetch_points(query, ordinals, 0, ahead, count);
    for (size_t i = 0; i < count; i += 1) {
        grape_prefetch_points(query, ordinals, i + ahead, i + ahead + 1, count);
        const uint8_t *slot = grape_slot(query, ordinals[i]);
        __m512i sum = _mm512_setzero_si512();
        for (size_t word = 0; word < length; word += 8) {
            const uint64_t *plane = planes + word;
            sum = _mm512_add_epi64(sum,
                weighted(_mm512_load_si512(slot + word * 8), _mm512_load_si512(plane),
                    _mm512_load_si512(plane + length), _mm512_load_si512(plane + 2 * length),
                    _mm512_load_si512(plane + 3 * length)));
        }
        distances[i] = grape_code_distance(query, slot, (uint64_t)_mm512_reduce_add_epi64(sum));
    }
}

const grape_kernels grape_kernels_avx512 = {"avx512", negated_dot, squared_euclidean, manhattan, codes};
#endif
