#ifndef GRAPE_PATIENT_FILE_SYSTEM_H
#define GRAPE_PATIENT_FILE_SYSTEM_H

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>

/// A file system whose files never report a full disk: the write gives up the reserve file, then waits until there is
/// space.
///
/// RocksDB 7.8 with assertions, as Debian builds it, does not survive such a failure: the flush by which it resumes
/// syncs the log whose writer has failed, a compaction that holds range deletions looks into a table it could not
/// write, and either ends the process; `Resume` may also wait for ever for a flush that nothing starts. So writes that
/// would not fit are refused before they reach RocksDB, compactions that would not fit do not begin, and what meets
/// the end of the disk all the same, because another process took the space, waits here.
class PatientFileSystem final : public rocksdb::FileSystemWrapper {
public:
    explicit PatientFileSystem(std::string reserve_path)
        : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()), reserve_path_(std::move(reserve_path)) {}

    static const char *kClassName() { return "GrapePatientFileSystem"; }
    const char *Name() const override { return kClassName(); }

    rocksdb::IOStatus NewWritableFile(
        const std::string &name, const rocksdb::FileOptions &options,
        std::unique_ptr<rocksdb::FSWritableFile> *result, rocksdb::IODebugContext *) override;

    /// A table is opened once what RocksDB trusts in it is right.
    rocksdb::IOStatus NewRandomAccessFile(
        const std::string &name, const rocksdb::FileOptions &options,
        std::unique_ptr<rocksdb::FSRandomAccessFile> *result, rocksdb::IODebugContext *context) override;

    rocksdb::IOStatus DeleteFile(
        const std::string &name, const rocksdb::IOOptions &options, rocksdb::IODebugContext *context) override;

    /// From now on a full disk is reported: the database is being closed.
    void stop_waiting() { is_patient_.store(false, std::memory_order_release); }

    /// How many writes wait for space at this moment.
    int waiting() const { return waiting_.load(std::memory_order_acquire); }

    /// Repeats `attempt` (which returns whether it got through, else leaves `errno`) while the disk is full.
    template <typename Attempt>
    bool persist(Attempt attempt);

private:
    bool wants_more_space() const { return (errno == ENOSPC || errno == EDQUOT) && is_patient_.load(); }
    void pause_for_space();

    const std::string reserve_path_;
    std::atomic<bool> is_patient_{true};
    std::atomic<int> waiting_{0};
};

#endif
