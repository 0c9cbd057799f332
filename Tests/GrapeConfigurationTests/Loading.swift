import Foundation
import GrapeConfiguration

/// The configuration in `text`, as if it stood in the file `test.toml`.
func load(
    _ text: String = "", environment: [String: String] = [:], flags: [String] = [], hostName: String = "machine"
) throws(ConfigurationError) -> Configuration {
    try Configuration.load(
        file: ConfigurationFile(name: "test.toml", text: text), environment: environment,
        overrides: try ConfigurationFlags.parse(flags), hostName: hostName)
}

/// What the operator is told, or nil if nothing is wrong.
func failure(
    _ text: String = "", environment: [String: String] = [:], flags: [String] = []
) -> String? {
    do {
        _ = try load(text, environment: environment, flags: flags)
        return nil
    } catch {
        return error.description
    }
}

/// Directory of the package, which holds `configs/`.
let packageRoot: URL = {
    var url = URL(fileURLWithPath: #filePath)
    for _ in 0..<3 { url.deleteLastPathComponent() }
    return url
}()
