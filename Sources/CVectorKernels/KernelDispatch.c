#include "KernelSets.h"
#include <sched.h>

static const grape_kernels *supported(size_t position) {
    switch (position) {
    case 0: return &grape_kernels_scalar;
#if defined(__x86_64__)
    case 1: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &grape_kernels_avx2 : NULL;
    case 2:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
                && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vpopcntdq")
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

void grape_hadamard(float *values, size_t count) {
    for (size_t half = 1; half < count; half *= 2) {
        for (size_t start = 0; start < count; start += 2 * half) {
            for (size_t i = start; i < start + half; i += 1) {
                float sum = values[i] + values[i + half];
                values[i + half] = values[i] - values[i + half];
                values[i] = sum;
            }
        }
    }
}
