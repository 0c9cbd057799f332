/// The version of this build, as `--version`, `/health` and metrics report it.
package enum GrapeVersion {
    package static let current = "0.1.0"
}
