public import Kit

/// What TikTok is asked by `doctor --online`: a token of the app's own, which nothing else uses, and whose account a
/// few tokens are for. Source: developers.tiktok.com/doc/client-access-token-management, …/tiktok-api-v2-get-user-info.
extension TikTok: Probed {
    public var probes: [OnlineProbe] {
        let path: Path = "/v2/user/info/?fields=open_id"
        return [
            OnlineProbe(
                "app", .client,
                fix: "Compare TIKTOK_CLIENT_KEY and TIKTOK_CLIENT_SECRET with the app's page at TikTok for Developers."
            ) { answer, _, _ in
                let body = try? JSON.parse(answer.body)  // What is no JSON has no token.
                if body?["access_token"]?.text != nil {
                    return [ProbeNote(.ok, "TikTok accepts TIKTOK_CLIENT_KEY and TIKTOK_CLIENT_SECRET.")]
                }
                guard body?["error"]?.text == "invalid_client" else { return nil }
                return [
                    ProbeNote(
                        .failed, "TikTok does not accept TIKTOK_CLIENT_KEY with TIKTOK_CLIENT_SECRET.",
                        advice: "Compare both with the app's page at TikTok for Developers.")
                ]
            },
            OnlineProbe(
                "account",
                .account(Outgoing(.get, path, within: .seconds(5), spends: [Spending(1, of: "user_info")])),
                fix: "Let the account's owner connect it again."
            ) { _, failure, _ in
                failure == nil ? [ProbeNote(.ok, "TikTok accepts its token.")] : nil
            },
        ]
    }
}
