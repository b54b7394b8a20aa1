/// One step on the way to believing a delivery, for a person who wants to know why.
public struct ProofStep: Sendable, Equatable {
    public enum Check: Sendable, Equatable {
        /// The headers that carry the proof are there, each once, and can be read.
        case headers([String])
        /// A secret made the signature: the first that did, counted from 1, of so many.
        case signature(algorithm: String, secret: Int?, of: Int)
        /// How long before it came it was signed, and how much is allowed.
        case age(Duration, allowed: Duration, isLate: Bool)
    }
    public enum Outcome: Sendable, Equatable {
        case passed
        case failed(Forged)
        /// An earlier step failed.
        case notReached
    }
    public let check: Check
    public let outcome: Outcome

    public init(_ check: Check, _ outcome: Outcome) {
        self.check = check
        self.outcome = outcome
    }
}

extension WebhookScheme {
    /// The steps of `check`, each with what came of it. What it says is what the secrets say that are given, which may
    /// be other ones than those that proved the delivery when it came.
    public func explained(_ delivery: Delivery, with secrets: [WebhookSecret]) -> [ProofStep] {
        let headers = ProofStep.Check.headers(proofHeaders(of: delivery))
        func signature(_ secret: Int?, _ outcome: ProofStep.Outcome) -> ProofStep {
            ProofStep(.signature(algorithm: algorithm(of: delivery), secret: secret, of: secrets.count), outcome)
        }
        if case .remote(let proof) = verification {
            // The key is not fetched to draw a page.
            do { _ = try proof.need(delivery, secrets) } catch { return [ProofStep(headers, .failed(error))] }
            return [ProofStep(headers, .passed)]
        }
        if case .asked(let proof) = verification {
            // Nor is the platform asked for it.
            do { _ = try proof.question(delivery, secrets) } catch { return [ProofStep(headers, .failed(error))] }
            return [ProofStep(headers, .passed)]
        }
        do {
            let signedAt = try prove(delivery, with: secrets)
            let maker = secrets.firstIndex { secret in
                do { return try prove(delivery, with: [secret]) == signedAt } catch { return false }
            }
            return [ProofStep(headers, .passed), signature(maker.map { $0 + 1 }, .passed)]
                + age(of: signedAt, delivery, isReached: true)
        } catch {
            switch error {
            case .missing, .repeated, .malformed, .malformedBody, .uncovered:
                return [ProofStep(headers, .failed(error)), signature(nil, .notReached)]
            case .wrongSignature, .denied, .wrongDigest, .untrustedKey, .challenge, .noSecret, .usedProof, .tooOld,
                .tooFarAhead:
                return [ProofStep(headers, .passed), signature(nil, .failed(error))]
                    + age(of: claimedTime(of: delivery), delivery, isReached: false)
            }
        }
    }

    private func proofHeaders(of delivery: Delivery) -> [String] {
        switch verification {
        case .hmac(let scheme): scheme.chosen(for: delivery).headers(of: delivery).all
        case .proof(let proof): proof.headers
        case .remote(let proof): proof.headers
        case .asked(let proof): proof.headers
        }
    }

    private func algorithm(of delivery: Delivery) -> String {
        switch verification {
        case .hmac(let scheme): scheme.chosen(for: delivery).name
        case .proof(let proof): proof.name
        case .remote(let proof): proof.name
        case .asked(let proof): proof.name
        }
    }

    /// The time that the delivery claims, signed or not.
    private func claimedTime(of delivery: Delivery) -> Timestamp? {
        guard case .hmac(let scheme) = verification else { return nil }
        // It was read before, or has none.
        return (try? scheme.chosen(for: delivery).presented(in: delivery))?.time ?? timeInBody?(delivery)
    }

    private func age(of signedAt: Timestamp?, _ delivery: Delivery, isReached: Bool) -> [ProofStep] {
        guard let tolerance, let signedAt else { return [] }
        let age = delivery.receivedAt - signedAt
        func step(_ isLate: Bool, _ outcome: ProofStep.Outcome) -> [ProofStep] {
            [ProofStep(.age(age, allowed: tolerance.past, isLate: isLate), outcome)]
        }
        guard isReached else { return step(false, .notReached) }
        do { return step(try tolerance.isLate(signedAt, at: delivery.receivedAt), .passed) } catch {
            return step(false, .failed(error))
        }
    }
}

extension HMACScheme {
    /// As people call it: `HMAC-SHA256`.
    public var name: String {
        switch hash {
        case .sha1: "HMAC-SHA1"
        case .sha256: "HMAC-SHA256"
        case .sha512: "HMAC-SHA512"
        }
    }
}
