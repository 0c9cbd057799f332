import GrapeModel
import Glibc
import GrapeStorage

// Writes rows until it is killed, and prints the number of each turn once it is durable.
//
// Arguments: directory, first number, seed. A turn is a batch over three families: a row, the highest number so far,
// and a deletion of an older row, so that a torn batch or families that disagree show afterwards.

/// A row's contents follow from its number, so that the reader can tell a wrong one.
func rowBytes(_ number: Int) -> [UInt8] {
    let count = 200 + number % 3000
    var state = UInt64(truncatingIfNeeded: number) &* 0x9e37_79b9_7f4a_7c15 | 1
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}

func key(_ number: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendBigEndian(UInt64(number))
    return bytes
}

func acknowledge(_ number: Int) {
    let line = Array("\(number)\n".utf8)
    _ = write(1, line, line.count)
}

func run() throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 4, let first = Int(arguments[2]), let seed = Int(arguments[3]) else {
        print("usage: StorageCrasher DIRECTORY FIRST SEED")
        exit(2)
    }
    var options = StorageOptions()
    options.cacheBytes = 4 << 20
    options.writeBufferBytes = 512 << 10
    options.maxWriteBuffers = 2
    options.targetFileBytes = 256 << 10
    options.reserveBytes = 0
    let database = try Database.open(path: arguments[1], options: options)
    var batch = try database.makeBatch()
    for number in first..<(first + 1_000_000) {
        batch.clear()
        batch.put(.vectors, key: key(number), value: rowBytes(number))
        batch.put(.state, key: Array("highest".utf8), value: key(number))
        if number >= 500 { batch.delete(.vectors, key: key(number - 500)) }
        if number % 64 == 0 && number >= 2000 { batch.deleteRange(.log, from: key(0), to: key(number - 2000)) }
        batch.put(.log, key: key(number), value: rowBytes(number))
        // Both ways in which a turn is made durable.
        if (number / 16 + seed) % 2 == 0 {
            try database.write(batch, sync: true)
        } else {
            try database.write(batch)
            try database.syncLog()
        }
        acknowledge(number)
    }
}

try run()
