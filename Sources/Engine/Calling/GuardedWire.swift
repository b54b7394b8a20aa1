public import AsyncHTTPClient
import FoundationEssentials
public import Kit
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// What may be dialled for others.
public struct AddressPolicy: Sendable, Equatable {
    /// Ranges that the operator has opened although they are private.
    public let allowed: [CIDR]
    /// Whether plain HTTP will do: in development and tests.
    public let allowsPlainHTTP: Bool

    public init(allowed: [CIDR] = [], allowsPlainHTTP: Bool = false) {
        self.allowed = allowed
        self.allowsPlainHTTP = allowsPlainHTTP
    }

    /// A URL that somebody named, held to the rules that need no resolver.
    public func check(_ url: String) throws(BadAddress) -> OutsideURL {
        try SafeAddress.check(url, allowHTTP: allowsPlainHTTP, allowing: allowed)
    }

    func refusal(of address: IPAddress) -> String? { SafeAddress.refusal(of: address, allowing: allowed) }
}

/// One exchange with an address that somebody else named.
public struct OutsideRequest: Sendable {
    public let url: String
    public let headers: [Field]
    public let body: [UInt8]

    public init(url: String, headers: [Field], body: [UInt8]) {
        self.url = url
        self.headers = headers
        self.body = body
    }
}

public struct WireAnswer: Sendable {
    public let status: Int
    public let headers: [Field]
    /// The start of the body.
    public let body: [UInt8]

