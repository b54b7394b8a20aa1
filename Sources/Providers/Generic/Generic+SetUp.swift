public import Kit

extension Generic: SelfExplaining {
    public var setUp: SetUp {
        SetUp(
            [
                .init(
                    "Declare how the sender signs",
                    "One object a sender, by its name, as JSON; a file is the usual place. `signed` says what is "
                        + "signed, with `{body}`, `{timestamp}` and `{id}`; what it does not name is not believed.",
                    commands: [
                        """
                        cat >generic.json <<'JSON'
                        {"acme": {"secrets": ["…"], "header": "X-Acme-Signature", "algorithm": "hmac-sha256",
                                  "encoding": "hex", "prefix": "sha256=", "signed": "{timestamp}.{body}",
                                  "timestamp_header": "X-Acme-Timestamp", "tolerance": 300,
                                  "event_id": "id", "event_type": "type"}}
                        JSON
                        """, "GENERIC_WEBHOOKS_FILE=generic.json",
                    ]),
                .init(
                    "Give the sender its address",
                    "`{address}/acme`. Restart the server first: settings are read at the start."),
                .init(
                    "Check it",
                    "A delivery that was recorded can be judged without the server; the refused ones say why.",
                    commands: ["patchbay verify < deliveries.jsonl", "patchbay events list --provider generic"]),
            ], events: [],
            settings: [
                .init(
                    Self.setting,
                    "Members of each declaration: " + Declaration.known.map { "`\($0)`" }.joined(separator: ", ")
                        + ". Only `secrets` and `header` are needed.",
                    isNeeded: true)
            ],
            documentation: "https://www.rfc-editor.org/rfc/rfc2104")
    }
}
