import AsyncHTTPClient
import Crypto
import Kit
import NIOCore
import NIOHTTP1
import ServiceLifecycle

/// Files that a simulated platform fetches from this machine, one after the other; kept until they are there.
struct Errand: Sendable, Equatable {
    static let kind = "frame.errand"

    let platform: String
    /// The platform's own name for it.
    let id: String
    let addresses: [String]
    /// Of one file.
    let bytesMax: Int64

    init(platform: String, id: String, addresses: [String], bytesMax: Int64) {
        self.platform = platform
        self.id = id
        self.addresses = addresses
        self.bytesMax = bytesMax
    }

    init?(_ json: JSON) {
        guard let platform = json.text("platform"), let id = json.text("id") else { return nil }
        self.init(
            platform: platform, id: id, addresses: (json["addresses"]?.elements ?? []).compactMap(\.text),
            bytesMax: json.int("bytes_max"))
    }

    var json: JSON {
        [
            "platform": .string(platform), "id": .string(id), "addresses": .array(addresses.map { .string($0) }),
            "bytes_max": JSON(bytesMax),
        ]
    }
}

/// What came of one file: hashed and counted, not kept.
struct FetchedFile: Sendable {
    /// The status of the answer; nil where none came as a whole.
    var status: Int?
    var type = ""
    var count: Int64 = 0
    var hash = ""
}

extension World {
    /// Lets the sandbox fetch files; `fetched` tells the platform what came of it.
    func fetch(_ errand: Errand) {
        put(Errand.kind, errand.platform + " " + errand.id, errand.json)
        add(errand)
    }
}

/// Fetches what platforms let the sandbox fetch: from loopback only, without following redirects.
final class Fetcher: Service {
    private let keeper: Keeper
    private let platforms: [any Platform]
    private let client: HTTPClient
    private let errands: AsyncStream<Errand>
    private let add: AsyncStream<Errand>.Continuation

    /// Errands under way at once; the others wait in the order in which they came.
    static let atOnce = 8
    /// A source that takes longer for one file has failed.
    private static let patience = TimeAmount.seconds(30)

    init(keeper: Keeper, platforms: [any Platform]) {
        self.keeper = keeper
        self.platforms = platforms
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout.connect = .seconds(2)
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        // As many as a world keeps: whoever is not among them is not in the world either.
        (errands, add) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(World.objectsMax))
    }

    func accept(_ errands: [Errand]) { for errand in errands { add.yield(errand) } }

    func run() async throws {
        accept(keeper.turn { world in world.objects(of: Errand.kind).compactMap(Errand.init).reversed() })
        await cancelWhenGracefulShutdown { [self] in
            await withTaskGroup(of: Void.self) { group in
                var underWay = 0
                for await errand in errands {
                    if underWay == Self.atOnce {
                        await group.next()
                        underWay -= 1
                    }
                    group.addTask { await self.go(errand) }
                    underWay += 1
                }
                group.cancelAll()
            }
        }
        try await client.shutdown()
    }

    private func go(_ errand: Errand) async {
        let key = errand.platform + " " + errand.id
        // Reset, cancelled or too old meanwhile.
        guard keeper.turn({ $0.object(Errand.kind, key) != nil }) else { return }
        var files: [FetchedFile] = []
        for address in errand.addresses { files.append(await fetch(address, atMost: errand.bytesMax)) }
        if Task.isCancelled { return }  // It is in the world still, and is done after the next start.
        let fetched = files
        keeper.turn { world in
            guard world.object(Errand.kind, key) != nil else { return }
            world.delete(Errand.kind, key)
            platforms.first { $0.id == errand.platform }?.fetched(errand.id, fetched, in: world)
        }
    }

    private func fetch(_ address: String, atMost limit: Int64) async -> FetchedFile {
        var file = FetchedFile()
        guard isLoopback(address) else { return file }
        do {
            let answer = try await client.execute(HTTPClientRequest(url: address), timeout: Self.patience)
            file.type = answer.headers.first(name: "Content-Type") ?? ""
            var digest = ContentDigest()
            for try await chunk in answer.body {
                file.count += Int64(chunk.readableBytes)
                guard file.count <= limit else { return file }
                digest.update(chunk.readableBytesView)
            }
            file.hash = digest.text
            file.status = Int(answer.status.code)
        } catch {
            return FetchedFile()
        }
        return file
    }
}
