#include "MemoryFileSystem.h"

#include <algorithm>
#include <cstring>

#include "CRocksDBExtras.h"

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

/// Well-mixed numbers of a seed and a name, so that what becomes of one file does not hang on how many there are.
uint64_t mixed(uint64_t seed, const std::string &name) {
    uint64_t value = seed ^ 0xcbf29ce484222325;
    for (const char byte : name) value = (value ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return value ^ value >> 31;
}

/// Nothing, everything, or any number between: the ends are the likely ones.
size_t kept(uint64_t number, size_t count) {
    switch (number % 4) {
    case 0: return 0;
    case 1: return count;
    default: return static_cast<size_t>(number / 4 % (count + 1));
    }
}

class WritableFile final : public rocksdb::FSWritableFile {
public:
    WritableFile(MemoryFileSystem &system, MemoryFileSystem::FilePointer file, const rocksdb::FileOptions &options)
        : rocksdb::FSWritableFile(options), system_(system), file_(std::move(file)) {}

    using rocksdb::FSWritableFile::Append;
    IOStatus Append(const rocksdb::Slice &data, const IOOptions &, IODebugContext *) override {
        return system_.append(file_, data);
    }
    IOStatus Truncate(uint64_t size, const IOOptions &, IODebugContext *) override {
        return system_.truncate(file_, size);
    }
    IOStatus Close(const IOOptions &, IODebugContext *) override { return IOStatus::OK(); }
    IOStatus Flush(const IOOptions &, IODebugContext *) override { return IOStatus::OK(); }
    IOStatus Sync(const IOOptions &, IODebugContext *) override { return system_.sync(file_); }
    IOStatus RangeSync(uint64_t, uint64_t, const IOOptions &, IODebugContext *) override { return IOStatus::OK(); }
    bool IsSyncThreadSafe() const override { return true; }
    uint64_t GetFileSize(const IOOptions &, IODebugContext *) override { return system_.size(file_); }

private:
    MemoryFileSystem &system_;
    const MemoryFileSystem::FilePointer file_;
};

class SequentialFile final : public rocksdb::FSSequentialFile {
public:
    SequentialFile(const MemoryFileSystem &system, MemoryFileSystem::FilePointer file)
        : system_(system), file_(std::move(file)) {}

    IOStatus Read(size_t count, const IOOptions &, rocksdb::Slice *result, char *scratch, IODebugContext *) override {
        const size_t found = system_.read(file_, place_, count, scratch);
        place_ += found;
        *result = rocksdb::Slice(scratch, found);
        return IOStatus::OK();
    }
    IOStatus Skip(uint64_t count) override {
        place_ += count;
        return IOStatus::OK();
    }

private:
    const MemoryFileSystem &system_;
    const MemoryFileSystem::FilePointer file_;
    uint64_t place_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
public:
    RandomAccessFile(const MemoryFileSystem &system, MemoryFileSystem::FilePointer file)
        : system_(system), file_(std::move(file)) {}

    IOStatus Read(
        uint64_t offset, size_t count, const IOOptions &, rocksdb::Slice *result, char *scratch,
        IODebugContext *) const override {
        *result = rocksdb::Slice(scratch, system_.read(file_, offset, count, scratch));
        return IOStatus::OK();
    }

private:
    const MemoryFileSystem &system_;
    const MemoryFileSystem::FilePointer file_;
};

class Directory final : public rocksdb::FSDirectory {
public:
    explicit Directory(MemoryFileSystem &system) : system_(system) {}
    IOStatus Fsync(const IOOptions &, IODebugContext *) override { return system_.sync_names(); }
    IOStatus Close(const IOOptions &, IODebugContext *) override { return IOStatus::OK(); }

private:
    MemoryFileSystem &system_;
};

class Lock final : public rocksdb::FileLock {};

}  // namespace

// MARK: Power and failures

std::shared_ptr<MemoryFileSystem> MemoryFileSystem::after_power_loss(uint64_t seed) const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return lose(seed);
}

std::shared_ptr<MemoryFileSystem> MemoryFileSystem::lose(uint64_t seed) const {
    auto left = std::make_shared<MemoryFileSystem>();
    Names names = durable_names_;
    const size_t changes = seed == 0 ? 0 : kept(mixed(seed, ""), pending_names_.size());
    for (size_t place = 0; place < changes; place++) {
        const auto &[name, file] = pending_names_[place];
        if (file) names[name] = file;
        else names.erase(name);
    }
    for (const auto &[name, file] : names) {
        const size_t extra = seed == 0 ? 0 : kept(mixed(seed, name), file->bytes.size() - file->durable);
        auto copy = std::make_shared<File>();
        copy->bytes = file->bytes.substr(0, file->durable + extra);
        copy->durable = copy->bytes.size();
        left->names_[name] = copy;
    }
    left->durable_names_ = left->names_;
    return left;
}

uint64_t MemoryFileSystem::operations() const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return operations_;
}

