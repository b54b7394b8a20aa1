import Kit

/// The pages that a person sees: checkout, the bank's question, an invoice. No script, nothing from elsewhere.
extension SimulatedStripe {
    func page(_ request: SandboxRequest, _ path: [String], in world: World) -> SandboxAnswer {
        let books = Books(world: world, platform: self)
        if request.method != "GET", let refusal = Control.stranger(request) {
            return SandboxAnswer(403, html: Self.html("Not from here", "<p>\(Self.escaped(refusal))</p>"))
        }
        let form = Form.parse(request.body)
        let id = path.last ?? ""
        switch (request.method, path.first ?? "", path.count) {
        case ("GET", "c", 3): return checkoutPage(books, id, problem: nil)
        case ("POST", "c", 3): return checkedOut(books, id, form, request.base)
        case ("GET", "test", 3): return bankPage(books, id)
        case ("POST", "test", 3): return authenticated(books, id, isDone: form["outcome"]?.text == "complete")
        case ("GET", "i", 2): return invoicePage(books, id)
        default:
            return SandboxAnswer(404, html: Self.html("Nothing here", "<p>The sandbox has no such page.</p>"))
        }
    }

    // MARK: Checkout

    private static let shownCards = [
        ("pm_card_visa", "4242, pays"), ("pm_card_mastercard", "4444, pays"),
        ("pm_card_chargeDeclined", "0002, is declined"),
        ("pm_card_chargeDeclinedInsufficientFunds", "9995, has insufficient funds"),
        ("pm_card_chargeDeclinedExpiredCard", "0069, has expired"),
        ("pm_card_createDispute", "0259, pays and disputes it"),
    ]

    private func checkoutPage(_ books: Books, _ id: String, problem: String?) -> SandboxAnswer {
        guard let session = books.find(.checkoutSession, id) else {
            return SandboxAnswer(404, html: Self.html("Nothing here", "<p>There is no such checkout session.</p>"))
        }
        guard session.text("status") == "open" else {
            return SandboxAnswer(
                200,
                html: Self.html("Closed", "<p>This page is \(Self.escaped(session.text("status") ?? "closed")).</p>"))
        }
        let lines = session.data("_line_items").map { line in
            "<li>\(line.int("quantity")) × \(Self.escaped(line.text("description") ?? "")): "
                + "\(Books.money(line.int("amount_total"), line.text("currency")))</li>"
        }
        let cards = Self.shownCards.map { "<option value=\"\($0.0)\">\($0.1)</option>" }
        let email = Self.escaped(session.text("customer_email") ?? "")
        let back = session.text("cancel_url").map {
            "<p><a href=\"\(Self.escaped($0))\">Go back without paying</a></p>"
        }
        return SandboxAnswer(
            200,
            html: Self.html(
                "Pay Rye, a bakery",
                """
                \(problem.map { "<p role=\"alert\"><strong>\(Self.escaped($0))</strong></p>" } ?? "")
                <ul>\(lines.joined())</ul>
                <form method="post">
                <p><label>E-mail <input name="email" type="email" value="\(email)"></label></p>
                <p><label>Name <input name="name"></label></p>
                <p><label>Card ending in <select name="card">\(cards.joined())</select></label></p>
                <p><button>Pay</button></p>
                </form>\(back ?? "")
                """))
    }

    private func checkedOut(_ books: Books, _ id: String, _ form: Form, _ base: String) -> SandboxAnswer {
        guard let session = books.find(.checkoutSession, id), session.text("status") == "open" else {
            return checkoutPage(books, id, problem: nil)
        }
        let card = TestCard.named(form["card"]?.text ?? "pm_card_visa")
        guard let card else { return checkoutPage(books, id, problem: "There is no such card.") }
        do {
            let done = try books.complete(session, card: card, email: form["email"]?.text, name: form["name"]?.text)
            let next = done.text("success_url") ?? "\(base)/c/pay/\(id)"
            return Self.redirect(next.replacing("{CHECKOUT_SESSION_ID}", with: id))
        } catch {
            books.world.rollBack()
            return checkoutPage(books, id, problem: error.message)
        }
    }

    // MARK: The bank's question

    private func bankPage(_ books: Books, _ id: String) -> SandboxAnswer {
        guard let intent = books.any(id), intent.text("status") == "requires_action" else {
            return SandboxAnswer(404, html: Self.html("Nothing to do", "<p>Nothing waits for you here.</p>"))
        }
        return SandboxAnswer(
            200,
            html: Self.html(
                "Your bank asks",
                """
                <p>Is it you who pays?</p>
                <form method="post"><button name="outcome" value="complete">Complete</button>
                <button name="outcome" value="fail">Fail</button></form>
                """))
    }

    private func authenticated(_ books: Books, _ id: String, isDone: Bool) -> SandboxAnswer {
        guard let intent = books.any(id), intent.text("status") == "requires_action" else { return bankPage(books, id) }
        let back = intent["next_action", "redirect_to_url", "return_url"]?.text
        if intent.text("object") == "payment_intent" {
            _ = books.authenticate(intent, succeeds: isDone)
        } else if let method = books.find(.paymentMethod, intent.text("payment_method")) {
            _ =
                isDone
                ? books.setUp(intent, method, isAuthenticated: true)
                : books.setupFailed(intent, method, .setupFailed())
        }
        let word = intent.text("object") ?? "payment_intent"
        guard let back else {
            return SandboxAnswer(200, html: Self.html("Done", "<p>You can close this page.</p>"))
        }
        let mark = back.contains("?") ? "&" : "?"
        return Self.redirect(
            "\(back)\(mark)\(word)=\(id)&\(word)_client_secret=\(intent.text("client_secret") ?? "")"
                + "&redirect_status=\(isDone ? "succeeded" : "failed")")
    }

    private func invoicePage(_ books: Books, _ id: String) -> SandboxAnswer {
        guard let invoice = books.find(.invoice, id) else {
            return SandboxAnswer(404, html: Self.html("Nothing here", "<p>There is no such invoice.</p>"))
        }
        let lines = invoice.data("lines").map { line in
            let what = Self.escaped(line.text("description") ?? "")
            return "<li>\(what): \(Books.money(line.int("amount"), line.text("currency")))</li>"
        }
        return SandboxAnswer(
            200,
            html: Self.html(
                "Invoice \(invoice.text("number") ?? "")",
                "<ul>\(lines.joined())</ul><p>\(Books.money(invoice.int("total"), invoice.text("currency"))), "
                    + "\(Self.escaped(invoice.text("status") ?? "")).</p>"))
    }

    // MARK: Writing

    private static func redirect(_ address: String) -> SandboxAnswer { Page.redirect(address) }

    static func escaped(_ text: String) -> String { Page.escaped(text) }

    private static func html(_ title: String, _ body: String) -> String {
        Page.html(title, body, note: "Simulated: no money moves.")
    }
}
