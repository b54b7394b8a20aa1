public import Kit

/// What PayPal is asked by `doctor --online`: a token of the app's own.
/// Source: developer.paypal.com/api/rest/authentication.
extension PayPal: Probed {
    public var probes: [OnlineProbe] {
        let fix = "Compare the client id and secret with the app's page at developer.paypal.com, and PAYPAL_MODE."
        return [
            OnlineProbe("app", .client, fix: fix) { answer, _, _ in
                let body = try? JSON.parse(answer.body)  // What is no JSON has no token.
                if body?["access_token"]?.text != nil {
                    return [ProbeNote(.ok, "PayPal accepts the app's client id and secret.")]
                }
                guard body?["error"]?.text == "invalid_client" else { return nil }
                return [ProbeNote(.failed, "PayPal does not accept the app's client id with its secret.", advice: fix)]
            }
        ]
    }
}
