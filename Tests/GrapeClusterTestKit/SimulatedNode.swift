import GrapeCluster
import GrapeEngine
import GrapeModel
import GrapeRaft
import GrapeStorage
import GrapeTestKit

/// A machine: a disk, a clock, and, while it is up, a run of the node's program.
final class SimulatedNode {
    enum Life {
        case running
        case down
        /// Its disk is gone, or it left the cluster: it never comes back.
        case gone
    }

    let place: Int
    let number: NodeNumber
    let world: ClusterWorld
    var clock = SimulatedClock()
    private(set) var life = Life.down
    private(set) var run: NodeRun?
    private(set) var incarnation: UInt32 = 0
    private var files = MemoryFileSystem()
    /// The disk as it was some time ago, for the day on which it forgets what it had said to be durable.
    private var earlierFiles: MemoryFileSystem?
    /// Its disk has forgotten something.
    private(set) var hasLostLog = false
    /// What came here: a connection never brings one request twice.
    var requests: Set<[Int]> = []
    var calls: Set<UInt64> = []
    /// The file `acknowledged`: as written, and as synced.
    var promises: [LogGroup: Acknowledgement] = [:]
    var syncedPromises: [LogGroup: Acknowledgement] = [:]

    init(place: Int, number: NodeNumber, world: ClusterWorld) {
        self.place = place
        self.number = number
        self.world = world
        world.places[number] = place
    }

    func start() throws(Violation) {
        incarnation += 1
        do {
            run = try NodeRun(self, files: files)
        } catch {
            throw Violation(.storage, "node \(number) does not open: \(error)")
        }
        life = .running
    }

    /// Ends the program. Where the power is lost with it, what was not synced may be lost too.
    func crash() {
        guard let ending = run else { return }
        run = nil
        life = .down
        let losesPower = world.strikes(.lostWrites)
        if losesPower {
            world.coverage.count(.powerLosses)
            let seed = world.strikes(.tornWrites) ? max(1, world.diskRandom.next()) : 0
            let left = files.afterPowerLoss(seed: seed)
            if left.byteCount < files.byteCount { world.coverage.count(.unsyncedWritesLost) }
            ending.close()
            files = left
            if seed % 2 == 0 { promises = syncedPromises }
        } else {
            world.coverage.count(.processCrashes)
            ending.close()
        }
        syncedPromises = promises
    }

    func noteDisk() {
        if run != nil { earlierFiles = files.afterPowerLoss() }
    }

    /// The program ends, and the disk with the logs is as it was some time ago; the file `acknowledged` lies elsewhere on
    /// it and is not. -> false where nothing is known of an earlier time.
    func loseLog() -> Bool {
        guard let earlier = earlierFiles, let ending = run else { return false }
        run = nil
        life = .down
        ending.close()
        files = earlier
        earlierFiles = nil
        hasLostLog = true
        syncedPromises = promises
        return true
    }

    func end() {
        crash()
        life = .gone
    }

    func promise(_ new: [LogGroup: Acknowledgement], sync: Bool) {
        promises.merge(new) { $1 }
        if sync { syncedPromises = promises }
    }

    var freeBytes: UInt64 {
        get { files.freeBytes }
        set { files.freeBytes = newValue }
    }
}
