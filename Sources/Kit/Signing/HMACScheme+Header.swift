extension HMACScheme {
    /// What a delivery brings to prove itself.
    struct Presented {
        var signed = Signed()
        var time: Timestamp?
        var hmacs: [ArraySlice<UInt8>] = []
        var ed25519: [ArraySlice<UInt8>] = []
    }

    /// Reads the headers of the scheme; the signatures are not looked at yet.
    func presented(in delivery: Delivery) throws(Forged) -> Presented {
        let names = headers(of: delivery)
        var presented = Presented()
        if let id = names.id {
            presented.signed.id = try value(of: id, in: delivery, atMost: Self.longestID)
        }
        if let timestamp = names.timestamp {
            presented.signed.timestamp = try value(of: timestamp, in: delivery, atMost: Self.longestID)
            presented.time = try time(presented.signed.timestamp, in: timestamp)
        }
        let text = try value(of: names.signature, in: delivery, atMost: Self.longestHeader)
        switch layout {
        case .plain(let prefix):
            guard text.starts(with: prefix.utf8) else {
                throw .malformed(header: names.signature, problem: "does not begin with \(prefix)")
            }
            presented.hmacs = [text.dropFirst(prefix.utf8.count)]
        case .pairs(let timestamp, let signature, let blanks):
            let members = blanks ? Self.withoutBlanks(text) : text
            try readPairs(members, timestamp, signature, of: names.signature, into: &presented)
        case .versions(let hmac, let ed25519):
            presented.hmacs = Self.values(named: hmac, in: text, between: UInt8(ascii: " "), after: UInt8(ascii: ","))
            presented.ed25519 = Self.values(
                named: ed25519, in: text, between: UInt8(ascii: " "), after: UInt8(ascii: ","))
        }
        guard presented.hmacs.count + presented.ed25519.count > 0 else {
            throw .malformed(header: names.signature, problem: "holds no signature of a known version")
        }
        guard presented.ed25519.count <= Self.mostEd25519 else {
            throw .malformed(header: names.signature, problem: "holds more than \(Self.mostEd25519) Ed25519 signatures")
        }
        return presented
    }

    private func readPairs(
        _ text: [UInt8], _ timestamp: String, _ signature: String, of header: String, into presented: inout Presented
    ) throws(Forged) {
        let times = Self.values(named: timestamp, in: text, between: UInt8(ascii: ","), after: UInt8(ascii: "="))
        // Platforms' own libraries differ on whether the first or the last counts, so neither does.
        guard let time = times.first, times.count == 1 else {
            throw .malformed(header: header, problem: "needs one \(timestamp)=…, it has \(times.count)")
        }
        presented.signed.timestamp = Array(time)
        presented.time = try self.time(presented.signed.timestamp, in: header)
        presented.hmacs = Self.values(named: signature, in: text, between: UInt8(ascii: ","), after: UInt8(ascii: "="))
    }

    /// The same members, blanks around each left out.
    private static func withoutBlanks(_ text: [UInt8]) -> [UInt8] {
        let blank = UInt8(ascii: " ")
        return Array(
            text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map { member in
                let start = member.drop { $0 == blank }
                return start.prefix(upTo: start.lastIndex { $0 != blank }.map { $0 + 1 } ?? start.startIndex)
            }.joined(separator: [UInt8(ascii: ",")]))
    }

    /// The one value under a header's name.
    private func value(of header: String, in delivery: Delivery, atMost limit: Int) throws(Forged) -> [UInt8] {
        Array(try delivery.theOnly(header, atMost: limit).utf8)
    }

    /// Digits only: libraries that also take `1.5`, `1e9`, ` 1` or `1abc` disagree about what they mean.
    private func time(_ digits: [UInt8], in header: String) throws(Forged) -> Timestamp {
        guard !digits.isEmpty, digits.allSatisfy(\.isDigit),
            let seconds = Int64(String(decoding: digits, as: UTF8.self))
        else { throw .malformed(header: header, problem: "needs a time in whole seconds, in digits") }
        return Timestamp(seconds: seconds)
    }

    /// The values of all members with this name. A member that cannot be read hides no other.
    private static func values(
        named name: String, in text: [UInt8], between separator: UInt8, after sign: UInt8
    ) -> [ArraySlice<UInt8>] {
        let beginning = Array(name.utf8) + [sign]
        return text.split(separator: separator).filter { $0.starts(with: beginning) }.map {
            $0.dropFirst(beginning.count)
        }
    }
}
