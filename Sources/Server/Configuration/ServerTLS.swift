import FoundationEssentials
import Kit
public import Logging
import NIOCore
import NIOPosix
public import NIOSSL
import Synchronization

/// TLS with a certificate that is read again while the server runs, so that its renewal needs no restart.
public enum ServerTLS {
    /// For `HTTPServerBuilder.tls`; nil where the settings name no certificate.
    ///
    /// - Throws: `BadSetting` for files that cannot be used.
    public static func configuration(for settings: Settings, logger: Logger) throws -> TLSConfiguration? {
        guard let files = settings.tls else { return nil }
        let certificate = try CurrentCertificate(files, logger: logger)
        guard let chain = certificate.current.certificateChain, let key = certificate.current.privateKey else {
            return nil
        }
        var configuration = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: key)
        configuration.minimumTLSVersion = .tlsv12
        // On a thread of its own: what a bad file leaves in BoringSSL's error queue, which is the thread's, would end
        // the handshake that asked.
        configuration.sslContextCallback = { _, promise in
            let loop = promise.futureResult.eventLoop
            promise.completeWith(NIOThreadPool.singleton.runIfActive(eventLoop: loop) { certificate.current })
        }
        return configuration
    }
}

/// The certificate that the next handshake uses. Guards what was read last; looks at the files at most once a second.
private final class CurrentCertificate: Sendable {
    private struct Held {
        var pair: NIOSSLContextConfigurationOverride
        var stamp: [Date]
        var lookedAt: ContinuousClock.Instant
    }
    private let files: TLSFiles
    private let logger: Logger
    private let held: Mutex<Held>

    init(_ files: TLSFiles, logger: Logger) throws {
        self.files = files
        self.logger = logger
        held = Mutex(Held(pair: try Self.read(files), stamp: Self.stamp(files), lookedAt: .now))
    }

    /// A pair that cannot be read (half-written, not matching) is passed over: the old one serves on.
    var current: NIOSSLContextConfigurationOverride {
        held.withLock { held in
            guard held.lookedAt + .seconds(1) < .now else { return held.pair }
            held.lookedAt = .now
            let stamp = Self.stamp(files)
            guard stamp != held.stamp else { return held.pair }
            do {
                held.pair = try Self.read(files)
                held.stamp = stamp
                logger.notice("tls.certificate_replaced")
            } catch {
                logger.error("tls.certificate_unreadable", metadata: ["reason": "\(error)"])
            }
            return held.pair
        }
    }

    private static func stamp(_ files: TLSFiles) -> [Date] {
        [files.certificate, files.key].map { path in
            let facts = try? FileManager.default.attributesOfItem(atPath: path)  // Absent: read() says so.
            return facts?[.modificationDate] as? Date ?? .distantPast
        }
    }

    private static func read(_ files: TLSFiles) throws(BadSetting) -> NIOSSLContextConfigurationOverride {
        let chain: [NIOSSLCertificate]
        do { chain = try NIOSSLCertificate.fromPEMFile(files.certificate) } catch {
            throw BadSetting("PATCHBAY_TLS_CERT", "\(files.certificate) is no readable PEM certificate.")
        }
        let key: NIOSSLPrivateKey
        do { key = try NIOSSLPrivateKey(file: files.key, format: .pem) } catch {
            throw BadSetting("PATCHBAY_TLS_KEY", "\(files.key) is no readable PEM private key.")
        }
        var probe = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        probe.minimumTLSVersion = .tlsv12
        guard !chain.isEmpty, (try? NIOSSLContext(configuration: probe)) != nil else {
            throw BadSetting(
                "PATCHBAY_TLS_KEY", "\(files.key) does not belong to the certificate in \(files.certificate).")
        }
        var pair = NIOSSLContextConfigurationOverride()
        pair.certificateChain = chain.map { .certificate($0) }
        pair.privateKey = .privateKey(key)
        return pair
    }
}
