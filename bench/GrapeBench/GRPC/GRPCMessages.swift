import Foundation
import GrapeProto
import NIOCore
import SwiftProtobuf

/// The calls of `grape.v1.Grape` that are measured.
enum GRPCPath {
    static let upsertBatch = "/grape.v1.Grape/UpsertBatch"
    static let search = "/grape.v1.Grape/Search"
    static let clusterInfo = "/grape.v1.Grape/ClusterInfo"
}

extension ByteBuffer {
    init(message: some SwiftProtobuf.Message) throws {
        let bytes: [UInt8] = try message.serializedBytes()
        self.init(bytes: bytes)
    }
}

extension Grape_V1_Point {
    /// Row numbers are ids.
    init(row: Int, vector: [Float], payload: [UInt8]?) {
        self.init()
        id.number = UInt64(row)
        self.vector = vector
        if let payload { self.payload = Data(payload) }
    }
}

extension Grape_V1_PointId {
    /// Ids come back in the form in which they were written, here or by another loader: 7 or "7".
    var row: Int? {
        switch id {
        case .number(let number): Int(exactly: number)
        case .text(let text): Int(text)
        case nil: nil
        }
    }
}
