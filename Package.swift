// swift-tools-version:6.2
import PackageDescription

/// Every target: Swift 6 mode, no warning survives.
let base: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]
/// Every target but GrapeStorage and GrapeIndex, the only ones that may hold pointers.
let safe: [SwiftSetting] = base + [.strictMemorySafety(), .treatWarning("StrictMemorySafety", as: .error)]

let cxxOptions: [CXXSetting] = [.define("NDEBUG", .when(configuration: .release))]

let package = Package(
    name: "grape",
    products: [
        .library(name: "Grape", targets: ["Grape"]),
        .library(name: "GrapeClient", targets: ["GrapeClient"]),
        .executable(name: "grape-vector-db-server", targets: ["GrapeServer"]),
        .executable(name: "grape-tool", targets: ["GrapeTool"]),
        .executable(name: "grape-bench", targets: ["GrapeBench"]),
        .executable(name: "grape-simulate", targets: ["GrapeSimulation"]),
        .executable(name: "grape-faults", targets: ["GrapeFaults"]),
    ],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/grpc/grpc-swift-2.git", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport.git", from: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf.git", from: "2.4.1"),
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.8.0"),
        .package(url: "https://github.com/LebJe/TOMLKit.git", from: "0.6.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift.git", from: "0.2.0"),
    ],
    targets: [
        // C and C++
        .systemLibrary(
            name: "CRocksDB", path: "CRocksDB", pkgConfig: "rocksdb", providers: [.apt(["librocksdb-dev"])]),
        .target(
            name: "CRocksDBExtras", dependencies: ["CRocksDB"], cxxSettings: cxxOptions,
            linkerSettings: [.linkedLibrary("rocksdb")]),
        .target(name: "CVectorKernels"),
        .target(name: "CHash"),
        .target(name: "CLZ4", linkerSettings: [.linkedLibrary("lz4")]),
        .target(name: "CGzip", linkerSettings: [.linkedLibrary("z")]),
        .target(name: "CSimdJSON", cxxSettings: cxxOptions, linkerSettings: [.linkedLibrary("simdjson")]),

        // Libraries, bottom up: arrows point down only
        .target(name: "GrapeModel", dependencies: ["CSimdJSON"], swiftSettings: safe),
        .target(
            name: "GrapeStorage", dependencies: ["GrapeModel", "CRocksDB", "CRocksDBExtras", "CHash", "CLZ4", "CGzip"],
            swiftSettings: base + [.enableExperimentalFeature("Lifetimes")]),
        .target(name: "GrapeIndex", dependencies: ["GrapeModel", "CVectorKernels"], swiftSettings: base),
        .target(
            name: "GrapeEngine",
            dependencies: [
                "GrapeModel", "GrapeStorage", "GrapeIndex", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"), .product(name: "NIOPosix", package: "swift-nio"),
            ], swiftSettings: safe),
        .target(
            name: "GrapeCluster",
            dependencies: [
                "GrapeModel", "GrapeStorage", "GrapeEngine", "GrapeRaft",
                .product(name: "BitCollections", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Crypto", package: "swift-crypto"),
            ], swiftSettings: safe),
        .target(name: "GrapeRaft", swiftSettings: safe),
        .target(
            name: "Grape",
            dependencies: ["GrapeModel", "GrapeCluster", .product(name: "Logging", package: "swift-log")],
            swiftSettings: safe),
        .target(
            name: "GrapeConfiguration",
            dependencies: ["GrapeModel", .product(name: "TOMLKit", package: "TOMLKit")], swiftSettings: safe),
        .target(
            name: "GrapeProto",
            dependencies: [
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ], swiftSettings: base),
        .target(
            name: "GrapeClient",
            dependencies: [
                "GrapeModel", .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ], swiftSettings: safe),
        .target(
            name: "GrapeAPI",
            dependencies: [
                "GrapeModel", "GrapeEngine", "GrapeCluster", "GrapeConfiguration", "GrapeProto",
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
                .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ], swiftSettings: safe),

        // Executables
        .executableTarget(
            name: "GrapeServer",
            dependencies: [
                "GrapeAPI", "GrapeCluster", "GrapeConfiguration", "GrapeModel",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: safe),
        .executableTarget(
            name: "GrapeTool",
            dependencies: [
                "GrapeCluster", "GrapeConfiguration", "GrapeEngine", "GrapeModel", "GrapeStorage",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ], swiftSettings: safe),
        .executableTarget(
            name: "GrapeBench",
            dependencies: [
                "GrapeIndex", "GrapeModel", "GrapeProto",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ], path: "bench/GrapeBench", swiftSettings: safe),

        // Tests
        .target(
            name: "GrapeTestKit", dependencies: ["GrapeRaft"], path: "Tests/GrapeTestKit", swiftSettings: safe),
        .target(
            name: "GrapeClusterTestKit",
            dependencies: [
                "GrapeTestKit", "GrapeCluster", "GrapeEngine", "GrapeStorage", "GrapeModel", "GrapeRaft",
                .product(name: "Logging", package: "swift-log"),
            ], path: "Tests/GrapeClusterTestKit", swiftSettings: safe),
        .executableTarget(
            name: "GrapeFaults",
            dependencies: [
                "GrapeModel", "GrapeTestKit", .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ], path: "Tests/GrapeFaults", swiftSettings: safe),
        .executableTarget(
            name: "GrapeSimulation", dependencies: ["GrapeTestKit", "GrapeClusterTestKit", "GrapeRaft"],
            path: "Tests/GrapeSimulation",
            swiftSettings: safe),
        .testTarget(name: "GrapeModelTests", dependencies: ["GrapeModel", "GrapeTestKit"], swiftSettings: base),
        .testTarget(
            name: "GrapeStorageTests",
            dependencies: ["GrapeStorage", "GrapeModel", "GrapeTestKit", "StorageCrasher", "CRocksDB", "CHash"],
            swiftSettings: base),
        .executableTarget(
            name: "StorageCrasher", dependencies: ["GrapeStorage", "GrapeModel"], path: "Tests/StorageCrasher",
            swiftSettings: base),
        .testTarget(
            name: "GrapeIndexTests", dependencies: ["GrapeIndex", "GrapeModel", "CVectorKernels"],
            swiftSettings: base),
        .testTarget(
            name: "GrapeEngineTests",
            dependencies: [
                "GrapeEngine", "GrapeModel", "GrapeStorage", "GrapeIndex", "GrapeTestKit",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: base),
        .testTarget(
            name: "GrapeClusterTests",
            dependencies: [
                "GrapeCluster", "GrapeEngine", "GrapeModel", "GrapeRaft", "GrapeStorage", "GrapeTestKit",
                .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Crypto", package: "swift-crypto"),
            ], swiftSettings: base),
        .testTarget(name: "GrapeTests", dependencies: ["Grape", "GrapeTestKit"], swiftSettings: base),
        .testTarget(name: "GrapeRaftTests", dependencies: ["GrapeRaft", "GrapeTestKit"], swiftSettings: base),
        .testTarget(
            name: "GrapeTestKitTests", dependencies: ["GrapeTestKit", "GrapeClusterTestKit", "GrapeSimulation"],
            swiftSettings: base),
        .testTarget(
            name: "GrapeConfigurationTests", dependencies: ["GrapeConfiguration", "GrapeModel"], swiftSettings: safe),
        .testTarget(
            name: "GrapeAPITests",
            dependencies: [
                "GrapeAPI", "GrapeCluster", "GrapeModel", "GrapeProto", "GrapeTestKit",
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
                .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: safe),
        .testTarget(
            name: "GrapeClientTests",
            dependencies: [
                "GrapeClient", "GrapeAPI", "GrapeCluster", "GrapeModel", "GrapeTestKit",
                .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
            ], swiftSettings: safe),
        .testTarget(
            name: "GrapeProcessTests",
            dependencies: [
                "GrapeServer", "GrapeTool", "GrapeBench", "GrapeFaults", "GrapeModel", "GrapeStorage", "GrapeEngine",
                "GrapeTestKit",
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ], exclude: ["Fixtures"], swiftSettings: safe),
        .testTarget(
            name: "GrapeServerTests",
            dependencies: [
                "GrapeServer", "GrapeConfiguration", .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: safe),
    ],
    cxxLanguageStandard: .cxx17
)
