import DashboardFiles
import FoundationEssentials
import Kit
import Testing

@testable import Server

@Suite("Colours")
struct TokensTests {
    private let tokens: JSON
    private let css = String(decoding: DashboardFiles.stylesheet, as: UTF8.self)

    init() throws {
        tokens = try JSON.parse(try String(contentsOfFile: WordsTests.files + "/tokens.json", encoding: .utf8))
    }

    @Test("the stylesheet has the tokens' colours", arguments: ["light", "dark"])
    func generated(theme: String) throws {
        let start = theme == "light" ? ":root{" : ":root[data-theme=dark]{"
        let rule = try #require(
            css.split(separator: start, omittingEmptySubsequences: false).dropFirst().first?.prefix { $0 != "}" })
        for member in tokens["color", theme]?.members ?? [] {
            #expect(rule.contains("--\(member.name):\(member.value.text ?? "?")"))
        }
        for state in tokens["state", theme]?.members ?? [] {
            for part in state.value.members ?? [] {
                #expect(rule.contains("--\(state.name)-\(part.name):\(part.value.text ?? "?")"))
            }
        }
    }

    @Test("no colour is typed by hand")
    func noOwnColours() throws {
        let own = try String(contentsOfFile: WordsTests.files + "/Assets/dashboard.css", encoding: .utf8)
        #expect(own.firstMatch(of: /#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(/) == nil)
    }

    @Test("lamps have the tokens' shapes", arguments: LampState.allCases)
    func lamps(state: LampState) { #expect(Lamp.shapes[state] == tokens["lamp_svg", state.rawValue]?.text) }

    @Test("text has 4.5 on every surface, control edges and lamps 3 on panel and bench", arguments: ["light", "dark"])
    func contrast(theme: String) throws {
        let color = { (name: String) in try Self.luminance(try #require(tokens["color", theme, name]?.text)) }
        for text in ["ink", "soft", "faint", "cable", "cable-strong"] {
            for surface in ["bench", "panel", "well", "groove", "cable-wash"] {
                #expect(Self.ratio(try color(text), try color(surface)) >= 4.5, "\(text) on \(surface)")
            }
        }
        for surface in ["bench", "panel", "well"] { #expect(Self.ratio(try color("rim"), try color(surface)) >= 3) }
        #expect(Self.ratio(try color("on-ink"), try color("ink")) >= 4.5)
        for state in tokens["state", theme]?.members ?? [] {
            let part = { (name: String) in try Self.luminance(try #require(state.value[name]?.text)) }
            #expect(Self.ratio(try part("text"), try part("wash")) >= 4.5, "\(state.name)")
            #expect(Self.ratio(try part("lamp"), try color("panel")) >= 3, "\(state.name)")
            #expect(Self.ratio(try part("lamp"), try color("bench")) >= 3, "\(state.name)")
            #expect(Self.ratio(try color("ink"), try part("wash")) >= 4.5, "\(state.name)")
        }
    }

    /// Relative luminance (WCAG 2.2).
    private static func luminance(_ hex: String) throws -> Double {
        let value = try #require(UInt32(hex.dropFirst(), radix: 16))
        let parts = [16, 8, 0].map { shift -> Double in
            let part = Double(value >> UInt32(shift) & 255) / 255
            return part <= 0.04045 ? part / 12.92 : power((part + 0.055) / 1.055)
        }
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    }
    /// x to the power of 2.4: x² times the fifth root of x², by Newton's method.
    private static func power(_ x: Double) -> Double {
        let square = x * x
        var root = 1.0
        for _ in 0..<60 { root = (4 * root + square / (root * root * root * root)) / 5 }
        return square * root
    }
    private static func ratio(_ a: Double, _ b: Double) -> Double { (max(a, b) + 0.05) / (min(a, b) + 0.05) }
}
