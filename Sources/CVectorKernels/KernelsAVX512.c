// HOT PATH. AVX-512 (F, BW, DQ, VL, VPOPCNTDQ): Ice Lake, Zen 4 and later.
#include "KernelSets.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,fma,popcnt")))

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

/// Σ 2^plane · popcount(code ∧ plane), per 64-bit lane; planes one after the other, each of `words` registers.
TARGET static inline __m512i weighted(const uint8_t *code, const __m512i *planes, size_t words) {
    __m512i counts[GRAPE_QUERY_PLANES];
    for (size_t plane = 0; plane < GRAPE_QUERY_PLANES; plane += 1) counts[plane] = _mm512_setzero_si512();
    for (size_t word = 0; word < words; word += 1) {
        __m512i bits = _mm512_load_si512(code + word * 64);
        for (size_t plane = 0; plane < GRAPE_QUERY_PLANES; plane += 1) {
            __m512i matching = _mm512_and_si512(bits, planes[plane * words + word]);
            counts[plane] = _mm512_add_epi64(counts[plane], _mm512_popcnt_epi64(matching));
        }
    }
    __m512i low = _mm512_add_epi64(counts[0], _mm512_slli_epi64(counts[1], 1));
    __m512i high = _mm512_add_epi64(counts[2], _mm512_slli_epi64(counts[3], 1));
    return _mm512_add_epi64(low, _mm512_slli_epi64(high, 2));
}

/// The sum of the lanes of each of four registers.
TARGET static inline __m128 sums_of_lanes(const __m512i *r) {
    __m512i first = _mm512_add_epi64(_mm512_unpacklo_epi64(r[0], r[1]), _mm512_unpackhi_epi64(r[0], r[1]));
    __m512i second = _mm512_add_epi64(_mm512_unpacklo_epi64(r[2], r[3]), _mm512_unpackhi_epi64(r[2], r[3]));
    __m256i f = _mm256_add_epi64(_mm512_castsi512_si256(first), _mm512_extracti64x4_epi64(first, 1));
    __m256i s = _mm256_add_epi64(_mm512_castsi512_si256(second), _mm512_extracti64x4_epi64(second, 1));
    return _mm256_cvtepi64_ps(
        _mm256_add_epi64(_mm256_permute2x128_si256(f, s, 0x20), _mm256_permute2x128_si256(f, s, 0x31)));
}

/// `grape_code_distance` of four points.
TARGET static inline __m128 estimates(const grape_query *query, const uint8_t *const *slots, __m128 planes_sums) {
    __m128 factors = _mm_loadu_ps((const float *)(slots[0] + query->trailer));
    __m128 norms = _mm_loadu_ps((const float *)(slots[1] + query->trailer));
    __m128 ones = _mm_loadu_ps((const float *)(slots[2] + query->trailer));
    __m128 beyond = _mm_loadu_ps((const float *)(slots[3] + query->trailer));
    _MM_TRANSPOSE4_PS(factors, norms, ones, beyond);
    __m128 constant = _mm_set1_ps(query->constant), most = _mm_set1_ps(FLT_MAX);
    ones = _mm_cvtepi32_ps(_mm_castps_si128(ones));
    __m128 product = _mm_fmadd_ps(_mm_set1_ps(query->ones_scale), ones, constant);
    product = _mm_fmadd_ps(_mm_set1_ps(query->plane_scale), planes_sums, product);
    __m128 rest = _mm_fmadd_ps(_mm_set1_ps(query->norm_scale), norms, _mm_set1_ps(query->offset));
    __m128 distance = _mm_fmadd_ps(_mm_mul_ps(_mm_set1_ps(query->product_scale), factors), product, rest);
    // In this order NaN becomes the largest.
    return _mm_max_ps(_mm_min_ps(distance, most), _mm_sub_ps(_mm_setzero_ps(), most));
}

/// Four points at a time: what comes after counting costs as much for four as for one.
TARGET static inline __attribute__((always_inline)) void codes_of(
    const grape_query *query, const __m512i *planes, size_t words, const uint32_t *ordinals, size_t count,
    float *distances) {
    const size_t ahead = grape_lookahead(query);
    grape_prefetch_points(query, ordinals, 0, ahead, count);
    for (size_t i = 0; i < count; i += 4) {
        grape_prefetch_points(query, ordinals, i + ahead, i + ahead + 4, count);
        const size_t left = count - i;
        const uint8_t *slots[4];
        __m512i counts[4];
        // Where fewer than four are left the last is taken again: an estimate must not depend on its place.
        for (size_t lane = 0; lane < 4; lane += 1) {
            slots[lane] = grape_slot(query, ordinals[lane < left ? i + lane : count - 1]);
            counts[lane] = weighted(slots[lane], planes, words);
        }
        __mmask8 present = left < 4 ? (__mmask8)((1u << left) - 1) : 15;
        _mm_mask_storeu_ps(distances + i, present, estimates(query, slots, sums_of_lanes(counts)));
    }
}

TARGET static void codes(const grape_query *query, const uint32_t *ordinals, size_t count, float *distances) {
    const __m512i *planes = query->query;
    __m512i kept[2 * GRAPE_QUERY_PLANES];
    switch (query->length) {
    // Up to 1,024 dimensions the planes stay in registers.
    case 8:
        for (size_t i = 0; i < GRAPE_QUERY_PLANES; i += 1) kept[i] = planes[i];
        codes_of(query, kept, 1, ordinals, count, distances);
        break;
    case 16:
        for (size_t i = 0; i < 2 * GRAPE_QUERY_PLANES; i += 1) kept[i] = planes[i];
        codes_of(query, kept, 2, ordinals, count, distances);
        break;
    default: codes_of(query, planes, query->length / 8, ordinals, count, distances);
    }
}

const grape_kernels grape_kernels_avx512 = {"avx512", negated_dot, squared_euclidean, manhattan, codes};
#endif
