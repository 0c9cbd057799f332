#ifndef GRAPE_PATIENT_FILE_SYSTEM_H
#define GRAPE_PATIENT_FILE_SYSTEM_H

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>
#include <string>

/// A file system whose write-ahead logs, MANIFEST and other small files never report a full disk: the write gives up
/// the reserve file, then waits until there is space.
///
/// RocksDB 7.8 does not survive such a failure: with several families, the flush by which it resumes syncs the log
/// whose writer has failed, and its assertion ends the process. So writes that would not fit are refused before they
/// reach RocksDB, and the rare one that meets the end of the disk all the same, because a compaction or another
/// process took the space meanwhile, waits here. Table files do report it: a flush or compaction that fails gives its
/// space back.
class PatientFileSystem final : public rocksdb::FileSystemWrapper {
public:
    explicit PatientFileSystem(std::string reserve_path)
        : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()), reserve_path_(std::move(reserve_path)) {}

    static const char *kClassName() { return "GrapePatientFileSystem"; }
    const char *Name() const override { return kClassName(); }

    rocksdb::IOStatus NewWritableFile(
        const std::string &name, const rocksdb::FileOptions &options,
        std::unique_ptr<rocksdb::FSWritableFile> *result, rocksdb::IODebugContext *context) override;

    /// How many writes wait for space at this moment.
    int waiting() const { return waiting_.load(std::memory_order_acquire); }

    /// Repeats `attempt` (which returns whether it got through, else leaves `errno`) while the disk is full.
    template <typename Attempt>
    bool persist(Attempt attempt);

private:
    void pause_for_space();

    const std::string reserve_path_;
    std::atomic<int> waiting_{0};
};

#endif
