#include "PatientFileSystem.h"

#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "TableCheck.h"

namespace {

rocksdb::IOStatus failure(const char *action, const std::string &name) {
    const std::string place = std::string("While ") + action + ": " + name;
    return errno == ENOSPC || errno == EDQUOT ? rocksdb::IOStatus::NoSpace(place, strerror(errno))
                                              : rocksdb::IOStatus::IOError(place, strerror(errno));
}

/// A file that is appended to. One writer at a time, which RocksDB sees to; `Sync` may come from another thread.
class PatientFile final : public rocksdb::FSWritableFile {
public:
    PatientFile(PatientFileSystem &system, std::string name, int file, const rocksdb::FileOptions &options)
        : rocksdb::FSWritableFile(options), system_(system), name_(std::move(name)), file_(file) {}

    ~PatientFile() override {
        if (file_ >= 0) ::close(file_);
    }

    using rocksdb::FSWritableFile::Append;
    rocksdb::IOStatus Append(
        const rocksdb::Slice &data, const rocksdb::IOOptions &, rocksdb::IODebugContext *) override {
        const char *next = data.data();
        size_t left = data.size();
        const bool is_written = system_.persist([&] {
            while (left > 0) {
                const ssize_t written = ::pwrite(file_, next, left, static_cast<off_t>(size_));
                if (written < 0 && errno == EINTR) continue;
                if (written <= 0) return false;
                next += written;
                left -= static_cast<size_t>(written);
                size_ += static_cast<uint64_t>(written);
            }
            return true;
        });
        return is_written ? rocksdb::IOStatus::OK() : failure("appending to file", name_);
    }

    rocksdb::IOStatus Truncate(uint64_t size, const rocksdb::IOOptions &, rocksdb::IODebugContext *) override {
        if (::ftruncate(file_, static_cast<off_t>(size)) != 0) return failure("truncating", name_);
        size_ = size;
        return rocksdb::IOStatus::OK();
    }

    /// Also gives back what was allocated ahead.
    rocksdb::IOStatus Close(const rocksdb::IOOptions &, rocksdb::IODebugContext *) override {
        if (file_ < 0) return rocksdb::IOStatus::OK();
        const bool is_trimmed = !is_allocated_ahead_ || ::ftruncate(file_, static_cast<off_t>(size_)) == 0;
        const bool is_closed = ::close(file_) == 0;
        file_ = -1;
        return is_trimmed && is_closed ? rocksdb::IOStatus::OK() : failure("closing", name_);
    }

    rocksdb::IOStatus Flush(const rocksdb::IOOptions &, rocksdb::IODebugContext *) override {
        return rocksdb::IOStatus::OK();
    }

    rocksdb::IOStatus Sync(const rocksdb::IOOptions &, rocksdb::IODebugContext *) override {
        return ::fdatasync(file_) == 0 ? rocksdb::IOStatus::OK() : failure("syncing", name_);
    }

    rocksdb::IOStatus Fsync(const rocksdb::IOOptions &, rocksdb::IODebugContext *) override {
        return ::fsync(file_) == 0 ? rocksdb::IOStatus::OK() : failure("syncing", name_);
    }

    bool IsSyncThreadSafe() const override { return true; }

    /// Starts writing this part out, and waits for those before it: the sync at the end of a table file, and a sync of the
    /// log beside it, then have little to wait for.
    rocksdb::IOStatus RangeSync(
        uint64_t offset, uint64_t length, const rocksdb::IOOptions &, rocksdb::IODebugContext *) override {
        const int result = ::sync_file_range(
            file_, 0, static_cast<off64_t>(offset + length), SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE);
        // Some file systems do not know the call; the sync itself decides.
        return result == 0 || errno == ENOSYS || errno == EINVAL ? rocksdb::IOStatus::OK() : failure("syncing", name_);
    }

    uint64_t GetFileSize(const rocksdb::IOOptions &, rocksdb::IODebugContext *) override { return size_; }

    /// Blocks ahead of the end spare the log a change of metadata at each sync. Doing without is no error.
    rocksdb::IOStatus Allocate(
        uint64_t offset, uint64_t length, const rocksdb::IOOptions &, rocksdb::IODebugContext *) override {
        if (::fallocate(file_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0)
            is_allocated_ahead_ = true;
        return rocksdb::IOStatus::OK();
    }

private:
    PatientFileSystem &system_;
    const std::string name_;
    int file_;
    uint64_t size_ = 0;
    bool is_allocated_ahead_ = false;
};

}  // namespace

template <typename Attempt>
bool PatientFileSystem::persist(Attempt attempt) {
    if (attempt()) return true;
    if (!wants_more_space()) return false;
    waiting_.fetch_add(1, std::memory_order_acq_rel);
    bool is_done = false;
    do {
        pause_for_space();
        is_done = attempt();
    } while (!is_done && wants_more_space());
    const int code = errno;
    waiting_.fetch_sub(1, std::memory_order_acq_rel);
    errno = code;
    return is_done;
}

void PatientFileSystem::pause_for_space() {
    if (::unlink(reserve_path_.c_str()) == 0) return;
    const useconds_t pause_microseconds = 20000;
    ::usleep(pause_microseconds);
}

rocksdb::IOStatus PatientFileSystem::NewWritableFile(
    const std::string &name, const rocksdb::FileOptions &options, std::unique_ptr<rocksdb::FSWritableFile> *result,
    rocksdb::IODebugContext *) {
    int file = -1;
    const bool is_open = persist([&] {
        file = ::open(name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        return file >= 0;
    });
    if (!is_open) return failure("opening", name);
    result->reset(new PatientFile(*this, name, file, options));
    return rocksdb::IOStatus::OK();
}

rocksdb::IOStatus PatientFileSystem::NewRandomAccessFile(
    const std::string &name, const rocksdb::FileOptions &options, std::unique_ptr<rocksdb::FSRandomAccessFile> *result,
    rocksdb::IODebugContext *context) {
    rocksdb::IOStatus status = rocksdb::FileSystemWrapper::NewRandomAccessFile(name, options, result, context);
    const std::string suffix = ".sst";
    const bool is_table =
        name.size() > suffix.size() && name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
    if (!status.ok() || !is_table) return status;
    uint64_t size = 0;
    status = GetFileSize(name, options.io_options, &size, context);
    if (status.ok()) status = check_table(**result, name, size);
    if (!status.ok()) result->reset();
    return status;
}

/// Frees a long file's blocks from its end, a part at a time: the file system's journal is held up while blocks are freed
/// (tens of milliseconds for 64 MiB where they are discarded on the device), and with it every sync of the log. What is
/// linked elsewhere, as in a backup, stays whole.
static void shrink(const std::string &name) {
    const off_t part_bytes = 4 << 20;
    const useconds_t pause_microseconds = 5000;
    struct stat info{};
    if (::stat(name.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1) return;
    for (off_t size = info.st_size - part_bytes; size > 0; size -= part_bytes) {
        if (::truncate(name.c_str(), size) != 0) return;
        ::usleep(pause_microseconds);
    }
}

rocksdb::IOStatus PatientFileSystem::DeleteFile(
    const std::string &name, const rocksdb::IOOptions &options, rocksdb::IODebugContext *context) {
    shrink(name);
    return rocksdb::FileSystemWrapper::DeleteFile(name, options, context);
}
