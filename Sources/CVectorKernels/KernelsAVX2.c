// HOT PATH. AVX2 and FMA: Haswell, Zen and later.
#include "KernelSets.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,popcnt")))

TARGET static inline __m256 dot_step(__m256 sum, __m256 a, __m256 b) { return _mm256_fmadd_ps(a, b, sum); }
TARGET static inline __m256 euclidean_step(__m256 sum, __m256 a, __m256 b) {
    __m256 difference = _mm256_sub_ps(a, b);
    return _mm256_fmadd_ps(difference, difference, sum);
}
TARGET static inline __m256 manhattan_step(__m256 sum, __m256 a, __m256 b) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return _mm256_add_ps(sum, _mm256_andnot_ps(sign, _mm256_sub_ps(a, b)));
}

TARGET static inline float reduce(__m256 s0, __m256 s1) {
    __m256 sum = _mm256_add_ps(s0, s1);
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

#define FLOAT_KERNEL(NAME, STEP, SIGN)                                                                                 \
    TARGET static void NAME(                                                                                           \
        const grape_query *query, const uint32_t *ordinals, size_t count, float *distances) {                          \
        const float *q = query->query;                                                                                 \
        const size_t length = query->length, whole = length & ~(size_t)31;                                             \
        const size_t ahead = grape_lookahead(query);                                                                   \
        grape_prefetch_points(query, ordinals, 0, ahead, count);                                                       \
        for (size_t i = 0; i < count; i += 1) {                                                                        \
            grape_prefetch_points(query, ordinals, i + ahead, i + ahead + 1, count);                                   \
            const float *x = (const float *)grape_slot(query, ordinals[i]);                                            \
            __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;                                                \
            size_t d = 0;                                                                                              \
            for (; d < whole; d += 32) {                                                                               \
                s0 = STEP(s0, _mm256_load_ps(q + d), _mm256_load_ps(x + d));                                           \
                s1 = STEP(s1, _mm256_load_ps(q + d + 8), _mm256_load_ps(x + d + 8));                                   \
                s2 = STEP(s2, _mm256_load_ps(q + d + 16), _mm256_load_ps(x + d + 16));                                 \
                s3 = STEP(s3, _mm256_load_ps(q + d + 24), _mm256_load_ps(x + d + 24));                                 \
            }                                                                                                          \
            for (; d < length; d += 16) {                                                                              \
                s0 = STEP(s0, _mm256_load_ps(q + d), _mm256_load_ps(x + d));                                           \
                s1 = STEP(s1, _mm256_load_ps(q + d + 8), _mm256_load_ps(x + d + 8));                                   \
            }                                                                                                          \
            float sum = reduce(_mm256_add_ps(s0, s2), _mm256_add_ps(s1, s3));                                          \
            distances[i] = grape_finite(SIGN sum);                                                                     \
        }                                                                                                              \
    }

FLOAT_KERNEL(negated_dot, dot_step, -)
FLOAT_KERNEL(squared_euclidean, euclidean_step, +)
FLOAT_KERNEL(manhattan, manhattan_step, +)

TARGET static void codes(const grape_query *query, const uint32_t *ordinals, size_t count, float *distances) {
    const size_t length = query->length;
    const uint64_t *p0 = query->query, *p1 = p0 + length, *p2 = p1 + length, *p3 = p2 + length;
    const size_t ahead = grape_lookahead(query);
    grape_prefetch_points(query, ordinals, 0, ahead, count);
    for (size_t i = 0; i < count; i += 1) {
        grape_prefetch_points(query, ordinals, i + ahead, i + ahead + 1, count);
        const uint8_t *slot = grape_slot(query, ordinals[i]);
        const uint64_t *code = (const uint64_t *)slot;
        uint64_t c0 = 0, c1 = 0, c2 = 0, c3 = 0;
        for (size_t word = 0; word < length; word += 1) {
            c0 += (uint64_t)_mm_popcnt_u64(code[word] & p0[word]);
            c1 += (uint64_t)_mm_popcnt_u64(code[word] & p1[word]);
            c2 += (uint64_t)_mm_popcnt_u64(code[word] & p2[word]);
            c3 += (uint64_t)_mm_popcnt_u64(code[word] & p3[word]);
        }
        distances[i] = grape_code_distance(query, slot, c0 + (c1 << 1) + (c2 << 2) + (c3 << 3));
    }
}

const grape_kernels grape_kernels_avx2 = {"avx2", negated_dot, squared_euclidean, manhattan, codes};
#endif
