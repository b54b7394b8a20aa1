import Kit
import Store

extension Answer {
    /// The answer with its body as the platform wrote it, where it came compressed by gzip or deflate; as it is for
    /// every other encoding, and nil where what it says of its encoding is not so, or it has more than `limit` bytes.
    func inflated(upTo limit: Int) -> Answer? {
        guard let encoding = headers["Content-Encoding"]?.lowercased(),
            ["gzip", "x-gzip", "deflate"].contains(encoding)
        else { return self }
        return Inflating.bytes(body, upTo: limit).map { Answer(status: status, headers: headers, body: $0) }
    }
}
