#include "CSimdJSON.h"

#include <cstring>

extern "C" bool grape_text_contains(
    const uint8_t *text, size_t offset, size_t count, const uint8_t *wanted, size_t wanted_count) {
    // memmem uses the two-way algorithm; a loop of our own would take quadratic time on a hostile pair.
    return wanted_count == 0 || memmem(text + offset, count, wanted, wanted_count) != nullptr;
}
