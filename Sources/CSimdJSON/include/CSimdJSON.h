#ifndef GRAPE_CSIMDJSON_H
#define GRAPE_CSIMDJSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Why a text was refused. The numbers are Grape's own, so that another version of simdjson can't shift them.
typedef enum {
    GRAPE_JSON_OK = 0,
    /// Parsed, but the caller's arrays are too small: take it with `grape_json_take`.
    GRAPE_JSON_DOES_NOT_FIT = 1,
    GRAPE_JSON_EMPTY = 2,
    GRAPE_JSON_DEPTH = 3,
    GRAPE_JSON_UTF8 = 4,
    /// Malformed, beyond a double, or an integer beyond 64 bits.
    GRAPE_JSON_NUMBER = 5,
    /// A bad escape, a lone surrogate, or a control character in a string.
    GRAPE_JSON_STRING = 6,
    GRAPE_JSON_UNCLOSED_STRING = 7,
    GRAPE_JSON_TRAILING_CONTENT = 8,
    GRAPE_JSON_SYNTAX = 9,
    GRAPE_JSON_TOO_LONG = 10,
    GRAPE_JSON_OUT_OF_MEMORY = 11,
} grape_json_status;

/// Sizes of a parsed document.
typedef struct {
    size_t tape_words;
    size_t string_bytes;
} grape_json_sizes;

/// Parses with the thread's own parser and copies simdjson's tape and string buffer to the caller.
///
/// simdjson reads up to 64 bytes past the end of its input, so the text is copied to a padded buffer first. `sizes` is
/// set on success and when the arrays are too small.
grape_json_status grape_json_parse(
    const uint8_t *text, size_t length, size_t depth_max, uint64_t *tape, size_t tape_capacity, uint8_t *strings,
    size_t string_capacity, grape_json_sizes *sizes);

/// Copies the document that this thread's last call of `grape_json_parse` answered with `GRAPE_JSON_DOES_NOT_FIT`: to
/// those of the two that aren't null, which have room for the sizes that it gave. On the same thread, before any other
/// parse.
void grape_json_take(uint64_t *tape, uint8_t *strings);

/// To be called when everything has been taken: frees the thread's buffers where they are large.
void grape_json_release(void);

/// Most bytes that `grape_format_floats` writes for one number, the comma included.
enum { GRAPE_FLOAT_TEXT_MAX = 24, GRAPE_DOUBLE_TEXT_MAX = 40 };

/// Writes `count` numbers, commas between, as the shortest decimal texts that read back as the same floats; a whole
/// number as `1.0`; NaN and infinities, which JSON lacks, as `null`. Swift's own formatting makes a String of each.
/// `text` has room for `count * GRAPE_FLOAT_TEXT_MAX` bytes. Returns the bytes written.
size_t grape_format_floats(const float *numbers, size_t count, uint8_t *text);

/// The same for one double.
size_t grape_format_double(double number, uint8_t *text);

/// Whether the `count` bytes of `text` behind `offset` contain `wanted`, in linear time whatever the two are.
bool grape_text_contains(
    const uint8_t *text, size_t offset, size_t count, const uint8_t *wanted, size_t wanted_count);

#ifdef __cplusplus
}
#endif

#endif
