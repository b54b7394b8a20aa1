import ArgumentParser
import Foundation
import Kit

extension Users {
    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Puts users from a file: CSV with a heading, or JSON lines.",
            discussion: """
                Each line names a user by `id` and may say `email`, `display_name`, `stripe_customer_id` and `metadata`
                (in CSV `metadata.plan` and so on; an empty field says nothing). A customer that is named belongs to its
                user from then on, and the events that waited for it are applied. A line that is not taken is told and
                the rest goes on; the same file again changes nothing. Exit code 1 when a line was not taken.

                Examples:
                  patchbay users import users.csv --dry-run
                  patchbay users import users.jsonl
                  echo '{"id":"user-42","stripe_customer_id":"cus_9s6XKzkNRiz8i3"}' | patchbay users import /dev/stdin
                """)
        @OptionGroup var server: ServerOptions
        @Argument(help: "The file; it is CSV unless its first line begins with {.") var file: String
        @Flag(help: "Reads the file and sends nothing.") var dryRun = false

        /// On the way at one time.
        private static let atOnce = 8
        /// Lines that are told by name.
        private static let toldMax = 20

        func run() async throws {
            guard let data = FileManager.default.contents(atPath: file) else {
                throw Fault("\(file) cannot be read.", code: 2)
            }
            let (lines, unread) = try UserLine.read(Array(data), from: file)
            var refused = unread
            if !dryRun { refused += try await put(lines) }
            for (line, reason) in refused.sorted(by: { $0.0 < $1.0 }).prefix(Self.toldMax) {
                FileHandle.standardError.write(Data("\(file), line \(line): \(reason)\n".utf8))
            }
            let done = lines.count - (refused.count - unread.count)
            let result: JSON = [
                "lines": JSON(lines.count + unread.count), dryRun ? "readable" : "imported": JSON(done),
                "refused": JSON(refused.count),
            ]
            server.print(result) { _ in
                say(
                    dryRun
                        ? "\(done) users can be read, \(refused.count) lines cannot. Nothing was sent."
                        : "\(done) users are in, \(refused.count) lines were not taken.")
            }
            if !refused.isEmpty { throw ExitCode(1) }
        }

        /// What was not taken, with why. A server that is away ends it.
        private func put(_ lines: [UserLine]) async throws -> [(Int, String)] {
            let client = try server.server()
            return try await withThrowingTaskGroup(of: (Int, String)?.self) { group in
                var (refused, done): ([(Int, String)], Int) = ([], 0)
                func take(_ result: (Int, String)?) {
                    if let result { refused.append(result) }
                    done += 1
                    if done % 500 == 0 {
                        FileHandle.standardError.write(Data("\(done) of \(lines.count)\n".utf8))
                    }
                }
                for (number, line) in lines.enumerated() {
                    if number >= Self.atOnce, let result = try await group.next() { take(result) }
                    group.addTask {
                        do {
                            _ = try await client.sendPatiently(
                                "PUT", "/v1/users/\(APIClient.encoded(line.id))", body: line.body)
                            return nil
                        } catch let fault as Fault where fault.code != 3 {
                            return (line.line, fault.description)
                        }
                    }
                }
                while let result = try await group.next() { take(result) }
                return refused
            }
        }
    }
}

/// One user of the file.
private struct UserLine: Sendable {
    let line: Int
    let id: String
    let body: JSON

    private static let members = ["email", "display_name", "stripe_customer_id", "metadata"]

    /// - Returns: the users, and the lines that name none, with why.
    /// - Throws: `Fault` where the file as a whole is neither CSV with a heading nor JSON lines.
    static func read(_ bytes: [UInt8], from file: String) throws -> ([UserLine], [(Int, String)]) {
        let isJSON = bytes.first { $0 > 0x20 } == UInt8(ascii: "{")
        let (all, unread) = isJSON ? json(bytes) : try csv(bytes, file)
        // Lines go side by side, so a user must not stand in two of them. By bytes, as the server tells ids apart.
        var (first, users, twice): ([[UInt8]: Int], [UserLine], [(Int, String)]) = ([:], [], [])
        for user in all {
            let id = Array(user.id.utf8)
            if let line = first[id] {
                twice.append((user.line, "its user is the one of line \(line)."))
            } else {
                first[id] = user.line
                users.append(user)
            }
        }
        return (users, unread + twice)
    }

    private static func json(_ bytes: [UInt8]) -> ([UserLine], [(Int, String)]) {
        var (users, unread): ([UserLine], [(Int, String)]) = ([], [])
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() where line.contains(where: { $0 > 0x20 }) {
            do {
                guard let all = try JSON.parse(Array(line)).members,
                    let id = all.first(where: { $0.name == "id" })?.value.text, !id.isEmpty
                else {
                    unread.append((number + 1, "it is no object with an id."))
                    continue
                }
                users.append(UserLine(line: number + 1, id: id, body: .object(all.filter { $0.name != "id" })))
            } catch {
                unread.append((number + 1, error.sentence))
            }
        }
        return (users, unread)
    }

    private static func csv(_ bytes: [UInt8], _ file: String) throws -> ([UserLine], [(Int, String)]) {
        var rows = CSV(bytes)
        guard let heading = rows.next()?.fields, let place = heading.firstIndex(of: "id") else {
            throw Fault(
                "\(file) is neither JSON lines nor CSV whose first line names a column id. Columns: id, "
                    + members.dropLast().joined(separator: ", ") + ", metadata.…", code: 2)
        }
        for name in heading where name != "id" && !members.dropLast().contains(name) && !name.hasPrefix("metadata.") {
            throw Fault(
                "\(file): there is no column \(name). Columns: id, " + members.dropLast().joined(separator: ", ")
                    + ", metadata.…", code: 2)
        }
        var seen: Set<[UInt8]> = []
        for name in heading where !seen.insert(Array(name.utf8)).inserted {
            throw Fault("\(file): two columns are called \(name). Keep one of them.", code: 2)
        }
        var (users, unread): ([UserLine], [(Int, String)]) = ([], [])
        for row in rows {
            guard row.fields.count == heading.count else {
                unread.append((row.line, "it has \(row.fields.count) fields, the heading \(heading.count)."))
                continue
            }
            let id = row.fields[place]
            guard !id.isEmpty else {
                unread.append((row.line, "its id is empty."))
                continue
            }
            users.append(UserLine(line: row.line, id: id, body: body(heading, row.fields)))
        }
        return (users, unread)
    }

    private static func body(_ heading: [String], _ fields: [String]) -> JSON {
        var (all, metadata): ([JSONMember], [JSONMember]) = ([], [])
        for (name, value) in zip(heading, fields) where name != "id" && !value.isEmpty {
            if name.hasPrefix("metadata.") {
                metadata.append(.init(String(name.dropFirst("metadata.".count)), .string(value)))
            } else {
                all.append(.init(name, .string(value)))
            }
        }
        if !metadata.isEmpty { all.append(.init("metadata", .object(metadata))) }
        return .object(all)
    }
}
