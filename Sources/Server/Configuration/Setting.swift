/// One setting: its name, what it is, and how it is written. The table in `Setting+Table.swift` is the single source
/// of what is accepted, of `patchbay.env.example` and of the messages about it.
public struct Setting: Sendable, Equatable {
    /// What the program does with it.
    public enum Standing: Sendable, Equatable {
        case used
        /// Checked as if it were used, and nothing is done with it yet.
        case checked
        /// A platform that is not built yet: the name is known and accepted, so that nobody's file has to change.
        case known
        /// Handed over by a program of ours that starts the server; no person sets it.
        case handed
    }

    public let name: String
    /// A sentence for whoever sets it.
    public let what: String
    /// What counts when it is not set.
    public let usual: String?
    public let example: String
    public let isSecret: Bool
    public let standing: Standing

    init(
        _ name: String, _ what: String, usual: String? = nil, example: String, isSecret: Bool = false,
        standing: Standing = .used
    ) {
        self.name = name
        self.what = what
        self.usual = usual
        self.example = example
        self.isSecret = isSecret
        self.standing = standing
    }

    /// Settings that belong together, under a heading.
    public struct Group: Sendable {
        public let title: String
        public let settings: [Setting]
    }
}

extension Setting {
    /// A declared setting by its name.
    public static func named(_ name: String) -> Setting? { byName[name] }
    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
    public static let all = table.flatMap(\.settings)

    /// Ours, but not settings of the server: the command line reads three, Kubernetes sets the others by itself.
    static func isForeign(_ name: String) -> Bool {
        ["PATCHBAY_URL", "PATCHBAY_API_KEY", "PATCHBAY_EXPORT_PASSPHRASE"].contains(name)
            || name.hasPrefix("PATCHBAY_SERVICE_")
            || name.hasPrefix("PATCHBAY_PORT")
    }

    /// The declared name that somebody may have meant: at most three letters away.
    static func nearest(to name: String) -> String? {
        let near = all.map { (name: $0.name, distance: distance($0.name, name)) }.min { $0.distance < $1.distance }
        return near.flatMap { $0.distance <= 3 ? $0.name : nil }
    }

    /// Letters to change, add or drop.
    private static func distance(_ left: String, _ right: String) -> Int {
        let (left, right) = (Array(left.utf8), Array(right.utf8.prefix(128)))
        var row = Array(0...right.count)
        for (index, letter) in left.enumerated() {
            var corner = row[0]
            row[0] = index + 1
            for place in right.indices {
                let above = row[place + 1]
                row[place + 1] = min(corner + (right[place] == letter ? 0 : 1), above + 1, row[place] + 1)
                corner = above
            }
        }
        return row[right.count]
    }
}

/// Why the start is refused: the name, the fault, an example. Never holds a secret.
public struct BadSetting: Error, Sendable, Equatable, CustomStringConvertible {
    public let name: String
    public let fault: String
    public let example: String?

    init(_ name: String, _ fault: String, example: String? = nil) {
        self.name = name
        self.fault = fault
        self.example = example ?? Setting.named(name).map { "\(name)=\($0.example)" }
    }

    /// One line.
    public var description: String { "\(name): \(fault)" + (example.map { " Example: \($0)" } ?? "") }
}
