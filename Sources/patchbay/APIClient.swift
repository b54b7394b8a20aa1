import AsyncHTTPClient
import Kit
import NIOCore
import NIOHTTP1

/// Talks to the API of a running server.
struct APIClient: Sendable {
    let base: String
    let key: Secret

    /// Larger answers are not shown on a terminal.
    private static let answerMax = 64 << 20

    /// Of a stream that says nothing for so long nobody is at the other end: a comment comes every fifteen seconds.
    private static let silenceMax = TimeAmount.seconds(45)

    /// Lives as long as the process. A server that is not there is told at once, not tried again for a minute.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout.connect = .seconds(5)
        configuration.timeout.read = silenceMax
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    /// The answer's JSON; null where it has none.
    /// - Throws: `Fault` 1 with the problem's own sentence, 3 where nothing answers.
    func send(
        _ method: String, _ path: String, query: [(String, String?)] = [], body: JSON? = nil,
        headers: [(String, String)] = []
    ) async throws -> JSON {
        var request = request(method, path, query, headers)
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body.bytes))
        }
        let (status, bytes, _) = try await exchange(request)
        if bytes.isEmpty, status < 400 { return .null }
        let json = try json(bytes, status)
        guard status < 400 else { throw Self.fault(json, status) }
        return json
    }

    /// The same for one of many: a server that is at its limit is waited for as long as it says, ten times at most.
    func sendPatiently(_ method: String, _ path: String, body: JSON) async throws -> JSON {
        var request = request(method, path, [], [])
        request.headers.add(name: "Content-Type", value: "application/json")
        request.body = .bytes(ByteBuffer(bytes: body.bytes))
        for _ in 0..<10 {
            let (status, bytes, wait) = try await exchange(request)
            if status == 429 || status == 503, let wait {
                try await Task.sleep(for: .seconds(min(wait, 120)))
                continue
            }
            let json = try json(bytes, status)
            guard status < 400 else { throw Self.fault(json, status) }
            return json
        }
        throw Fault("The server has had no room for ten times. Send the rest later.", code: 3)
    }

    /// Sends a file as it is read. As long as bytes go out, it is waited for.
    func upload(
        _ method: String, _ path: String, query: [(String, String?)], file: FileParts,
        headers: [(String, String)] = []
    ) async throws -> JSON {
        var request = request(method, path, query, headers)
        if !request.headers.contains(name: "Content-Type") {
            request.headers.add(name: "Content-Type", value: "application/octet-stream")
        }
        request.body = .stream(file, length: .known(file.count))
        do {
            let answer = try await Self.client.execute(request, deadline: .distantFuture)
            let bytes = Array(try await answer.body.collect(upTo: Self.answerMax).readableBytesView)
            let (status, json) = (Int(answer.status.code), try json(bytes, Int(answer.status.code)))
            guard status < 400 else { throw Self.fault(json, status) }
            return json
        } catch let fault as Fault {
            throw fault
        } catch {
            throw unreachable
        }
    }

    /// An answer without an end, as it comes.
    func stream(
        _ path: String, query: [(String, String?)], headers: [(String, String)]
    ) async throws -> HTTPClientResponse.Body {
        let answer: HTTPClientResponse
        do {
            answer = try await Self.client.execute(request("GET", path, query, headers), deadline: .distantFuture)
        } catch {
            throw unreachable
        }
        guard answer.status == .ok else {
            let bytes = Array(try await answer.body.collect(upTo: Self.answerMax).readableBytesView)
            throw Self.fault(try json(bytes, Int(answer.status.code)), Int(answer.status.code))
        }
        return answer.body
    }

    /// What is answered to a request without a key: health and documents.
    func open(_ path: String) async throws -> (status: Int, json: JSON) {
        let (status, bytes, _) = try await exchange(HTTPClientRequest(url: base + path))
        return (status, try json(bytes, status))
    }

    private func request(
        _ method: String, _ path: String, _ query: [(String, String?)], _ headers: [(String, String)]
    ) -> HTTPClientRequest {
        let pairs = query.compactMap { name, value in value.map { "\(name)=\(Self.encoded($0))" } }
        var request = HTTPClientRequest(url: base + path + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")))
        request.method = .init(rawValue: method)
        key.reveal {
            request.headers.add(name: "Authorization", value: "Bearer " + String(decoding: $0, as: UTF8.self))
        }
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        return request
    }

    private func json(_ bytes: [UInt8], _ status: Int) throws -> JSON {
        guard let json = try? JSON.parse(bytes) else {  // Not ours: a proxy's page, say.
            throw Fault("\(base) answers \(status) without JSON. Is it a Patchbay?", code: 3)
        }
        return json
    }

    private var unreachable: Fault {
        Fault("\(base) cannot be reached. Is the server running? patchbay serve", code: 3)
    }

    /// - Returns: also the seconds of `Retry-After`.
    private func exchange(_ request: HTTPClientRequest) async throws -> (status: Int, bytes: [UInt8], wait: Int?) {
        do {
            let answer = try await Self.client.execute(request, timeout: .seconds(60))
            let body = try await answer.body.collect(upTo: Self.answerMax)
            let wait = answer.headers.first(name: "Retry-After").flatMap { Int($0) }
            return (Int(answer.status.code), Array(body.readableBytesView), wait)
        } catch {
            throw unreachable
        }
    }

    private static func fault(_ problem: JSON, _ status: Int) -> Fault {
        let detail = problem["detail"]?.text ?? "The server answers \(status)."
        let code = problem["code"]?.text.map { " (\($0))" } ?? ""
        return Fault(detail + code, problem: problem["code"]?.text, code: Self.exitCode(status))
    }

    /// What a script learns of a refusal: 2 it asked wrongly, 3 the server cannot answer now, 1 all else.
    private static func exitCode(_ status: Int) -> Int32 {
        switch status {
        case 400, 422: 2
        case 429, 500...: 3
        default: 1
        }
    }

    /// RFC 3986, everything but the unreserved characters.
    static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: String(UnicodeScalar(byte))
            default: "%" + String(byte, radix: 16, uppercase: true).leftPadded
            }
        }.joined()
    }
}

extension String {
    fileprivate var leftPadded: String { utf8.count < 2 ? "0" + self : self }
}
