import Store

/// Theme, language and keys: kept in cookies of this browser, since they say nothing of anybody.
enum Preferences {
    static let form = PageForm(path: "/preferences", needs: .viewer) { request in
        .seeOther(BrowserText.ownPath(request.form["next"]), note: "saved", cookies: cookies(request.form))
    }

    /// The cookies that a form sets.
    static func cookies(_ form: [String: String]) -> [String] {
        let allowed = [
            ("theme", Reader.themes), ("language", Words.Language.allCases.map(\.rawValue)), ("keys", ["on", "off"]),
        ]
        return allowed.compactMap { name, values in
            form[name].flatMap { values.contains($0) ? $0 : nil }.map {
                "\(name)=\($0); Path=/; Max-Age=31536000; SameSite=Lax"
            }
        }
    }
}
