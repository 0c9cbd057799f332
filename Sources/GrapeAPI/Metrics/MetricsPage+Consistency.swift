import GrapeCluster
import GrapeEngine

extension MetricsPage {
    mutating func write(_ scrub: ScrubFigures) {
        text.single("grape_scrub_running", .gauge, "Whether the disk is being read again.", scrub.isRunning ? 1 : 0)
        text.single("grape_scrub_rounds_total", .counter, "Rounds of the scrub that ended.", Double(scrub.rounds))
        text.single(
            "grape_scrub_last_round_seconds", .gauge, "How long the last round took.", scrub.lastSeconds)
        text.single(
            "grape_scrub_last_round_timestamp_seconds", .gauge,
            "End of the last round, in seconds since 1970; 0: none.",
            Double(scrub.lastEnd) / 1_000)
        text.single("grape_scrub_read_bytes_total", .counter, "Bytes that the scrub has read.", Double(scrub.bytes))
        text.family("grape_scrub_checked_total", .counter, "What the scrub has checked, by kind.")
        for (kind, count) in [
            ("points", scrub.points), ("log_entries", scrub.entries), ("index_chunks", scrub.chunks),
            ("table_files", scrub.tables),
        ] {
            text.sample("grape_scrub_checked_total", [("kind", kind)], Double(count))
        }
        text.single(
            "grape_scrub_index_corrections_total", .counter, "Points that an index had otherwise than their rows.",
            Double(scrub.indexCorrections))
    }

    mutating func write(
        _ consistency: ConsistencyFigures, _ faults: (found: UInt64, damaged: Int, aside: Int)
    ) {
        text.family("grape_consistency_checks_total", .counter, "Consistency checks that this node was asked for.")
        text.sample(
            "grape_consistency_checks_total", [("depth", "shallow")],
            Double(consistency.checks - consistency.deepChecks))
        text.sample("grape_consistency_checks_total", [("depth", "deep")], Double(consistency.deepChecks))
        text.single(
            "grape_consistency_shards_inconsistent", .gauge, "Shards whose replicas differed in the last check.",
            Double(consistency.shardsInconsistent))
        text.single(
            "grape_consistency_replicas_missing", .gauge, "Replicas that gave no answer to the last check.",
            Double(consistency.replicasMissing))
        text.single(
            "grape_consistency_replicas_repaired_total", .counter, "Replicas made anew by repairs asked for here.",
            Double(consistency.replicasRepaired))
        text.single(
            "grape_consistency_faults_total", .counter, "Damage of replicas found on this node since its start.",
            Double(faults.found))
        text.single(
            "grape_consistency_replicas_damaged", .gauge, "Replicas of this node that are damaged now.",
            Double(faults.damaged))
        text.single(
            "grape_consistency_replicas_quarantined", .gauge, "Replicas of this node that wait to be replaced.",
            Double(faults.aside))
    }
}
