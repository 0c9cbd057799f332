import GrapeRaft
import Testing

@Suite("Progress and the in-flight window")
struct ProgressTests {
    private func progress(match: UInt64 = 0, next: UInt64 = 1, window: Int = 4) -> Progress {
        Progress(
            match: LogIndex(match), next: LogIndex(next), inflights: Inflights(countMax: window, bytesMax: 0),
            isLearner: false)
    }

    /// For calls that change what they are asked of.
    private func expect(_ answer: Bool, _ expected: Bool, _ location: SourceLocation = #_sourceLocation) {
        #expect(answer == expected, sourceLocation: location)
    }

    @Test("the window behaves as a plain list, in thousands of random operations")
    func windowEqualsNaiveTwin() {
        var random = RaftRandom(seed: 3)
        for round in 0..<300 {
            let countMax = 1 + round % 9
            let bytesMax: UInt64 = round % 3 == 0 ? 0 : 40
            var window = Inflights(countMax: countMax, bytesMax: bytesMax)
            var list: [(index: LogIndex, bytes: UInt64)] = []
            var newest = LogIndex.zero
            for _ in 0..<200 {
                switch random.number(5) {
                case 0:
                    let index = LogIndex(newest.rawValue &- min(newest.rawValue, random.number(12)))
                    window.free(through: index)
                    list.removeAll { $0.index <= index }
                case 1 where random.isLucky(1, in: 10):
                    window.reset()
                    list = []
                default:
                    if window.isFull { break }
                    newest = newest.advanced(by: 1 + Int(random.number(3)))
                    let bytes = random.number(15)
                    window.add(lastIndex: newest, bytes: bytes)
                    list.append((newest, bytes))
                }
                let bytes = list.reduce(0) { $0 + $1.bytes }
                #expect(window.count == list.count && window.bytes == bytes)
                #expect(window.isFull == (list.count == countMax || (bytesMax > 0 && bytes >= bytesMax)))
            }
        }
    }

    @Test("match stays below next whatever is acknowledged, refused or sent")
    func matchStaysBelowNext() {
        var random = RaftRandom(seed: 4)
        for _ in 0..<2_000 {
            var progress = progress(window: 3)
            for _ in 0..<30 {
                let index = LogIndex(random.number(20))
                switch random.number(7) {
                case 0: _ = progress.acknowledge(through: index)
                case 1: _ = progress.retreat(rejected: index, hint: LogIndex(random.number(20)))
                case 2: progress.becomeProbe()
                case 3: progress.becomeReplicate()
                case 4: progress.becomeSnapshot(at: index)
                case 5: progress.sentCommit(index)
                default:
                    if progress.isPaused || progress.inflights.isFull { break }
                    progress.sentEntries(Int(random.number(3)), bytes: 1)
                }
                #expect(progress.match < progress.next)
            }
        }
    }

    @Test("a probing follower gets one message with entries until it answers")
    func probePauses() {
        var progress = progress()
        #expect(!progress.isPaused)
        progress.sentEntries(1, bytes: 10)
        #expect(progress.isPaused && progress.next == LogIndex(1))
        expect(progress.acknowledge(through: LogIndex(1)), true)
        #expect(!progress.isPaused)
    }

    @Test("a replicating follower gets messages until the window is full")
    func replicatePauses() {
        var progress = progress(window: 2)
        progress.becomeReplicate()
        progress.sentEntries(1, bytes: 10)
        #expect(!progress.isPaused && progress.next == LogIndex(2))
        progress.sentEntries(1, bytes: 10)
        #expect(progress.isPaused)
        progress.freeInflights(through: LogIndex(1))
        progress.resumeFlow()
        #expect(!progress.isPaused)
    }

    @Test("after a snapshot probing starts behind it, and before it if it failed")
    func snapshotEnds() {
        var arrived = progress(match: 1, next: 2)
        arrived.becomeSnapshot(at: LogIndex(9))
        #expect(arrived.isPaused)
        arrived.becomeProbe()
        #expect(arrived.next == LogIndex(10))
        var failed = progress(match: 1, next: 2)
        failed.becomeSnapshot(at: LogIndex(9))
        failed.snapshotFailed()
        failed.becomeProbe()
        #expect(failed.next == LogIndex(2))
    }

    @Test("refusals that are out of date are ignored")
    func staleRefusals() {
        var probing = progress(match: 3, next: 8)
        expect(probing.retreat(rejected: LogIndex(5), hint: LogIndex(4)), false)
        expect(probing.retreat(rejected: LogIndex(7), hint: LogIndex(5)), true)
        #expect(probing.next == LogIndex(6))
        var replicating = progress(match: 3, next: 8)
        replicating.becomeReplicate()
        expect(replicating.retreat(rejected: LogIndex(3), hint: LogIndex(2)), false)
        expect(replicating.retreat(rejected: LogIndex(4), hint: LogIndex(2)), true)
        #expect(replicating.next == LogIndex(4) && replicating.state == .probe)
    }
}
