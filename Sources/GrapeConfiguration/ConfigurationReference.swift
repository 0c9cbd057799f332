/// The reference for operators, written from `ConfigurationKey.all`.
package enum ConfigurationReference {
    /// Every flag with its default, as `--help` shows it.
    package static var flags: String {
        ConfigurationKey.tables.map { table in
            let keys = ConfigurationKey.all.filter { $0.table == table }
            return "[\(table)]\n" + keys.map(flagEntry).joined(separator: "\n")
        }.joined(separator: "\n\n")
    }

    /// A complete file in which every key stands, commented out, with its default.
    package static var file: String {
        let introduction = """
            # Every key of Grape with its default. A key that is left out has the value shown here;
            # remove the "# " in front of one to change it.
            #
            # Precedence: built-in default < this file < environment < command-line flag.
            # Environment: GRAPE_<TABLE>_<KEY>, for example GRAPE_SERVER_REST_PORT; arrays are split at commas.
            # Flags: --<table>.<key>, for example --server.rest-port 7333.
            # Check a file with: grape-vector-db-server --config FILE --check
            """
        let tables = ConfigurationKey.tables.map { table in
            let keys = ConfigurationKey.all.filter { $0.table == table }
            return "[\(table)]\n\n" + keys.map(fileEntry).joined(separator: "\n\n")
        }
        return introduction + "\n\n" + tables.joined(separator: "\n\n") + "\n"
    }

    private static func flagEntry(_ key: ConfigurationKey) -> String {
        let short = key.shortFlag.map { ", --\($0)" } ?? ""
        let fallback = key.defaultLiteral.map { "default: \($0)" } ?? "no default"
        return "  --\(key.flagName)\(short)\n      \(key.summary)\n      Takes \(key.kind.expected); \(fallback)."
    }

    private static func fileEntry(_ key: ConfigurationKey) -> String {
        let variable = key.shortVariable.map { " Also \($0)." } ?? ""
        let setting = key.defaultLiteral.map { "# \(key.name) = \($0)" } ?? "# \(key.name) is unset"
        return "# \(key.summary)\(variable)\n#   Takes \(key.kind.expected).\n\(setting)"
    }
}
