public import Engine
public import Kit
import Synchronization

/// A platform's token endpoint as the standard describes it, in memory: codes once, refresh tokens that rotate and
/// whose reuse ends the whole family, and faults on demand.
public final class FakePlatform: TokenWire {
    /// What happens to the next request instead of an answer.
    public enum Fault: Sendable, Equatable {
        /// Nobody is reached.
        case notSent
        /// It takes effect, and the answer is lost.
        case appliedUnheard
        /// It is lost on the way.
        case lostUnheard
        case status(Int)
        /// Too much for it: to be asked again after so many seconds.
        case busy(Int)
        /// The answer itself, with this status.
        case answer(Int, String)
    }

    private struct Grant {
        let account: String
        let scopes: String
        var isAlive = true
    }
    private struct State {
        var codes: [String: Int] = [:]
        var grants: [Grant] = []
        /// Of each refresh token its grant, and whether it was used.
        var refresh: [String: (grant: Int, isUsed: Bool)] = [:]
        var access: [String: (grant: Int, until: Timestamp)] = [:]
        var faults: [Fault] = []
        var requests: [[String: String]] = []
        var authorizations: [String?] = []
        var next = 0
    }
    private let state = Mutex(State())
    private let now: @Sendable () -> Timestamp
    private let rotation: OAuth2.Rotation
    private let accessLife: Int64
    private let refreshLife: Int64?
    private let delay: Duration

    public init(
        rotation: OAuth2.Rotation = .strict, accessLife: Int64 = 86_400, refreshLife: Int64? = 31_536_000,
        delay: Duration = .zero, now: @escaping @Sendable () -> Timestamp
    ) {
        self.rotation = rotation
        self.accessLife = accessLife
        self.refreshLife = refreshLife
        self.delay = delay
        self.now = now
    }

    /// A person consents. Answers the code.
    public func consent(_ account: String, scopes: String) -> String {
        state.withLock { state in
            state.grants.append(Grant(account: account, scopes: scopes))
            state.next += 1
            let code = "code-\(state.next)*!"
            state.codes[code] = state.grants.count - 1
            return code
        }
    }

    public func fail(_ faults: Fault...) { state.withLock { $0.faults += faults } }

    /// The forms that were sent, in order.
    public var requests: [[String: String]] { state.withLock { $0.requests } }
    /// How often tokens were asked for by a refresh token.
    public var refreshes: Int { requests.count { $0["grant_type"] == "refresh_token" } }
    public var revocations: Int { requests.count { $0["token"] != nil } }

    /// Whether an access token is good now.
    public func accepts(_ access: Secret) -> Bool {
        let (text, now) = (access.reveal { String(decoding: $0, as: UTF8.self) }, now())
        return state.withLock { state in
            guard let token = state.access[text], token.until > now else { return false }
            return state.grants[token.grant].isAlive
        }
    }
    /// The account's owner takes everything back.
    public func endAll() {
        state.withLock { state in for index in state.grants.indices { state.grants[index].isAlive = false } }
    }

    // MARK: Answering

    public func send(_ request: TokenRequest, within deadline: Duration) async -> TokenExchange {
        if delay > .zero { try? await Task.sleep(for: delay) }  // Cancelled: it answers at once.
        let form = request.body.map { $0.reveal { Self.fields($0) } } ?? [:]
        let now = now()
        return state.withLock { state in
            state.requests.append(form)
            guard !state.faults.isEmpty else { return .answered(answer(form, &state, now)) }
            switch state.faults.removeFirst() {
            case .notSent: return .notSent
            case .lostUnheard: return .unheard
            case .appliedUnheard:
                _ = answer(form, &state, now)
                return .unheard
            case .status(let status):
                return .answered(Answer(status: status, headers: [], body: Array("<html>".utf8)))
            case .busy(let seconds):
                return .answered(
                    Answer(status: 429, headers: [Field("Retry-After", "\(seconds)")], body: Array("{}".utf8)))
            case .answer(let status, let body):
                return .answered(Answer(status: status, headers: [], body: Array(body.utf8)))
            }
        }
    }

    private func answer(_ form: [String: String], _ state: inout State, _ now: Timestamp) -> Answer {
        switch form["grant_type"] {
        case "authorization_code":
            guard let grant = form["code"].flatMap({ state.codes.removeValue(forKey: $0) }) else {
                return Self.refusal("invalid_grant")
            }
            return tokens(of: grant, &state, now)
        case "refresh_token": return refreshed(form["refresh_token"] ?? "", &state, now)
        default:
            guard let token = form["token"] else { return profile(&state) }
            let grant = state.access[token]?.grant ?? state.refresh[token]?.grant
            if let grant { state.grants[grant].isAlive = false }
            return Answer(status: 200, headers: [], body: [])
        }
    }

    private func refreshed(_ token: String, _ state: inout State, _ now: Timestamp) -> Answer {
        guard let known = state.refresh[token], state.grants[known.grant].isAlive else {
            return Self.refusal("invalid_grant")
        }
        if known.isUsed, rotation == .strict {
            state.grants[known.grant].isAlive = false
            return Self.refusal("invalid_grant")
        }
        if rotation != .none { state.refresh[token]?.isUsed = true }
        return tokens(of: known.grant, &state, now)
    }

    private func tokens(of grant: Int, _ state: inout State, _ now: Timestamp) -> Answer {
        state.next += 1
        let (access, refresh) = ("act.\(state.next)", "rft.\(state.next)")
        state.access[access] = (grant, now + .seconds(accessLife))
        state.refresh[refresh] = (grant, false)
        var members: [JSONMember] = [
            .init("access_token", .string(access)), .init("refresh_token", .string(refresh)),
            .init("token_type", "Bearer"), .init("expires_in", JSON(accessLife)),
            .init("scope", .string(state.grants[grant].scopes)), .init("open_id", .string(state.grants[grant].account)),
        ]
        if let refreshLife { members.append(.init("refresh_expires_in", JSON(refreshLife))) }
        return Answer(status: 200, headers: [], body: JSON.object(members).bytes)
    }

    private func profile(_ state: inout State) -> Answer {
        guard let grant = state.grants.last else { return Self.refusal("invalid_token") }
        let user: JSON = ["open_id": .string(grant.account), "display_name": "Rye & Salt"]
        return Answer(status: 200, headers: [], body: JSON.object([.init("data", ["user": user])]).bytes)
    }

    /// As the platform says it: with 200.
    private static func refusal(_ error: String) -> Answer {
        Answer(status: 200, headers: [], body: JSON.object([.init("error", .string(error))]).bytes)
    }

    private static func fields(_ bytes: [UInt8]) -> [String: String] {
        let pairs = String(decoding: bytes, as: UTF8.self).split(separator: "&").map { part in
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            return (decoded(pair.first ?? ""), decoded(pair.count > 1 ? pair[1] : ""))
        }
        return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    }
    private static func decoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%"), rest.count >= 2 else {
                bytes.append(byte)
                continue
            }
            bytes.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
            rest = rest.dropFirst(2)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
