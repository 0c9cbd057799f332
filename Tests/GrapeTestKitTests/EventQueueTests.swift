import GrapeTestKit
import Testing

@Suite("Event queue")
struct EventQueueTests {
    @Test("Events come in the order of time, and at one moment in the order in which they were added")
    func order() {
        var random = Xoshiro256(seed: 3)
        var queue = EventQueue()
        var twin: [(time: UInt64, target: Int32)] = []
        for round in 0..<20_000 {
            if random.below(3) > 0 {
                let time = UInt64(random.below(50))
                queue.push(Event(time: time, kind: .tick, target: round))
                let place = twin.firstIndex { $0.time > time } ?? twin.count
                twin.insert((time, Int32(round)), at: place)
            } else {
                let event = queue.pop()
                #expect(event?.target == twin.first?.target)
                if !twin.isEmpty { twin.removeFirst() }
            }
            if twin.count > 200 {
                while let event = queue.pop() {
                    #expect(event.target == twin[0].target)
                    twin.removeFirst()
                }
            }
            #expect(queue.count == twin.count)
        }
    }

    @Test("A slab gives back what was put in, and uses places again")
    func slab() {
        var slab = Slab<String>()
        let first = slab.insert("a")
        let second = slab.insert("b")
        let taken = slab.remove(first)
        let third = slab.insert("c")
        let others = [slab.remove(second), slab.remove(third)]
        #expect(taken == "a" && third == first && others == ["b", "c"])
    }
}
