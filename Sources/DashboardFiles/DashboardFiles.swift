/// What the dashboard's pages are made of, inside the binary: templates, words and assets.
///
/// A target of its own, so that a changed page does not compile the server anew, nor the other way round. A new file
/// needs a line here; a test holds the folders to these lists.
public enum DashboardFiles {
    /// Templates by name.
    public static let templates: [String: [UInt8]] = [
        "account": PackageResources.account_mustache,
        "action": PackageResources.action_mustache,
        "alone": PackageResources.alone_mustache,
        "as": PackageResources.as_mustache,
        "chips": PackageResources.chips_mustache,
        "code": PackageResources.code_mustache,
        "command": PackageResources.command_mustache,
        "copy": PackageResources.copy_mustache,
        "document": PackageResources.document_mustache,
        "empty": PackageResources.empty_mustache,
        "ends": PackageResources.ends_mustache,
        "filter": PackageResources.filter_mustache,
        "fragment": PackageResources.fragment_mustache,
        "frame-entry": PackageResources.frame_entry_mustache,
        "frame-foot": PackageResources.frame_foot_mustache,
        "frame-head": PackageResources.frame_head_mustache,
        "frame-nav": PackageResources.frame_nav_mustache,
        "frame-user": PackageResources.frame_user_mustache,
        "frame": PackageResources.frame_mustache,
        "jack": PackageResources.jack_mustache,
        "lamp": PackageResources.lamp_mustache,
        "later": PackageResources.later_mustache,
        "logo": PackageResources.logo_mustache,
        "new-rows": PackageResources.new_rows_mustache,
        "pill": PackageResources.pill_mustache,
        "preferences": PackageResources.preferences_mustache,
        "problem": PackageResources.problem_mustache,
        "problems": PackageResources.problems_mustache,
        "progress": PackageResources.progress_mustache,
        "setup": PackageResources.setup_mustache,
        "sign-in": PackageResources.sign_in_mustache,
        "time": PackageResources.time_mustache,
        "timeline": PackageResources.timeline_mustache,
    ]

    /// Words by language.
    public static let words: [String: [UInt8]] = [
        "en": PackageResources.en_txt,
        "ko": PackageResources.ko_txt,
    ]

    /// The stylesheet: colours and sizes, then rules.
    public static let stylesheet = PackageResources.tokens_css + PackageResources.dashboard_css
    /// The same colours, and the rules of the documentation's pages.
    public static let docsStylesheet = PackageResources.tokens_css + PackageResources.docs_css
    public static let script = PackageResources.dashboard_js
    public static let icons = PackageResources.icons_svg
    public static let favicon = PackageResources.favicon_svg
}
