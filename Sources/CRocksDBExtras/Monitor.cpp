#include <rocksdb/env.h>
#include <rocksdb/listener.h>
#include <rocksdb/sst_file_manager.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <mutex>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include "CRocksDBExtras.h"
#include "MemoryFileSystem.h"
#include "PatientFileSystem.h"
#include "Wrappers.h"

namespace {

/// RocksDB's log lines in a file of bounded size. A line that cannot be written is dropped.
class BoundedLog final : public rocksdb::Logger {
public:
    BoundedLog(const char *path, size_t bytes_max) : path_(path), bytes_max_(bytes_max) { open_file(); }
    ~BoundedLog() override {
        if (file_ >= 0) ::close(file_);
    }

    using rocksdb::Logger::Logv;
    void Logv(const char *format, va_list arguments) override {
        char line[4096];
        const size_t prefix = write_time(line, sizeof line);
        const int wanted = vsnprintf(line + prefix, sizeof line - prefix - 1, format, arguments);
        if (wanted < 0) return;
        size_t count = prefix + static_cast<size_t>(wanted);
        if (count > sizeof line - 2) count = sizeof line - 2;
        if (line[count - 1] != '\n') line[count++] = '\n';
        append(line, count);
    }

private:
    static size_t write_time(char *line, size_t capacity) {
        timespec now{};
        clock_gettime(CLOCK_REALTIME, &now);
        tm parts{};
        gmtime_r(&now.tv_sec, &parts);
        const size_t count = strftime(line, capacity, "%Y-%m-%dT%H:%M:%S", &parts);
        return count + static_cast<size_t>(snprintf(line + count, capacity - count, ".%03ldZ ", now.tv_nsec / 1000000));
    }

    void append(const char *line, size_t count) {
        const std::lock_guard<std::mutex> guard(mutex_);
        if (file_ < 0) return;
        if (bytes_ + count > bytes_max_) {
            ::close(file_);
            ::rename(path_.c_str(), (path_ + ".old").c_str());
            open_file();
            if (file_ < 0) return;
        }
        const ssize_t written = ::write(file_, line, count);
        if (written > 0) bytes_ += static_cast<size_t>(written);
    }

    void open_file() {
        file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        struct stat info{};
        bytes_ = file_ >= 0 && ::fstat(file_, &info) == 0 ? static_cast<size_t>(info.st_size) : 0;
    }

    const std::string path_;
    const size_t bytes_max_;
    std::mutex mutex_;
    int file_ = -1;
    size_t bytes_ = 0;
};

/// A log that keeps nothing, so that RocksDB does not open one of its own.
class SilentLog final : public rocksdb::Logger {
public:
    SilentLog() : rocksdb::Logger(rocksdb::InfoLogLevel::HEADER_LEVEL) {}
    using rocksdb::Logger::Logv;
    void Logv(const char *, va_list) override {}
};

/// Keeps the background error that stands, and tells its observer of changed table files. RocksDB calls it from any of
/// its threads.
class ErrorListener final : public rocksdb::EventListener {
public:
    void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status *status) override {
        const std::lock_guard<std::mutex> guard(mutex_);
        text_ = status->ToString();
        has_error_.store(true, std::memory_order_release);
    }
    void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool *automatic) override {
        *automatic = false;
    }
    void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo &info) override {
        if (info.new_bg_error.ok()) clear();
    }
    void OnFlushCompleted(rocksdb::DB *, const rocksdb::FlushJobInfo &) override { tell_observer(); }
    void OnCompactionCompleted(rocksdb::DB *, const rocksdb::CompactionJobInfo &) override { tell_observer(); }
    void observe(void (*changed)(void *), void *context) {
        const std::lock_guard<std::mutex> guard(observer_mutex_);
        changed_ = changed;
        context_ = context;
    }
    void clear() {
        const std::lock_guard<std::mutex> guard(mutex_);
        text_.clear();
        has_error_.store(false, std::memory_order_release);
    }
    bool has_error() const { return has_error_.load(std::memory_order_acquire); }
    std::string text() const {
        const std::lock_guard<std::mutex> guard(mutex_);
        return text_;
    }

