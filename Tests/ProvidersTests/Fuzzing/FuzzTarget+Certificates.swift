import Certificates
import Kit

/// Certificates that stand where a delivery says.
extension FuzzTarget {
    /// A letter: `P` for PEM, `D` for two bytes of length, a certificate of so many in DER, and another; `R` for PEM of
    /// roots.
    static let certificate = FuzzTarget("certificate", seeds: chains) { bytes in
        let rest = Array(bytes.dropFirst())
        let rule = CertificateRule(nameEnds: ".paypal.com")
        guard bytes.first != UInt8(ascii: "R") else {
            guard let chain = try? CertificateChain(roots: rest) else { return }  // No root could be read.
            _ = try? await chain.key(in: Array((leaf + intermediate).utf8), by: rule, at: now)  // Another root.
            return
        }
        let roots = try CertificateChain(roots: Array(root.utf8))
        let document = bytes.first == UInt8(ascii: "D") ? pem(rest) : rest
        guard let vouched = try? await roots.key(in: document, by: rule, at: now) else { return }  // Not believed.
        try hold(vouched.until > now, "what vouches has not ended")
        try hold(
            vouched.key == (try PublicKey(pem: leafKey)), "nothing vouches but what the root's owner has signed")
    }

    private static let now = Timestamp(seconds: 1_795_255_200)

    private static func pem(_ bytes: [UInt8]) -> [UInt8] {
        let (length, rest) = (bytes.prefix(2).reduce(0) { $0 << 8 | Int($1) }, bytes.dropFirst(2))
        let certificates = [Array(rest.prefix(length)), Array(rest.dropFirst(length))].filter { !$0.isEmpty }
        return certificates.flatMap { Array(PEM.text("CERTIFICATE", $0).utf8) }
    }

    @Sendable private static func chains() -> [[UInt8]] {
        let blocks = PEM.blocks(of: Array((leaf + intermediate).utf8)).map(\.bytes)
        let first = blocks.first ?? []
        let length = [UInt8(truncatingIfNeeded: first.count >> 8), UInt8(truncatingIfNeeded: first.count)]
        return [
            Array("P\(leaf)\(intermediate)".utf8), Array("P\(root)".utf8), Array("R\(root)".utf8),
            [UInt8(ascii: "D")] + length + blocks.joined(),
        ]
    }

