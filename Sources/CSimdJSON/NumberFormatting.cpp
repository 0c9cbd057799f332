#include "CSimdJSON.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace {

/// Digits only, as `std::to_chars` writes whole numbers: `.0` keeps them apart from integers.
inline uint8_t *mark_as_float(const uint8_t *start, uint8_t *end) {
    for (const uint8_t *at = start; at < end; at++) {
        if (*at == '.' || *at == 'e') return end;
    }
    *end++ = '.';
    *end++ = '0';
    return end;
}

template <typename Number> inline uint8_t *format(Number number, uint8_t *text, size_t room) {
    if (!std::isfinite(number)) {
        memcpy(text, "null", 4);
        return text + 4;
    }
    char *start = reinterpret_cast<char *>(text);
    std::to_chars_result result = std::to_chars(start, start + room, number);
    return mark_as_float(text, reinterpret_cast<uint8_t *>(result.ptr));
}

}  // namespace

extern "C" size_t grape_format_floats(const float *numbers, size_t count, uint8_t *text) {
    uint8_t *at = text;
    for (size_t index = 0; index < count; index++) {
        if (index > 0) *at++ = ',';
        at = format(numbers[index], at, GRAPE_FLOAT_TEXT_MAX - 3);
    }
    return static_cast<size_t>(at - text);
}

extern "C" size_t grape_format_double(double number, uint8_t *text) {
    return static_cast<size_t>(format(number, text, GRAPE_DOUBLE_TEXT_MAX - 3) - text);
}
