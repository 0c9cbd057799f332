import GrapeEngine
import GrapeModel
import Testing

@Suite struct CatalogStateTests {
    private let vectors = [VectorSchema(dimension: 4)]

    @Test func `A collection is made in two steps and its id is never used again`() {
        var catalog = CatalogState()
        #expect(catalog.apply(.create(name: "a", vectors: vectors)) == .done(CollectionID(1), CatalogVersion(1)))
        #expect(catalog.entry(named: "a")?.phase == .creating)
        #expect(catalog.apply(.create(name: "a", vectors: vectors)) == .exists(CollectionID(1)))
        #expect(catalog.apply(.created(CollectionID(1))) == .done(CollectionID(1), CatalogVersion(2)))
        #expect(catalog.entry(named: "a")?.phase == .ready)
        #expect(catalog.apply(.drop(name: "a")) == .done(CollectionID(1), CatalogVersion(3)))
        #expect(catalog.entry(named: "a") == nil)
        #expect(catalog.entry(CollectionID(1))?.phase == .dropping)
        #expect(catalog.apply(.create(name: "a", vectors: vectors)) == .done(CollectionID(2), CatalogVersion(4)))
        #expect(catalog.apply(.dropped(CollectionID(1))) == .done(CollectionID(1), CatalogVersion(5)))
        #expect(catalog.entry(CollectionID(1)) == nil)
        #expect(catalog.entry(named: "a")?.schema.id == CollectionID(2))
    }

    @Test func `Restored collections get their names all at once, or none does`() {
        var catalog = CatalogState()
        _ = catalog.apply(.create(name: "a", vectors: vectors))
        _ = catalog.apply(.created(CollectionID(1)))
        _ = catalog.apply(.restore(name: "b", vectors: vectors))
        _ = catalog.apply(.restore(name: "a", vectors: vectors))
        #expect(catalog.entry(named: "b") == nil && catalog.entry(CollectionID(2))?.phase == .restoring)
        #expect(catalog.entry(named: "a")?.schema.id == CollectionID(1))
        let both = [CollectionID(2), CollectionID(3)]
        let version = catalog.version
        #expect(catalog.apply(.publish(both, replacing: false)) == .exists(CollectionID(1)))
        #expect(catalog.apply(.publish(both + [CollectionID(7)], replacing: true)) == .notFound)
        #expect(catalog.version == version && catalog.entry(named: "b") == nil)

        let outcome = catalog.apply(.publish(both, replacing: true))
        #expect(outcome == .published([CollectionID(2), CollectionID(1), CollectionID(3)], catalog.version))
        #expect(catalog.entry(named: "a")?.schema.id == CollectionID(3) && catalog.entry(named: "a")?.phase == .ready)
        #expect(catalog.entry(named: "b")?.schema.id == CollectionID(2))
        #expect(catalog.entry(CollectionID(1))?.phase == .dropping)
        // Again, as by a router that heard no answer.
        #expect(catalog.apply(.publish(both, replacing: false)) == .published([], catalog.version))
        #expect(catalog.apply(.discard(CollectionID(3))) == .notFound)
    }

    @Test func `A restore that is given up goes like a dropped collection, and its name means what it meant`() {
        var catalog = CatalogState()
        _ = catalog.apply(.create(name: "a", vectors: vectors))
        _ = catalog.apply(.created(CollectionID(1)))
        _ = catalog.apply(.restore(name: "a", vectors: vectors))
        #expect(catalog.apply(.discard(CollectionID(2))) == .done(CollectionID(2), catalog.version))
        #expect(catalog.entry(CollectionID(2))?.phase == .dropping)
        #expect(catalog.apply(.publish([CollectionID(2)], replacing: true)) == .notFound)
        #expect(catalog.entry(named: "a")?.schema.id == CollectionID(1))
        _ = catalog.apply(.dropped(CollectionID(2)))
        #expect(catalog.entry(CollectionID(2)) == nil)
    }

    @Test func `A step that is taken twice changes nothing the second time`() {
        var catalog = CatalogState()
        _ = catalog.apply(.create(name: "a", vectors: vectors))
        _ = catalog.apply(.created(CollectionID(1)))
        #expect(catalog.apply(.created(CollectionID(1))) == .notFound)
        #expect(catalog.apply(.dropped(CollectionID(1))) == .notFound)
        _ = catalog.apply(.drop(name: "a"))
        #expect(catalog.apply(.drop(name: "a")) == .notFound)
        #expect(catalog.version == CatalogVersion(3))
    }

    @Test func `Rows and commands come back as they were written`() {
        let schema = [
            VectorSchema(dimension: 384, quantization: .binary),
            VectorSchema(name: "title", dimension: 3, metric: .manhattan, m: 8, efConstruction: 50),
        ]
        let entry = CatalogEntry(
            schema: CollectionSchema(id: CollectionID(4), name: "ü", vectors: schema), phase: .dropping,
            version: CatalogVersion(9))
        #expect(CatalogEntry(encoded: entry.encoded) == entry)
        #expect(CatalogEntry(encoded: entry.encoded.dropLast()) == nil)
        for command: CatalogCommand in [
            .create(name: "x", vectors: schema), .created(CollectionID(1)), .drop(name: "x"), .dropped(CollectionID(2)),
            .restore(name: "x", vectors: schema), .discard(CollectionID(3)), .publish([], replacing: false),
            .publish([CollectionID(4), CollectionID(5)], replacing: true),
        ] {
            #expect(CatalogCommand(encoded: command.encoded) == command)
            #expect(CatalogCommand(encoded: command.encoded + [0]) == nil)
        }
        var bytes: [UInt8] = []
        let outcome = CatalogOutcome.published([CollectionID(4), CollectionID(9)], CatalogVersion(12))
        outcome.encode(into: &bytes)
        var reader = ByteReader(bytes)
        #expect(CatalogOutcome(reader: &reader) == outcome && reader.isAtEnd)
    }
}