    // The chain that stands for a platform's in KitTests/Vectors/paypal/pki.
    private static let leaf = """
        -----BEGIN CERTIFICATE-----
        MIIDvzCCAqegAwIBAgIQAPXsUgEIhHUS4bx2VmcLFTANBgkqhkiG9w0BAQsFADBN
        MSYwJAYDVQQKDB1QYXRjaGJheSB0ZXN0IFBLSSwgbm90IFBheVBhbDEjMCEGA1UE
        AwwaUGF0Y2hiYXkgVGVzdCBJbnRlcm1lZGlhdGUwHhcNMjYwMTAxMDAwMDAwWhcN
        MjgwMTAxMDAwMDAwWjBWMSYwJAYDVQQKDB1QYXRjaGJheSB0ZXN0IFBLSSwgbm90
        IFBheVBhbDEsMCoGA1UEAwwjbWVzc2FnZXZlcmlmaWNhdGlvbmNlcnRzLnBheXBh
        bC5jb20wggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQC+ZpT4r9hjOCm/
        1PmpOCGtGDjbTVoeDaiFy+CfTY6c5O1mv3xUZQ1TZgwqgeILI0lfWS+srRUVCn80
        8z4YyfQyk+z3alEKw8b+tcPVKfkHa1JwpRVAwGm9Irg6aKBjQnoJmuCLDMuVV4ZP
        hkUJ5xwJjHemimarzc+rL1PMNQdkkLnHZ4O63KpqCAg7Xb8+FVJnFR3pxwnoacrC
        MPdtgWtU0RTNZg9iJxxORlszT5ojPSEJJTCxIHuJ/kKadTRqmuGIdzjcAQf1/xOH
        0o1WMQsGZP/clllM4nZgEHmbvzsnO6HI5qz3+Xfwfa9r8Tz2J+RbXr7Zwfj4CG8p
        +AZ09RLFAgMBAAGjgZEwgY4wDAYDVR0TAQH/BAIwADAdBgNVHQ4EFgQUR2WDiIrL
        vcGNh4hjTxIn4jZ+BJgwHwYDVR0jBBgwFoAUyzITErxYzyu1RrcYj9y5AncYhPww
        DgYDVR0PAQH/BAQDAgeAMC4GA1UdEQQnMCWCI21lc3NhZ2V2ZXJpZmljYXRpb25j
        ZXJ0cy5wYXlwYWwuY29tMA0GCSqGSIb3DQEBCwUAA4IBAQCQUUYT6leb74T3oJ0b
        C4h6YEceLumWanTRjfiKIR9bjwW0HSk2ud6z5z/tLwBJPu2D3Qm8y9ljkeQ14MC8
        giCDoepvQTwIqhW2sbU7tPP/c4qqeXmh+Q2dWegVx2swBMDfAlZMUpZ2MuO8Hi95
        bE6YGSvsfiY/kkJJjKsap94Vb7TDeNnENhQYWLDJ1lMVIC+hZinlVF7ddZ6ql0YY
        EjvZfy+omRukAm3zdurzqwiN15f5A2VrgR9R1FbkcCKKAA9Tm8qXnAbuJiMEO6WH
        ZFWLxYVJfvt75aE8nqEH8j1aFu7E7GZDPO9VDj7f+qCK35F/MqOsaJW8R43gQndq
        jM34
        -----END CERTIFICATE-----

        """
    private static let intermediate = """
        -----BEGIN CERTIFICATE-----
        MIIDgTCCAmmgAwIBAgIPFQm7m/EzMcoRh4NZOUKlMA0GCSqGSIb3DQEBCwUAMEUx
        JjAkBgNVBAoMHVBhdGNoYmF5IHRlc3QgUEtJLCBub3QgUGF5UGFsMRswGQYDVQQD
        DBJQYXRjaGJheSBUZXN0IFJvb3QwHhcNMjQwMTAxMDAwMDAwWhcNNDQwMTAxMDAw
        MDAwWjBNMSYwJAYDVQQKDB1QYXRjaGJheSB0ZXN0IFBLSSwgbm90IFBheVBhbDEj
        MCEGA1UEAwwaUGF0Y2hiYXkgVGVzdCBJbnRlcm1lZGlhdGUwggEiMA0GCSqGSIb3
        DQEBAQUAA4IBDwAwggEKAoIBAQCfaVMH1LPh1nwjH4KBCjyh/b3NXmNq2YT40D4H
        iwyDM80UcKCIJYlt+xWYbBTLC+lcGbdhY0K8D8+nAbBbD58xQbjwOMtbJdFKWt9h
        Lxh1eLeDMUxYw1sxHWUn9T6OQPAbMLpePVa3UWPFImOI0Dn/ykSTzyG08xbRBEfW
        n0e80IqKuz2vwcebKKWA/wT+gnlqy4BIl/ptlTYMMxeI8Q2bKTbPhjjJC4MOOKdM
        JClVniB+byNT1fYclhcBDZyy4VthczCMjo6rVjP+ssmn0pzqpLNrr98taf77JTIH
        q5lJ/iZsqDje7WPNE0PHQRNgmu5isARHnAcegEYwISXyvn4rAgMBAAGjZjBkMBIG
        A1UdEwEB/wQIMAYBAf8CAQAwHQYDVR0OBBYEFMsyExK8WM8rtUa3GI/cuQJ3GIT8
        MB8GA1UdIwQYMBaAFETznoTyUJbDfzkLo+2+lJDHqzBeMA4GA1UdDwEB/wQEAwIB
        BjANBgkqhkiG9w0BAQsFAAOCAQEAAen8bSC/LU6Bgfh3wvsKXufJ1KII3QmGnoEk
        f9ZUCtfHy3PVGO9Fu74QQeSGgcRt9XXLOr6CmYfs+G2xy53N8DO7YqLEKxO71gP4
        GS0kwSq++w52WYiN0IcW3H5qRspfU3MIdNMTXMVvKmBeEkXBEBhSReMAIo4iTCYT
        1Dyv0nO7oqoTNdGpy6OnWpXHZZnP95rqh+GELspWRGZdMzLUGkVgjlNw2HoNAikN
        D7LBWCJB0OaJn22eDA3sF22R9Av4Bd/EGj+BuCAcYf+miIjqZBXzeFB/h/i+5V5t
        uuVr5ifrVskrzPf4gCH7edjBUWv1XYBJ4B2LToNDDsffDCE4VQ==
        -----END CERTIFICATE-----

        """
    private static let root = """
        -----BEGIN CERTIFICATE-----
        MIIDdjCCAl6gAwIBAgIPR+qgLLaRbYbcKDzwSA/6MA0GCSqGSIb3DQEBCwUAMEUx
        JjAkBgNVBAoMHVBhdGNoYmF5IHRlc3QgUEtJLCBub3QgUGF5UGFsMRswGQYDVQQD
        DBJQYXRjaGJheSBUZXN0IFJvb3QwHhcNMjQwMTAxMDAwMDAwWhcNNDQwMTAxMDAw
        MDAwWjBFMSYwJAYDVQQKDB1QYXRjaGJheSB0ZXN0IFBLSSwgbm90IFBheVBhbDEb
        MBkGA1UEAwwSUGF0Y2hiYXkgVGVzdCBSb290MIIBIjANBgkqhkiG9w0BAQEFAAOC
        AQ8AMIIBCgKCAQEAkSoz3NNg7Ko4/Q9BUqFrRL6k4UXZ/IQlrOpmeotXBODwWytA
        e/Mo8g4ewTxV2FfYqJW2e1KOirPNkbZFkOTY9mBllv+9jsHX3riJQy4U+/0rCXbv
        I7r9dTzh18MMtK8x9sxlFrW6Ku6lvvyUYgDK98ZmSEm6u7E2Qvwcr29BtysxGf42
        V1jBC78YTJVWYK8cRih2oBqHK06S3DTNxljdm1HuwiZdH2IE49XVxVeATX5SYROC
        uDKpgbqPLb3JJ6Vw3Wx3jhgL+0FhuxU4Ymb2j/UXF1+ISPblAqJPZKLUC0kB0qfG
        w7DcE43U/L8KBzAQQYqh9Zvljef6bcs2Erlw/QIDAQABo2MwYTAPBgNVHRMBAf8E
        BTADAQH/MB0GA1UdDgQWBBRE856E8lCWw385C6PtvpSQx6swXjAfBgNVHSMEGDAW
        gBRE856E8lCWw385C6PtvpSQx6swXjAOBgNVHQ8BAf8EBAMCAQYwDQYJKoZIhvcN
        AQELBQADggEBAAj+kiBoMBzyAOnQOK11BNnezaGzcV2icH01BAmNBYr0ts66gFSI
        7LWCubKjb63G/8QUlaGwADBDg1SqG4R4+i2UsU7hxDIPXkIQW3j5zOuk7GuufyD6
        eAL56XwrlfFaNySBux/L/RVVQ5bNtjZbOXzMsLIM/VuqAEA/HaKB6zJStreoUcU6
        AK7FdarOCgchl7pSlL31sUv4ljpZnzkTRiESvgAl73n0LY0N1LaScUMjEbeLP1CJ
        mS2p1AwC6uh14vdMidotpNqeX99Rh7+YIdWBroTn6qdDOwaPq0myGDtp2agj9AeN
        XglclEB26wbcwxyaqt3BQWHmsZghfF1uFJw=
        -----END CERTIFICATE-----

        """
    private static let leafKey = """
        -----BEGIN PUBLIC KEY-----
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvmaU+K/YYzgpv9T5qTgh
        rRg4201aHg2ohcvgn02OnOTtZr98VGUNU2YMKoHiCyNJX1kvrK0VFQp/NPM+GMn0
        MpPs92pRCsPG/rXD1Sn5B2tScKUVQMBpvSK4OmigY0J6CZrgiwzLlVeGT4ZFCecc
        CYx3popmq83Pqy9TzDUHZJC5x2eDutyqaggIO12/PhVSZxUd6ccJ6GnKwjD3bYFr
        VNEUzWYPYiccTkZbM0+aIz0hCSUwsSB7if5CmnU0aprhiHc43AEH9f8Th9KNVjEL
        BmT/3JZZTOJ2YBB5m787JzuhyOas9/l38H2va/E89ifkW16+2cH4+AhvKfgGdPUS
        xQIDAQAB
        -----END PUBLIC KEY-----
        """
}
