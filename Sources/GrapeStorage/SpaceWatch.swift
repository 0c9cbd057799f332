import Glibc

/// A thread that calls `Database.checkSpace` until stopped or until the database is gone.
///
/// Thread safety: `stop` may be called once, from any thread; it returns when the thread has ended, unless it is that
/// thread itself that calls it (it held the last reference to the database).
final class SpaceWatch: @unchecked Sendable {
    private final class Body: @unchecked Sendable {
        weak var database: Database?
        let everyMilliseconds: Int32
        /// A pipe whose writing end wakes the thread by being written to.
        let wake: (read: Int32, write: Int32)

        init(database: Database, everyMilliseconds: Int) {
            self.database = database
            self.everyMilliseconds = Int32(clamping: max(1, everyMilliseconds))
            var ends: [Int32] = [-1, -1]
            wake = pipe(&ends) == 0 ? (ends[0], ends[1]) : (-1, -1)
            for end in ends where end >= 0 { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        }

        deinit {
            for end in [wake.read, wake.write] where end >= 0 { close(end) }
        }

        func run() {
            var waiting = pollfd(fd: wake.read, events: Int16(POLLIN), revents: 0)
            while poll(&waiting, 1, everyMilliseconds) <= 0 {
                guard let database else { return }
                database.checkSpace()
            }
        }
    }

    private let body: Body
    private let thread: pthread_t

    init?(database: Database, everyMilliseconds: Int) {
        body = Body(database: database, everyMilliseconds: everyMilliseconds)
        guard body.wake.read >= 0 else { return nil }
        var made = pthread_t()
        let passed = Unmanaged.passRetained(body)
        let code = pthread_create(
            &made, nil,
            { context in
                if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, passed.toOpaque())
        guard code == 0 else {
            passed.release()
            return nil
        }
        thread = made
    }

    func stop() {
        var byte: UInt8 = 1
        _ = write(body.wake.write, &byte, 1)
        if pthread_equal(pthread_self(), thread) != 0 {
            pthread_detach(thread)
        } else {
            pthread_join(thread, nil)
        }
    }
}
