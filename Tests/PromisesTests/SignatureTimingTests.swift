import AuthorizeNet
import Braintree
import Generic
import Instagram
import Kit
import StandardWebhooks
import Stripe
import Testing
import TikTok
import TikTokShop
import Twilio
import X

/// Whether the time of a comparison tells where two texts begin to differ, by the statistics of dudect (Reparaz,
/// Balasch, Verbauwhede: "Dude, is my code constant time?", 2017): two kinds of input in random order, the slowest
/// samples cropped at several percentiles, Welch's t of each; the worst counts.
@Suite("R17 the time that a proof takes tells a forger nothing", .serialized)
struct SignatureTimingTests {
    /// Beyond it the two kinds of input can be told apart.
    private static let bound = 4.5

    @Test("a signature that differs in its first byte takes as long as one that differs in its last")
    func comparison() {
        let right = Array("5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd".utf8)

        let t = Self.leastOfFive {
            Stopwatch.compare(right, rounds: isTorture ? 200_000 : 20_000) { constantTimeEqual($0, $1) }
        }

        #expect(t < Self.bound)
    }

    @Test("a whole proof: forged in the first byte or in the last, it takes as long", arguments: TimedScheme.all)
    func proof(_ timed: TimedScheme) throws {
        let secrets = try timed.source.webhooks.secrets(in: timed.secret)
        let (first, last) = (try timed.forged(at: .first), try timed.forged(at: .last))

        let t = Self.leastOfFive {
            Stopwatch.welch(rounds: isTorture ? 50_000 : 5000) { isFirst in
                let scheme = timed.source.webhooks
                let delivery = isFirst ? first : last
                return { (try? scheme.check(delivery, with: secrets)) == nil }
            }
        }

        #expect(t < Self.bound, "\(timed.source.about.id)")
    }

    @Test("the measure sees a comparison that leaves early")
    func measure() {
        let right = Array("5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd".utf8)

        // Noise hides a leak from one measurement, never from all.
        let isSeen = (0..<5).contains { _ in
            let t = Stopwatch.compare(right, rounds: 20_000) { left, right in
                for index in right.indices where left[index] != right[index] { return false }
                return true
            }
            return t > 3 * Self.bound
        }

        #expect(isSeen)
    }

    /// A machine that is busy in bursts makes one measurement bad, or some; a leak all five.
    private static func leastOfFive(_ measure: () -> Double) -> Double {
        var least = Double.infinity
        for _ in 0..<5 where least >= bound { least = min(least, measure()) }
        return least
    }
}

/// A scheme whose proof is timed.
struct TimedScheme: Sendable, CustomTestStringConvertible {
    enum Place { case first, last }
    let source: any WebhookSource
    let secret: String
    /// What stands before the signature in its header, or in the body.
    var mark = ""
    /// The header that is nothing but the signature.
    var header: String?
    var content = WebhookSample.Content.json(["id": "evt_1", "type": "a"])
    var testDescription: String { source.about.id }

