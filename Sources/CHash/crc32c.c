// CRC32C by the processor's own instruction where it has one, by an eight-way table elsewhere; chosen once, before
// main.
// The instruction has a latency of three cycles and a throughput of one, so long inputs run as three interleaved
// streams whose results are joined by multiplying with x^(8*n) modulo the polynomial.

#include "CHash.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

#define POLYNOMIAL 0x82f63b78u
#define STREAM_BYTES 512u

typedef uint32_t (*crc32c_function)(uint32_t, const uint8_t *, size_t);

static uint32_t slicing[8][256];
// shifted[k][b]: byte b at place k of a CRC, moved past STREAM_BYTES zero bytes.
static uint32_t shifted[4][256];

static void fill_slicing(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++) value = (value >> 1) ^ ((value & 1) ? POLYNOMIAL : 0);
        slicing[0][byte] = value;
    }
    for (uint32_t byte = 0; byte < 256; byte++)
        for (int slice = 1; slice < 8; slice++)
            slicing[slice][byte] = (slicing[slice - 1][byte] >> 8) ^ slicing[0][slicing[slice - 1][byte] & 0xff];
}

static void fill_shifted(void) {
    for (int place = 0; place < 4; place++)
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t value = byte << (8 * place);
            for (unsigned zero = 0; zero < STREAM_BYTES; zero++) value = (value >> 8) ^ slicing[0][value & 0xff];
            shifted[place][byte] = value;
        }
}

static uint32_t table_update(uint32_t crc, const uint8_t *bytes, size_t count) {
    while (count >= 8) {
        uint32_t low, high;
        memcpy(&low, bytes, 4);
        memcpy(&high, bytes + 4, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        low = __builtin_bswap32(low);
        high = __builtin_bswap32(high);
#endif
        low ^= crc;
        crc = slicing[7][low & 0xff] ^ slicing[6][(low >> 8) & 0xff] ^ slicing[5][(low >> 16) & 0xff] ^
              slicing[4][low >> 24] ^ slicing[3][high & 0xff] ^ slicing[2][(high >> 8) & 0xff] ^
              slicing[1][(high >> 16) & 0xff] ^ slicing[0][high >> 24];
        bytes += 8;
        count -= 8;
    }
    while (count--) crc = (crc >> 8) ^ slicing[0][(crc ^ *bytes++) & 0xff];
    return crc;
}

#if defined(__x86_64__)
#define INSTRUCTION __attribute__((target("sse4.2")))
#define STEP64(crc, word) ((uint32_t)_mm_crc32_u64((crc), (word)))
#define STEP8(crc, byte) _mm_crc32_u8((crc), (byte))
#elif defined(__aarch64__)
#define INSTRUCTION __attribute__((target("crc")))
#define STEP64(crc, word) __crc32cd((crc), (word))
#define STEP8(crc, byte) __crc32cb((crc), (byte))
#endif

#ifdef INSTRUCTION
static inline uint64_t load64(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    return word;
}

static inline uint32_t shift_past_stream(uint32_t crc) {
    return shifted[0][crc & 0xff] ^ shifted[1][(crc >> 8) & 0xff] ^ shifted[2][(crc >> 16) & 0xff] ^
           shifted[3][crc >> 24];
}

INSTRUCTION static uint32_t instruction_update(uint32_t crc, const uint8_t *bytes, size_t count) {
    while (count >= 3 * STREAM_BYTES) {
        uint32_t second = 0, third = 0;
        for (size_t at = 0; at < STREAM_BYTES; at += 8) {
            crc = STEP64(crc, load64(bytes + at));
            second = STEP64(second, load64(bytes + STREAM_BYTES + at));
            third = STEP64(third, load64(bytes + 2 * STREAM_BYTES + at));
        }
        crc = shift_past_stream(shift_past_stream(crc) ^ second) ^ third;
        bytes += 3 * STREAM_BYTES;
        count -= 3 * STREAM_BYTES;
    }
    for (; count >= 8; bytes += 8, count -= 8) crc = STEP64(crc, load64(bytes));
    while (count--) crc = STEP8(crc, *bytes++);
    return crc;
}
#endif

static crc32c_function chosen = table_update;

__attribute__((constructor)) static void choose(void) {
    fill_slicing();
    fill_shifted();
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("sse4.2")) chosen = instruction_update;
#elif defined(__aarch64__)
    if (getauxval(AT_HWCAP) & HWCAP_CRC32) chosen = instruction_update;
#endif
}

uint32_t grape_crc32c(uint32_t seed, const void *bytes, size_t count) {
    return ~chosen(~seed, (const uint8_t *)bytes, count);
}

uint32_t grape_crc32c_table(uint32_t seed, const void *bytes, size_t count) {
    return ~table_update(~seed, (const uint8_t *)bytes, count);
}
