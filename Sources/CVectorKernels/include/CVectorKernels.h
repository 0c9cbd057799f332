// Vector kernels: distances of a gathered list of points to one query, and the relaxed atomics of the graph's links.
//
// Points live in chunks of GRAPE_CHUNK_POINTS ordinals. A section (vectors or codes) starts at `section` bytes in every
// chunk and holds one slot of `stride` bytes a point. Slots are 64-byte aligned and zero-padded to 64 bytes, so kernels
// need no tails: padding adds nothing to any of the sums.
#ifndef GRAPE_VECTOR_KERNELS_H
#define GRAPE_VECTOR_KERNELS_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

#define GRAPE_CHUNK_SHIFT 12
#define GRAPE_CHUNK_POINTS 4096
#define GRAPE_CHUNK_MASK 4095
/// Fills the unused slots of a list of links.
#define GRAPE_NO_ORDINAL 0xFFFFFFFFu
/// Bit planes of a query that is compared with binary codes.
#define GRAPE_QUERY_PLANES 4

/// A query, ready to be compared with the points of one section.
typedef struct {
    /// Floats, or GRAPE_QUERY_PLANES bit planes of `length` 64-bit words each; 64-byte aligned.
    const void *query;
    const uint8_t *const *chunks; ///< base address of every chunk
    size_t section;               ///< bytes from a chunk's base to its first slot
    size_t stride;                ///< bytes from slot to slot
    size_t length;                ///< floats (a multiple of 16), or 64-bit words of a code (a multiple of 8)
    size_t trailer;               ///< codes: bytes from a slot's start to its grape_code_trailer
    // Codes: ⟨query, signs⟩ = plane_scale · Σ planes + ones_scale · ones + constant
    float plane_scale;
    float ones_scale;
    float constant;
    // Codes: distance = product_scale · factor · ⟨query, signs⟩ + norm_scale · norm + offset
    float product_scale;
    float norm_scale;
    float offset;
    float squared_norm; ///< codes: of the query
} grape_query;

/// What follows the bits of a code.
typedef struct {
    float factor;        ///< ‖x‖² / ⟨x, signs⟩
    float squared_norm;  ///< ‖x‖²
    uint32_t ones;       ///< bits set
} grape_code_trailer;

/// Writes the distance (smaller is nearer; always finite) of each listed point to `distances`.
typedef void (*grape_score)(const grape_query *query, const uint32_t *ordinals, size_t count, float *distances);

/// The kernels of one instruction set.
typedef struct {
    const char *name;
    grape_score negated_dot;
    grape_score squared_euclidean;
    grape_score manhattan;
    grape_score codes;
} grape_kernels;

/// The kernels of the best instruction set that this machine has.
const grape_kernels *grape_kernels_best(void);
/// The kernels at `position` (0 is the scalar twin), NULL past the last or where the machine lacks the instructions.
const grape_kernels *grape_kernels_at(size_t position);
#define GRAPE_KERNEL_SETS 4

/// Unnormalised Walsh-Hadamard transform in place; `count` is a power of two.
void grape_hadamard(float *values, size_t count);

/// Sum of the squares, in double precision: squares of large floats overflow.
double grape_squared_length(const float *values, size_t count);
/// Each value times `scale`, rounded once.
void grape_scaled(const float *values, size_t count, double scale, float *scaled);
/// Cuts `words` · 64 values to the nearest of 2^GRAPE_QUERY_PLANES steps from `low` on, as bit planes of `length` words.
void grape_cut(const float *values, size_t words, float low, float step, size_t length, uint64_t *planes);

static inline const uint8_t *grape_slot(const grape_query *query, uint32_t ordinal) {
    return query->chunks[ordinal >> GRAPE_CHUNK_SHIFT] + query->section
        + (size_t)(ordinal & GRAPE_CHUNK_MASK) * query->stride;
}

/// Overflow and NaN become the largest distance, so that an order over distances is total.
static inline float grape_finite(float distance) {
    if (!(distance < FLT_MAX)) return FLT_MAX;
    return distance > -FLT_MAX ? distance : -FLT_MAX;
}

