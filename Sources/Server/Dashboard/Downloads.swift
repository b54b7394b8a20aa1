import Hummingbird
import Kit
import Store

/// The exact bytes of what was received, to be kept as a file: never shown by a browser, whatever they are.
extension Dashboard {
    var downloads: [OtherRoute] {
        [
            OtherRoute("GET", "/events/{id}/body") { request, context in
                try await answered(request, context) { page in
                    let id = try page.id(EventKind.self)
                    return try await download(id.text, page) { session in
                        try session.eventRow(id).flatMap { row in
                            try session.body(row.range.body).flatMap { ReceivedModel.cut($0, row.range) }
                        }
                    }
                }
            },
            OtherRoute("GET", "/deliveries/{id}/body") { request, context in
                try await answered(request, context) { page in
                    let id = try page.id(DeliveryKind.self)
                    return try await download(id.text, page) { try $0.body(of: id) }
                }
            },
        ]
    }

    private func download(
        _ name: String, _ request: PageRequest, _ read: @escaping @Sendable (Session) throws -> [UInt8]?
    ) async throws -> Response {
        guard request.visitor != nil else { return Self.redirect("/sign-in") }
        guard let bytes = try await app.database.read("download", read) else { throw PageProblem.notFound }
        var headers = Self.headers
        headers[.contentType] = "application/octet-stream"
        headers[.contentDisposition] = "attachment; filename=\"\(name).bin\""
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
