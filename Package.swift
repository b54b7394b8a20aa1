// swift-tools-version: 6.2
import PackageDescription

/// One target a platform, so that internal names stay short and no platform can lean on another.
/// To add one: a folder in Sources/Providers, its name here, a line in Sources/Server/Providers.swift.
let providers = [
    "ActivityPub", "AuthorizeNet", "Braintree", "Generic", "Instagram", "PayPal", "SendGrid", "StandardWebhooks",
    "Stripe", "TikTok", "TikTokShop", "Twilio", "X",
]

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

let package = Package(
    name: "patchbay",
    products: [.executable(name: "patchbay", targets: ["patchbay"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", exact: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", exact: "1.21.1"),
        .package(url: "https://github.com/apple/swift-configuration", exact: "1.4.0"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", exact: "2.1.1"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "Kit", dependencies: [crypto, cryptoExtras], swiftSettings: strict),
        .target(
            name: "Certificates",
            dependencies: [
                "Kit", crypto, cryptoExtras, .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "X509", package: "swift-certificates"),
            ],
            swiftSettings: strict),
        .target(
            name: "Store", dependencies: ["Kit", "CSQLite", "CPQ", "CZlib", crypto, log],
            resources: [.embedInCode("Migrations")], swiftSettings: strict),
        .target(
            name: "Engine",
            dependencies: [
                "Kit", "Store", crypto, log, lifecycle,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: strict),
        .target(
            name: "DashboardFiles", exclude: ["tokens.json"],
            resources: [
                .embedInCode("Templates"), .embedInCode("Words"), .embedInCode("Assets"), .embedInCode("Bakery"),
            ],
            swiftSettings: strict),
        .target(
            name: "Server",
            dependencies: [
                "Certificates", "CLinux", "Kit", "Store", "Engine", "DashboardFiles", crypto, cryptoExtras, log,
                lifecycle,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Mustache", package: "swift-mustache"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ] + providers.map { .init(stringLiteral: $0) },
            swiftSettings: strict),
        .target(
            name: "Sandbox",
            dependencies: [
                "Kit", crypto, log, lifecycle,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ] + providers.map { .init(stringLiteral: $0) },
            swiftSettings: strict),
        .executableTarget(
            name: "patchbay",
            dependencies: [
                "Certificates", "Kit", "Store", "Engine", "Server", "Sandbox", crypto, log, lifecycle,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ] + providers.map { .init(stringLiteral: $0) },
            swiftSettings: strict),
        .testTarget(
            name: "KitTests", dependencies: ["Kit", "Certificates", crypto, cryptoExtras], exclude: ["Vectors"],
            swiftSettings: strict),
        .testTarget(
            name: "ProvidersTests",
            dependencies: ["Kit", "Certificates", crypto, cryptoExtras] + providers.map { .init(stringLiteral: $0) },
            swiftSettings: strict),
        .target(
            name: "TestSupport", dependencies: ["Kit", "Store", "Engine", log], path: "Tests/Support",
            swiftSettings: strict),
        .testTarget(name: "StoreTests", dependencies: ["Kit", "Store", "TestSupport", log], swiftSettings: strict),
        .testTarget(
            name: "EngineTests",
            dependencies: [
                "Certificates", "Kit", "Store", "Engine", "Sandbox", "TestSupport", crypto, cryptoExtras, log,
                lifecycle,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ] + providers.map { .init(stringLiteral: $0) },
            exclude: ["Vectors"],
            swiftSettings: strict),
        .testTarget(
            name: "ServerTests",
            dependencies: [
                "DashboardFiles", "Generic", "Instagram", "Kit", "Store", "Engine", "Server", "StandardWebhooks",
                "Stripe",
                "TestSupport", "TikTok",
                crypto,
                log,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SandboxTests", dependencies: ["Kit", "Sandbox", "Stripe", lifecycle], exclude: ["Vectors"],
            swiftSettings: strict),
        .testTarget(
            name: "PromisesTests",
            dependencies: [
                "Kit", "Store", "Engine", "Server", "TestSupport", "patchbay", crypto, log,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ] + providers.map { .init(stringLiteral: $0) },
            swiftSettings: strict),
    ]
        + providers.map {
            .target(name: $0, dependencies: ["Kit", crypto], path: "Sources/Providers/\($0)", swiftSettings: strict)
        },
    swiftLanguageModes: [.v6]
)