uint64_t MemoryFileSystem::bytes() const {
    const std::lock_guard<std::mutex> guard(mutex_);
    uint64_t sum = 0;
    for (const auto &[name, file] : names_) sum += file->bytes.size();
    return sum;
}

void MemoryFileSystem::fail(uint64_t from, uint64_t count, bool for_space) {
    const std::lock_guard<std::mutex> guard(mutex_);
    failing_from_ = from;
    failing_count_ = count;
    fails_for_space_ = for_space;
}

void MemoryFileSystem::note_losses(uint64_t every, uint64_t seed) {
    const std::lock_guard<std::mutex> guard(mutex_);
    note_every_ = every;
    note_seed_ = seed;
}

std::shared_ptr<MemoryFileSystem> MemoryFileSystem::take_loss(uint64_t *operations) {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (losses_.empty()) return nullptr;
    const Loss loss = losses_.front();
    losses_.erase(losses_.begin());
    *operations = loss.operations;
    return loss.files;
}

IOStatus MemoryFileSystem::begin() {
    if (note_every_ > 0 && operations_ % note_every_ == 0)
        losses_.push_back({operations_, lose(note_seed_ == 0 ? 0 : note_seed_ + operations_)});
    const uint64_t number = operations_++;
    if (number < failing_from_ || number - failing_from_ >= failing_count_) return IOStatus::OK();
    return fails_for_space_ ? IOStatus::NoSpace("no space is left, as the test asked for")
                            : IOStatus::IOError("the disk failed, as the test asked for");
}

// MARK: Files

IOStatus MemoryFileSystem::append(const FilePointer &file, const rocksdb::Slice &data) {
    const std::lock_guard<std::mutex> guard(mutex_);
    IOStatus status = begin();
    if (status.ok()) file->bytes.append(data.data(), data.size());
    return status;
}

IOStatus MemoryFileSystem::truncate(const FilePointer &file, uint64_t size) {
    const std::lock_guard<std::mutex> guard(mutex_);
    IOStatus status = begin();
    if (status.ok()) file->bytes.resize(size);
    file->durable = std::min(file->durable, file->bytes.size());
    return status;
}

IOStatus MemoryFileSystem::sync(const FilePointer &file) {
    const std::lock_guard<std::mutex> guard(mutex_);
    IOStatus status = begin();
    if (status.ok()) file->durable = file->bytes.size();
    return status;
}

IOStatus MemoryFileSystem::sync_names() {
    const std::lock_guard<std::mutex> guard(mutex_);
    IOStatus status = begin();
    if (!status.ok()) return status;
    durable_names_ = names_;
    pending_names_.clear();
    return status;
}

size_t MemoryFileSystem::read(const FilePointer &file, uint64_t offset, size_t count, char *to) const {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (offset >= file->bytes.size()) return 0;
    const size_t found = std::min(count, file->bytes.size() - static_cast<size_t>(offset));
    memcpy(to, file->bytes.data() + offset, found);
    return found;
}

uint64_t MemoryFileSystem::size(const FilePointer &file) const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return file->bytes.size();
}

// MARK: Names

void MemoryFileSystem::name(const std::string &name, FilePointer file) {
    if (file) names_[name] = file;
    else names_.erase(name);
    pending_names_.emplace_back(name, std::move(file));
}

MemoryFileSystem::FilePointer MemoryFileSystem::find(const std::string &name) const {
    const std::lock_guard<std::mutex> guard(mutex_);
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : found->second;
}

IOStatus MemoryFileSystem::NewSequentialFile(
    const std::string &name, const rocksdb::FileOptions &, std::unique_ptr<rocksdb::FSSequentialFile> *result,
    IODebugContext *) {
    auto file = find(name);
    if (!file) return IOStatus::PathNotFound(name);
    result->reset(new SequentialFile(*this, std::move(file)));
    return IOStatus::OK();
}

IOStatus MemoryFileSystem::NewRandomAccessFile(
    const std::string &name, const rocksdb::FileOptions &, std::unique_ptr<rocksdb::FSRandomAccessFile> *result,
    IODebugContext *) {
    auto file = find(name);
    if (!file) return IOStatus::PathNotFound(name);
    result->reset(new RandomAccessFile(*this, std::move(file)));
    return IOStatus::OK();
}

IOStatus MemoryFileSystem::NewWritableFile(
    const std::string &name, const rocksdb::FileOptions &options, std::unique_ptr<rocksdb::FSWritableFile> *result,
    IODebugContext *) {
    // RocksDB does without, and to write and read it back would be the better part of an open.
    if (name.find("/OPTIONS-") != std::string::npos) return IOStatus::NotSupported(name);
    const std::lock_guard<std::mutex> guard(mutex_);
    IOStatus status = begin();
    if (!status.ok()) return status;
    auto file = std::make_shared<File>();
    this->name(name, file);
    result->reset(new WritableFile(*this, std::move(file), options));
    return status;
}

