import Generic
import Kit
import Testing

@Suite("Every webhook scheme")
struct SchemeConformanceTests {
    private func refusal(_ sample: Sample, _ delivery: Delivery, _ secrets: [WebhookSecret]) -> Forged? {
        do {
            _ = try sample.scheme.check(delivery, with: secrets)
            return nil
        } catch { return error }
    }

    @Test("the operator's own declaration is among the samples")
    func declared() throws {
        _ = try Declaration.sample()
        #expect(Sample.all.contains { $0.source is Generic })
    }

    @Test("believes what an active secret signed, the previous one while both are active too", arguments: Sample.all)
    func believed(_ sample: Sample) throws {
        let both = try sample.secrets(sample.secret, sample.oldSecret)

        var deliveries = [
            try sample.delivery(signed: sample.secret), try sample.delivery(signed: sample.oldSecret),
        ]
        if sample.carriesSeveral {
            deliveries.append(try sample.delivery(signed: sample.foreignSecret, sample.oldSecret))
        }
        for delivery in deliveries {
            #expect(try sample.scheme.check(delivery, with: both) == Belief(late: false, signedAt: sample.signedAt))
        }
    }

    @Test("explains a belief and a refusal by the step that decides", arguments: Sample.all)
    func explained(_ sample: Sample) throws {
        let secrets = try sample.secrets(sample.secret, sample.oldSecret)
        func outcomes(_ delivery: Delivery) -> [ProofStep.Outcome] {
            sample.scheme.explained(delivery, with: secrets).map(\.outcome)
        }

        let age: [ProofStep.Outcome] = sample.scheme.tolerance == nil ? [] : [.passed]
        let old = try sample.delivery(signed: sample.oldSecret)
        #expect(outcomes(old) == [.passed, .passed] + age)
        let signature = sample.scheme.explained(old, with: secrets).dropFirst().first
        guard case .signature(let algorithm, 2, 2) = signature?.check else {
            Issue.record("the second of two made it")
            return
        }
        #expect(algorithm.hasPrefix("HMAC-SHA"))

        #expect(
            outcomes(try sample.delivery(signed: sample.foreignSecret))
                == [.passed, .failed(.wrongSignature)] + age.map { _ in .notReached })
        if !sample.signedHeaders.isEmpty {
            #expect(
                outcomes(old.with(headers: [])).first
                    == .failed(.missing(header: sample.scheme.explained(old.with(headers: []), with: []).missing)))
        }
        guard sample.scheme.tolerance != nil else { return }
        let stale = try sample.delivery(signed: sample.secret, received: Sample.now + .days(9))
        guard case .failed(.tooOld) = outcomes(stale).last else {
            Issue.record("its age is what it failed at")
            return
        }
    }

    @Test("refuses what nobody here signed", arguments: Sample.all)
    func wrongSecret(_ sample: Sample) throws {
        let delivery = try sample.delivery(signed: sample.foreignSecret)
        #expect(refusal(sample, delivery, try sample.secrets(sample.secret, sample.oldSecret)) == .wrongSignature)
        #expect(refusal(sample, delivery, []) == .noSecret)
    }

    @Test("looks at the age in whole seconds, both ends included", arguments: Sample.all)
    func age(_ sample: Sample) throws {
        guard let tolerance = sample.scheme.tolerance, let signedAt = sample.signedAt else { return }
        let secrets = try sample.secrets(sample.secret)
        let end = tolerance.late ?? tolerance.past
        for (age, expected) in [
            (tolerance.past, nil), (end, nil), (end + .milliseconds(999), nil),
            (end + .seconds(1), Forged.tooOld(by: end + .seconds(1), allowed: end)),
            (.zero - tolerance.future, nil),
            (
                .zero - tolerance.future - .seconds(1),
                .tooFarAhead(by: tolerance.future + .seconds(1), allowed: tolerance.future)
            ),
        ] {
            let delivery = try sample.delivery(signed: sample.secret, received: signedAt + age)
            #expect(refusal(sample, delivery, secrets) == expected, "\(age)")
        }
        guard tolerance.late != nil else { return }
        let late = try sample.delivery(signed: sample.secret, received: signedAt + tolerance.past + .seconds(1))
        #expect(try sample.scheme.check(late, with: secrets).late)
    }

    @Test(
        "says that a stale signature is wrong if it is wrong, since only then its age means nothing",
        arguments: Sample.all)
    func staleAndWrong(_ sample: Sample) throws {
        let delivery = try sample.delivery(signed: sample.foreignSecret, received: Sample.now + .days(1))
        #expect(refusal(sample, delivery, try sample.secrets(sample.secret)) == .wrongSignature)
    }

    @Test("refuses every change of a single bit of the body", arguments: Sample.all)
    func bodyBits(_ sample: Sample) throws {
        let delivery = try sample.delivery(signed: sample.secret)
        let secrets = try sample.secrets(sample.secret)
        // Of a form the fields are signed, not how they are written.
        let isForm = delivery.contentType == "application/x-www-form-urlencoded"
        let fields = isForm ? FormFields(delivery.body)?.all.map { [$0.name, $0.value] } : nil
        for changed in bitChanges(of: delivery.body) + [[]] {
            if isForm, FormFields(changed)?.all.map({ [$0.name, $0.value] }) == fields { continue }
            let refused = refusal(sample, delivery.with(body: changed), secrets)
            #expect(isForm ? refused != nil : refused == .wrongSignature, "\(String(decoding: changed, as: UTF8.self))")
        }
    }

    @Test("refuses every change of a single bit of its headers", arguments: Sample.all)
    func headerBits(_ sample: Sample) throws {
        let delivery = try sample.delivery(signed: sample.secret)
        let secrets = try sample.secrets(sample.secret)
        for name in sample.signedHeaders {
            let value = try #require(delivery.headers[name])
            for changed in bitChanges(of: Array(value.utf8)) {
                let headers = delivery.headers.map {
                    $0.name == name ? Field(name, String(decoding: changed, as: UTF8.self)) : $0
                }
                #expect(refusal(sample, delivery.with(headers: headers), secrets) != nil, "\(name): \(changed)")
            }
        }
    }

    private func bitChanges(of bytes: [UInt8]) -> [[UInt8]] {
        (0..<bytes.count * 8).map { bit in
            var changed = bytes
            changed[bit / 8] ^= 1 << (bit % 8)
            return changed
        }
    }

    @Test("needs each header once, by any case of its name", arguments: Sample.all)
    func headers(_ sample: Sample) throws {
        let delivery = try sample.delivery(signed: sample.secret)
        let secrets = try sample.secrets(sample.secret)
        for name in sample.signedHeaders {
            let value = try #require(delivery.headers[name])
            let others = delivery.headers.filter { $0.name != name }

            #expect(refusal(sample, delivery.with(headers: others), secrets) == .missing(header: name))
            #expect(
                refusal(sample, delivery.with(headers: others + [Field(name, "")]), secrets) == .missing(header: name))
            let twice = others + [Field(name, value), Field(name.uppercased(), value)]
            #expect(refusal(sample, delivery.with(headers: twice), secrets) == .repeated(header: name))
            #expect(refusal(sample, delivery.with(headers: others + [Field(name.uppercased(), value)]), secrets) == nil)
        }
    }

    @Test("refuses a huge header without reading it", arguments: Sample.all)
    func huge(_ sample: Sample) throws {
        let delivery = try sample.delivery(signed: sample.secret)
        let name = sample.signatureHeader
        guard let value = delivery.headers[name] else { return }
        for separator in [",", " "] {
            let huge = value + String(repeating: separator + value, count: 1000)
            let headers = delivery.headers.map { $0.name == name ? Field(name, huge) : $0 }
            let refused = refusal(sample, delivery.with(headers: headers), try sample.secrets(sample.secret))
            #expect(refused == .malformed(header: name, problem: "is longer than 16384 bytes"))
        }
    }

    @Test("does not believe another provider's signature", arguments: Sample.all, Sample.all)
    func foreign(_ sample: Sample, _ other: Sample) throws {
        guard sample.signatureHeader != other.signatureHeader, sample.source.about.id != other.source.about.id else {
            return
        }
        let signed = try other.delivery(signed: other.secret)
        let renamed = signed.headers.map {
            $0.name == other.signatureHeader ? Field(sample.signatureHeader, $0.value) : $0
        }
        let secrets = try sample.secrets(sample.secret) + sample.secrets(sample.oldSecret)

        #expect(refusal(sample, signed, secrets) != nil)
        #expect(refusal(sample, signed.with(headers: renamed), secrets) != nil)
    }

    @Test("a member that cannot be read hides no good one", arguments: Sample.all.filter { $0.carriesSeveral })
    func malformedMember(_ sample: Sample) throws {
        let delivery = try sample.delivery(signed: sample.secret)
        let name = sample.signatureHeader
        let value = try #require(delivery.headers[name])
        let separator = name.hasSuffix("-signature") ? " " : ","
        let secrets = try sample.secrets(sample.secret)
        for junk in ["", "v1", "v1,", "v1=", "v9,AAAA", "v0=00", "=", ",", "é", "v1a,AAAA", "v1,a,b"] {
            let headers = delivery.headers.map { $0.name == name ? Field(name, junk + separator + value) : $0 }
            #expect(refusal(sample, delivery.with(headers: headers), secrets) == nil, "\(junk)")
        }
    }

    @Test("a time is digits and nothing else", arguments: Sample.all)
    func digits(_ sample: Sample) throws {
        guard sample.scheme.tolerance != nil, sample.scheme.timeInBody == nil else { return }
        let delivery = try sample.delivery(signed: sample.secret)
        let secrets = try sample.secrets(sample.secret)
        let now = String(Sample.now.seconds)
        for time in [
            "", "+\(now)", " \(now)", "\(now).0", "\(now)abc", "1e9", "-1", "99999999999999999999", "١٧٩٥٢٥٥٢٠٠",
        ] {
            let headers = delivery.headers.map { Field($0.name, $0.value.replacing(now, with: time)) }
            #expect(refusal(sample, delivery.with(headers: headers), secrets) != nil, "\(time)")
        }
    }

    @Test("reads at least one event of its own sample, the same twice", arguments: Sample.all)
    func events(_ sample: Sample) throws {
        let delivery = try sample.delivery(signed: sample.secret)
        let again = try sample.delivery(signed: sample.secret, at: Sample.now + .seconds(60))

        let events = try sample.scheme.events(delivery)

        #expect(events.count == 1)
        #expect(events.allSatisfy { $0.body.upperBound <= delivery.body.count && $0.identity.hash.count == 16 })
        #expect(try sample.scheme.events(again) == events)
    }

    @Test("no content makes it crash or fail otherwise than as unreadable", arguments: Sample.all)
    func content(_ sample: Sample) throws {
        let delivery = try sample.delivery(signed: sample.secret)
        for changed in bitChanges(of: delivery.body) + [[], [0], Array("[]".utf8), Array("null".utf8)] {
            _ = try? sample.scheme.events(delivery.with(body: changed))
        }
    }
}

extension [ProofStep] {
    /// The header that the first step misses.
    fileprivate var missing: String {
        if case .failed(.missing(let header)) = first?.outcome { header } else { "" }
    }
}
