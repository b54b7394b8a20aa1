import Engine
import Hummingbird
import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("A new post", .serialized)
struct ComposePagesTests {
    /// What the form of the page holds.
    private func fields(_ world: PublicationsTests.World, _ more: [String: String] = [:]) -> [String: String] {
        let account = world.connection.text
        let usual = [
            "to.\(account)": "1", "text": "Rye is back", "object_id": world.object, "when": "now", "act": "send",
            "o.\(account).privacy_level": "SELF_ONLY", "o.\(account).mode": "direct", "once": "a-form-of-its-own",
        ]
        return usual.merging(more) { $1 }
    }

    @Test("a form sent twice is one publication, with what was chosen", arguments: TestEngine.all)
    func once(engine: TestEngine) async throws {
        try await PublicationsTests.with(engine) { world in
            let browser = try await Browser.signedIn(world.api)
            let page = try await browser.get("/publish/new").html
            #expect(page.contains("to.\(world.connection)") && page.contains("of 15 posts left today"))
            let form = fields(world, ["o.\(world.connection).allow_comments": "1"])

            let sent = try await browser.act("/publish/new", form)
            let again = try await browser.act("/publish/new", form)

            #expect(sent.status == 303 && again.location == sent.location)
            let all = try await world.api.get("/v1/publications")
            #expect(all.ids.count == 1)
            #expect(sent.location == "/publish/\(all.ids.first ?? "")?note=post_accepted")
            let target = all.data.first?["targets"]?.elements?.first
            #expect(target?["options"] == ["privacy_level": "SELF_ONLY", "allow_comments": true])
            let viewer = try await Browser.signedIn(world.api, as: .viewer, name: "viewer")
            #expect(try await viewer.get("/publish/new").status == 403)
            #expect(try await viewer.act("/publish/new", form).status == 403)
        }
    }

    @Test("each fault stands at its field, as the API says it, and nothing typed is lost")
    func faults() async throws {
        try await PublicationsTests.with { world in
            let browser = try await Browser.signedIn(world.api)
            let text = String(repeating: "é", count: 2201) + " <b>"
            let form = fields(
                world,
                [
                    "text": text, "o.\(world.connection).privacy_level": "", "o.\(world.connection).cover_ms": "soon",
                    "when": "at", "at": "2020-01-01T10:00",
                ])

            let page = try await browser.act("/publish/new", form)

            #expect(page.status == 422 && page.html.contains(HTML.escaped(text)))
            let option = "id=\"f-o.\(world.connection).cover_ms\" data-fault=\"o.\(world.connection).cover_ms\">"
            #expect(page.html.contains(option) && page.html.contains("must be a whole number from 0 to 600000"))
            #expect(page.html.contains("value=\"soon\"") && page.html.contains("value=\"2020-01-01T10:00\""))
            #expect(page.html.contains("is past. Leave it out to publish at once."))
            #expect(page.html.contains("value=\"\(world.object)\" selected"))

            let rules = try await browser.act(
                "/publish/new", form.merging(["o.\(world.connection).cover_ms": ""]) { $1 })
            #expect(rules.html.contains("2205 characters; TikTok takes 2200. Shorten it."))
            #expect(rules.html.contains("It must be chosen: one of PUBLIC_TO_EVERYONE"))
            let none = try await browser.act("/publish/new", ["text": "Rye", "act": "send"])
            #expect(none.status == 422)
            #expect(try await world.api.get("/v1/publications").ids == [])
        }
    }

    @Test("while somebody writes, counts and faults are what sending would say")
    func checks() async throws {
        try await PublicationsTests.with { world in
            let browser = try await Browser.signedIn(world.api)
            let account = world.connection.text

            let page = try await browser.act(
                "/publish/check", fields(world, ["text": "Rye 🥖 #rye @mill", "o.\(account).privacy_level": ""]))
            let json = try JSON.parse(page.html)

            #expect(json["counts"]?[account] == "17 of 2,200 characters")
            #expect(json["tags"] == "Hashtags: 1, mentions: 1")
            #expect(json["faults"]?["o.\(account).privacy_level"]?.elements?.count == 1 && json["options"] == nil)
            let shown = try JSON.parse(
                try await browser.act("/publish/check", fields(world, ["act": "show"])).html)
            #expect(shown["options"]?.text?.contains("Who may see it") == true)
            let inbox = try JSON.parse(
                try await browser.act(
                    "/publish/check", fields(world, ["object_id": "", "o.\(account).mode": "inbox"])
                ).html)
            #expect(inbox["faults"]?["media"] != nil && inbox["faults"]?["o.\(account).privacy_level"] != nil)
            let coming = try JSON.parse(
                try await browser.act("/publish/check", fields(world, ["object_id": "", "file_comes": "1"])).html)
            #expect(coming["faults"] == .object([]))
            #expect(try await world.api.get("/v1/publications").ids == [])
        }
    }