    static let all = [
        TimedScheme(source: Stripe(), secret: "whsec_timing_0123456789abcdef", mark: "v1="),
        TimedScheme(source: StandardWebhooks(), secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", mark: "v1,"),
        TimedScheme(source: Svix(), secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", mark: "v1,"),
        TimedScheme(source: AuthorizeNet(), secret: "0123456789abcdef0123456789abcdef", mark: "sha512="),
        TimedScheme(source: Instagram(), secret: "0123456789abcdef0123456789abcdef", mark: "sha256="),
        TimedScheme(source: X(), secret: "0123456789abcdef0123456789abcdef", mark: "sha256="),
        TimedScheme(source: TikTok(), secret: "0123456789abcdef0123456789abcdef", mark: "s="),
        TimedScheme(source: TikTokShop(), secret: "key:0123456789abcdef0123456789abcdef", header: "Authorization"),
        TimedScheme(
            source: Twilio(), secret: "0123456789abcdef0123456789abcdef", header: "X-Twilio-Signature",
            content: .form([Field("MessageSid", "SM1"), Field("MessageStatus", "sent")])),
        TimedScheme(source: Generic(), secret: "0123456789abcdef0123456789abcdef", header: "X-Signature"),
        TimedScheme(
            source: Braintree(), secret: "key:0123456789abcdef0123456789abcdef", mark: "%7C",
            content: .xml("<notification><kind>check</kind></notification>")),
    ]

    /// A delivery whose signature is right but for one character.
    func forged(at place: Place) throws -> Delivery {
        let (scheme, now) = (source.webhooks, Timestamp(seconds: 1_795_860_000))
        let signed = scheme.signed(
            content.draft(to: "https://pb.example/"), with: try scheme.secrets(in: secret), id: "msg_1", at: now)
        let headers = signed.headers.map { Field($0.name, isMarked($0) ? changed($0.value, place) : $0.value) }
        let body = signed.headers.contains(where: isMarked) ? signed.body : Array(changed(signed.body, place).utf8)
        return Delivery(method: "POST", target: "/", url: signed.url, headers: headers, body: body, receivedAt: now)
    }

    private func isMarked(_ field: Field) -> Bool {
        header.map { $0 == field.name } ?? field.value.contains(mark)
    }

    private func changed(_ text: some Sequence<UInt8>, _ place: Place) -> String {
        var bytes = Array(text)
        let start = bytes.indices.first { bytes[$0...].starts(with: mark.utf8) }.map { $0 + mark.utf8.count } ?? 0
        let run = bytes[start...].prefix { $0 != UInt8(ascii: "&") && $0 != UInt8(ascii: ",") }
        // The last of all may be padding.
        let index = place == .first ? start : run.endIndex - 2
        bytes[index] = bytes[index] == UInt8(ascii: "1") ? UInt8(ascii: "2") : UInt8(ascii: "1")
        return String(decoding: bytes, as: UTF8.self)
    }

    private func changed(_ text: String, _ place: Place) -> String { changed(text.utf8, place) }
}

/// Times two kinds of input against each other.
enum Stopwatch {
    /// Compares `right` with itself but for the first byte, or for the last.
    static func compare(_ right: [UInt8], rounds: Int, by compare: @escaping ([UInt8], [UInt8]) -> Bool)
        -> Double
    {
        var (first, last) = (right, right)
        first[0] ^= 1
        last[right.count - 1] ^= 1
        // One buffer for both, so that where it lies in memory makes no difference.
        var presented = right
        return welch(rounds: rounds) { isFirst in
            let source = isFirst ? first : last
            for index in source.indices { presented[index] = source[index] }
            return { !compare(presented, right) }
        }
    }

    /// The greatest |t| of all croppings.
    ///
    /// - Parameter prepare: makes what is timed, of one kind or the other; it answers true.
    static func welch(rounds: Int, _ prepare: (Bool) -> () -> Bool) -> Double {
        var samples: [(isFirst: Bool, nanoseconds: Double)] = []
        samples.reserveCapacity(rounds)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<rounds + rounds / 10 {
            let isFirst = Bool.random(using: &random)
            let work = prepare(isFirst)
            let began = ContinuousClock.now
            let isAsExpected = work()
            let took = ContinuousClock.now - began
            guard isAsExpected else { return .infinity }
            samples.append((isFirst, Double(took.components.attoseconds) / 1e9 + Double(took.components.seconds) * 1e9))
        }
        samples.removeFirst(rounds / 10)  // Until all is warm.
        let sorted = samples.map(\.nanoseconds).sorted()
        return [0.5, 0.7, 0.9, 0.99].map { share in
            let limit = sorted[Int(Double(sorted.count - 1) * share)]
            let kept = samples.filter { $0.nanoseconds <= limit }
            return abs(t(kept.filter(\.isFirst).map(\.nanoseconds), kept.filter { !$0.isFirst }.map(\.nanoseconds)))
        }.max() ?? .infinity
    }

    private static func t(_ first: [Double], _ second: [Double]) -> Double {
        guard first.count > 100, second.count > 100 else { return .infinity }
        let (a, b) = (moments(first), moments(second))
        let error = (a.variance / Double(first.count) + b.variance / Double(second.count)).squareRoot()
        return error > 0 ? (a.mean - b.mean) / error : a.mean == b.mean ? 0 : .infinity
    }
    private static func moments(_ values: [Double]) -> (mean: Double, variance: Double) {
        let mean = values.reduce(0, +) / Double(values.count)
        return (mean, values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(values.count - 1))
    }
}
