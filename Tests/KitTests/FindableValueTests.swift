import Kit
import Testing

@Suite("Values by which events are found")
struct FindableValueTests {
    @Test("the first place that holds a text or a whole number counts")
    func places() {
        let values = FindableValues(
            FindableValue("order", json: "data.order_id", "data.order.id"), FindableValue("shop", json: "shop"))
        func found(_ text: String) -> [String] { values.read(Array(text.utf8)) }
        #expect(
            found(#"{"data":{"order_id":"A-1","order":{"id":"A-2"}},"shop":9007199254740993}"#)
                == ["a-1", "9007199254740993"])
        #expect(found(#"{"data":{"order_id":null,"order":{"id":"A-2"}}}"#) == ["a-2"])
        #expect(found(#"{"data":{"order_id":"","order":{"id":7}}}"#) == ["7"])
        #expect(found(#"{"data":{"order_id":1.5,"order":{"id":true}},"shop":{}}"#).isEmpty)
        #expect(found(#"{"data":{"order_id":"x"},"shop":" X "}"#) == ["x"], "each once")
        for text in ["", "{", "[1]", "null", "a=b"] { #expect(found(text).isEmpty, "\(text)") }
    }

    @Test("a field of a form counts where it stands once")
    func fields() {
        let values = FindableValues(FindableValue("to", form: "To"), FindableValue("id", form: "A", "B"))
        #expect(values.read(Array("To=%2B49%20170&A=&B=x".utf8)) == ["+49 170", "x"])
        #expect(values.read(Array("To=1&To=2".utf8)).isEmpty)
    }

    @Test("a value is found as people type it")
    func normal() {
        #expect(FindableValue.normal("  Rye@Example.ORG\n") == "rye@example.org")
        #expect(FindableValue.normal("ÄRGER 7") == "ärger 7")
        #expect(FindableValue.normal(" \t ") == nil)
        #expect(FindableValue.normal(String(repeating: "x", count: 256)) != nil)
        #expect(FindableValue.normal(String(repeating: "x", count: 257)) == nil)
    }
}
