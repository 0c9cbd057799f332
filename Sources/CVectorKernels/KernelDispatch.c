#include "KernelSets.h"
#include <sched.h>

static const grape_kernels *supported(size_t position) {
    switch (position) {
    case 0: return &grape_kernels_scalar;
#if defined(__x86_64__)
    case 1: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &grape_kernels_avx2 : NULL;
    case 2:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
                && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
                && __builtin_cpu_supports("avx512vpopcntdq")
            ? &grape_kernels_avx512 : NULL;
#elif defined(__aarch64__)
    case 3: return &grape_kernels_neon;
#endif
    default: return NULL;
    }
}

const grape_kernels *grape_kernels_at(size_t position) {
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    return supported(position);
}

const grape_kernels *grape_kernels_best(void) {
    const grape_kernels *best = &grape_kernels_scalar;
    for (size_t position = 1; position < GRAPE_KERNEL_SETS; position += 1) {
        const grape_kernels *candidate = grape_kernels_at(position);
        if (candidate != NULL) best = candidate;
    }
    return best;
}

void grape_lock_contended(uint8_t *lock) {
    // Spins for about a microsecond, then lets the holder run: on a busy machine it may have lost its core.
    for (;;) {
        for (int spin = 0; spin < 64; spin += 1) {
            if (__atomic_load_n(lock, __ATOMIC_RELAXED) == 0 && __atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) == 0)
                return;
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
        sched_yield();
    }
}

/// Sixteen neighbouring values; four registers of the narrowest set that there is.
typedef float grape_float16 __attribute__((vector_size(64)));

/// The transform of each run of sixteen: butterflies within a register.
static void hadamard16(float *values, size_t count) {
    for (size_t start = 0; start < count; start += 16) {
        grape_float16 v, sign;
        __builtin_memcpy(&v, values + start, sizeof v);
#define BUTTERFLY(HALF, S0, S1, S2, S3, S4, S5, S6, S7, S8, S9, SA, SB, SC, SD, SE, SF)                                \
    for (int i = 0; i < 16; i += 1) sign[i] = (i & HALF) ? -1 : 1;                                                     \
    v = v * sign + __builtin_shufflevector(v, v, S0, S1, S2, S3, S4, S5, S6, S7, S8, S9, SA, SB, SC, SD, SE, SF)
        BUTTERFLY(1, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
        BUTTERFLY(2, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
        BUTTERFLY(4, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
        BUTTERFLY(8, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
#undef BUTTERFLY
        __builtin_memcpy(values + start, &v, sizeof v);
    }
}

void grape_hadamard(float *values, size_t count) {
    size_t half = 1;
    if (count >= 16) {
        hadamard16(values, count);
        half = 16;
    }
    for (; half < count; half *= 2) {
        for (size_t start = 0; start < count; start += 2 * half) {
            float *restrict low = values + start, *restrict high = low + half;
            for (size_t i = 0; i < half; i += 1) {
                float sum = low[i] + high[i];
                high[i] = low[i] - high[i];
                low[i] = sum;
            }
        }
    }
}

double grape_squared_length(const float *values, size_t count) {
    double sums[8] = {0};
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (size_t lane = 0; lane < 8; lane += 1) sums[lane] += (double)values[i + lane] * (double)values[i + lane];
    for (; i < count; i += 1) sums[0] += (double)values[i] * (double)values[i];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

void grape_scaled(const float *restrict values, size_t count, double scale, float *restrict scaled) {
    for (size_t i = 0; i < count; i += 1) scaled[i] = (float)((double)values[i] * scale);
}

/// The lowest bits of eight bytes, as one byte.
static inline uint64_t gathered(uint64_t bytes) {
    return (bytes & 0x0101010101010101u) * 0x0102040810204080u >> 56;
}

void grape_cut(const float *values, size_t words, float low, float step, size_t length, uint64_t *planes) {
    const float scale = 1 / step, last = (1 << GRAPE_QUERY_PLANES) - 1;
    for (size_t word = 0; word < words; word += 1) {
        uint8_t steps[64];
        for (size_t i = 0; i < 64; i += 1) {
            float place = (values[word * 64 + i] - low) * scale + 0.5f;
            // In this order NaN becomes 0.
            place = place > 0 ? place : 0;
            place = place < last ? place : last;
            steps[i] = (uint8_t)(int)place;
        }
        uint64_t bits[GRAPE_QUERY_PLANES] = {0};
        for (size_t byte = 0; byte < 8; byte += 1) {
            uint64_t eight = 0;
            for (size_t i = 0; i < 8; i += 1) eight |= (uint64_t)steps[byte * 8 + i] << (8 * i);
            for (size_t plane = 0; plane < GRAPE_QUERY_PLANES; plane += 1)
                bits[plane] |= gathered(eight >> plane) << (8 * byte);
        }
        for (size_t plane = 0; plane < GRAPE_QUERY_PLANES; plane += 1) planes[plane * length + word] = bits[plane];
    }
}
