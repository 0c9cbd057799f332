#ifndef GRAPE_MEMORY_FILE_SYSTEM_H
#define GRAPE_MEMORY_FILE_SYSTEM_H

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

/// A file system in memory that knows what a power loss would leave of it, so that tests can take the power away at any
/// operation, as often as they like, without ending the process.
///
/// 1. Bytes of a file are durable once it was synced, names (made, renamed, deleted) once the directory was.
/// 2. A power loss keeps what is durable, and of the rest, by a seed, nothing or some beginning: of each file's bytes, and
/// of the names' changes in the order in which they were made.
/// 3. It is shown as another file system; the one that lost its power goes on, so a database on it can be closed in
/// peace.
/// 4. Operations that change something are counted. From a chosen one on, so many of them fail; at every n-th one it is
/// noted what a power loss just before it would leave.
///
/// There are no directories: a path is a name. Any thread may call anything at any time.
class MemoryFileSystem final : public rocksdb::FileSystem {
public:
    /// What a name stands for. Guarded by `mutex_` of the file system that made it.
    struct File {
        std::string bytes;
        size_t durable = 0;
    };
    using FilePointer = std::shared_ptr<File>;
    using Names = std::map<std::string, FilePointer>;

    static const char *kClassName() { return "GrapeMemoryFileSystem"; }
    const char *Name() const override { return kClassName(); }

    // Power and failures

    /// Seed 0 keeps nothing that is not durable.
    std::shared_ptr<MemoryFileSystem> after_power_loss(uint64_t seed) const;
    uint64_t operations() const;
    void fail(uint64_t from, uint64_t count, bool for_space);
    void note_losses(uint64_t every, uint64_t seed);
    /// The oldest one noted, with the number of operations before it; null when there is none.
    std::shared_ptr<MemoryFileSystem> take_loss(uint64_t *operations);
    uint64_t bytes() const;

    // What files and directories ask for

    rocksdb::IOStatus append(const FilePointer &file, const rocksdb::Slice &data);
    rocksdb::IOStatus truncate(const FilePointer &file, uint64_t size);
    rocksdb::IOStatus sync(const FilePointer &file);
    rocksdb::IOStatus sync_names();
    size_t read(const FilePointer &file, uint64_t offset, size_t count, char *to) const;
    uint64_t size(const FilePointer &file) const;

    // rocksdb::FileSystem

    rocksdb::IOStatus NewSequentialFile(
        const std::string &name, const rocksdb::FileOptions &, std::unique_ptr<rocksdb::FSSequentialFile> *result,
        rocksdb::IODebugContext *) override;
    rocksdb::IOStatus NewRandomAccessFile(
        const std::string &name, const rocksdb::FileOptions &, std::unique_ptr<rocksdb::FSRandomAccessFile> *result,
        rocksdb::IODebugContext *) override;
    rocksdb::IOStatus NewWritableFile(
        const std::string &name, const rocksdb::FileOptions &options,
        std::unique_ptr<rocksdb::FSWritableFile> *result, rocksdb::IODebugContext *) override;
    rocksdb::IOStatus NewDirectory(
        const std::string &, const rocksdb::IOOptions &, std::unique_ptr<rocksdb::FSDirectory> *result,
        rocksdb::IODebugContext *) override;
    rocksdb::IOStatus FileExists(
        const std::string &name, const rocksdb::IOOptions &, rocksdb::IODebugContext *) override;
    rocksdb::IOStatus GetChildren(
        const std::string &directory, const rocksdb::IOOptions &, std::vector<std::string> *result,
        rocksdb::IODebugContext *) override;
    rocksdb::IOStatus DeleteFile(
        const std::string &name, const rocksdb::IOOptions &, rocksdb::IODebugContext *) override;
    rocksdb::IOStatus CreateDir(
        const std::string &, const rocksdb::IOOptions &, rocksdb::IODebugContext *) override;
    rocksdb::IOStatus CreateDirIfMissing(
        const std::string &, const rocksdb::IOOptions &, rocksdb::IODebugContext *) override;
    rocksdb::IOStatus DeleteDir(
        const std::string &, const rocksdb::IOOptions &, rocksdb::IODebugContext *) override;
    rocksdb::IOStatus GetFileSize(
        const std::string &name, const rocksdb::IOOptions &, uint64_t *size, rocksdb::IODebugContext *) override;
    rocksdb::IOStatus GetFileModificationTime(
        const std::string &, const rocksdb::IOOptions &, uint64_t *time, rocksdb::IODebugContext *) override;
    rocksdb::IOStatus RenameFile(
        const std::string &from, const std::string &to, const rocksdb::IOOptions &,
        rocksdb::IODebugContext *) override;
    rocksdb::IOStatus LockFile(
        const std::string &name, const rocksdb::IOOptions &, rocksdb::FileLock **lock,
        rocksdb::IODebugContext *) override;
    rocksdb::IOStatus UnlockFile(
        rocksdb::FileLock *lock, const rocksdb::IOOptions &, rocksdb::IODebugContext *) override;
    rocksdb::IOStatus GetTestDirectory(
        const rocksdb::IOOptions &, std::string *path, rocksdb::IODebugContext *) override;
    rocksdb::IOStatus GetAbsolutePath(
        const std::string &path, const rocksdb::IOOptions &, std::string *result, rocksdb::IODebugContext *) override;
    rocksdb::IOStatus IsDirectory(
        const std::string &path, const rocksdb::IOOptions &, bool *result, rocksdb::IODebugContext *) override;

private:
    struct Loss {
        uint64_t operations;
        std::shared_ptr<MemoryFileSystem> files;
    };

    /// Counts an operation that is about to change something; not OK: it is to fail.
    rocksdb::IOStatus begin();
    void name(const std::string &name, FilePointer file);
    FilePointer find(const std::string &name) const;
    std::shared_ptr<MemoryFileSystem> lose(uint64_t seed) const;

    mutable std::mutex mutex_;
    // All guarded by it.
    Names names_;
    Names durable_names_;
    /// Changes of names since the directory was synced; a null file is one that was deleted.
    std::vector<std::pair<std::string, FilePointer>> pending_names_;
    uint64_t operations_ = 0;
    uint64_t failing_from_ = 0;
    uint64_t failing_count_ = 0;
    bool fails_for_space_ = false;
    uint64_t note_every_ = 0;
    uint64_t note_seed_ = 0;
    std::vector<Loss> losses_;
};

/// What Swift holds. The database on it keeps the file system too.
struct grape_memory_files_t {
    std::shared_ptr<MemoryFileSystem> system;
};

#endif
