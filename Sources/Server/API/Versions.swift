import Hummingbird
import Kit

/// `If-Match` and `ETag` on settings, so that nobody overwrites what somebody else changed meanwhile.
extension APIRequest {
    /// The version that the caller has seen; nil where it names none or any.
    var expectedVersion: Int64? {
        get throws(Problem) {
            guard let text = headers[.ifMatch], text != "*" else { return nil }
            guard text.count >= 3, text.hasPrefix("\""), text.hasSuffix("\""),
                let version = Int64(text.dropFirst().dropLast())
            else {
                throw Problem(.invalidHeader, [FieldProblem("If-Match", "must be an ETag of ours, such as \"3\".")])
            }
            return version
        }
    }

    /// - Throws: 412 when the caller has seen another version.
    func checkVersion(_ version: Int64) throws(Problem) {
        guard let expected = try expectedVersion, expected != version else { return }
        throw Problem(.preconditionFailed, "It is at version \(version) now.")
    }
}
