import Kit
import Testing

@Suite("Addresses that others name")
struct SafeAddressTests {
    /// First and last address of each range that is never dialled.
    static let neverDialled = [
        ("0.0.0.0", "0.255.255.255"), ("10.0.0.0", "10.255.255.255"), ("100.64.0.0", "100.127.255.255"),
        ("127.0.0.0", "127.255.255.255"), ("169.254.0.0", "169.254.255.255"), ("172.16.0.0", "172.31.255.255"),
        ("192.0.0.0", "192.0.0.255"), ("192.0.2.0", "192.0.2.255"), ("192.88.99.0", "192.88.99.255"),
        ("192.168.0.0", "192.168.255.255"), ("198.18.0.0", "198.19.255.255"), ("198.51.100.0", "198.51.100.255"),
        ("203.0.113.0", "203.0.113.255"), ("224.0.0.0", "239.255.255.255"), ("240.0.0.0", "255.255.255.255"),
        ("::", "::"), ("::1", "::1"), ("64:ff9b::", "64:ff9b::ffff:ffff"),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"), ("100::", "100::ffff:ffff:ffff:ffff"),
        ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"), ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ]

    @Test("both ends of every refused range are refused, in IPv6's clothes too", arguments: neverDialled)
    func refused(first: String, last: String) throws {
        for text in [first, last] {
            let address = try #require(IPAddress(text))
            #expect(SafeAddress.refusal(of: address) != nil, "\(text)")
            guard case .v4 = address else { continue }
            #expect(SafeAddress.refusal(of: try #require(IPAddress("::ffff:\(text)"))) != nil, "mapped \(text)")
            #expect(SafeAddress.refusal(of: try #require(IPAddress("::\(text)"))) != nil, "compatible \(text)")
        }
    }

    @Test(
        "their neighbours and the public world are dialled",
        arguments: [
            "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
            "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.88.98.255",
            "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255",
            "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "8.8.8.8", "::ffff:8.8.8.8",
            "2606:4700::1111", "64:ff9b:2::", "64:ff9b:0:0:0:1::", "100:0:0:1::", "2001:1::", "2001:db7:ffff::",
            "2001:db9::", "2003::", "3fff:1000::", "5eff::", "5f01::", "fbff::", "fe7f::", "fec0::",
        ])
    func dialled(text: String) throws {
        #expect(SafeAddress.refusal(of: try #require(IPAddress(text))) == nil)
    }

    @Test("what the operator opened is dialled, and nothing beside it")
    func allowed() throws {
        let allowed = try CIDR.list("127.0.0.0/8, ::1  192.168.7.0/24")
        for text in ["127.0.0.1", "::ffff:127.0.0.1", "::1", "192.168.7.255"] {
            #expect(SafeAddress.refusal(of: try #require(IPAddress(text)), allowing: allowed) == nil, "\(text)")
        }
        for text in ["192.168.8.0", "10.0.0.1", "::", "169.254.169.254"] {
            #expect(SafeAddress.refusal(of: try #require(IPAddress(text)), allowing: allowed) != nil, "\(text)")
        }
    }

    @Test("the refusal says what the range is and who can open it")
    func sentence() {
        #expect(
            SafeAddress.refusal(of: .v4(0xA9FE_A9FE))
                == "169.254.169.254 is in 169.254.0.0/16 (link-local, cloud metadata), which is never dialled "
                + "for others. An operator can open it with PATCHBAY_ALLOW_PRIVATE_ADDRESSES.")
    }
}

@Suite("Addresses and ranges as text")
struct IPAddressTests {
    @Test(
        "the usual forms are read and written back in the shortest",
        arguments: [
            ("1.2.3.4", "1.2.3.4"), ("255.255.255.255", "255.255.255.255"), ("::", "::"), ("1::", "1::"),
            ("::1", "::1"), ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
            ("1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"), ("::ffff:1.2.3.4", "::ffff:102:304"),
            ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ])
    func forms(text: String, short: String) {
        #expect(IPAddress(text)?.description == short)
    }

    @Test(
        "anything else is no address",
        arguments: [
            "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "1.2.3.-4", "0x1.2.3.4", "1..2.3", ":",
            ":::", "1::2::3", "::1::", "12345::", "g::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::",
            "fe80::1%eth0", "::1.2.3", "1.2.3.4::", "[::1]", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "١.2.3.4",
        ])
    func none(text: String) { #expect(IPAddress(text) == nil) }

    @Test("a resolver's bytes are an address if there are four or sixteen")
    func bytes() {
        #expect(IPAddress(bytes: [127, 0, 0, 1]) == IPAddress("127.0.0.1"))
        #expect(IPAddress(bytes: [UInt8](repeating: 0, count: 15) + [1]) == IPAddress("::1"))
        #expect(IPAddress(bytes: [1, 2, 3]) == nil)
    }

    @Test(
        "ranges are read strictly",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0/8"), ("10.0.0.1", "10.0.0.1/32"), ("0.0.0.0/0", "0.0.0.0/0"), ("::/0", "::/0"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"), ("fc00::/7", "fc00::/7"), ("10.0.0.1/8", nil), ("10.0.0.0/33", nil),
            ("10.0.0.0/", nil), ("10.0.0.0/-1", nil), ("10.0.0.0/8/8", nil), ("10/8", nil), ("", nil),
            ("::ffff:10.0.0.0/8", nil), ("10.0.0.0/+8", nil),
        ])
    func ranges(text: String, range: String?) { #expect(CIDR(text)?.description == range) }

    @Test("a list names the part that is none")
    func list() {
        #expect(throws: BadAddress("localhost is no range of addresses, such as 10.0.0.0/8 or fc00::/7.")) {
            try CIDR.list("127.0.0.0/8,localhost")
        }
    }
}