    public init(status: Int, headers: [Field], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// Why no answer came.
public enum WireFailure: Error, Sendable, Equatable {
    /// Not dialled: the address is one that others may not make us dial. The sentence says which rule.
    case refusedAddress(String)
    /// The name has no address.
    case unresolvable
    case connect(String)
    case timeout
    case tls(String)
    /// The connection ended before the answer did.
    case reset
    /// Something answered, not in HTTP.
    case notHTTP
    /// Not the other side's fault: this machine has no route, no resolver, no free socket.
    case ownNetwork(String)
    case cancelled

    /// For the page that lists attempts.
    public var sentence: String {
        switch self {
        case .refusedAddress(let reason): reason
        case .unresolvable: "The host name has no address."
        case .connect(let problem): "No connection: \(problem)."
        case .timeout: "No answer in time."
        case .tls(let problem): "No secure connection: \(problem)."
        case .reset: "The connection was closed before the answer was complete."
        case .notHTTP: "The answer is not HTTP."
        case .ownNetwork(let problem): "This server's own network is at fault: \(problem)."
        case .cancelled: "Stopped here."
        }
    }
}

/// Something that reads from addresses that somebody else named.
public protocol OutsideReading: Sendable {
    /// Gets what stands there. Any status is an answer; redirects are not followed.
    func get(_ url: String, headers: [Field]) async throws(WireFailure) -> WireAnswer
}

/// Something that posts to addresses that somebody else named.
public protocol OutsideWire: Sendable {
    func post(_ request: OutsideRequest) async throws(WireFailure) -> WireAnswer
}

/// The only way to addresses that somebody else named.
///
/// The host is resolved here, every address is checked, one refused address refuses all, and a vetted one is dialled
/// without a second lookup; the peer is looked at once more when connected, before a byte is sent. Redirects are not
/// followed, no proxy is taken from the environment, and what is read is bounded.
public final class GuardedWire: OutsideWire, OutsideReading {
    /// How long things may take, and how much is kept.
    public struct Limits: Sendable {
        public var connect = Duration.seconds(5)
        public var whole = Duration.seconds(20)
        /// A vetted address is dialled for so long before its host is resolved again.
        public var vettedFor = Duration.seconds(30)
        public var connectionsPerHost = 16
        /// Read of an answer; what goes beyond is cut off with its connection.
        public var answerRead = 65_536
        /// Kept of an answer.
        public var answerKept = 1024
        public init() {}
    }

    private let policy: AddressPolicy
    private let resolver: any Resolver
    private let limits: Limits
    let clients: GuardedClients
    private let network = NetworkSense()
    private let vetted = Mutex<[String: (addresses: [IPAddress], at: ContinuousClock.Instant)]>([:])
    /// By their text, so that each is read once.
    private let targets = Mutex<[String: Target]>([:])
    /// Hosts and URLs remembered at once.
    private static let vettedMax = 1024

    public init(
        policy: AddressPolicy, resolver: any Resolver, limits: Limits = Limits(),
        configure: (@Sendable (inout HTTPClient.Configuration) -> Void)? = nil
    ) {
        self.policy = policy
        self.resolver = resolver
        self.limits = limits
        clients = GuardedClients(policy: policy, limits: limits, configure: configure)
    }

    /// Closes all connections. Must be called before the last reference goes.
    public func close() async { await clients.close() }

    /// Posts a body. Any status is an answer.
    public func post(_ request: OutsideRequest) async throws(WireFailure) -> WireAnswer {
        try await send(request, .POST)
    }

    public func get(_ url: String, headers: [Field]) async throws(WireFailure) -> WireAnswer {
        try await send(OutsideRequest(url: url, headers: headers, body: []), .GET)
    }

    private func send(_ request: OutsideRequest, _ method: HTTPMethod) async throws(WireFailure) -> WireAnswer {
        let target = try target(request.url)
        let deadline = NIODeadline.now() + TimeAmount(limits.whole)
        let addresses = try await addresses(of: target.url.host)
        var last = WireFailure.unresolvable
        // One after the other (RFC 8305 in its simplest form); families without a route fail at once.
        for address in addresses {
            do {
                let answer = try await exchange(request, method, target, with: address, until: deadline)
                network.reached()
                return answer
            } catch {
                last = error
                guard error.isBeforeTheRequest, NIODeadline.now() < deadline else { break }
            }
        }
        forget(target.url.host)
        throw network.judged(last)
    }

    // MARK: Addresses

    func addresses(of host: OutsideURL.Host) async throws(WireFailure) -> [IPAddress] {
        switch host {
        case .address(let address):
            if let reason = policy.refusal(of: address) { throw .refusedAddress(reason) }
            return [address]
        case .name(let name):
            if let known = known(name) { return known }
            let found: [IPAddress]
            do {
                found = try await resolver.addresses(of: name)
            } catch {
                switch error {
                case .unknown: throw .unresolvable
                case .noAnswer: throw network.judged(.ownNetwork("the resolver does not answer"), as: .unresolvable)
                case .cancelled: throw .cancelled
                }
            }
            network.resolved()
            if let reason = found.lazy.compactMap({ self.policy.refusal(of: $0) }).first {
                throw .refusedAddress(reason)
            }
            remember(found, of: name)
            return found
        }
    }

    private func known(_ name: String) -> [IPAddress]? {
        vetted.withLock { vetted in
            guard let entry = vetted[name], entry.at.duration(to: .now) < limits.vettedFor else { return nil }
            return entry.addresses
        }
    }

    private func remember(_ addresses: [IPAddress], of name: String) {
        vetted.withLock { vetted in
            if vetted.count >= Self.vettedMax { vetted = [:] }
            vetted[name] = (addresses, .now)
        }
    }

    func forget(_ host: OutsideURL.Host) {
        if case .name(let name) = host { vetted.withLock { vetted in _ = vetted.removeValue(forKey: name) } }
    }

    // MARK: The exchange

    private func exchange(
        _ request: OutsideRequest, _ method: HTTPMethod, _ target: Target, with address: IPAddress,
        until deadline: NIODeadline
    ) async throws(WireFailure) -> WireAnswer {
        var headers = HTTPHeaders()
        headers.reserveCapacity(request.headers.count + 2)
        for field in request.headers { headers.add(name: field.name, value: field.value) }
        do {
            return try await clients.with(target.url, address) { client in
                try await GuardedExchange.run(
                    method, request.body, headers, at: target.dialled, by: client, until: deadline, limits: limits)
            }
        } catch {
            throw WireFailure(error)
        }
    }

    /// A URL that passed, read once.
    struct Target {
        let url: OutsideURL
        let dialled: URL
    }

    func target(_ text: String) throws(WireFailure) -> Target {
        if let known = targets.withLock({ $0[text] }) { return known }
        let url: OutsideURL
        do { url = try policy.check(text) } catch { throw .refusedAddress(error.reason) }
        guard let dialled = URL(string: url.dialled) else { throw .refusedAddress("The address cannot be read.") }
        let target = Target(url: url, dialled: dialled)
        targets.withLock { targets in
            if targets.count >= Self.vettedMax { targets = [:] }
            targets[text] = target
        }
        return target
    }
}

extension OutsideURL {
    /// As it is given to the client: the host in its one form, the port always there.
    var dialled: String {
        switch host {
        case .name(let name): "\(scheme.rawValue)://\(name):\(port)\(target)"
        case .address(.v4(let value)): "\(scheme.rawValue)://\(IPAddress.v4(value)):\(port)\(target)"
        case .address(let address): "\(scheme.rawValue)://[\(address)]:\(port)\(target)"
        }
    }
}

extension WireFailure {
    /// Whether the other side cannot have seen the request: another address may be tried.
    var isBeforeTheRequest: Bool {
        switch self {
        case .connect, .ownNetwork: true
        case .refusedAddress, .unresolvable, .timeout, .tls, .reset, .notHTTP, .cancelled: false
        }
    }

    /// Reads what the client, NIO and the kernel throw.
    public init(_ error: any Error) {
        switch error {
        case let failure as WireFailure: self = failure
        case is CancellationError: self = .cancelled
        case let error as HTTPClientError: self = Self.read(error)
        case let error as IOError: self = Self.read(error)
        case let error as NIOConnectionError: self = Self.read(error)
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError: self = .tls(Self.words(for: error))
        case let error as HTTPParserError: self = error == .invalidEOFState ? .reset : .notHTTP
        default: self = .reset
        }
    }

    /// What the host itself said comes before what our side could not do: that one family has no route here says
    /// nothing where the other was refused. A name that nobody resolves is not the host's fault at all.
    private static func read(_ error: NIOConnectionError) -> WireFailure {
        let failures = error.connectionErrors.map { WireFailure($0.error) }
        let theirs = failures.last {
            if case .ownNetwork = $0 { false } else { true }
        }
        if let failure = theirs ?? failures.last { return failure }
        return error.dnsAError != nil || error.dnsAAAAError != nil
            ? .ownNetwork("the host's name is not resolved") : .connect("the host cannot be reached")
    }

    private static func read(_ error: HTTPClientError) -> WireFailure {
        switch error {
        case .cancelled: .cancelled
        case .connectTimeout: .connect("the host does not answer")
        case .deadlineExceeded, .readTimeout, .writeTimeout, .getConnectionFromPoolTimeout: .timeout
        case .tlsHandshakeTimeout: .tls("the handshake took too long")
        default: .reset
        }
    }

    private static func read(_ error: IOError) -> WireFailure {
        switch error.errnoCode {
        case ENETUNREACH, ENETDOWN: .ownNetwork("no route")
        case EADDRNOTAVAIL: .ownNetwork("no free port")
        case EMFILE, ENFILE, ENOBUFS: .ownNetwork("no free socket")
        case ECONNREFUSED: .connect("the host refuses it")
        case EHOSTUNREACH, EHOSTDOWN: .connect("the host cannot be reached")
        case ETIMEDOUT: .connect("the host does not answer")
        default: .reset
        }
    }

    /// Without the other side's own words, which are not for our pages.
    private static func words(for error: any Error) -> String {
        if let extra = error as? NIOSSLExtraError, extra == .failedToValidateHostname {
            return "the certificate is for another host"
        }
        return "\(error)".contains("CERTIFICATE_VERIFY_FAILED")
            ? "the certificate is not trusted" : "the handshake failed"
    }
}

/// Tells our own network's failures from the other side's: while anyone can be reached, it is the other side's.
final class NetworkSense: Sendable {
    /// What was reached so recently says that our side works.
    private static let fresh = Duration.seconds(60)
    private let last = Mutex<(resolved: ContinuousClock.Instant?, reached: ContinuousClock.Instant?)>((nil, nil))

    func resolved() { last.withLock { $0.resolved = .now } }
    func reached() { last.withLock { $0.reached = .now } }

    /// A failure of ours stays one only while nothing else works.
    func judged(_ failure: WireFailure, as theirs: WireFailure = .connect("the host cannot be reached")) -> WireFailure
    {
        guard case .ownNetwork = failure else { return failure }
        let latest = last.withLock { [$0.resolved, $0.reached].compactMap(\.self).max() }
        guard let latest, latest.duration(to: .now) < Self.fresh else { return failure }
        return theirs
    }
}
