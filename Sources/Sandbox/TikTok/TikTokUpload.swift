import Kit

/// The upload host: one chunk after the other, in order, within an hour.
/// Source: developers.tiktok.com/doc/content-posting-api-media-transfer-guide.
struct TikTokUpload {
    let books: TikTokBooks
    let request: SandboxRequest

    static let path = "/video/"
    private static let life: Int64 = 3600
    private static let types = ["video/mp4", "video/quicktime", "video/webm"]
    /// A last chunk is less than two.
    private static let chunkMax = 2 * Int(TikTokChunks.chunkMax)

    /// Where the hash goes on; what nobody waits for is counted from nothing.
    var intake: Intake { .digested(ContentDigest(post?.json["digest"]), atMost: Self.chunkMax) }

    private var query: Form { Form.parse(Array(request.query.utf8)) }
    private var post: TikTokPost? { books.post(uploadID: query["upload_id"]?.text ?? "") }

    func answer() -> SandboxAnswer {
        guard request.method == "PUT", request.path == Self.path else { return refusal(404, "No such address.") }
        guard let post else { return refusal(404, "The upload is not known.") }
        guard query["upload_token"]?.text == post.json.text("upload_token") else {
            return refusal(403, "The upload_token is not that of the upload.")
        }
        guard books.world.now < post.createdAt + Self.life else { return refusal(403, "The upload_url has expired.") }
        let type = (request.headers["Content-Type"] ?? "").lowercased()
        guard Self.types.contains(where: type.hasPrefix) else {
            return refusal(400, "Content-Type must be video/mp4, video/quicktime or video/webm.")
        }
        guard let upload = request.upload, let range = Self.range(request.headers["Content-Range"] ?? ""),
            range.total == post.plan.size
        else { return refusal(400, "Content-Range must be bytes FIRST-LAST/TOTAL of the size that was announced.") }
        guard upload.count == range.last - range.first + 1 else {
            return refusal(400, "The body's length is not that of the Content-Range.")
        }
        return take(upload, range.first...range.last, post)
    }

    private func take(_ upload: Upload, _ range: ClosedRange<Int64>, _ post: TikTokPost) -> SandboxAnswer {
        // A chunk that was there already, as after an answer that got lost.
        if range.upperBound < post.uploaded { books.count("chunk.received_again") }
        guard post.status == "PROCESSING_UPLOAD", range.lowerBound == post.uploaded,
            let next = post.plan.next(after: post.uploaded)
        else { return progress(416, post) }
        // It was begun before the chunk in front of it had ended, so that its hash went on without that one.
        guard upload.start == ContentDigest(post.json["digest"]) else { return progress(416, post) }
        guard range == next else { return refusal(400, "The chunk has another length than was announced.") }
        var post = post
        post.uploaded = range.upperBound + 1
        post.json.set("digest", upload.digest.json)
        books.count("chunk.received")
        guard post.uploaded == post.plan.size else {
            books.save(post)
            return progress(206, post)
        }
        books.received(post, hash: upload.digest.text)
        return progress(201, post)
    }

    private static func range(_ text: String) -> (first: Int64, last: Int64, total: Int64)? {
        guard text.hasPrefix("bytes ") else { return nil }
        let sides = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
        let ends = (sides.first ?? "").split(separator: "-", omittingEmptySubsequences: false)
        guard sides.count == 2, ends.count == 2, let first = number(ends[0]), let last = number(ends[1]),
            let total = number(sides[1]), first <= last, last < total
        else { return nil }
        return (first, last, total)
    }

    /// Digits only; far above every size.
    private static func number(_ text: Substring) -> Int64? {
        guard (1...15).contains(text.utf8.count), text.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains)
        else { return nil }
        return Int64(text)
    }

    private func progress(_ status: Int, _ post: TikTokPost) -> SandboxAnswer {
        var answer = SandboxAnswer(status)
        let end = books.settings.rangesCount ? post.uploaded : max(0, post.uploaded - 1)
        if post.uploaded > 0 || status != 416 {
            answer.headers = [Field("Content-Range", "bytes 0-\(end)/\(post.plan.size)")]
        } else {
            // Nothing is there, which a range cannot say.
            answer.headers = [Field("Content-Range", "bytes */\(post.plan.size)")]
        }
        return answer
    }

    private func refusal(_ status: Int, _ message: String) -> SandboxAnswer {
        SandboxAnswer(status, ["error": ["code": JSON(status), "message": .string(message)]])
    }
}
