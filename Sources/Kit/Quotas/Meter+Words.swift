/// How the windows lie in a meter's words.
extension Meter {
    /// Counts of a window.
    enum Part: Int {
        case inFlight = 0
        case settled = 1
        // 2 and 3: the mark; 4 and 5: blocked until.
        case learned = 6
        /// The first after the header: what is in the next fixed window already.
        case next = 7
    }

    subscript(_ part: Part, _ segment: MeterPlan.Segment) -> Int {
        get { Int(words[segment.start + part.rawValue]) }
        set { words[segment.start + part.rawValue] = UInt32(clamping: newValue) }
    }

    /// The newest bucket's number, the log's epoch, or the fixed window's end: microseconds.
    func mark(_ segment: MeterPlan.Segment) -> Int64 { wide(segment.start + 2) }
    mutating func mark(_ segment: MeterPlan.Segment, _ value: Int64) { wide(segment.start + 2, value) }

    func blockedUntil(_ segment: MeterPlan.Segment) -> Int64 { wide(segment.start + 4) }
    mutating func blockedUntil(_ segment: MeterPlan.Segment, _ value: Int64) { wide(segment.start + 4, value) }

    private func wide(_ index: Int) -> Int64 {
        Int64(bitPattern: UInt64(words[index]) | UInt64(words[index + 1]) << 32)
    }
    private mutating func wide(_ index: Int, _ value: Int64) {
        let bits = UInt64(bitPattern: value)
        words[index] = UInt32(truncatingIfNeeded: bits)
        words[index + 1] = UInt32(truncatingIfNeeded: bits >> 32)
    }

    // MARK: Buckets

    func bucketCount(_ bucket: Int64, _ segment: MeterPlan.Segment) -> Int {
        let slot = Int(bucket % MeterPlan.Segment.buckets)
        let payload = segment.start + MeterPlan.Segment.header
        let low = (words[payload + slot / 2] >> UInt32(16 * (slot & 1))) & 0xFFFF
        guard segment.isWide else { return Int(low) }
        let high = (words[payload + 30 + slot / 4] >> UInt32(8 * (slot & 3))) & 0xFF
        return Int(low | high << 16)
    }

    mutating func bucketCount(_ bucket: Int64, _ segment: MeterPlan.Segment, _ value: Int) {
        let slot = Int(bucket % MeterPlan.Segment.buckets)
        let payload = segment.start + MeterPlan.Segment.header
        let bounded = UInt32(clamping: min(value, segment.isWide ? 0xFF_FFFF : 0xFFFF))
        write(bounded & 0xFFFF, mask: 0xFFFF, shift: UInt32(16 * (slot & 1)), at: payload + slot / 2)
        guard segment.isWide else { return }
        write(bounded >> 16, mask: 0xFF, shift: UInt32(8 * (slot & 3)), at: payload + 30 + slot / 4)
    }

    private mutating func write(_ value: UInt32, mask: UInt32, shift: UInt32, at index: Int) {
        let others = words[index] & ~(mask << shift)
        words[index] = others | (value << shift)
    }

    mutating func rollBuckets(_ segment: MeterPlan.Segment, _ steady: Int64) {
        let (number, newest) = (steady / segment.grain, mark(segment))
        guard number > newest else { return }
        mark(segment, number)
        guard self[.settled, segment] > 0 else { return }
        if number - newest >= MeterPlan.Segment.buckets {
            let payload = segment.start + MeterPlan.Segment.header
            for index in payload..<segment.start + segment.words { words[index] = 0 }
            self[.settled, segment] = 0
            return
        }
        for bucket in newest + 1...number {
            let count = bucketCount(bucket, segment)
            guard count > 0 else { continue }
            self[.settled, segment] = max(0, self[.settled, segment] - count)
            bucketCount(bucket, segment, 0)
        }
    }

    /// When so many of the settled units are free: those of the oldest buckets.
    func bucketsFreed(_ need: Int, _ segment: MeterPlan.Segment) -> Int64 {
        let newest = mark(segment)
        var found = 0
        for bucket in max(0, newest - MeterPlan.Segment.buckets + 1)...newest {
            found += bucketCount(bucket, segment)
            if found >= need { return (bucket + MeterPlan.Segment.buckets) * segment.grain }
        }
        return (newest + MeterPlan.Segment.buckets) * segment.grain
    }

