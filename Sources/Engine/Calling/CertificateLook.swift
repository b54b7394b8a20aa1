public import Kit
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Looks at the certificate that a host shows, when a connection to it could not be made secure, and says what is wrong
/// with its days. Nothing is sent: the connection ends with the handshake.
public enum CertificateLook {
    private static let patience = TimeAmount.seconds(3)

    /// Since when and until when it is good; nil where no certificate is shown.
    public static func days(of host: String, port: Int) async -> (from: Timestamp, until: Timestamp)? {
        let seen = Seen()
        do {
            let context = try NIOSSLContext(configuration: .makeClientConfiguration())
            let name = IPAddress(host) == nil ? host : nil
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(patience)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let handler = try handler(context, name, noting: seen)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                }
                .connect(host: host, port: port).get()
            channel.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
            try await channel.closeFuture.get()
        } catch {
            return seen.days  // That the handshake fails is how a look ends.
        }
        return seen.days
    }

    private static func handler(
        _ context: NIOSSLContext, _ name: String?, noting seen: Seen
    ) throws -> NIOSSLClientHandler {
        let note: NIOSSLCustomVerificationCallback = { chain, promise in
            if let shown = chain.first {
                seen.days = (
                    Timestamp(seconds: Int64(shown.notValidBefore)), Timestamp(seconds: Int64(shown.notValidAfter))
                )
            }
            promise.succeed(NIOSSLVerificationResult.failed)
        }
        return try NIOSSLClientHandler(context: context, serverHostname: name, customVerificationCallback: note)
    }

    /// Written by the handshake, read after it.
    private final class Seen: Sendable {
        typealias Days = (from: Timestamp, until: Timestamp)
        private let state = Mutex<Days?>(nil)

        var days: Days? {
            get { state.withLock { $0 } }
            set { state.withLock { $0 = newValue } }
        }
    }
}
