/// Everything that looks random in a sandbox: the n-th draw of a stream is a function of the seed alone.
struct Seed: Sendable, Equatable {
    let value: UInt64

    /// SplitMix64's finalizer over the seed, the stream's name and the number of the draw.
    func draw(_ number: UInt64, of stream: String) -> UInt64 {
        let start = stream.utf8.reduce(value ^ 0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
        var mixed = start &+ (number &+ 1) &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Letters and digits, as ids are made of.
    func text(_ length: Int, _ number: UInt64, of stream: String) -> String {
        let letters = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        var bytes: [UInt8] = []
        var part: UInt64 = 0
        for position in 0..<length {
            if position % 8 == 0 { part = draw(number &* 16 &+ UInt64(position / 8), of: stream) }
            bytes.append(letters[Int(part % 62)])
            part /= 62
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
