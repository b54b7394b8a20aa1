import Foundation
import Kit
import TestSupport
import Testing

@testable import Server
@testable import Store

@Suite("Doctor")
struct DoctorTests {
    @Test(
        "the filesystem of a path is that of the longest mount point above it",
        arguments: [
            ("/data/patchbay", "ext4"), ("/database", "overlay"), ("/data/nas/x", "nfs4"), ("/with blank/x", "tmpfs"),
        ])
    func filesystem(path: String, type: String) {
        let mounts = """
            overlay / overlay rw,lowerdir=/x 0 0
            /dev/sda1 /data ext4 rw 0 0
            nas:/export /data/nas nfs4 rw 0 0
            tmpfs /with\\040blank tmpfs rw 0 0
            """

        #expect(Filesystem.holding(path, mounts: mounts)?.type == type)
    }

    @Test("memory fails, a container's layer and a network warn, a disk is nothing to speak of")
    func risks() {
        let verdicts = ["tmpfs", "overlay", "nfs4", "ext4"].map {
            Filesystem(type: $0, mountPoint: "/").risk?.verdict
        }

        #expect(verdicts == [.failed, .warning, .warning, nil])
    }

    @Test(
        "a sync quicker than any disk's is not believed",
        arguments: [
            (Duration.microseconds(3), Finding.Verdict.warning), (.microseconds(400), .ok),
            (.milliseconds(80), .warning),
        ])
    func sync(median: Duration, verdict: Finding.Verdict) {
        #expect(DoctorRules.sync(median, what: "A sync").verdict == verdict)
    }

    @Test("a sync of a real folder takes some time; a folder that is not there is an answer, too")
    func probe() throws {
        #expect(try SyncProbe.median(in: FileManager.default.temporaryDirectory.path) > .zero)
        #expect(throws: SyncProbe.Unwritable.self) { try SyncProbe.median(in: "/nowhere/at/all") }
    }

    @Test("PostgreSQL without fsync fails")
    func fsyncOff() {
        let health = StoreHealth(
            engine: .postgres, durability: "fsync=off, synchronous_commit=on", isDurable: false, bytes: 0, walBytes: 0,
            version: "17", place: "postgresql://db/patchbay")

        #expect(DoctorRules.durability(health).verdict == .failed)
    }

    @Test("bodies: sealed or not, and whether older ones still need their months' keys")
    func bodies() {
        #expect(DoctorRules.bodies(areSealed: true, months: 2).verdict == .ok)
        let off = DoctorRules.bodies(areSealed: false, months: 0)
        #expect(off.verdict == .off && off.sentence.hasSuffix("(PATCHBAY_SEAL_BODIES)."))
        #expect(DoctorRules.bodies(areSealed: false, months: 1).sentence.contains("1 month has a key"))
        #expect(DoctorRules.bodies(areSealed: false, months: 3).sentence.contains("3 months have a key"))
    }

    @Test("keys: none, one missing, an old one in use, an old one no longer needed")
    func keys() {
        func verdict(_ keys: [String], _ sealed: [(String, Int64)]) -> Finding? {
            DoctorRules.keys(keys, sealed: sealed.map { SealedCount(table: .apps, keyID: $0.0, rows: $0.1) }).first
        }

        #expect(verdict([], [])?.verdict == .warning)
        #expect(verdict([], [("k1", 2)])?.verdict == .failed)
        #expect(verdict(["k2"], [("k1", 2), ("k2", 1)])?.sentence.contains("2 secrets") == true)
        #expect(verdict(["k2", "k1"], [("k1", 2), ("k2", 1)])?.verdict == .warning)
        #expect(verdict(["k2", "k1"], [("k2", 3)])?.sentence.contains("No row needs k1") == true)
    }

    @Test("the disk's end is reckoned from this week's events and bytes an event")
    func room() {
        var facts = StoreFacts()
        facts.events = 100_000
        facts.eventsThisWeek = 70_000
        facts.firstEventAt = .testNow - .days(60)
        let bytes: Int64 = 400_000_000  // 4,000 an event: 40 MB a day.

        func finding(free: Double) -> Finding {
            DoctorRules.room(facts, bytes: bytes, space: DiskSpace(free: free, whole: 1e12), at: .testNow)
        }

        #expect(DoctorRules.eventSize(facts, bytes: bytes).sentence.hasPrefix("4.0 kB an event"))
        #expect(finding(free: 8e9).sentence.contains("full in 200 days") && finding(free: 8e9).verdict == .ok)
        #expect(finding(free: 4e8).verdict == .warning)
        #expect(finding(free: 4e7).verdict == .failed)
        #expect(finding(free: 1e12).sentence.contains("more than ten years"))
    }

