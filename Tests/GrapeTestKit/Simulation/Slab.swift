/// Values under small numbers that are used again after release, so that events stay flat and the heap cheap.
package struct Slab<Value> {
    private var values: [Value?] = []
    private var free: [Int32] = []

    package init() {}

    package mutating func insert(_ value: Value) -> Int32 {
        guard let place = free.popLast() else {
            values.append(value)
            return Int32(values.count - 1)
        }
        values[Int(place)] = value
        return place
    }

    package mutating func remove(_ place: Int32) -> Value {
        guard let value = values[Int(place)].take() else { preconditionFailure("slab place \(place) is empty") }
        free.append(place)
        return value
    }
}