@Suite("URLs that others name")
struct OutsideURLTests {
    @Test(
        "the parts are taken as written",
        arguments: [
            ("https://Hooks.Example/a/b?c=d", "hooks.example", 443, "/a/b?c=d"),
            ("https://hooks.example", "hooks.example", 443, "/"),
            ("HTTPS://hooks.example.:8443?x", "hooks.example", 8443, "/?x"),
            ("https://a_b.xn--mnchen-3ya.de/%2e%2e/", "a_b.xn--mnchen-3ya.de", 443, "/%2e%2e/"),
            ("https://hooks.example/@x:80/https://y", "hooks.example", 443, "/@x:80/https://y"),
        ])
    func parts(text: String, host: String, port: Int, target: String) throws {
        let url = try SafeAddress.check(text)
        #expect(url.host == .name(host))
        #expect(url.port == port)
        #expect(url.target == target)
    }

    @Test(
        "an address in any spelling is that address",
        arguments: [
            "127.0.0.1", "2130706433", "0x7f000001", "0X7F.1", "017700000001", "127.1", "127.0.1", "0177.0.0.1",
            "127.0.0.1.", "0x7f.0.0.0x1", "127.000.000.001", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
            "[0:0:0:0:0:ffff:127.0.0.1]",
        ])
    func spellings(host: String) throws {
        let url = try OutsideURL("https://\(host)/")
        guard case .address(let address) = url.host else { return #expect(Bool(false), "\(url.host)") }
        #expect(address.canonical == IPAddress("127.0.0.1"))
        #expect(throws: BadAddress.self) { try SafeAddress.check("https://\(host)/") }
        #expect(throws: Never.self) { try SafeAddress.check("https://\(host)/", allowing: CIDR.list("127.0.0.0/8")) }
    }

    @Test(
        "what two parsers could read differently is refused",
        arguments: [
            "", "hooks.example", "ftp://hooks.example/", "file:///etc/passwd", "https:/hooks.example",
            "https:hooks.example", "https://", "https:///x", "https://user@hooks.example/",
            "https://user:pass@hooks.example/", "https://hooks.example@127.0.0.1/",
            "https://hooks.example\\@127.0.0.1/", "https://hooks.example/ x", "https://hooks.example/\n",
            " https://hooks.example/", "https://hooks.example/#x", "https://münchen.de/", "https://①②⑦.⓪.⓪.①/",
            "https://127。0。0。1/", "https://hooks%2eexample/", "https://hooks..example/", "https://.example/",
            "https://./", "https://hooks.example:/", "https://hooks.example:0/", "https://hooks.example:65536/",
            "https://hooks.example:8o/", "https://hooks.example:+443/", "https://[::1", "https://[::1]x/",
            "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[127.0.0.1]/", "https://::1/",
            "https://[]/", "https://256.0.0.1/", "https://1.2.3.4.5/", "https://4294967296/", "https://0x/x",
            "https://example.08/", "https://1.2.3.0x100/", "javascript://hooks.example/", "gopher://hooks.example/",
        ])
    func refused(text: String) {
        if text == "https://0x/x" { return #expect((try? OutsideURL(text))?.host == .address(.v4(0))) }
        #expect(throws: BadAddress.self) { try OutsideURL(text) }
    }

    @Test(
        "plain HTTP, low ports and endless addresses need leave or get none",
        arguments: [
            ("http://hooks.example/", "The address must begin with https://."),
            ("https://hooks.example:25/", "Port 25 is not allowed. Use 80, 443, or one from 1024."),
            ("https://hooks.example:1023/", "Port 1023 is not allowed. Use 80, 443, or one from 1024."),
            ("https://hooks.example/" + String(repeating: "a", count: 2048), "The address is longer than 2048 bytes."),
        ])
    func rules(text: String, reason: String) {
        #expect(throws: BadAddress(reason)) { try SafeAddress.check(text) }
    }

    @Test("with leave, plain HTTP will do")
    func http() throws {
        #expect(try SafeAddress.check("http://hooks.example/", allowHTTP: true).port == 80)
        #expect(try SafeAddress.check("https://hooks.example:1024/").port == 1024)
    }
}
