// HOT PATH. NEON: every 64-bit ARM machine.
#include "KernelSets.h"

#if defined(__aarch64__)
#include <arm_neon.h>

static inline float32x4_t dot_step(float32x4_t sum, float32x4_t a, float32x4_t b) { return vfmaq_f32(sum, a, b); }
static inline float32x4_t euclidean_step(float32x4_t sum, float32x4_t a, float32x4_t b) {
    float32x4_t difference = vsubq_f32(a, b);
    return vfmaq_f32(sum, difference, difference);
}
static inline float32x4_t manhattan_step(float32x4_t sum, float32x4_t a, float32x4_t b) {
    return vaddq_f32(sum, vabdq_f32(a, b));
}

#define FLOAT_KERNEL(NAME, STEP, SIGN)                                                                                 \
    static void NAME(const grape_query *query, const uint32_t *ordinals, size_t count, float *distances) {             \
        const float *q = query->query;                                                                                 \
        const size_t ahead = grape_lookahead(query);                                                                   \
        grape_prefetch_points(query, ordinals, 0, ahead, count);                                                       \
        for (size_t i = 0; i < count; i += 1) {                                                                        \
            grape_prefetch_points(query, ordinals, i + ahead, i + ahead + 1, count);                                   \
            const float *x = (const float *)grape_slot(query, ordinals[i]);                                            \
            float32x4_t s0 = vdupq_n_f32(0), s1 = s0, s2 = s0, s3 = s0;                                                \
            for (size_t d = 0; d < query->length; d += 16) {                                                           \
                s0 = STEP(s0, vld1q_f32(q + d), vld1q_f32(x + d));                                                     \
                s1 = STEP(s1, vld1q_f32(q + d + 4), vld1q_f32(x + d + 4));                                             \
                s2 = STEP(s2, vld1q_f32(q + d + 8), vld1q_f32(x + d + 8));                                             \
                s3 = STEP(s3, vld1q_f32(q + d + 12), vld1q_f32(x + d + 12));                                           \
            }                                                                                                          \
            float sum = vaddvq_f32(vaddq_f32(vaddq_f32(s0, s1), vaddq_f32(s2, s3)));                                   \
            distances[i] = grape_finite(SIGN sum);                                                                     \
        }                                                                                                              \
    }

FLOAT_KERNEL(negated_dot, dot_step, -)
FLOAT_KERNEL(squared_euclidean, euclidean_step, +)
FLOAT_KERNEL(manhattan, manhattan_step, +)

/// Set bits of `code ∧ plane` in 128 dimensions, in two 64-bit lanes.
static inline uint64x2_t matching(uint64x2_t code, const uint64_t *plane) {
    uint8x16_t ones = vcntq_u8(vreinterpretq_u8_u64(vandq_u64(code, vld1q_u64(plane))));
    return vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(ones)));
}

static void codes(const grape_query *query, const uint32_t *ordinals, size_t count, float *distances) {
    const size_t length = query->length;
    const uint64_t *planes = query->query;
    const size_t ahead = grape_lookahead(query);
    grape_prefetch_points(query, ordinals, 0, ahead, count);
    for (size_t i = 0; i < count; i += 1) {
        grape_prefetch_points(query, ordinals, i + ahead, i + ahead + 1, count);
        const uint8_t *slot = grape_slot(query, ordinals[i]);
        uint64x2_t sum = vdupq_n_u64(0);
        for (size_t word = 0; word < length; word += 2) {
            uint64x2_t code = vld1q_u64((const uint64_t *)slot + word);
            const uint64_t *plane = planes + word;
            sum = vaddq_u64(sum, matching(code, plane));
            sum = vaddq_u64(sum, vshlq_n_u64(matching(code, plane + length), 1));
            sum = vaddq_u64(sum, vshlq_n_u64(matching(code, plane + 2 * length), 2));
            sum = vaddq_u64(sum, vshlq_n_u64(matching(code, plane + 3 * length), 3));
        }
        distances[i] = grape_code_distance(query, slot, vaddvq_u64(sum));
    }
}

const grape_kernels grape_kernels_neon = {"neon", negated_dot, squared_euclidean, manhattan, codes};
#endif
