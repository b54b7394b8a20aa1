import Kit
import Testing

@testable import Sandbox

@Suite("The tables of the simulated Stripe")
struct TablesTests {
    @Test("every object, operation and sample can be read, each path once for a method")
    func readable() {
        let names = StripeOperation.all.map(\.name)

        #expect(StripeResource.all.allSatisfy { $0.usual.members?.isEmpty == false })
        #expect(StripeOperation.all.allSatisfy { $0.parameters.all.contains { $0.name == "expand" } })
        #expect(Set(names).count == names.count && names.count > 50)
        #expect(StripeResource.account["id"]?.text?.hasPrefix("acct_") == true)
    }
}