IOStatus MemoryFileSystem::NewDirectory(
    const std::string &, const IOOptions &, std::unique_ptr<rocksdb::FSDirectory> *result, IODebugContext *) {
    result->reset(new Directory(*this));
    return IOStatus::OK();
}

IOStatus MemoryFileSystem::FileExists(const std::string &name, const IOOptions &, IODebugContext *) {
    return find(name) ? IOStatus::OK() : IOStatus::NotFound(name);
}

IOStatus MemoryFileSystem::GetChildren(
    const std::string &directory, const IOOptions &, std::vector<std::string> *result, IODebugContext *) {
    const std::lock_guard<std::mutex> guard(mutex_);
    const std::string prefix = directory.empty() || directory.back() == '/' ? directory : directory + "/";
    result->clear();
    for (auto entry = names_.lower_bound(prefix); entry != names_.end(); ++entry) {
        if (entry->first.compare(0, prefix.size(), prefix) != 0) break;
        result->push_back(entry->first.substr(prefix.size()));
    }
    return IOStatus::OK();
}

IOStatus MemoryFileSystem::DeleteFile(const std::string &name, const IOOptions &, IODebugContext *) {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (names_.find(name) == names_.end()) return IOStatus::PathNotFound(name);
    IOStatus status = begin();
    if (status.ok()) this->name(name, nullptr);
    return status;
}

IOStatus MemoryFileSystem::RenameFile(
    const std::string &from, const std::string &to, const IOOptions &, IODebugContext *) {
    const std::lock_guard<std::mutex> guard(mutex_);
    const auto found = names_.find(from);
    if (found == names_.end()) return IOStatus::PathNotFound(from);
    IOStatus status = begin();
    if (!status.ok()) return status;
    name(to, found->second);
    name(from, nullptr);
    return status;
}

IOStatus MemoryFileSystem::GetFileSize(
    const std::string &name, const IOOptions &, uint64_t *size, IODebugContext *) {
    const auto file = find(name);
    if (!file) return IOStatus::PathNotFound(name);
    *size = this->size(file);
    return IOStatus::OK();
}

IOStatus MemoryFileSystem::GetFileModificationTime(
    const std::string &, const IOOptions &, uint64_t *time, IODebugContext *) {
    *time = 0;
    return IOStatus::OK();
}

// MARK: Directories and locks, of which there are none

IOStatus MemoryFileSystem::CreateDir(const std::string &, const IOOptions &, IODebugContext *) {
    return IOStatus::OK();
}

IOStatus MemoryFileSystem::CreateDirIfMissing(const std::string &, const IOOptions &, IODebugContext *) {
    return IOStatus::OK();
}

IOStatus MemoryFileSystem::DeleteDir(const std::string &, const IOOptions &, IODebugContext *) {
    return IOStatus::OK();
}

IOStatus MemoryFileSystem::IsDirectory(const std::string &path, const IOOptions &, bool *result, IODebugContext *) {
    *result = !find(path);
    return IOStatus::OK();
}

IOStatus MemoryFileSystem::LockFile(
    const std::string &, const IOOptions &, rocksdb::FileLock **lock, IODebugContext *) {
    *lock = new Lock;
    return IOStatus::OK();
}

IOStatus MemoryFileSystem::UnlockFile(rocksdb::FileLock *lock, const IOOptions &, IODebugContext *) {
    delete lock;
    return IOStatus::OK();
}

IOStatus MemoryFileSystem::GetTestDirectory(const IOOptions &, std::string *path, IODebugContext *) {
    *path = "/memory";
    return IOStatus::OK();
}

IOStatus MemoryFileSystem::GetAbsolutePath(
    const std::string &path, const IOOptions &, std::string *result, IODebugContext *) {
    *result = path;
    return IOStatus::OK();
}

// MARK: For Swift

grape_memory_files_t *grape_memory_files_create(void) {
    return new grape_memory_files_t{std::make_shared<MemoryFileSystem>()};
}

void grape_memory_files_destroy(grape_memory_files_t *files) { delete files; }

grape_memory_files_t *grape_memory_files_after_power_loss(const grape_memory_files_t *files, uint64_t seed) {
    return new grape_memory_files_t{files->system->after_power_loss(seed)};
}

uint64_t grape_memory_files_operations(const grape_memory_files_t *files) { return files->system->operations(); }

uint64_t grape_memory_files_bytes(const grape_memory_files_t *files) { return files->system->bytes(); }

void grape_memory_files_fail(grape_memory_files_t *files, uint64_t from, uint64_t count, int for_space) {
    files->system->fail(from, count, for_space != 0);
}

void grape_memory_files_note_losses(grape_memory_files_t *files, uint64_t every, uint64_t seed) {
    files->system->note_losses(every, seed);
}

grape_memory_files_t *grape_memory_files_take_loss(grape_memory_files_t *files, uint64_t *operations) {
    auto system = files->system->take_loss(operations);
    return system ? new grape_memory_files_t{std::move(system)} : nullptr;
}
