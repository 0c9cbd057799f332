import Foundation
import GrapeTestKit

/// `grape-simulate`: runs seeds until time is over, on all cores, and says what happened; or replays one.
///
/// The process starts one worker process a core and watches them, so that even a trap or a hang in a run is reported
/// with its seed.
@main
enum Simulate {
    static func main() {
        do {
            let arguments = try SimulateArguments(Array(CommandLine.arguments.dropFirst()))
            let succeeded = arguments.isWorker ? Worker(arguments).run() : try Supervisor(arguments).run()
            exit(succeeded ? 0 : 1)
        } catch let error as SimulateArguments.Malformed {
            print(error.message)
            print(SimulateArguments.usage)
            exit(2)
        } catch {
            print("cannot start a worker: \(error)")
            exit(3)
        }
    }
}
