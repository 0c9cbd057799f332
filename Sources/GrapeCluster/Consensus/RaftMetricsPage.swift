import GrapeEngine
import GrapeModel
import GrapeRaft

/// The page of `GET /raft/metrics`, in Prometheus' text format.
struct RaftMetricsPage {
    private let groups: [GroupStatus]
    private let fsync: LatencyFigures
    private let appends: [LogGroup: LatencyFigures]

    init(_ consensus: Consensus) {
        groups = consensus.status()
        fsync = consensus.fsync
        appends = consensus.appends.withLock { $0 }
    }

    var text: [UInt8] {
        var page = ""
        func family(_ name: String, _ type: String, _ help: String, _ value: (GroupStatus) -> UInt64) {
            page += "# HELP grape_raft_\(name) \(help)\n# TYPE grape_raft_\(name) \(type)\n"
            for group in groups { page += "grape_raft_\(name){group=\"\(Self.label(group.group))\"} \(value(group))\n" }
        }
        family("is_leader", "gauge", "1 where this node leads the group.") { $0.role == .leader ? 1 : 0 }
        family("term", "gauge", "Term of the group.") { $0.term.rawValue }
        family("commit_index", "gauge", "Last committed entry.") { $0.commit.rawValue }
        family("applied_index", "gauge", "Last applied entry.") { $0.applied.rawValue }
        family("log_entries", "gauge", "Entries that the log keeps.") {
            $0.lastIndex.rawValue + 1 - min($0.firstIndex.rawValue, $0.lastIndex.rawValue + 1)
        }
        family("elections_total", "counter", "Elections that this node won.") { $0.elections }
        family("leader_changes_total", "counter", "Changes of leader that this node saw.") { $0.leaderChanges }
        family("proposals_failed_total", "counter", "Proposals that were dropped or overwritten.") {
            $0.failedProposals
        }
        page += "# HELP grape_raft_replica_lag Entries that a follower lacks, as its leader knows.\n"
        page += "# TYPE grape_raft_replica_lag gauge\n"
        for group in groups where group.role == .leader {
            for peer in group.progress where peer.id != group.replica {
                let lag = group.lastIndex.rawValue - min(peer.progress.match.rawValue, group.lastIndex.rawValue)
                page += "grape_raft_replica_lag{group=\"\(Self.label(group.group))\",node=\"\(peer.id.node)\"} \(lag)\n"
            }
        }
        page +=
            "# HELP grape_raft_append_latency_seconds Time from a proposal here until a majority has it and it is applied.\n"
        page += "# TYPE grape_raft_append_latency_seconds summary\n"
        for group in groups {
            let figures = appends[group.group] ?? LatencyFigures()
            let label = "{group=\"\(Self.label(group.group))\"}"
            page += "grape_raft_append_latency_seconds_sum\(label) \(figures.seconds)\n"
            page += "grape_raft_append_latency_seconds_count\(label) \(figures.count)\n"
        }
        page += "# HELP grape_raft_fsync_latency_seconds Time that syncs of the log take.\n"
        page += "# TYPE grape_raft_fsync_latency_seconds summary\n"
        page += "grape_raft_fsync_latency_seconds_sum \(fsync.seconds)\n"
        page += "grape_raft_fsync_latency_seconds_count \(fsync.count)\n"
        return Array(page.utf8)
    }

    private static func label(_ group: LogGroup) -> String {
        switch group {
        case .shard(let shard): shard.description
        case .catalog: "catalog"
        }
    }
}
