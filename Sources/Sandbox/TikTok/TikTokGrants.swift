import Crypto
import Kit

/// Codes and tokens: what people have consented to, and who carries the proof.
/// Source: developers.tiktok.com/doc/oauth-user-access-token-management.
extension TikTokBooks {
    private static let grantKind = "tiktok.grant"
    private static let codeKind = "tiktok.code"
    private static let clientKind = "tiktok.client_token"

    static let accessLife: Int64 = 86_400
    static let refreshLife: Int64 = 31_536_000
    static let clientLife: Int64 = 7200
    private static let codeLife: Int64 = 600
    /// Access tokens of one consent that are good at one time; older ones are forgotten.
    private static let tokensMax = 16

    /// What a consent leads back with. Codes hold characters that must be decoded once and encoded again.
    func code(for account: TikTokAccount, scopes: [String], redirect: String, challenge: String?) -> String {
        let code = world.id("", length: 40) + "*\(world.choice(10))!\(1000 + world.choice(9000)).u1"
        world.put(
            Self.codeKind, code,
            [
                "open_id": .string(account.openID), "scopes": .array(scopes.map { .string($0) }),
                "redirect_uri": .string(redirect), "challenge": JSON(challenge),
                "until": JSON(world.now + Self.codeLife), "is_used": false,
            ])
        return code
    }

    /// Takes a code, once.
    func exchange(_ code: String, redirect: String, verifier: String?) throws(TikTokOAuthError) -> JSON {
        guard let kept = world.object(Self.codeKind, code), !kept.isOn("is_used") else {
            throw TikTokOAuthError("invalid_grant", "Authorization code is unknown or has been used.")
        }
        guard kept.int("until") > world.now else {
            throw TikTokOAuthError("invalid_grant", "Authorization code is expired.")
        }
        guard kept.text("redirect_uri")?.hasSameBytes(as: redirect) == true else {
            throw TikTokOAuthError("invalid_grant", "Redirect_uri is not the one that the code was asked for with.")
        }
        // A verifier without a challenge is not looked at.
        if let challenge = kept.text("challenge") {
            guard let verifier, Self.challenge(verifier).hasSameBytes(as: challenge) else {
                throw TikTokOAuthError("invalid_request", "Code verifier or code challenge is invalid.")
            }
        }
        world.put(Self.codeKind, code, kept.with("is_used", true))
        let id = world.id("g", length: 12)
        count("token.issued")
        return renewed([
            "id": .string(id), "open_id": kept["open_id"] ?? .null, "scopes": kept["scopes"] ?? .null, "access": [],
            "former": [], "is_revoked": false,
        ])
    }

    /// SHA-256 in small hex letters, unlike everybody else.
    static func challenge(_ verifier: String) -> String {
        String(decoding: Hex.encode(Array(SHA256.hash(data: Array(verifier.utf8)))), as: UTF8.self)
    }

    /// A new pair for a refresh token; the former one is taken for the time of grace.
    func refresh(_ token: String) throws(TikTokOAuthError) -> JSON {
        guard var grant = grant(of: token), !grant.isOn("is_revoked") else {
            throw TikTokOAuthError("invalid_grant", "Refresh token is unknown or revoked.")
        }
        let former = (grant["former"]?.elements ?? []).filter { $0.int("until") > world.now }
        let isCurrent = grant.text("refresh")?.hasSameBytes(as: token) ?? false
        guard isCurrent || former.contains(where: { $0.text("token")?.hasSameBytes(as: token) ?? false }) else {
            throw TikTokOAuthError("invalid_grant", "Refresh token has been replaced by a newer one.")
        }
        guard grant.int("refresh_until") > world.now else {
            throw TikTokOAuthError("invalid_grant", "Refresh token is expired.")
        }
        let grace = settings.refreshGrace
        let replaced: JSON = ["token": grant["refresh"] ?? .null, "until": JSON(world.now + grace)]
        grant.set("former", .array(Array((former + (grace > 0 ? [replaced] : [])).suffix(Self.tokensMax))))
        count("token.refreshed")
        return renewed(grant)
    }