    @Test("a file of the form becomes an object, once, behind the form's token; a fault keeps it")
    func file() async throws {
        try await PublicationsTests.with { world in
            let browser = try await Browser.signedIn(world.api)
            let token = try #require(try await browser.get("/account").formToken)
            func send(_ fields: [String: String], token: String) async throws -> Browser.Page {
                let body = Self.multipart(
                    [("csrf", token)] + fields.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
                    file: MadeUpFilm.bytes)
                return try await browser.send(
                    .post, "/publish/new",
                    headers: [
                        "Content-Type": "multipart/form-data; boundary=--x-y", "Sec-Fetch-Site": "same-origin",
                    ], bytes: body)
            }
            let form = fields(world).filter { $0.key != "object_id" }

            let foreign = try await send(form, token: "nobody's")
            #expect(foreign.status == 403)
            #expect(try await world.api.get("/v1/objects").ids == [world.object])

            let wrong = try await send(form.merging(["o.\(world.connection).privacy_level": ""]) { $1 }, token: token)
            let objects = try await world.api.get("/v1/objects")
            let made = try #require(objects.ids.first { $0 != world.object })
            #expect(wrong.status == 422 && wrong.html.contains("value=\"\(made)\" selected"))

            let sent = try await send(form.merging(["once": "another-form"]) { $1 }, token: token)
            let again = try await send(form.merging(["once": "another-form"]) { $1 }, token: token)
            #expect(sent.status == 303 && again.location == sent.location)
            #expect(try await world.api.get("/v1/publications").ids.count == 1)
            #expect(try await world.api.get("/v1/objects").ids.count == 3, "one a form")
        }
    }

    static func multipart(_ fields: [(String, String)], file: [UInt8]?) -> [UInt8] {
        var body: [UInt8] = []
        for (name, value) in fields {
            body += "----x-y\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n".utf8
        }
        if let file {
            body +=
                """
                ----x-y\r\nContent-Disposition: form-data; name="file"; filename="rye %22.mp4"\r\n\
                Content-Type: video/mp4\r\n\r\n
                """.utf8
            body += file + Array("\r\n".utf8)
        }
        return body + Array("----x-y--\r\n".utf8)
    }

    @Test("a form is read the same however it is cut; one that ends early is refused")
    func cut() async throws {
        let film: [UInt8] = Array("\r\n----x\r\n--x-y".utf8)
        let whole = Self.multipart([("text", "a\r\nb"), ("empty", "")], file: film)
        for size in 1...whole.count {
            let pieces = stride(from: 0, to: whole.count, by: size).map {
                Array(whole[$0..<min(whole.count, $0 + size)])
            }
            var parts = try #require(FormParts(Pieces(left: pieces[...]), contentType: Self.type))
            var found: [String: [UInt8]] = [:]
            while let part = try await parts.next() {
                var bytes: [UInt8] = []
                while let piece = try await parts.piece() { bytes += piece }
                found[part.fileName ?? part.name] = bytes
            }
            #expect(found == ["text": Array("a\r\nb".utf8), "empty": [], "rye \".mp4": film])
        }
        for length in [0, 10, whole.count - 8] {
            var parts = try #require(
                FormParts(Pieces(left: [Array(whole.prefix(length))]), contentType: Self.type))
            await #expect(throws: FormParts<Pieces>.Broken.self) { while try await parts.next() != nil {} }
        }
        #expect(FormParts(Pieces(left: []), contentType: "multipart/form-data") == nil)
        #expect(FormParts(Pieces(left: []), contentType: "text/plain; boundary=x") == nil)
    }
    private static let type = "multipart/form-data; boundary=--x-y"

    private struct Pieces: AsyncIteratorProtocol {
        var left: ArraySlice<[UInt8]>
        mutating func next() async -> [UInt8]? { left.popFirst() }
    }
}
