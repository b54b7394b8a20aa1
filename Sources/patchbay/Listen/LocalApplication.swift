import AsyncHTTPClient
import Kit
import NIOCore
import NIOHTTP1

/// The application on this machine that parcels are passed on to.
struct LocalApplication {
    /// May hold `{provider}`.
    let address: String

    /// What became of one try.
    enum Outcome: Equatable {
        case answered(Int)
        case unreachable

        var isTaken: Bool { if case .answered(200..<300) = self { true } else { false } }
    }

    /// No webhook handler works longer on one event; a debugger may hold it up, and then it comes again.
    private static let patience = TimeAmount.seconds(60)

    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout.connect = .seconds(5)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    /// Reads an address as a person writes it: `localhost:3000/hooks` is http.
    init(_ text: String) throws {
        let whole = text.hasPrefix("http://") || text.hasPrefix("https://") ? text : "http://" + text
        guard (try? HTTPClient.Request(url: whole.replacing("{provider}", with: "x"))) != nil else {
            // Why it is none does not help; an example does.
            throw Fault("\(text) is no address. Example: --forward-to http://localhost:3000/webhooks", code: 2)
        }
        address = whole
    }

    /// One try. What has begun is not cut off when the command is told to stop: the application may have acted already.
    func take(_ parcel: Parcel) async -> (outcome: Outcome, took: Duration) {
        var request = HTTPClientRequest(url: address.replacing("{provider}", with: parcel.provider ?? "patchbay"))
        request.method = .POST
        for header in parcel.headers { request.headers.add(name: header.name, value: header.value) }
        request.body = .bytes(ByteBuffer(bytes: parcel.body))
        let began = ContinuousClock.now
        let outcome = await Task { [request] in await Self.outcome(of: request) }.value
        return (outcome, ContinuousClock.now - began)
    }

    private static func outcome(of request: HTTPClientRequest) async -> Outcome {
        do {
            let answer = try await client.execute(request, timeout: patience)
            _ = try? await answer.body.collect(upTo: 1 << 20)  // What it says is of no interest.
            return .answered(Int(answer.status.code))
        } catch {
            return .unreachable
        }
    }
}
