import Kit
import Store

/// Is everything well, and what needs me.
enum NowPage {
    struct Model: Sendable {}
    static let page = Page(path: "/", entry: .now, template: "later", follows: ["*"]) { request in
        PageContent(Head(request.words("nav.now")), LaterPage.Model(sentence: "", today: "", link: nil))
    }
}
