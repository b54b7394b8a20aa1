/// What the dashboard's pages are made of, inside the binary: templates, words and assets.
///
/// A target of its own, so that a changed page does not compile the server anew, nor the other way round. A new file
/// needs a line here; a test holds the folders to these lists.
public enum DashboardFiles {
    /// Templates by name.
    public static let templates: [String: [UInt8]] = [
        "account": PackageResources.account_mustache,
        "action": PackageResources.action_mustache,
        "alerts": PackageResources.alerts_mustache,
        "alerts-rows": PackageResources.alerts_rows_mustache,
        "alone": PackageResources.alone_mustache,
        "app": PackageResources.app_mustache,
        "app-fields": PackageResources.app_fields_mustache,
        "apps": PackageResources.apps_mustache,
        "as": PackageResources.as_mustache,
        "calendar": PackageResources.calendar_mustache,
        "changed": PackageResources.changed_mustache,
        "checklist": PackageResources.checklist_mustache,
        "attempt": PackageResources.attempt_mustache,
        "audit": PackageResources.audit_mustache,
        "chips": PackageResources.chips_mustache,
        "code": PackageResources.code_mustache,
        "command": PackageResources.command_mustache,
        "compose": PackageResources.compose_mustache,
        "compose-options": PackageResources.compose_options_mustache,
        "confirm": PackageResources.confirm_mustache,
        "connect": PackageResources.connect_mustache,
        "connect-page": PackageResources.connect_page_mustache,
        "connection": PackageResources.connection_mustache,
        "connection-health": PackageResources.connection_health_mustache,
        "connection-streams": PackageResources.connection_streams_mustache,
        "connection-new": PackageResources.connection_new_mustache,
        "connections": PackageResources.connections_mustache,
        "connections-rows": PackageResources.connections_rows_mustache,
        "copy": PackageResources.copy_mustache,
        "demo-mine": PackageResources.demo_mine_mustache,
        "deletion": PackageResources.deletion_mustache,
        "delivery": PackageResources.delivery_mustache,
        "document": PackageResources.document_mustache,
        "empty": PackageResources.empty_mustache,
        "endpoint": PackageResources.endpoint_mustache,
        "endpoint-form": PackageResources.endpoint_form_mustache,
        "endpoint-health": PackageResources.endpoint_health_mustache,
        "endpoint-rows": PackageResources.endpoint_rows_mustache,
        "endpoints": PackageResources.endpoints_mustache,
        "endpoints-rows": PackageResources.endpoints_rows_mustache,
        "ends": PackageResources.ends_mustache,
        "event-changed": PackageResources.event_changed_mustache,
        "event-path": PackageResources.event_path_mustache,
        "event-repeats": PackageResources.event_repeats_mustache,
        "event-told": PackageResources.event_told_mustache,
        "event": PackageResources.event_mustache,
        "events-fresh": PackageResources.events_fresh_mustache,
        "events-history": PackageResources.events_history_mustache,
        "events-rows": PackageResources.events_rows_mustache,
        "events": PackageResources.events_mustache,
        "erasure": PackageResources.erasure_mustache,
        "erasure-now": PackageResources.erasure_now_mustache,
        "faults": PackageResources.faults_mustache,
        "facts": PackageResources.facts_mustache,
        "filter": PackageResources.filter_mustache,
        "fragment": PackageResources.fragment_mustache,
        "frame": PackageResources.frame_mustache,
        "frame-entry": PackageResources.frame_entry_mustache,
        "frame-foot": PackageResources.frame_foot_mustache,
        "frame-head": PackageResources.frame_head_mustache,
        "frame-nav": PackageResources.frame_nav_mustache,
        "frame-user": PackageResources.frame_user_mustache,
        "histogram": PackageResources.histogram_mustache,
        "stream": PackageResources.stream_mustache,
        "stream-now": PackageResources.stream_now_mustache,
        "stream-standing": PackageResources.stream_standing_mustache,
        "sync": PackageResources.sync_mustache,
        "publication": PackageResources.publication_mustache,
        "publication-targets": PackageResources.publication_targets_mustache,
        "publish": PackageResources.publish_mustache,
        "publish-rows": PackageResources.publish_rows_mustache,
        "sync-rows": PackageResources.sync_rows_mustache,
        "system-asked": PackageResources.system_asked_mustache,
        "system-findings": PackageResources.system_findings_mustache,
        "system-health": PackageResources.system_health_mustache,
        "jack": PackageResources.jack_mustache,
        "job": PackageResources.job_mustache,
        "job-facts": PackageResources.job_facts_mustache,
        "job-now": PackageResources.job_now_mustache,
        "job-story": PackageResources.job_story_mustache,
        "jobs": PackageResources.jobs_mustache,
        "jobs-chips": PackageResources.jobs_chips_mustache,
        "keys": PackageResources.keys_mustache,
        "lamp": PackageResources.lamp_mustache,
        "later": PackageResources.later_mustache,
        "list-filter": PackageResources.list_filter_mustache,
        "logo": PackageResources.logo_mustache,
        "new-rows": PackageResources.new_rows_mustache,
        "now-coming": PackageResources.now_coming_mustache,
        "now-first": PackageResources.now_first_mustache,
        "now-history": PackageResources.now_history_mustache,
        "now-needs": PackageResources.now_needs_mustache,
        "now-path": PackageResources.now_path_mustache,
        "now-rows": PackageResources.now_rows_mustache,
        "now-steps": PackageResources.now_steps_mustache,
        "now": PackageResources.now_mustache,
        "nodes": PackageResources.nodes_mustache,
        "nodes-rows": PackageResources.nodes_rows_mustache,
        "operators": PackageResources.operators_mustache,
        "pill": PackageResources.pill_mustache,
        "plan": PackageResources.plan_mustache,
        "preferences": PackageResources.preferences_mustache,
        "problem": PackageResources.problem_mustache,
        "problems": PackageResources.problems_mustache,
        "progress": PackageResources.progress_mustache,
        "sandbox": PackageResources.sandbox_mustache,
        "quotas": PackageResources.quotas_mustache,
        "quotas-rows": PackageResources.quotas_rows_mustache,
        "radar": PackageResources.radar_mustache,
        "received": PackageResources.received_mustache,
        "reconciliation": PackageResources.reconciliation_mustache,
        "reconciliation-now": PackageResources.reconciliation_now_mustache,
        "record": PackageResources.record_mustache,
        "replay-changes": PackageResources.replay_changes_mustache,
        "replay-plan": PackageResources.replay_plan_mustache,
        "replay": PackageResources.replay_mustache,
        "review": PackageResources.review_mustache,
        "review-plan": PackageResources.review_plan_mustache,
        "review-queue": PackageResources.review_queue_mustache,
        "run": PackageResources.run_mustache,
        "run-now": PackageResources.run_now_mustache,
        "search": PackageResources.search_mustache,
        "secret": PackageResources.secret_mustache,
        "settings": PackageResources.settings_mustache,
        "setup": PackageResources.setup_mustache,
        "sign-in": PackageResources.sign_in_mustache,
        "slot": PackageResources.slot_mustache,
        "sparkline": PackageResources.sparkline_mustache,
        "storage": PackageResources.storage_mustache,
        "tabs": PackageResources.tabs_mustache,
        "time": PackageResources.time_mustache,
        "timeline": PackageResources.timeline_mustache,
        "trace": PackageResources.trace_mustache,
        "user": PackageResources.user_mustache,
        "users": PackageResources.users_mustache,
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
    /// Sends the requests that the documentation shows.
    public static let docsScript = PackageResources.docs_js
    public static let icons = PackageResources.icons_svg
    public static let favicon = PackageResources.favicon_svg

    /// The demo's application: its page and the parts of it that change.
    public static let bakeryTemplates: [String: [UInt8]] = [
        "bakery": PackageResources.bakery_mustache,
        "counts": PackageResources.counts_mustache,
        "health": PackageResources.health_mustache,
        "members": PackageResources.members_mustache,
        "news": PackageResources.news_mustache,
    ]
    public static let bakeryStyle = PackageResources.tokens_css + PackageResources.bakery_css
    public static let bakeryScript = PackageResources.bakery_js
    public static let bakeryIcon = PackageResources.loaf_svg

    /// The lines that verify a webhook of ours, as they are shown.
    public static let verifying = (
        python: PackageResources.verify_py, javaScript: PackageResources.verify_mjs,
        swift: PackageResources.verify_swift_txt
    )
}
