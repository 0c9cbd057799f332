import ArgumentParser
import Foundation

/// The routes of a collection; without a name those of the collection `default`.
enum CollectionPath {
    static func vectors(_ collection: String?) throws -> String {
        guard let collection else { return "/vectors" }
        return "/collections/\(try escaped(collection))/vectors"
    }

    static func escaped(_ collection: String) throws -> String {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        guard !collection.isEmpty, let name = collection.addingPercentEncoding(withAllowedCharacters: allowed) else {
            throw ValidationError("--collection \(collection): not a name")
        }
        return name
    }
}
