public import Hummingbird
import NIOCore

/// What is known of a request besides the request itself.
public struct Context: RequestContext {
    public var coreContext: CoreRequestContextStorage
    /// The address at the other end of the connection; a proxy's, where there is one.
    public let peer: String?
    /// Ends the connection at once, whatever waits to be written to it.
    let hangUp: @Sendable () -> Void
    /// Set by the first middleware.
    public internal(set) var correlation = Correlation.none

    public init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        peer = source.channel.remoteAddress?.ipAddress
        hangUp = { [channel = source.channel] in channel.close(promise: nil) }
    }
}
