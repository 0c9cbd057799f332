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
        ] {
            #expect(CatalogCommand(encoded: command.encoded) == command)
            #expect(CatalogCommand(encoded: command.encoded + [0]) == nil)
        }
    }
}