    @Test("clocks: apart, gone back, never set")
    func clocks() {
        var facts = StoreFacts()
        #expect(DoctorRules.clock(facts, at: .testNow).verdict == .ok)
        facts.clock = .testNow - .seconds(9)
        #expect(DoctorRules.clock(facts, at: .testNow).verdict == .warning)
        facts.clock = nil
        facts.lastBeatAt = .testNow + .hours(1)
        #expect(DoctorRules.clock(facts, at: .testNow).verdict == .warning)
        #expect(DoctorRules.clock(StoreFacts(), at: Timestamp(seconds: 86_400)).verdict == .failed)
    }

    @Test("a provider's finding names the address to paste")
    func address() throws {
        let settings = try Settings.load(environment: [
            "PATCHBAY_PUBLIC_URL": "https://pb.example.com",
            "STRIPE_WEBHOOK_SECRET": "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH",
        ])

        let finding = SettingsRules.findings(settings).first { $0.name == "provider.stripe" }

        #expect(finding?.sentence.contains("https://pb.example.com/webhooks/stripe") == true)
    }

    @Test(
        "each platform that sends webhooks is listed, with what is set and what is missing",
        arguments: [
            ([:], "off", "Set BRAINTREE_PUBLIC_KEY and BRAINTREE_PRIVATE_KEY."),
            (["BRAINTREE_PUBLIC_KEY": "k"], "warning", "BRAINTREE_PRIVATE_KEY not set"),
            (
                ["BRAINTREE_PUBLIC_KEY": "k", "BRAINTREE_PRIVATE_KEY": "0123456789abcdef0123456789abcdef"], "ok",
                "Webhooks at https://pb.example.com/webhooks/braintree."
            ),
        ] as [([String: String], String, String)])
    func receivers(_ set: [String: String], verdict: String, words: String) throws {
        let settings = try Settings.load(
            environment: set.merging(["PATCHBAY_PUBLIC_URL": "https://pb.example.com"]) { $1 })

        let finding = SettingsRules.findings(settings).first { $0.name == "provider.braintree" }

        #expect(finding.map { "\($0.verdict)" } == verdict)
        #expect([finding?.sentence, finding?.advice].contains { $0?.contains(words) == true })
    }

    @Test("declared senders have an address each")
    func declared() throws {
        let settings = try Settings.load(environment: [
            "GENERIC_WEBHOOKS": #"{"acme":{"secrets":["0123456789abcdef"],"header":"X-Acme-Signature"}}"#
        ])

        let finding = SettingsRules.findings(settings).first { $0.name == "provider.generic" }

        #expect(finding?.sentence.contains("/webhooks/generic/acme") == true)
    }

    @Test("a database with its schema has nothing that failed, and is as it was", arguments: TestEngine.all)
    func examined(engine: TestEngine) async throws {
        try await TestDatabase.withAddress(engine) { url in
            let settings = try Settings.load(environment: ["PATCHBAY_DATABASE_URL": url, "PATCHBAY_MODE": "test"])
            let database = try TestDatabase.open(url, engine)
            _ = try await database.migrate(program: "test", at: .testNow)

            let findings = await Doctor(settings, logger: .quiet, now: { .testNow }).examine()

            // The test's own server may run without fsync, its folder may lie in memory: what is asked is the rest.
            let failed = findings.filter { $0.verdict == .failed }.map(\.name)
            #expect(Set(failed).isSubset(of: ["database.durable", "disk.kind"]))
            #expect(findings.contains { $0.name == "database.writable" && $0.verdict == .ok })
            #expect(try await database.read("counts") { try $0.rowCounts(of: ["instance"]) } == ["instance": 0])
            await database.close()
        }
    }

    @Test("a database that cannot be reached is a finding, not an error")
    func unreachable() async throws {
        let settings = try Settings.load(environment: [
            "PATCHBAY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=1"
        ])

        let findings = await Doctor(settings, logger: .quiet, now: { .testNow }).examine()

        #expect(findings.contains { $0.name == "database.reachable" && $0.verdict == .failed })
    }
}
