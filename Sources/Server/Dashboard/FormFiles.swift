import Hummingbird
import Kit

extension PageRequest {
    /// The fields of a form with a file, besides the file.
    private static let fieldsMax = 128 << 10

    /// The same with a form that may bring a file: fields are held, the file goes to the disk as it comes, and only
    /// behind the form's own token. `object_id` is what became of it, `file_problem` why nothing did.
    func withFile(_ raw: Request, of visitor: Visitor) async throws -> PageRequest {
        let type = raw.headers[.contentType]
        // Another form was read already, and a body has one reader.
        guard SentParts.isMultipart(type) else { return self }
        guard var parts = SentParts(BodyBytes(raw.body), contentType: type) else {
            throw Problem(.invalidRequest, "The form names no boundary. Send it as a browser does.")
        }
        var (form, held): ([String: String], Int) = ([:], 0)
        do {
            while let part = try await parts.next() {
                guard part.fileName == nil else {
                    guard visitor.formToken.hasSameBytes(as: form["csrf"] ?? "") else {
                        throw PageProblem.foreignForm
                    }
                    guard part.fileName != "" else { continue }
                    do { form["object_id"] = try await with(form: form, visitor: visitor).keep(part, &parts) } catch let
                        problem as Problem
                    {
                        form["file_problem"] = problem.sentences.joined(separator: " ")
                    }
                    continue
                }
                var value: [UInt8] = []
                while let piece = try await parts.piece() {
                    held += piece.count
                    guard held <= Self.fieldsMax else { throw Problem(.contentTooLarge, "The form is too large.") }
                    value += piece
                }
                // A form writes the ends of lines as it did on paper tape.
                let text = String(decoding: value, as: UTF8.self).replacing("\r\n", with: "\n")
                if form[part.name] == nil, form.count < 500 { form[part.name] = text }
            }
        } catch is SentParts.Broken {
            throw Problem(.invalidRequest, "The form did not come whole. Send it again.")
        }
        return with(form: form, visitor: visitor)
    }

    /// Keeps a file as an object; the same form sent again finds the one that it made.
    private func keep(
        _ part: SentParts.Part, _ parts: inout SentParts
    ) async throws -> String? {
        var headers: HTTPFields = [:]
        headers[.contentType] = part.contentType.map { OutsideText.bounded($0, 128) }
        let name = OutsideText.bounded(part.fileName ?? "", 200).filter { !$0.isNewline }
        let query: [String: JSON] = name.isEmpty ? [:] : ["name": .string(name)]
        let answer = try await parts.pass { [headers] body in
            let request = try asked(ObjectsAPI.create, query: query, headers: headers, file: body, once: "-file")
            return try await ObjectsAPI.create.run(request)
        }
        return try JSON.parse(answer.body)["id"]?.text
    }
}
