import GrapeModel

extension Node {
    /// Begins a snapshot of the cluster: all that was acknowledged before the call will be in it.
    package func createBackup(keep: Int) async throws(GrapeError) -> BackupInfo {
        try refuseIfIsolated()
        return try await backups.create(keep: keep)
    }
}
