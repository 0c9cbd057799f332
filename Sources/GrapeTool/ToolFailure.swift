import ArgumentParser
import Foundation
import GrapeModel

/// How a command ends that did not do what it was asked for.
struct ToolFailure: Error {
    enum Status: Int32 {
        /// Damage was found, or the work failed in the midst and was undone.
        case failed = 1
        /// It could not be begun.
        case refused = 2
    }

    let status: Status
    let message: String

    init(_ status: Status, _ message: String) {
        self.status = status
        self.message = message
    }

    init(_ error: GrapeError) {
        switch error.code {
        case .damaged, .internalError, .outcomeUnknown: self.init(.failed, error.message)
        default: self.init(.refused, error.message)
        }
    }

    /// What kept a command from its end.
    init(_ error: any Error) {
        switch error {
        case let failure as ToolFailure: self = failure
        case let error as GrapeError: self.init(error)
        case is CancellationError: self.init(.failed, "interrupted")
        default: self.init(.failed, "\(error)")
        }
    }
}

/// Runs a command's work: a failure becomes one line (or one JSON object) and the exit status.
func tool(json: Bool = false, _ work: @Sendable @escaping () async throws -> Void) async throws {
    do {
        try await Interruption.cancelling(work)
    } catch let code as ExitCode {
        throw code
    } catch {
        let failure = ToolFailure(error)
        Terminal.clearProgress()
        if json {
            var writer = JSONWriter()
            writer.beginObject()
            writer.field("error", failure.message)
            writer.endObject()
            Terminal.print(writer.bytes)
        }
        Terminal.complain("grape-tool: \(failure.message)")
        throw ExitCode(failure.status.rawValue)
    }
}

/// Ctrl-C and SIGTERM end the work by its cancellation, so that it undoes what is half done.
private enum Interruption {
    static func cancelling(_ work: @Sendable @escaping () async throws -> Void) async throws {
        let task = Task { try await work() }
        let sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { task.cancel() }
            source.resume()
            return source
        }
        defer { for source in sources { source.cancel() } }
        try await task.value
    }
}
