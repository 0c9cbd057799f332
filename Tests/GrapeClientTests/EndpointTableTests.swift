import GrapeClient
import Testing

@Suite struct EndpointTableTests {
    @Test func callsGoToTheLeastBusyAndInTurn() {
        var table = EndpointTable(count: 3)
        #expect((0..<3).map { _ in table.begin(avoiding: []) } == [0, 1, 2])
        table.end(1, isReachable: true)
        #expect(table.begin(avoiding: []) == 1)
        for index in 0..<3 { table.end(index, isReachable: true) }
        #expect((0..<3).map { _ in table.begin(avoiding: []) }.sorted() == [0, 1, 2])
    }

    @Test func healthyOnesComeFirstAndTriedOnesLast() {
        var table = EndpointTable(count: 3)
        table.tell(0, isHealthy: false)
        for _ in 0..<6 {
            let chosen = table.begin(avoiding: [1])
            #expect(chosen == 2)
            table.end(chosen, isReachable: true)
        }
        #expect(table.begin(avoiding: [1, 2]) == 0)
        table.end(0, isReachable: false)
        #expect(!table.isHealthy(0))
        #expect([1, 2].contains(table.begin(avoiding: [0, 1, 2])))
    }

    @Test func whereNoneIsHealthyAllAreTried() {
        var table = EndpointTable(count: 2)
        for index in 0..<2 { table.tell(index, isHealthy: false) }
        let chosen = [table.begin(avoiding: []), table.begin(avoiding: [0])]
        #expect(chosen[1] == 1)
    }
}
