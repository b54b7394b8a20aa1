import Kit
import Stripe
import Synchronization
import Testing

@Suite("Every platform says by what its events are found")
struct FindableEventsTests {
    @Test("samples of documented events hold such values, four at most", arguments: Sample.all)
    func samples(sample: Sample) throws {
        let values = sample.source.webhooks.findable
        #expect(values.all.count <= FindableValues.most)
        #expect(Set(values.all.map(\.name)).count == values.all.count)
        guard let source = sample.source as? any SampleSource, !values.all.isEmpty else { return }
        let counter = Atomic(0)
        let with = WebhookSample.Ingredients(
            id: { "\($0)\(counter.wrappingAdd(1, ordering: .relaxed).newValue)" },
            digits: { String(String(repeating: "7", count: $0)) }, at: Sample.now)
        var holding = 0
        for sample in source.samples {
            let draft = sample.content(with).draft(to: "https://example.org/")
            let delivery = Delivery(
                method: "POST", target: "/", headers: draft.headers, body: draft.body, receivedAt: Sample.now)
            // What is signed into the body itself (Braintree) has tests of its own.
            guard let events = try? source.webhooks.events(delivery) else { continue }
            if events.contains(where: { !values.read(Array(draft.body[$0.body])).isEmpty }) { holding += 1 }
        }
        #expect(holding > 0 || source.about.id == "braintree", "\(source.about.id): no sample holds a findable value")
    }

    @Test("a Stripe event is found by its object, its customer, an address and the application's number")
    func stripe() {
        let event = #"""
            {"id":"evt_1","data":{"object":{"id":"cs_1","customer":{"id":"cus_1"},"customer_email":null,
             "customer_details":{"email":"Rye@example.org"},"client_reference_id":"order-17"}}}
            """#
        #expect(
            Stripe().webhooks.findable.read(Array(event.utf8)) == ["cs_1", "cus_1", "rye@example.org", "order-17"])
    }
}