/// The estimate of a distance from the matching bits of a code.
static inline float grape_code_distance(const grape_query *query, const uint8_t *slot, uint64_t planes_sum) {
    const grape_code_trailer *trailer = (const grape_code_trailer *)(slot + query->trailer);
    float product = query->plane_scale * (float)planes_sum + query->ones_scale * (float)trailer->ones + query->constant;
    return grape_finite(query->product_scale * trailer->factor * product
        + query->norm_scale * trailer->squared_norm + query->offset);
}

// Atomics. Links, stamps and marks are read by searches that hold no lock; Swift has no atomic view of memory that it
// does not own as an Atomic, so loads and stores of arena fields are here.

static inline uint32_t grape_load_u32(const uint32_t *address) { return __atomic_load_n(address, __ATOMIC_RELAXED); }
static inline void grape_store_u32(uint32_t *address, uint32_t value) {
    __atomic_store_n(address, value, __ATOMIC_RELAXED);
}
/// Publishes what was written before (a vector, the lower lists of a point) to those who find `value`.
static inline void grape_publish_u32(uint32_t *address, uint32_t value) {
    __atomic_store_n(address, value, __ATOMIC_RELEASE);
}
static inline uint32_t grape_add_u32(uint32_t *address, uint32_t value) {
    return __atomic_fetch_add(address, value, __ATOMIC_ACQ_REL);
}
static inline uint32_t grape_subtract_u32(uint32_t *address, uint32_t value) {
    return __atomic_fetch_sub(address, value, __ATOMIC_ACQ_REL);
}
static inline uint64_t grape_load_u64(const uint64_t *address) { return __atomic_load_n(address, __ATOMIC_ACQUIRE); }
static inline void grape_store_u64(uint64_t *address, uint64_t value) {
    __atomic_store_n(address, value, __ATOMIC_RELEASE);
}
static inline uint8_t grape_load_u8(const uint8_t *address) { return __atomic_load_n(address, __ATOMIC_ACQUIRE); }
static inline void grape_store_u8(uint8_t *address, uint8_t value) {
    __atomic_store_n(address, value, __ATOMIC_RELEASE);
}
static inline uint8_t grape_exchange_u8(uint8_t *address, uint8_t value) {
    return __atomic_exchange_n(address, value, __ATOMIC_SEQ_CST);
}

/// Takes the one-byte lock of a point: held for the few microseconds in which its links change.
void grape_lock_contended(uint8_t *lock);
static inline void grape_lock(uint8_t *lock) {
    if (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) != 0) grape_lock_contended(lock);
}
static inline void grape_unlock(uint8_t *lock) { __atomic_store_n(lock, 0, __ATOMIC_RELEASE); }

/// Asks for the cache lines of a slot. Into the second level of the cache: of lines on their way to the first a core
/// takes two dozen, then it stands still, arithmetic and all.
static inline void grape_prefetch(const void *address, size_t bytes) {
    for (size_t offset = 0; offset < bytes; offset += 64) __builtin_prefetch((const char *)address + offset, 0, 2);
}

/// Copies the links not yet visited to `batch`, marks them visited and returns how many they are. Ordinals from
/// `visited_count` on (unused slots, and points younger than the search) are left out.
static inline size_t grape_gather_unvisited(const uint32_t *links, size_t capacity, uint8_t *visited,
    size_t visited_count, uint8_t epoch, uint32_t *batch) {
    size_t count = 0;
    for (size_t i = 0; i < capacity; i += 1) {
        uint32_t ordinal = __atomic_load_n(&links[i], __ATOMIC_RELAXED);
        size_t present = ordinal < visited_count;
        uint8_t *mark = visited + (present ? ordinal : 0);
        size_t fresh = present & (size_t)(*mark != epoch);
        *mark = present ? epoch : *mark;
        batch[count] = ordinal;
        count += fresh;
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return count;
}

#endif
