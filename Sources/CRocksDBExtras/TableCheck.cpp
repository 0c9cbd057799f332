#include "TableCheck.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

namespace {

using rocksdb::IOStatus;
using rocksdb::Slice;

const size_t footer_bytes = 53;
const size_t trailer_bytes = 5;
const uint64_t magic = 0x88e241b785f4cff7;
const uint32_t version = 5;
const uint8_t checksum_xxh3 = 4;
const uint8_t uncompressed = 0;
/// Far beyond what properties and lists of blocks take.
const uint64_t block_bytes_max = 64 << 20;

struct Handle {
    uint64_t offset = 0;
    uint64_t length = 0;
};

bool take_varint(Slice &input, uint64_t &value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !input.empty(); shift += 7) {
        const auto byte = static_cast<uint8_t>(input[0]);
        input.remove_prefix(1);
        value |= static_cast<uint64_t>(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) return true;
    }
    return false;
}

bool take_handle(Slice &input, Handle &handle) {
    return take_varint(input, handle.offset) && take_varint(input, handle.length);
}

/// As RocksDB sums a block and the byte after it.
uint32_t sum(const char *block, size_t length) {
    const uint32_t last_byte_factor = 0x6b9083d9;
    const auto last = static_cast<uint8_t>(block[length]);
    return static_cast<uint32_t>(XXH3_64bits(block, length)) ^ (last * last_byte_factor);
}

class Check {
public:
    Check(const rocksdb::FSRandomAccessFile &file, const std::string &name, uint64_t size)
        : file_(file), name_(name), size_(size) {}

    IOStatus run() const {
        if (size_ < footer_bytes) return damaged("it is too short for a table");
        std::string footer, list, properties;
        IOStatus status = read(size_ - footer_bytes, footer_bytes, footer);
        if (!status.ok()) return status;
        Handle handle, index;
        Slice rest(footer.data() + 1, footer_bytes - 1);
        if (!has_end(footer) || static_cast<uint8_t>(footer[0]) != checksum_xxh3 || !take_handle(rest, handle) ||
            !take_handle(rest, index) || !is_inside(index))
            return damaged("its footer is damaged");
        status = read_block(handle, "list of metadata", list);
        if (!status.ok()) return status;
        if (!find(list, "rocksdb.properties", handle)) return damaged("it has no properties");
        return read_block(handle, "properties", properties);
    }

private:
    static bool has_end(const std::string &footer) {
        uint32_t found_version = 0;
        uint64_t found_magic = 0;
        memcpy(&found_magic, &footer[footer_bytes - sizeof(magic)], sizeof(magic));
        memcpy(&found_version, &footer[footer_bytes - sizeof(magic) - sizeof(version)], sizeof(version));
        return found_magic == magic && found_version == version;
    }

    /// The handle under `key` in a block of entries: bytes shared with the key before, bytes of its own, bytes of the value
    /// (varints), then both.
    static bool find(const std::string &block, const char *wanted, Handle &handle) {
        Slice rest(block);
        std::string key;
        while (true) {
            uint64_t shared = 0, own = 0, length = 0;
            if (!take_varint(rest, shared) || !take_varint(rest, own) || !take_varint(rest, length)) return false;
            if (shared > key.size() || own > rest.size() || length > rest.size() - own) return false;
            key.resize(shared);
            key.append(rest.data(), own);
            Slice value(rest.data() + own, length);
            if (key == wanted) return take_handle(value, handle);
            rest.remove_prefix(own + length);
        }
    }

    bool is_inside(const Handle &handle) const {
        return handle.length <= block_bytes_max && handle.length <= size_ && handle.offset <= size_ - handle.length &&
               size_ - handle.length - handle.offset >= trailer_bytes;
    }

    IOStatus read_block(const Handle &handle, const char *what, std::string &block) const {
        const std::string place = std::string("its ") + what;
        if (!is_inside(handle)) return damaged(place + " would lie beyond its end");
        IOStatus status = read(handle.offset, handle.length + trailer_bytes, block);
        if (!status.ok()) return status;
        uint32_t stored = 0;
        memcpy(&stored, block.data() + handle.length + 1, sizeof(stored));
        if (stored != sum(block.data(), handle.length)) return damaged(place + " does not match its checksum");
        if (static_cast<uint8_t>(block[handle.length]) != uncompressed) return damaged(place + " is compressed");
        block.resize(handle.length);
        return status;
    }

    IOStatus read(uint64_t offset, size_t count, std::string &bytes) const {
        bytes.resize(count);
        Slice found;
        IOStatus status = file_.Read(offset, count, rocksdb::IOOptions(), &found, &bytes[0], nullptr);
        if (!status.ok()) return status;
        if (found.size() < count) return damaged("it is shorter than it says");
        if (found.data() != bytes.data()) bytes.assign(found.data(), count);
        return status;
    }

    IOStatus damaged(const std::string &detail) const { return IOStatus::Corruption(name_, detail); }

    const rocksdb::FSRandomAccessFile &file_;
    const std::string &name_;
    const uint64_t size_;
};

}  // namespace

IOStatus check_table(const rocksdb::FSRandomAccessFile &file, const std::string &name, uint64_t size) {
    return Check(file, name, size).run();
}
