import Kit

/// Pages that a person sees at a simulated platform. No script, nothing from elsewhere.
enum Page {
    static func html(_ title: String, _ body: String, note: String) -> String {
        """
        <!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
        <title>\(escaped(title)) · sandbox</title><style>body{font:16px/1.5 system-ui;margin:3rem auto;max-width:28rem;
        padding:0 1rem}input,select,button{font:inherit;padding:.3rem .6rem}</style>
        <h1>\(escaped(title))</h1>\(body)<p><small>\(escaped(note))</small></p></html>
        """
    }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }

    static func redirect(_ address: String, _ status: Int = 303) -> SandboxAnswer {
        var answer = SandboxAnswer(status)
        answer.headers = [Field("Location", address.filter { !$0.isNewline })]
        return answer
    }
}

extension Form {
    /// For a query or a form: all but letters, digits and `-._~` in percent.
    static func encoded(_ text: String) -> String {
        let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if plain.contains(byte) {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
