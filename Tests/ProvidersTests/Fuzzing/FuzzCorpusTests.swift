import Foundation
import Kit
import Testing

/// What the fuzzer found worth keeping, through the same parsers: a line of base64 an input, a file a target.
@Suite("Bytes that a fuzzer made up")
struct FuzzCorpusTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fuzz/Corpus")

    @Test("trap nothing and break no property, the kept ones and the seeds", arguments: FuzzTarget.all)
    func replayed(_ target: FuzzTarget) async throws {
        let text = try String(contentsOf: Self.folder.appending(path: target.name + ".txt"), encoding: .utf8)
        let kept = text.split(separator: "\n").map { Base64.decode(Array($0.utf8)) }
        #expect(!kept.isEmpty && !kept.contains(nil), "a line of the corpus is not base64")
        let seeds = target.seeds()
        #expect(!seeds.isEmpty)

        for input in seeds + kept.compactMap({ $0 }) {
            do { try await target.run(input) } catch {
                let shown = String(decoding: Base64.encode(input), as: UTF8.self)
                Issue.record("\(target.name): it is not so that \(error). Input, in base64: \(shown)")
            }
        }
    }

    @Test("every scheme of the table has its secrets, and each target its corpus and no other file is there")
    func whole() throws {
        #expect(FuzzTarget.areDesksWhole)
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).sorted()
        #expect(files == FuzzTarget.all.map { $0.name + ".txt" }.sorted())
    }
}

extension FuzzTarget: CustomTestStringConvertible {
    var testDescription: String { name }
}
