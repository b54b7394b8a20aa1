import Kit
import Store

/// What alerts and reviews say, in the reader's language. They are stored in English, for the API and the terminal; of
/// each kind that is known here the words have a sentence, filled from the row; else the stored one is shown.
enum StoredSentences {
    static func summary(_ alert: AlertRow, _ words: Words) -> String {
        sentence("alert.\(alert.kind).summary", values(of: alert), words) ?? alert.summary
    }

    static func action(_ alert: AlertRow, _ words: Words) -> String {
        sentence("alert.\(alert.kind).action", values(of: alert), words) ?? alert.action
    }

    static func question(_ review: Review, _ words: Words) -> String {
        let evidence = (try? JSON.parse(Array(review.evidence.utf8))) ?? .null  // Our own; unread it fills no gap.
        // The same kind is about a whole delivery or about one event of it.
        let isEvent = review.choices.contains("replay")
        var values = ["reason": evidence["reason"]?.text ?? ""]
        // `stripe/cus_1` is a customer at a platform.
        values["customer"] = review.subject.split(separator: "/", maxSplits: 1).last.map(String.init) ?? review.subject
        return sentence("review.question.\(review.kind)\(isEvent ? "_event" : "")", values, words) ?? review.question
    }

    private static func sentence(_ key: String, _ values: [String: String], _ words: Words) -> String? {
        words.text(key) == nil ? nil : words(key, values.mapValues { OutsideText.bounded($0, 500) })
    }

    private static func values(of alert: AlertRow) -> [String: String] {
        let url = alert.summary.split(separator: " ").first { $0.contains("://") }.map(String.init)
        let detail = alert.summary.split(separator: ":", maxSplits: 1).last.map(String.init) ?? alert.summary
        let count = alert.summary.split { !$0.isNumber }.first.map(String.init)
        let command = alert.action.firstRange(of: "patchbay ").map { String(alert.action[$0.lowerBound...]) }
        return [
            "subject": alert.subject, "host": url.map(Hosts.of) ?? alert.subject, "stored": alert.summary,
            "detail": String(detail.drop { $0 == " " }), "n": count ?? "", "command": command ?? "",
        ]
    }
}
