import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("What was received, as a command and beside the one before")
struct ReceivedViewsTests {
    @Test("an event is compared with the one before about the same thing, place by place")
    func compared() async throws {
        try await TestAPI.with { api in
            // The first and the eighth are about one customer.
            let ids = try await api.keep(8) { number in
                number == 0
                    ? #"{"id":"evt","data":{"plan":"loaf","lines":[{"n":1},{"n":2}],"note":"x"}}"#
                    : #"{"id":"evt","data":{"plan":"rye","lines":[{"n":1},{"n":3}],"new":true}}"#
            }
            let browser = try await Browser.signedIn(api)
            let page = try await browser.get("/events/\(ids[7])?view=compare").html
            #expect(page.contains("4 places differ from the one before"))
            #expect(page.contains("/events/\(ids[0])"))
            let shown = [
                "$.data.plan", "<del>loaf</del>", "<ins>rye</ins>", "$.data.lines[1].n", "$.data.new", "$.data.note",
            ]
            for text in shown {
                #expect(page.contains(text), "\(text)")
            }
            let first = try await browser.get("/events/\(ids[0])?view=compare").html
            #expect(first.contains("No event before it is about the same thing."))
        }
    }

    @Test("differences: order of members says nothing, kinds and missing values do")
    func differences() throws {
        let old = try JSON.parse(#"{"a":1,"b":[],"c":{"d":null}}"#)
        let new = try JSON.parse(#"{"c":{},"b":[],"a":"1"}"#)
        let rows = ContentDifference.rows(from: old, to: new)
        #expect(rows.map(\.field) == ["$.c", "$.a", "$.c.d"])
        #expect(rows.map(\.before) == [nil, "1", "null"])
        #expect(ContentDifference.rows(from: new, to: new).isEmpty)
    }

    @Test("a delivery as curl sends its like; the signature is left out unless asked for")
    func curl() async throws {
        try await TestAPI.with { api in
            let ids = try await api.keep(1) { _ in #"{"note":"it's rye"}"# }
            let browser = try await Browser.signedIn(api)
            let page = try await browser.get("/events/\(ids[0])?view=curl").html
            #expect(page.contains("curl -X POST"))
            #expect(page.contains("content-type: application/json") && page.contains("--data-raw"))
            #expect(
                page.contains(#"it&#39;\&#39;&#39;s rye"#) || page.contains(#"it'\''s rye"#), "quoted for the shell")
            #expect(page.contains("view=curl&amp;signature=1"))
        }
        let headers = "stripe-signature: t=1,v1=aa\ncontent-type: text/plain\nhost: x"
        let row = DeliveryRow(
            id: ID(stored: "dlv_01kb2c3d4e5f6g7h8j9k0m1n2p"), provider: "stripe", appID: nil, receivedAt: .testNow,
            verdict: "accepted", code: nil, reason: nil, flags: [], method: "POST",
            target: Array("/webhooks/stripe".utf8), headers: Array(headers.utf8), remote: nil, size: 1, eventID: nil)
        let bare = DeliveryCommand.curl(
            row, Array("@file".utf8), leavingOut: ["Stripe-Signature"], at: "https://a.example")
        #expect(!bare.contains("stripe-signature") && !bare.contains("host:"))
        #expect(bare.hasSuffix("--data-raw @file"))
        let signed = DeliveryCommand.curl(row, [0xFF], leavingOut: [], at: "https://a.example")
        #expect(signed.contains("'stripe-signature: t=1,v1=aa'"))
        #expect(signed.hasPrefix("patchbay deliveries body \(row.id) | curl"))
    }
}
