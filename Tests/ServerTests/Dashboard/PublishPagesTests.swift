import Engine
import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Pages of publications", .serialized)
struct PublishPagesTests {
    @Test("what is planned is listed, shown and cancelled; a second cancel is too late", arguments: TestEngine.all)
    func planned(engine: TestEngine) async throws {
        try await PublicationsTests.with(engine) { world in
            let browser = try await Browser.signedIn(world.api)
            #expect(try await browser.get("/publish").html.contains("patchbay publish FILE"))
            #expect(NavEntry.publish.isBuilt && !NavEntry.orders.isBuilt, "only what teaches stands greyed")
            let made = try await world.scheduled()
            #expect(made.status == 202)
            let id = try #require(made.json["id"]?.text)

            let list = try await browser.get("/publish?view=list").html
            #expect(list.contains("Rye is back") && list.contains("Scheduled") && list.contains("/publish/\(id)"))
            #expect(!(try await browser.get("/publish?state=failed").html.contains("Rye is back")))
            let page = try await browser.get("/publish/\(id)").html
            #expect(page.contains("Rye is back") && page.contains("Next:") && page.contains("/publish/\(id)/cancel"))

            let viewer = try await Browser.signedIn(world.api, as: .viewer, name: "viewer")
            #expect(!(try await viewer.get("/publish/\(id)").html.contains("/cancel")))
            #expect(try await viewer.act("/publish/\(id)/cancel").status == 403)

            let cancelled = try await browser.act("/publish/\(id)/cancel")
            #expect(cancelled.location == "/publish/\(id)?note=publication_cancelled")
            let after = try await browser.get("/publish/\(id)").html
            #expect(after.contains("Cancelled") && !after.contains("/publish/\(id)/cancel"))
            #expect(
                try await browser.act("/publish/\(id)/cancel").location == "/publish/\(id)?note=publication_too_late")
            #expect(try await browser.get("/publish/pub_01kb2c3d4e5f6g7h8j9k0m1n2p").status == 404)
        }
    }

    @Test("what nobody knows leads to its review, which takes the decision")
    func unknown() async throws {
        try await PublicationsTests.with { world in
            let id = try #require(try await world.scheduled().json["id"]?.text)
            let now = world.api.clock.now
            let review: ID<ReviewKind> = world.api.app.ids.make()
            let change: ID<ChangeKind> = world.api.app.ids.make()
            try await world.api.database.write("unknown") { session in
                let target = try #require(try session.targets(of: [ID(stored: id)]).first)
                var note = TargetNote(.unknown)
                note.reason = "TikTok did not answer <in time>."
                try session.note(note, of: target.id, at: now)
                _ = try session.open(
                    NewReview(
                        id: review, kind: PublicationWorker.review, subject: target.id.text, question: "Is it there?",
                        evidence: "{}", choices: ["it_is_there", "send_again"], provider: "tiktok", openedAt: now,
                        changeID: change))
            }
            let browser = try await Browser.signedIn(world.api)
            let page = try await browser.get("/publish/\(id)").html
            #expect(page.contains("Nobody knows") && page.contains("/review/\(review)"))
            #expect(page.contains("TikTok did not answer &lt;in time&gt;."))
            let asked = try await browser.get("/review/\(review)").html
            #expect(asked.contains("Was it published?") && asked.contains("It is there"))
            #expect(asked.contains("Send it again"))
        }
    }
}