    // MARK: The log: ticks since its epoch, in no order

    private func entries(_ segment: MeterPlan.Segment) -> Range<Int> {
        let payload = segment.start + MeterPlan.Segment.header
        return payload..<payload + self[.settled, segment]
    }

    mutating func expireLog(_ segment: MeterPlan.Segment, at moment: Moment) {
        guard segment.form == .log, self[.settled, segment] > 0 else { return }
        let epoch = mark(segment)
        var range = entries(segment)
        var index = range.lowerBound
        while index < range.upperBound {
            if epoch + Int64(words[index]) * segment.grain + segment.length <= moment.steady {
                words[index] = words[range.upperBound - 1]
                words[range.upperBound - 1] = 0
                range = range.lowerBound..<range.upperBound - 1
            } else {
                index += 1
            }
        }
        self[.settled, segment] = range.count
    }

    mutating func addToLog(_ units: Int, _ segment: MeterPlan.Segment, _ moment: Moment) {
        expireLog(segment, at: moment)
        if self[.settled, segment] == 0 { mark(segment, moment.steady) }
        // Answers reported late may lie before the epoch: then they count from it, which is later.
        var tick = max(0, moment.steady - mark(segment) + segment.grain - 1) / segment.grain
        if tick > Int64(UInt32.max) {
            // The epoch follows the oldest; what is left spans one window, which always fits.
            let oldest = entries(segment).map { words[$0] }.min() ?? 0
            for index in entries(segment) { words[index] -= oldest }
            mark(segment, mark(segment) + Int64(oldest) * segment.grain)
            tick -= Int64(oldest)
        }
        let capacity = segment.words - MeterPlan.Segment.header
        for _ in 0..<min(units, capacity) {
            if self[.settled, segment] < capacity {
                words[entries(segment).upperBound] = UInt32(clamping: tick)
                self[.settled, segment] += 1
            } else if let oldest = entries(segment).min(by: { words[$0] < words[$1] }) {
                // Full: more was used than the limit allows. It stays full for longer.
                words[oldest] = max(words[oldest], UInt32(clamping: tick))
            }
        }
    }

    func logFreed(_ need: Int, _ segment: MeterPlan.Segment) -> Int64 {
        guard need > 0 else { return 0 }
        let times = entries(segment).map { words[$0] }.sorted()
        guard let time = times.dropFirst(need - 1).first ?? times.last else { return 0 }
        return mark(segment) + Int64(time) * segment.grain + segment.length
    }
}

// MARK: Kept

extension Meter {
    private static let momentMax: Int64 = 1 << 57

    /// For a keeper's table. Nothing is under way in what is kept: a keeper knows its slices.
    public func bytes(by plan: MeterPlan) -> [UInt8] {
        var copy = self
        for segment in plan.segments { copy[.inFlight, segment] = 0 }
        return copy.words.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } }
    }

    /// Nil when the bytes are another plan's, since the limits were declared anew, or no meter wrote them.
    public init?(_ bytes: [UInt8], by plan: MeterPlan) {
        guard bytes.count == plan.size * 4 else { return nil }
        words = stride(from: 0, to: bytes.count, by: 4).map { start in
            bytes[start..<start + 4].reversed().reduce(UInt32(0)) { sum, byte in (sum << 8) | UInt32(byte) }
        }
        for segment in plan.segments {
            // Nothing is under way in what is kept.
            self[.inFlight, segment] = 0
            // Moments are microseconds from 1970, for some thousand years; buckets are numbered in their own grain.
            let markMax = segment.form == .buckets ? Self.momentMax / segment.grain : Self.momentMax
            guard (0...markMax).contains(mark(segment)), (0...Self.momentMax).contains(blockedUntil(segment)) else {
                return nil
            }
            guard segment.form == .log else { continue }
            guard self[.settled, segment] <= segment.words - MeterPlan.Segment.header else { return nil }
        }
    }
}
