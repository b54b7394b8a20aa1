import Foundation
import Kit
import StandardWebhooks
import Testing

@testable import Server

@Suite("The demo's bakery")
struct BakeryTests {
    private static let secret = "whsec_" + Data(repeating: 9, count: 32).base64EncodedString()

    private func withShop(_ body: (BakeryShop, String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bakery-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }  // A leftover harms nobody.
        try Self.secret.write(
            to: folder.appendingPathComponent("application-secret"), atomically: true, encoding: .utf8)
        try body(BakeryShop(folder: folder.path), folder.path)
    }

    private func webhook(
        _ id: String, _ status: String, version: Int, secret: String = BakeryTests.secret
    ) throws -> Delivery {
        let body = Array(
            """
            {"type":"user.subscription_updated","timestamp":"2026-11-28T10:00:00Z","data":{"user_id":"mira_okafor_12",\
            "version":\(version),"status":"\(status)","plan":"price_pastries","current_period_end":null}}
            """.utf8)
        let now = Timestamp(seconds: Int64(Date().timeIntervalSince1970))
        let headers = StandardSignature.sign(
            body, id: id, at: now, with: try StandardWebhooks().webhooks.secrets(in: secret))
        return Delivery(method: "POST", target: "/hooks", headers: headers, body: body, receivedAt: now)
    }

    private func take(
        _ id: String, _ status: String, version: Int, secret: String = BakeryTests.secret, by shop: BakeryShop
    ) throws -> Int { shop.take(try webhook(id, status, version: version, secret: secret)) }

    @Test("what is signed is believed; an older version and a repeat change nothing")
    func takes() throws {
        try withShop { shop, _ throws in
            #expect(try take("a", "active", version: 3, by: shop) == 204)
            #expect(try take("b", "incomplete", version: 2, by: shop) == 204)
            #expect(try take("a", "active", version: 3, by: shop) == 204)

            let view = shop.view(limit: 10)
            #expect(view.members.map(\.status) == ["active"])
            #expect(view.counts.verified == 2 && view.counts.repeats == 1)
            #expect(view.news.first?.sentence == "Mira Okafor is a member now.")
        }
    }

    @Test(
        "a pace has a sentence, whatever a sandbox says that it is",
        arguments: [
            (0.5, "About one event every 2 seconds."), (1e-300, "About one event every 1000 seconds."),
            (1e300, "About 1000 events a second."), (.infinity, "About 1000 events a second."),
            (0, "Nothing new happens."), (40, "About 40 events a second."),
        ])
    func pace(rate: Double, sentence: String) {
        let pace = StoryPace(rate: rate, isPaused: false)
        #expect(pace.sentence == sentence && (0...100).contains(pace.position))
    }

    @Test("what another secret signed is refused, and changes nothing")
    func refuses() throws {
        try withShop { shop, _ throws in
            let other = "whsec_" + Data(repeating: 8, count: 32).base64EncodedString()
            #expect(try take("a", "active", version: 1, secret: other, by: shop) == 401)
            #expect(shop.view(limit: 10).count == 0)
        }
    }

    @Test("broken, it answers 500 and takes nothing; mended, it takes the same webhook")
    func breaks() throws {
        try withShop { shop, _ throws in
            shop.fail(true)
            #expect(try take("a", "active", version: 1, by: shop) == 500)
            shop.fail(false)
            #expect(try take("a", "active", version: 1, by: shop) == 204)
            #expect(shop.view(limit: 10).active == 1)
        }
    }

    @Test("members are there after a start")
    func keeps() throws {
        try withShop { shop, folder in
            _ = shop.take(try webhook("a", "past_due", version: 1))
            shop.save()
            #expect(BakeryShop(folder: folder).view(limit: 10).members == shop.view(limit: 10).members)
        }
    }

    @Test("the slider goes by powers of ten", arguments: [(0, 0.0), (50, 10), (75, 100), (100, 1000)])
    func pace(position: Int, rate: Double) {
        #expect(abs(StoryPace.rate(at: Double(position)) - rate) < 0.001)
        #expect(StoryPace(rate: rate, isPaused: false).position == position)
    }

    @Test(
        "the pace is said as people say it",
        arguments: [(0.5, "About one event every 2 seconds."), (200, "About 200 events a second.")])
    func sentence(rate: Double, text: String) { #expect(StoryPace(rate: rate, isPaused: false).sentence == text) }
}
