#include "CSimdJSON.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

namespace {

using simdjson::internal::tape_type;

/// A thread keeps buffers for texts up to this size; those of a longer one are freed when it has been copied out. They
/// take about 15 bytes for each byte of text (tape 8, structural indexes 4, strings 5/3, text 1).
constexpr size_t kept_text_bytes = 1 << 18;

/// What a thread needs to parse. Invariant: `text` holds `capacity` bytes and simdjson's padding.
struct ThreadParser {
    simdjson::dom::parser parser;
    std::unique_ptr<uint8_t[]> text;
    size_t capacity = 0;
    size_t depth = 0;
    grape_json_sizes sizes = {0, 0};

    grape_json_status reserve(size_t length, size_t depth_max) {
        if (length <= capacity && depth == depth_max) return GRAPE_JSON_OK;
        if (length > simdjson::SIMDJSON_MAXSIZE_BYTES / 4) return GRAPE_JSON_TOO_LONG;
        size_t wanted = 4096;
        while (wanted < length) wanted *= 2;
        text.reset(new (std::nothrow) uint8_t[wanted + simdjson::SIMDJSON_PADDING]);
        capacity = 0;
        // simdjson wants one level more than it lets pass.
        if (!text || parser.allocate(wanted, depth_max + 1) || parser.doc.allocate(wanted)) {
            return GRAPE_JSON_OUT_OF_MEMORY;
        }
        capacity = wanted;
        depth = depth_max;
        return GRAPE_JSON_OK;
    }

    void release_excess() {
        if (capacity <= kept_text_bytes) return;
        parser = simdjson::dom::parser();
        text.reset();
        capacity = 0;
    }
};

thread_local ThreadParser this_thread;

grape_json_status status_of(simdjson::error_code error) {
    switch (error) {
    case simdjson::SUCCESS: return GRAPE_JSON_OK;
    case simdjson::EMPTY: return GRAPE_JSON_EMPTY;
    case simdjson::DEPTH_ERROR: return GRAPE_JSON_DEPTH;
    case simdjson::UTF8_ERROR: return GRAPE_JSON_UTF8;
    case simdjson::NUMBER_ERROR:
    case simdjson::NUMBER_OUT_OF_RANGE: return GRAPE_JSON_NUMBER;
    case simdjson::STRING_ERROR:
    case simdjson::UNESCAPED_CHARS: return GRAPE_JSON_STRING;
    case simdjson::UNCLOSED_STRING: return GRAPE_JSON_UNCLOSED_STRING;
    case simdjson::TRAILING_CONTENT: return GRAPE_JSON_TRAILING_CONTENT;
    case simdjson::CAPACITY: return GRAPE_JSON_TOO_LONG;
    case simdjson::MEMALLOC: return GRAPE_JSON_OUT_OF_MEMORY;
    default: return GRAPE_JSON_SYNTAX;
    }
}

/// What simdjson doesn't say of a tape: how much of the string buffer is in use, and how deep the text is nested (its
/// own limit doesn't count empty arrays and objects).
struct TapeFacts {
    size_t string_bytes = 0;
    size_t depth = 0;
};

TapeFacts walk(const uint64_t *tape, size_t words, const uint8_t *strings) {
    TapeFacts facts;
    size_t depth = 0;
    const uint8_t *last_string = nullptr;
    for (size_t at = 0; at < words; at++) {
        switch (tape_type(tape[at] >> 56)) {
        case tape_type::STRING: last_string = strings + (tape[at] & simdjson::internal::JSON_VALUE_MASK); break;
        case tape_type::INT64:
        case tape_type::UINT64:
        case tape_type::DOUBLE: at++; break;
        case tape_type::START_ARRAY:
        case tape_type::START_OBJECT: facts.depth = std::max(facts.depth, ++depth); break;
        case tape_type::END_ARRAY:
        case tape_type::END_OBJECT: depth--; break;
        default: break;
        }
    }
    if (last_string) {
        uint32_t length;
        memcpy(&length, last_string, sizeof length);
        facts.string_bytes = (last_string - strings) + sizeof length + length + 1;
    }
    return facts;
}

}  // namespace

extern "C" grape_json_status grape_json_parse(
    const uint8_t *text, size_t length, size_t depth_max, uint64_t *tape, size_t tape_capacity, uint8_t *strings,
    size_t string_capacity, grape_json_sizes *sizes) {
    ThreadParser &own = this_thread;
    if (length == 0) return GRAPE_JSON_EMPTY;
    grape_json_status reserved = own.reserve(length, depth_max);
    if (reserved != GRAPE_JSON_OK) return reserved;
    memcpy(own.text.get(), text, length);
    memset(own.text.get() + length, ' ', simdjson::SIMDJSON_PADDING);

    grape_json_status status = status_of(own.parser.parse(own.text.get(), length, false).error());
    if (status != GRAPE_JSON_OK) {
        own.release_excess();
        return status;
    }
    const uint64_t *own_tape = own.parser.doc.tape.get();
    const uint8_t *own_strings = own.parser.doc.string_buf.get();
    own.sizes.tape_words = own_tape[0] & simdjson::internal::JSON_VALUE_MASK;
    TapeFacts facts = walk(own_tape, own.sizes.tape_words, own_strings);
    own.sizes.string_bytes = facts.string_bytes;
    if (facts.depth > depth_max) {
        own.release_excess();
        return GRAPE_JSON_DEPTH;
    }
    *sizes = own.sizes;
    if (own.sizes.tape_words > tape_capacity || own.sizes.string_bytes > string_capacity) {
        return GRAPE_JSON_DOES_NOT_FIT;
    }
    grape_json_take(tape, strings);
    own.release_excess();
    return GRAPE_JSON_OK;
}

extern "C" void grape_json_take(uint64_t *tape, uint8_t *strings) {
    const ThreadParser &own = this_thread;
    if (tape) memcpy(tape, own.parser.doc.tape.get(), own.sizes.tape_words * sizeof(uint64_t));
    if (strings) memcpy(strings, own.parser.doc.string_buf.get(), own.sizes.string_bytes);
}

extern "C" void grape_json_release(void) { this_thread.release_excess(); }
