import Crypto
import Kit

/// What Twilio signs.
enum SignedText {
    static let hashParameter = "bodySHA256"

    /// What follows the address: of a form each name with each distinct value, sorted by bytes, nothing between; of
    /// any other body nothing, since the address holds its hash; of a GET nothing, since the address holds all.
    static func parameters(of delivery: Delivery, at url: String) throws(Forged) -> [UInt8] {
        let hashes = FormFields(queryOf: url)?.values(of: hashParameter) ?? []
        if delivery.method == "GET" {
            guard delivery.body.isEmpty || delivery.body == delivery.query else {
                throw .malformedBody(problem: "of a GET is not covered by any signature")
            }
            // The method is not signed: whoever has the signed address of a body must not make another event of it.
            guard hashes.isEmpty else {
                throw .malformedBody(
                    problem: "of a GET is its query, and the address has \(hashParameter), as it has for others")
            }
            return []
        }
        guard !delivery.body.isEmpty else { return [] }
        let type = delivery.contentType
        guard isForm(type) || type == nil && hashes.isEmpty else {
            guard hashes.count == 1 else {
                throw .malformedBody(problem: "is no form, and the address has no \(hashParameter): nothing covers it")
            }
            guard hashes[0].elementsEqual(hash(delivery.body).utf8) else {
                throw .malformedBody(problem: "is not the one whose \(hashParameter) stands in the address")
            }
            return []
        }
        // The content type is not signed: whoever has one signed address must not make a form of it.
        guard hashes.isEmpty else {
            throw .malformedBody(problem: "is a form, and the address has \(hashParameter), as it has for other bodies")
        }
        guard let form = FormFields(delivery.body) else {
            throw .malformedBody(problem: "has more than \(FormFields.most) fields")
        }
        guard !form.all.isEmpty else { throw .malformedBody(problem: "is a form without fields: nothing covers it") }
        let sorted = form.all.sorted {
            $0.name.lexicographicallyPrecedes($1.name)
                || $0.name == $1.name && $0.value.lexicographicallyPrecedes($1.value)
        }
        var (text, last): ([UInt8], (name: [UInt8], value: [UInt8])?) = ([], nil)
        for field in sorted {
            defer { last = field }
            if let last, last.name == field.name, last.value == field.value { continue }
            text += field.name + field.value
        }
        return text
    }

    static func isForm(_ type: String?) -> Bool {
        type?.prefix { $0 != ";" }.lowercased() == "application/x-www-form-urlencoded"
    }

    static func hash(_ body: [UInt8]) -> String {
        String(decoding: Hex.encode(Array(SHA256.hash(data: body))), as: UTF8.self)
    }

    /// The address as set, and with or without its port: Twilio signs now the one, now the other.
    static func addresses(of url: String) -> [String] {
        let bytes = Array(url.utf8)
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), bytes[colon...].starts(with: "://".utf8) else {
            return [url]
        }
        let ends = "/?#".utf8
        let authority = bytes[(colon + 3)...].prefix { !ends.contains($0) }
        let host = authority.lastIndex(of: UInt8(ascii: "@")).map { authority[($0 + 1)...] } ?? authority
        let afterBrackets = host.lastIndex(of: UInt8(ascii: "]")).map { host[$0...] } ?? host
        let other: [UInt8]
        if let port = afterBrackets.lastIndex(of: UInt8(ascii: ":")) {
            other = Array(bytes[..<port] + bytes[authority.endIndex...])
        } else {
            let port = bytes[..<colon].elementsEqual("http".utf8) ? ":80" : ":443"
            other = Array(bytes[..<authority.endIndex] + Array(port.utf8) + bytes[authority.endIndex...])
        }
        return [url, String(decoding: other, as: UTF8.self)]
    }
}