    private func renewed(_ grant: JSON) -> JSON {
        var grant = grant
        let id = grant.text("id") ?? ""
        let access = token("act", id)
        let refresh = token("rft", id)
        let good = (grant["access"]?.elements ?? []).filter { $0.int("until") > world.now }
        let new: JSON = ["token": .string(access), "until": JSON(world.now + Self.accessLife)]
        grant.set("access", .array(Array((good + [new]).suffix(Self.tokensMax))))
        grant.set("refresh", .string(refresh))
        grant.set("refresh_until", JSON(world.now + Self.refreshLife))
        world.put(Self.grantKind, id, grant)
        return [
            "access_token": .string(access), "expires_in": JSON(Self.accessLife), "open_id": grant["open_id"] ?? .null,
            "refresh_expires_in": JSON(Self.refreshLife), "refresh_token": .string(refresh),
            "scope": .string(Self.scopes(grant).joined(separator: ",")), "token_type": "Bearer",
        ]
    }

    private func token(_ kind: String, _ grant: String) -> String {
        "\(kind).\(grant).\(world.id("", length: 40))!\(1000 + world.choice(9000)).s1"
    }

    /// For an app by itself; it opens nothing that is simulated.
    func clientToken() -> JSON {
        let token = "clt." + world.id("", length: 40)
        world.put(Self.clientKind, token, ["until": JSON(world.now + Self.clientLife)])
        return ["access_token": .string(token), "expires_in": JSON(Self.clientLife), "token_type": "Bearer"]
    }

    static func scopes(_ grant: JSON) -> [String] { (grant["scopes"]?.elements ?? []).compactMap(\.text) }

    private func grant(of token: String) -> JSON? {
        let parts = token.split(separator: ".", maxSplits: 2)
        return parts.count == 3 ? grant(id: String(parts[1])) : nil
    }
    func grant(id: String) -> JSON? { world.object(Self.grantKind, id) }

    /// The consent that an access token proves now.
    func grant(access token: String) -> JSON? {
        guard let grant = grant(of: token), !grant.isOn("is_revoked") else { return nil }
        let isGood = (grant["access"]?.elements ?? []).contains {
            $0.int("until") > world.now && ($0.text("token")?.hasSameBytes(as: token) ?? false)
        }
        return isGood ? grant : nil
    }

    /// By the developer, with an access token. Unknown tokens are nothing to complain about (RFC 7009, 2.2).
    func revoke(_ token: String) {
        guard let grant = grant(of: token), !grant.isOn("is_revoked") else { return }
        let isIts = (grant["access"]?.elements ?? []).contains { $0.text("token")?.hasSameBytes(as: token) ?? false }
        guard isIts || grant.text("refresh")?.hasSameBytes(as: token) == true else { return }
        end(grant)
        tell("authorization.removed", of: grant.text("open_id"), ["reason": 5])
    }

    /// Everything that a person has consented to ends. How many consents that was.
    func disconnect(_ account: TikTokAccount, reason: Int64) -> Int {
        let grants = world.objects(of: Self.grantKind).filter {
            $0.text("open_id") == account.openID && !$0.isOn("is_revoked")
        }
        for grant in grants { end(grant) }
        if !grants.isEmpty { tell("authorization.removed", of: account.openID, ["reason": JSON(reason)]) }
        return grants.count
    }

    private func end(_ grant: JSON) {
        world.put(Self.grantKind, grant.text("id") ?? "", grant.with("is_revoked", true))
        count("token.revoked")
    }

    var grantsAlive: Int {
        world.objects(of: Self.grantKind).count { !$0.isOn("is_revoked") && $0.int("refresh_until") > world.now }
    }
}
