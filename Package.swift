// swift-tools-version:6.2
import PackageDescription

/// One list for every target; each flag with its reason.
let settings: [SwiftSetting] = [
    // Existentials cost a box and a witness call: make them visible.
    .enableUpcomingFeature("ExistentialAny"),
    // An import is an implementation detail unless it says otherwise.
    .enableUpcomingFeature("InternalImportsByDefault"),
    // A member may be used only where its module is imported: no leaks through other files.
    .enableUpcomingFeature("MemberImportVisibility"),
    // A warning that may stay is never read.
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "tickertape",
    products: [
        .executable(name: "tickertape", targets: ["tickertape"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
    ],
    targets: [
        .target(name: "TickertapeCore", swiftSettings: settings),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
        .target(
            name: "TickertapeWire",
            dependencies: [
                "CZlib",
                "TickertapeCore",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "TickertapeLog",
            dependencies: [
                "TickertapeCore",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
            ],
            resources: [.embedInCode("Migrations")],
            swiftSettings: settings
        ),
        .target(
            name: "TickertapeBroker",
            dependencies: [
                "TickertapeCore",
                "TickertapeWire",
                "TickertapeLog",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "TickertapeAccess",
            dependencies: [
                "TickertapeCore",
                "TickertapeWire",
                "TickertapeLog",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "JWTKit", package: "jwt-kit"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "TickertapeServer",
            dependencies: [
                "TickertapeCore",
                "TickertapeWire",
                "TickertapeLog",
                "TickertapeBroker",
                "TickertapeAccess",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
            ],
            exclude: ["Client/package.json", "Client/README.md"],
            resources: [
                .embedInCode("Client/tickertape.js"), .embedInCode("Client/tickertape.d.ts"),
                .embedInCode("Demo/demo.html"), .embedInCode("Demo/chat.html"),
                .embedInCode("Demo/assistant.html"), .embedInCode("Demo/assistant.js"),
                .embedInCode("Demo/markdown.js"), .embedInCode("Demo/answers.md"),
                .embedInCode("Demo/pages/index.html"),
                .embedInCode("Demo/pages/typewriter-post.html"),
                .embedInCode("Demo/pages/typewriter-eventsource.html"),
                .embedInCode("Demo/pages/chat-websocket.html"),
                .embedInCode("Demo/pages/events.html"), .embedInCode("Demo/pages/tenth.html"),
                .embedInCode("Demo/pages/credentials.html"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "TickertapeAdmin",
            dependencies: [
                "TickertapeCore",
                "TickertapeWire",
                "TickertapeLog",
                "TickertapeBroker",
                "TickertapeAccess",
                "TickertapeServer",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            resources: [
                .embedInCode("Resources/openapi.json"), .embedInCode("Resources/console.html"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "tickertape",
            dependencies: [
                "TickertapeCore",
                "TickertapeWire",
                "TickertapeLog",
                "TickertapeBroker",
                "TickertapeAccess",
                "TickertapeServer",
                "TickertapeAdmin",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        // Seeds, scratch directories and a log in memory, for the tests alone.
        .target(
            name: "TickertapeTestSupport",
            dependencies: ["TickertapeCore", "TickertapeLog"],
            path: "Tests/TickertapeTestSupport",
            swiftSettings: settings
        ),
        .testTarget(
            name: "TickertapeCoreTests",
            dependencies: ["TickertapeCore", "TickertapeTestSupport"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TickertapeWireTests",
            dependencies: [
                "TickertapeCore",
                "TickertapeWire",
                "TickertapeTestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TickertapeLogTests",
            dependencies: [
                "TickertapeCore",
                "TickertapeLog",
                "TickertapeTestSupport",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TickertapeBrokerTests",
            dependencies: [
                "TickertapeCore",
                "TickertapeWire",
                "TickertapeLog",
                "TickertapeBroker",
                "TickertapeTestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TickertapeAccessTests",
            dependencies: [
                "TickertapeCore",
                "TickertapeLog",
                "TickertapeWire",
                "TickertapeAccess",
                "TickertapeTestSupport",
                .product(name: "JWTKit", package: "jwt-kit"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TickertapeServerTests",
            dependencies: [
                "TickertapeCore",
                "TickertapeWire",
                "TickertapeLog",
                "TickertapeBroker",
                "TickertapeAccess",
                "TickertapeServer",
                "TickertapeTestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TickertapeAdminTests",
            dependencies: [
                "TickertapeCore",
                "TickertapeWire",
                "TickertapeLog",
                "TickertapeBroker",
                "TickertapeAccess",
                "TickertapeServer",
                "TickertapeAdmin",
                "TickertapeTestSupport",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "CommandLineTests",
            dependencies: [
                "tickertape",
                "TickertapeWire",
                "TickertapeTestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TidyTests",
            dependencies: [
                "TickertapeTestSupport",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: settings
        ),
    ],
    swiftLanguageModes: [.v6]
)
