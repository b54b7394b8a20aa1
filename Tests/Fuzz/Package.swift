// swift-tools-version: 6.2
import PackageDescription

/// What `scripts/fuzz` builds in `.build-fuzz/tree`, to which it copies Kit, Certificates, the providers and the
/// targets: who only runs the tests builds nothing of it.
let providers = [
    "ActivityPub", "AuthorizeNet", "Braintree", "Generic", "Instagram", "PayPal", "SendGrid", "StandardWebhooks",
    "Stripe", "TikTok", "TikTokShop", "Twilio", "X",
]
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .unsafeFlags(["-sanitize-coverage=edge,trace-cmp,inline-8bit-counters,pc-table"]),
]
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")

let package = Package(
    name: "fuzz",
    dependencies: [
        .package(url: "https://github.com/apple/swift-asn1", exact: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", exact: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
    ],
    targets: [
        .target(
            name: "Kit", dependencies: [crypto, .product(name: "CryptoExtras", package: "swift-crypto")],
            swiftSettings: settings),
        .target(
            name: "Certificates",
            dependencies: [
                "Kit", .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "X509", package: "swift-certificates"),
            ], swiftSettings: settings),
        .executableTarget(
            name: "Fuzz", dependencies: ["Certificates", "Kit"] + providers.map { .init(stringLiteral: $0) },
            swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])]),
    ]
        + providers.map {
            .target(
                name: $0, dependencies: ["Kit", crypto], path: "Sources/Providers/\($0)", swiftSettings: settings)
        },
    swiftLanguageModes: [.v6]
)
