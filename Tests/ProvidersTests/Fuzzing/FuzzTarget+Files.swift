import Kit

/// Files and forms that people send.
extension FuzzTarget {
    /// Users from a spreadsheet.
    static let csv = FuzzTarget(
        "csv",
        seeds: [
            "id,email,metadata.plan\r\nu1,a@example.com,\"rye, \"\"salt\"\"\"\r\n\r\nu2,,\n",
            "\u{FEFF}id\nx\n\"a\nb\",c",
            "\"open, and never closed", ",\r,\r\n\"\"\n",
        ]
    ) { bytes in
        let rows = Array(CSV(bytes))
        try hold(zip(rows, rows.dropFirst()).allSatisfy { $0.line < $1.line }, "rows stand in the order of their lines")
        try hold(rows.allSatisfy { $0.line <= bytes.count { $0 == 0x0A } + 1 }, "a row begins on a line of the file")
        let written = rows.map { row in
            row.fields.map { "\"" + $0.replacing("\"", with: "\"\"") + "\"" }.joined(separator: ",") + "\r\n"
        }
        let again = CSV(Array(written.joined().utf8)).map { $0.fields.map { Array($0.utf8) } }
        try hold(again == rows.map { $0.fields.map { Array($0.utf8) } }, "what is written is read as the same")
    }

    /// A line with the boundary, a byte for the size of pieces, the body of a form with files.
    static let multipart = FuzzTarget(
        "multipart",
        seeds: [
            "x-y\n\u{3}--x-y\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\na\r\nb\r\n--x-y\r\n"
                + "Content-Disposition: form-data; name=\"file\"; filename=\"rye %22.mp4\"\r\n"
                + "Content-Type: video/mp4\r\n\r\n\r\n----x\r\n--x-y\r\n--x-y--\r\n",
            "b\n\u{1}--b--", "\"a b\"\n\u{9}--a b\r\n\r\n\r\n--a b--",
        ]
    ) { bytes in
        let (boundary, rest) = parts(bytes, at: "\n")
        let (size, body) = (Int(rest.first ?? 0) + 1, Array(rest.dropFirst()))
        let (whole, cut) = (await form(body, boundary, body.count + 1), await form(body, boundary, size))
        try hold(whole == cut, "a form is read the same however it is cut")
        let count = whole?.reduce(0) { $0 + $1.bytes.count } ?? 0
        try hold(count <= body.count, "parts are not longer than the form")
    }

    private struct Cut: AsyncIteratorProtocol {
        var left: ArraySlice<UInt8>
        let size: Int

        mutating func next() async -> [UInt8]? {
            guard !left.isEmpty else { return nil }
            defer { left = left.dropFirst(size) }
            return Array(left.prefix(size))
        }
    }
    private struct Read: Equatable {
        let part: FormParts<Cut>.Part
        var bytes: [UInt8] = []
    }

    /// Nil where it is no form, or breaks off.
    private static func form(_ body: [UInt8], _ boundary: String, _ size: Int) async -> [Read]? {
        let type = "multipart/form-data; boundary=" + boundary
        guard var parts = FormParts(Cut(left: body[...], size: size), contentType: type) else { return nil }
        var found: [Read] = []
        do {
            while let part = try await parts.next() {
                var read = Read(part: part)
                while let piece = try await parts.piece() { read.bytes += piece }
                found.append(read)
            }
        } catch { return nil }  // It breaks off.
        return found
    }
}