private:
    void tell_observer() {
        const std::lock_guard<std::mutex> guard(observer_mutex_);
        if (changed_) changed_(context_);
    }

    std::mutex observer_mutex_;
    void (*changed_)(void *) = nullptr;
    void *context_ = nullptr;
    mutable std::mutex mutex_;
    std::string text_;
    std::atomic<bool> has_error_{false};
};

}  // namespace

/// Far above any disk. RocksDB refuses a compaction when tables + inputs + buffer exceed the limit, but fails every
/// flush when tables alone do; with this much in buffer and limit only the former can happen.
static constexpr uint64_t limit_offset_bytes = uint64_t{1} << 60;

struct grape_monitor_t {
    std::shared_ptr<rocksdb::Logger> log;
    std::shared_ptr<ErrorListener> listener;
    std::shared_ptr<PatientFileSystem> files;
    std::unique_ptr<rocksdb::Env> environment;
    std::shared_ptr<rocksdb::SstFileManager> tables;
    bool is_in_memory = false;
};

grape_monitor_t *grape_monitor_create(
    const char *log_path, size_t log_bytes, const char *reserve_path, const grape_memory_files_t *files) {
    auto *monitor = new grape_monitor_t;
    if (log_path) {
        monitor->log = std::make_shared<BoundedLog>(log_path, log_bytes);
    } else {
        monitor->log = std::make_shared<SilentLog>();
    }
    monitor->listener = std::make_shared<ErrorListener>();
    monitor->files = std::make_shared<PatientFileSystem>(reserve_path);
    std::shared_ptr<rocksdb::FileSystem> system = monitor->files;
    monitor->is_in_memory = files != nullptr;
    if (files) system = files->system;
    monitor->environment = rocksdb::NewCompositeEnv(system);
    monitor->tables.reset(rocksdb::NewSstFileManager(monitor->environment.get(), monitor->log));
    // Added on both sides of RocksDB's comparison, so that the limit binds compactions only: see below.
    monitor->tables->SetCompactionBufferSize(limit_offset_bytes);
    return monitor;
}

void grape_monitor_attach(grape_monitor_t *monitor, rocksdb_options_t *options) {
    options->rep.info_log = monitor->log;
    options->rep.listeners.push_back(monitor->listener);
    options->rep.env = monitor->environment.get();
    options->rep.sst_file_manager = monitor->tables;
    // Sixteen threads for each family would be most of what an open in memory takes.
    if (monitor->is_in_memory) options->rep.max_file_opening_threads = 1;
}

void grape_monitor_observe(grape_monitor_t *monitor, void (*changed)(void *context), void *context) {
    monitor->listener->observe(changed, context);
}

void grape_monitor_destroy(grape_monitor_t *monitor) { delete monitor; }

int grape_monitor_has_error(const grape_monitor_t *monitor) { return monitor->listener->has_error() ? 1 : 0; }

void grape_monitor_set_free_bytes(grape_monitor_t *monitor, uint64_t bytes) {
    monitor->tables->SetMaxAllowedSpaceUsage(monitor->tables->GetTotalSize() + bytes + limit_offset_bytes);
}

void grape_monitor_stop_waiting(grape_monitor_t *monitor) { monitor->files->stop_waiting(); }

int grape_monitor_is_waiting_for_space(const grape_monitor_t *monitor) { return monitor->files->waiting() > 0 ? 1 : 0; }

int grape_monitor_copy_error(const grape_monitor_t *monitor, char *text, size_t capacity) {
    if (capacity == 0 || !monitor->listener->has_error()) return 0;
    snprintf(text, capacity, "%s", monitor->listener->text().c_str());
    return 1;
}
