import Kit

/// The page on which a person consents: which account, which scopes, or not at all.
/// Source: developers.tiktok.com/doc/login-kit-web and login-kit-desktop.
struct TikTokAuthorize {
    let books: TikTokBooks
    let request: SandboxRequest

    static let path = "/v2/auth/authorize/"

    static let scopes: [(name: String, what: String)] = [
        ("user.info.basic", "Read your profile's name and picture"),
        ("user.info.profile", "Read your user name, description and link"),
        ("user.info.stats", "Read how many follow you and like your videos"),
        ("video.list", "Read your public videos"), ("video.upload", "Put drafts into your inbox"),
        ("video.publish", "Post to your profile"),
    ]

    /// What the app asks for, once it has been checked.
    private struct Asked {
        let redirect: String
        let state: String
        let scopes: [String]
        let challenge: String?
    }

    /// Why it is no proper question: told to the person, or to the app through its redirect address.
    private enum Wrong: Error {
        case shown(String)
        case led(back: String, state: String?, error: String, String)
    }

    func answer() -> SandboxAnswer {
        let query = Form.parse(Array(request.query.utf8))
        do {
            let asked = try asked(query)
            if request.method == "POST" { return posted(Form.parse(request.body), asked) }
            let isAsked = query["disable_auto_auth"]?.text == "1"
            if !isAsked, let person = books.settings.signedInAs.flatMap({ books.people.account(named: $0) }) {
                return consented(person, asked.scopes, asked)
            }
            return page(asked, problem: nil)
        } catch {
            switch error {
            case .shown(let sentence):
                return SandboxAnswer(400, html: html("Something went wrong", "<p>\(Page.escaped(sentence))</p>"))
            case .led(let back, let state, let error, let description):
                return led(back, [("error", error), ("error_description", description)], state)
            }
        }
    }

    private func asked(_ query: Form) throws(Wrong) -> Asked {
        let key = query["client_key"]?.text ?? ""
        guard key.hasSameBytes(as: books.own.text("client_key") ?? "") else {
            throw .shown("client_key: this app is not known. It is called client_key here, not client_id.")
        }
        let redirect = query["redirect_uri"]?.text ?? ""
        guard TikTokRedirects.isRegistered(redirect, in: books.settings.redirectURIs) else {
            throw .shown("redirect_uri: this address is not registered for the app. Its final slash counts too.")
        }
        let state = query["state"]?.text
        func wrong(_ error: String, _ description: String) -> Wrong {
            .led(back: redirect, state: state, error: error, description)
        }
        guard query["response_type"]?.text == "code" else {
            throw wrong("unsupported_response_type", "Response_type must be code.")
        }
        guard let state, !state.isEmpty else { throw wrong("invalid_request", "State is missing.") }
        let scopes = (query["scope"]?.text ?? "").split(separator: ",", omittingEmptySubsequences: false).map(
            String.init)
        let unknown = scopes.filter { scope in !Self.scopes.contains { $0.name == scope } }
        guard unknown.isEmpty else {
            throw wrong(
                "invalid_scope", "Unknown scope: \(OutsideText.bounded(unknown[0], 80)). Commas separate scopes.")
        }
        return Asked(redirect: redirect, state: state, scopes: scopes, challenge: try challenge(query, wrong))
    }

    private func challenge(_ query: Form, _ wrong: (String, String) -> Wrong) throws(Wrong) -> String? {
        guard let challenge = query["code_challenge"]?.text else { return nil }
        guard query["code_challenge_method"]?.text == "S256", !challenge.isEmpty else {
            throw wrong("invalid_request", "Code_challenge_method must be S256.")
        }
        return challenge
    }

    // MARK: What the person does

    /// `decision=allow|deny`, `account=` a user name, open id or number, `scopes=` those that are granted, commas
    /// between: all that are asked for unless said.
    private func posted(_ form: Form, _ asked: Asked) -> SandboxAnswer {
        if let refusal = Control.stranger(request) {
            return SandboxAnswer(403, html: html("Not from here", "<p>\(Page.escaped(refusal))</p>"))
        }
        guard form["decision"]?.text != "deny" else {
            return led(
                asked.redirect, [("error", "access_denied"), ("error_description", "The user denied the request.")],
                asked.state)
        }
        guard let account = books.people.account(named: form["account"]?.text ?? "0") else {
            return page(asked, problem: "There is no such account. Accounts are user names, or numbers from 0 to 999.")
        }
        var granted = asked.scopes
        if let said = form["scopes"]?.text {
            let named = said.split(separator: ",").map(String.init)
            granted = granted.filter(named.contains)
        } else if form["ticked"] != nil {
            granted = granted.filter { form["grant"]?[$0] != nil }
        }
        return consented(account, granted, asked)
    }

    private func consented(_ account: TikTokAccount, _ scopes: [String], _ asked: Asked) -> SandboxAnswer {
        let code = books.code(for: account, scopes: scopes, redirect: asked.redirect, challenge: asked.challenge)
        books.count("consent.given")
        return led(asked.redirect, [("code", code), ("scopes", scopes.joined(separator: ","))], asked.state)
    }

    private func led(_ back: String, _ values: [(String, String)], _ state: String?) -> SandboxAnswer {
        let all = values + (state.map { [("state", $0)] } ?? [])
        let query = all.map { "\($0)=\(Form.encoded($1))" }.joined(separator: "&")
        return Page.redirect(back + "?" + query, 302)
    }

    // MARK: What the person sees

    /// Enough to choose from; any other can be named.
    private static let shown = 12

    private func page(_ asked: Asked, problem: String?) -> SandboxAnswer {
        let accounts = (0..<Self.shown).map { index in
            let account = books.people.account(index)
            let isPrivate = books.isPrivate(account) ? ", private" : ""
            return "<option value=\"\(account.username)\">\(account.name)\(isPrivate), "
                + "\(books.people.videoCount(of: account)) videos</option>"
        }
        let boxes = Self.scopes.filter { asked.scopes.contains($0.name) }.map { scope in
            "<p><label><input type=\"checkbox\" name=\"grant[\(scope.name)]\" checked> \(scope.what) "
                + "<small>(\(scope.name))</small></label></p>"
        }
        return SandboxAnswer(
            problem == nil ? 200 : 400,
            html: html(
                "Rye wants to use your account",
                """
                \(problem.map { "<p role=\"alert\"><strong>\(Page.escaped($0))</strong></p>" } ?? "")
                <form method="post"><input type="hidden" name="ticked" value="1">
                <p><label>Account <input name="account" list="accounts" value="\(books.people.account(0).username)" \
                required></label><datalist id="accounts">\(accounts.joined())</datalist></p>
                \(boxes.joined())
                <p><button name="decision" value="allow">Continue</button>
                <button name="decision" value="deny" formnovalidate>Cancel</button></p></form>
                """))
    }

    private func html(_ title: String, _ body: String) -> String {
        Page.html(title, body, note: "Simulated: nobody's account is touched.")
    }
}
