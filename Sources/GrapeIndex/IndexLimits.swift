import CVectorKernels

/// Every bound of the index in one place.
package enum IndexLimits {
    package static let dimensionMax = 65_536
    package static let mMax = 128
    package static let efMax = 1 << 20
    package static let keyBytesMin = 2
    package static let keyBytesMax = 513

    /// Chunks an arena may have. Ordinals keep four bits free for the flags of a beam entry.
    static let chunksMax = 1 << 16
    package static let ordinalsMax = chunksMax * Int(GRAPE_CHUNK_POINTS)

    /// From so many dimensions on codes are kept also where walks do not use them.
    static let codedDimensionMin = 256

    /// Below so many live points there is no graph: scanning them costs less than a walk.
    package static let graphThreshold = 1_000
    /// Highest level a point can have; with m = 2 one point in 2^24 would go beyond.
    static let levelMax = 24
    /// Ordinals that are scored in one call of a kernel during a scan.
    static let scanBatch = 256
    /// Ordinals an index thread takes from the tail at once.
    static let claimMax = 64
    /// Ordinals in a segment of the tail.
    static let tailSegmentPoints = 1_024
    /// The graph is swept when one point in so many is dead: a sweep passes over all links.
    static let sweepShare = 50
    /// A filtered walk may ask the filter about one point in so many before a scan is cheaper: scoring a point in
    /// passing costs a few tens of nanoseconds, asking a filter one to three microseconds.
    static let filterBudgetShare = 50
    static let filterBudgetMin = 1_000
    /// A walk goes on to what lies by this share farther away than the answer that counts: the best of so many that
    /// the beam is wide, but not among the first few.
    static let reachShare: Float = 0.15
    static let reachRankShare = 10
    static let reachRankMin = 10
    /// The same in standard deviations of estimates: close to the query they err by more than the share.
    static let reachDeviations: Float = 2
    /// Candidates whose estimate is by so many standard deviations behind are not scored by full vectors.
    static let rescoredDeviations: Float = 2.4
    /// By so many standard deviations of an estimate the nearest that was left out has to be behind the best found.
    static let deviationsMin: Float = 0.7
    /// Of the points that match a filter a list is kept if they are at most one in so many.
    static let matchListShare = 2
    /// Fewest newcomers after which lists of matching points begin anew; else a quarter of all points.
    static let journalMin = 4_096
    /// Lists of matching points kept for filters that may come again.
    static let matchListsMax = 64
    /// Payload fields that are kept as columns.
    static let fieldsMax = 64
    /// Different values of a field, and their bytes together, beyond which it is no column.
    static let fieldValuesMax = 1 << 16
    static let fieldBytesMax = 16 << 20
    /// Conditions whose verdicts on the values of a field are kept.
    static let fieldTablesMax = 256
    static let filterLeavesMax = 256
    /// Scratch areas kept for later searches.
    static let pooledScratchMax = 64
}
