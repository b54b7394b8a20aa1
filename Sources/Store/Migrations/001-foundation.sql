-- One text for both engines. $TEXT, $BLOB, $INTEGER, $REAL and $STRICT are replaced by the dialect:
-- text compares by bytes everywhere, times are microseconds since 1970, booleans are 0 and 1.

CREATE TABLE instance (
    key                 $TEXT PRIMARY KEY,
    value               $TEXT NOT NULL
) $STRICT;

-- Ids of transactions whose COMMIT may have gone unanswered; swept hourly.
CREATE TABLE writes (
    id                  $BLOB PRIMARY KEY,
    at                  $INTEGER NOT NULL
) $STRICT;

CREATE TABLE nodes (
    id                  $TEXT PRIMARY KEY,
    host                $TEXT NOT NULL,
    process             $INTEGER NOT NULL,
    program             $TEXT NOT NULL,
    started_at          $INTEGER NOT NULL,
    beat                $INTEGER NOT NULL,
    beat_at             $INTEGER NOT NULL,
    stopped_at          $INTEGER,
    revoked_at          $INTEGER
) $STRICT;

CREATE TABLE leases (
    name                $TEXT PRIMARY KEY,
    node                $TEXT,
    fence               $INTEGER NOT NULL,
    taken_at            $INTEGER NOT NULL
) $STRICT;

-- App credentials: what the provider gave the operator. Secrets from settings are not stored.
CREATE TABLE apps (
    id                  $TEXT PRIMARY KEY,
    provider            $TEXT NOT NULL,
    name                $TEXT NOT NULL,
    source              $TEXT NOT NULL CHECK (source IN ('settings', 'api')),
    client_id           $TEXT,
    version             $INTEGER NOT NULL,
    created_at          $INTEGER NOT NULL,
    updated_at          $INTEGER NOT NULL,
    disabled_at         $INTEGER
) $STRICT;
CREATE UNIQUE INDEX apps_settings ON apps (provider, name) WHERE source = 'settings';

CREATE TABLE app_secrets (
    id                  $TEXT PRIMARY KEY,
    app_id              $TEXT NOT NULL REFERENCES apps (id),
    purpose             $TEXT NOT NULL,
    sealed              $BLOB NOT NULL,
    key_id              $TEXT NOT NULL,
    created_at          $INTEGER NOT NULL,
    expires_at          $INTEGER
) $STRICT;
CREATE INDEX app_secrets_app ON app_secrets (app_id);

-- Webhooks ordered at platforms by their API, one subscription an app. `remote_id` is the platform's name for the one
-- whose secret is kept under `secret_id`; `differences` and `duplicates` are words of the last look, blanks between.
CREATE TABLE webhook_subscriptions (
    app_id              $TEXT PRIMARY KEY REFERENCES apps (id),
    provider            $TEXT NOT NULL,
    state               $TEXT NOT NULL CHECK (state IN ('registering', 'registered', 'differs', 'failed', 'removing')),
    url                 $TEXT,
    remote_id           $TEXT,
    secret_id           $TEXT,
    differences         $TEXT NOT NULL,
    duplicates          $TEXT NOT NULL,
    problem             $TEXT,
    registered_at       $INTEGER,
    checked_at          $INTEGER,
    created_at          $INTEGER NOT NULL,
    updated_at          $INTEGER NOT NULL
) $STRICT;

-- Inbound ---------------------------------------------------------------------------------------------------

CREATE TABLE bodies (
    id                  $TEXT PRIMARY KEY,
    bytes               $BLOB NOT NULL,
    encoding            $TEXT NOT NULL,
    checksum            $INTEGER NOT NULL,
    key_id              $TEXT
) $STRICT;
CREATE INDEX bodies_key ON bodies (key_id) WHERE key_id IS NOT NULL;

-- The key of a month, under which bodies are sealed where the operator wants it; sealed by one of the operator's keys.
CREATE TABLE body_keys (
    id                  $TEXT PRIMARY KEY,
    sealed              $BLOB NOT NULL,
    key_id              $TEXT NOT NULL,
    created_at          $INTEGER NOT NULL
) $STRICT;

CREATE TABLE deliveries (
    id                  $TEXT PRIMARY KEY,
    provider            $TEXT NOT NULL,
    app_id              $TEXT,
    received_at         $INTEGER NOT NULL,
    verdict             $TEXT NOT NULL CHECK (verdict IN ('accepted', 'duplicate', 'rejected')),
    code                $TEXT,
    reason              $TEXT,
    flags               $TEXT,
    method              $TEXT NOT NULL,
    target              $BLOB NOT NULL,
    headers             $BLOB NOT NULL,
    remote              $TEXT,
    size                $INTEGER NOT NULL,
    body_id             $TEXT,
    event_id            $TEXT
) $STRICT;
CREATE INDEX deliveries_rejected ON deliveries (provider, id) WHERE verdict = 'rejected';

-- Owner of the proving secret, the platform's own day, the hash of what is stable: never joined by applications.
CREATE TABLE event_identities (
    scope               $TEXT NOT NULL,
    day                 $INTEGER NOT NULL,
    hash                $BLOB NOT NULL,
    event_id            $TEXT NOT NULL,
    PRIMARY KEY (scope, day, hash)
) $CLUSTERED;

-- Proofs whose signatures cover a checksum of the body alone: what names each, by the day that it was signed, and the
-- SHA-256 of the body that came with it first.
CREATE TABLE used_proofs (
    scope               $TEXT NOT NULL,
    day                 $INTEGER NOT NULL,
    hash                $BLOB NOT NULL,
    body                $BLOB NOT NULL,
    PRIMARY KEY (scope, day, hash)
) $CLUSTERED;

CREATE TABLE events (
    id                  $TEXT PRIMARY KEY,
    provider            $TEXT NOT NULL,
    app_id              $TEXT NOT NULL,
    delivery_id         $TEXT NOT NULL,
    provider_event_id   $TEXT,
    type                $TEXT NOT NULL,
    account             $TEXT,
    subject             $TEXT,
    occurred_at         $INTEGER,
    received_at         $INTEGER NOT NULL,
    body_id             $TEXT NOT NULL,
    body_offset         $INTEGER NOT NULL,
    body_length         $INTEGER NOT NULL,
    connection_id       $TEXT,
    user_id             $TEXT,
    state               $TEXT NOT NULL CHECK (state IN ('queued', 'applied', 'waiting_review', 'failed', 'ignored')),
    state_reason        $TEXT,
    state_at            $INTEGER NOT NULL,
    told_at             $INTEGER,
    duplicates          $INTEGER NOT NULL DEFAULT 0,
    last_duplicate_at   $INTEGER,
    last_duplicate_from $TEXT,
    bytes_differed      $INTEGER NOT NULL DEFAULT 0
) $STRICT;
CREATE INDEX events_type ON events (type, id);
CREATE INDEX events_user ON events (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX events_attention ON events (state, id) WHERE state IN ('waiting_review', 'failed');
CREATE INDEX events_waiting ON events (provider, subject, id) WHERE state = 'waiting_review';

-- By which values events are found: the first 8 bytes of a keyed hash of each. Made after the event, from its bytes;
-- how far, and with which key, stands in `instance` (event_terms_to, event_terms_key).
CREATE TABLE event_terms (
    term                $INTEGER NOT NULL,
    event_id            $TEXT NOT NULL,
    PRIMARY KEY (term, event_id)
) $CLUSTERED;
CREATE INDEX event_terms_event ON event_terms (event_id);

-- Jobs ------------------------------------------------------------------------------------------------------

-- What fairness is between, and what a gate holds back. `turn` is the work a lane has used: the least goes first.
CREATE TABLE lanes (
    id                  $TEXT PRIMARY KEY,
    pool                $INTEGER NOT NULL,
    weight              $INTEGER NOT NULL,
    turn                $INTEGER NOT NULL,
    active              $INTEGER NOT NULL,
    arrivals            $INTEGER NOT NULL,
    gated_until         $INTEGER NOT NULL DEFAULT 0,
    gate                $TEXT,
    gate_reason         $TEXT
) $STRICT;
CREATE INDEX lanes_due ON lanes (pool, turn, id) WHERE active = 1;

-- Where a lane that wakes begins: the turn of the last one served.
CREATE TABLE lane_clocks (
    pool                $INTEGER PRIMARY KEY,
    turn                $INTEGER NOT NULL
) $STRICT;
INSERT INTO lane_clocks (pool, turn) VALUES (0, 0), (1, 0), (2, 0);

CREATE TABLE jobs (
    id                  $TEXT PRIMARY KEY,
    kind                $TEXT NOT NULL,
    version             $INTEGER NOT NULL,
    lane                $TEXT NOT NULL,
    class               $TEXT NOT NULL,
    state               $TEXT NOT NULL CHECK (state IN ('scheduled', 'available', 'running')),
    rank                $INTEGER NOT NULL,
    due_at              $INTEGER NOT NULL,
    input               $BLOB NOT NULL,
    subject             $TEXT,
    unique_key          $TEXT,
    again               $INTEGER NOT NULL DEFAULT 0,
    attempts            $INTEGER NOT NULL DEFAULT 0,
    deaths              $INTEGER NOT NULL DEFAULT 0,
    node                $TEXT,
    fence               $INTEGER NOT NULL DEFAULT 0,
    cancelled           $INTEGER NOT NULL DEFAULT 0,
    created_at          $INTEGER NOT NULL,
    started_at          $INTEGER,
    first_failed_at     $INTEGER,
    last_error          $TEXT
) $HOT;
CREATE INDEX jobs_ready ON jobs (lane, rank, id) WHERE state = 'available';
CREATE INDEX jobs_scheduled ON jobs (due_at, id) WHERE state = 'scheduled';
CREATE INDEX jobs_running ON jobs (node) WHERE state = 'running';
CREATE INDEX jobs_subject ON jobs (subject) WHERE subject IS NOT NULL;
CREATE UNIQUE INDEX jobs_unique ON jobs (unique_key) WHERE unique_key IS NOT NULL;

CREATE TABLE jobs_done (
    id                  $TEXT PRIMARY KEY,
    kind                $TEXT NOT NULL,
    version             $INTEGER NOT NULL,
    lane                $TEXT NOT NULL,
    class               $TEXT NOT NULL,
    state               $TEXT NOT NULL CHECK (state IN ('succeeded', 'cancelled', 'dead')),
    input               $BLOB NOT NULL,
    subject             $TEXT,
    unique_key          $TEXT,
    attempts            $INTEGER NOT NULL,
    deaths              $INTEGER NOT NULL,
    created_at          $INTEGER NOT NULL,
    started_at          $INTEGER,
    finished_at         $INTEGER NOT NULL,
    reason              $TEXT
) $STRICT;
CREATE INDEX jobs_done_dead ON jobs_done (id) WHERE state = 'dead';
CREATE INDEX jobs_done_subject ON jobs_done (subject, id) WHERE subject IS NOT NULL;

-- Why runs failed that were tried again: of each job the last few.
CREATE TABLE job_failures (
    job_id              $TEXT NOT NULL,
    at                  $INTEGER NOT NULL,
    attempt             $INTEGER NOT NULL,
    problem             $TEXT NOT NULL,
    PRIMARY KEY (job_id, at)
) $CLUSTERED;

CREATE TABLE schedules (
    name                $TEXT PRIMARY KEY,
    kind                $TEXT NOT NULL,
    lane                $TEXT NOT NULL,
    class               $TEXT NOT NULL,
    input               $BLOB NOT NULL,
    every               $INTEGER NOT NULL CHECK (every > 0),
    next_at             $INTEGER NOT NULL,
    last_at             $INTEGER
) $STRICT;
CREATE INDEX schedules_next ON schedules (next_at);

-- Outward ---------------------------------------------------------------------------------------------------

CREATE TABLE changes (
    seq                 $IDENTITY,
    id                  $TEXT NOT NULL,
    type                $TEXT NOT NULL,
    subject             $TEXT,
    version             $INTEGER NOT NULL,
    user_id             $TEXT,
    connection_id       $TEXT,
    occurred_at         $INTEGER NOT NULL,
    payload             $BLOB NOT NULL,
    body_id             $TEXT,
    body_offset         $INTEGER,
    body_length         $INTEGER
) $STRICT;
CREATE UNIQUE INDEX changes_id ON changes (id);
CREATE INDEX changes_subject ON changes (subject, seq) WHERE subject IS NOT NULL;

-- Committed or about to be, and without a position yet.
CREATE TABLE feed_pending (
    seq                 $INTEGER PRIMARY KEY
) $HOT;
CREATE TABLE feed (
    position            $INTEGER PRIMARY KEY,
    seq                 $INTEGER NOT NULL
) $STRICT;
CREATE UNIQUE INDEX feed_seq ON feed (seq);
CREATE TABLE feed_head (
    one                 $INTEGER PRIMARY KEY CHECK (one = 1),
    position            $INTEGER NOT NULL
) $STRICT;
INSERT INTO feed_head (one, position) VALUES (1, 0);

CREATE TABLE endpoints (
    id                  $TEXT PRIMARY KEY,
    url                 $TEXT NOT NULL,
    description         $TEXT,
    types               $TEXT NOT NULL,
    ordered_by          $TEXT NOT NULL CHECK (ordered_by IN ('none', 'user', 'connection')),
    signed_by           $TEXT NOT NULL CHECK (signed_by IN ('hmac', 'ed25519')),
    state               $TEXT NOT NULL CHECK (state IN ('active', 'failing', 'disabled')),
    state_reason        $TEXT,
    position            $INTEGER NOT NULL,
    version             $INTEGER NOT NULL,
    created_at          $INTEGER NOT NULL,
    updated_at          $INTEGER NOT NULL,
    failing_since       $INTEGER,
    last_success_at     $INTEGER,
    paused_until        $INTEGER NOT NULL DEFAULT 0,
    warned              $INTEGER NOT NULL DEFAULT 0
) $STRICT;

CREATE TABLE endpoint_secrets (
    id                  $TEXT PRIMARY KEY,
    endpoint_id         $TEXT NOT NULL REFERENCES endpoints (id),
    sealed              $BLOB NOT NULL,
    key_id              $TEXT NOT NULL,
    public_key          $TEXT,
    created_at          $INTEGER NOT NULL,
    expires_at          $INTEGER
) $STRICT;
CREATE INDEX endpoint_secrets_endpoint ON endpoint_secrets (endpoint_id);

-- Changes that an endpoint has not taken yet although its cursor has passed them. Of one ordering key the first is
-- tried, the others are held.
CREATE TABLE attempts_due (
    endpoint_id         $TEXT NOT NULL,
    position            $INTEGER NOT NULL,
    ordering_key        $TEXT,
    attempts            $INTEGER NOT NULL,
    due_at              $INTEGER NOT NULL,
    first_at            $INTEGER,
    held                $INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (endpoint_id, position)
) $HOT;
CREATE INDEX attempts_due_next ON attempts_due (endpoint_id, due_at, position) WHERE held = 0;
CREATE INDEX attempts_due_key ON attempts_due (endpoint_id, ordering_key, position) WHERE ordering_key IS NOT NULL;

-- Every try. Position 0 is a test event, which is no change.
CREATE TABLE attempts (
    id                  $TEXT PRIMARY KEY,
    endpoint_id         $TEXT NOT NULL,
    position            $INTEGER NOT NULL,
    change_id           $TEXT NOT NULL,
    type                $TEXT NOT NULL,
    number              $INTEGER NOT NULL,
    at                  $INTEGER NOT NULL,
    latency             $INTEGER NOT NULL,
    outcome             $TEXT NOT NULL CHECK (outcome IN ('delivered', 'failed', 'gone', 'dead')),
    status              $INTEGER,
    problem             $TEXT,
    answer              $BLOB,
    next_at             $INTEGER
) $STRICT;
CREATE INDEX attempts_endpoint ON attempts (endpoint_id, id);
CREATE INDEX attempts_change ON attempts (change_id);
CREATE INDEX attempts_failed ON attempts (endpoint_id, position) WHERE outcome IN ('failed', 'dead', 'gone');

-- Users and money -------------------------------------------------------------------------------------------

CREATE TABLE users (
    id                   $TEXT PRIMARY KEY,
    email                $TEXT,
    display_name         $TEXT,
    avatar_url           $TEXT,
    google_sub           $TEXT,
    metadata             $TEXT NOT NULL,
    subscription_status  $TEXT,
    subscription_plan    $TEXT,
    current_period_end   $INTEGER,
    cancel_at_period_end $INTEGER NOT NULL DEFAULT 0,
    payment_method       $TEXT,
    version              $INTEGER NOT NULL,
    account_id           $TEXT,
    source               $TEXT,
    observed_at          $INTEGER,
    first_seen_at        $INTEGER NOT NULL,
    updated_at           $INTEGER NOT NULL,
    deleted_at           $INTEGER
) $STRICT;

-- Whose customer at which platform. What the application or a person said counts more than what an event says.
-- There is a row for every customer that was heard of, with or without a user: who decides about a customer holds it.
CREATE TABLE customers (
    provider            $TEXT NOT NULL,
    customer            $TEXT NOT NULL,
    user_id             $TEXT,
    source              $TEXT CHECK (source IN ('application', 'review', 'event')),
    stated_at           $INTEGER,
    linked_at           $INTEGER,
    PRIMARY KEY (provider, customer),
    CHECK ((user_id IS NULL) = (source IS NULL))
) $STRICT;
CREATE INDEX customers_user ON customers (user_id, provider, linked_at) WHERE user_id IS NOT NULL;

-- `status` is what counts; `stated_status` what the platform said last, without what invoices let us suppose.
-- `tied` names the events that spoke in the second of `stated_at`; `asked_at` is when the platform was asked.
-- `standing` orders a user's subscriptions, the best first (docs/billing.md).
CREATE TABLE subscriptions (
    provider             $TEXT NOT NULL,
    id                   $TEXT NOT NULL,
    app_id               $TEXT NOT NULL,
    customer             $TEXT,
    user_id              $TEXT,
    status               $TEXT,
    status_provisional   $INTEGER NOT NULL,
    standing             $INTEGER NOT NULL,
    unclear              $INTEGER NOT NULL,
    plan                 $TEXT,
    current_period_end   $INTEGER,
    paid_until           $INTEGER,
    cancel_at_period_end $INTEGER NOT NULL,
    ended_at             $INTEGER,
    payment_method       $TEXT,
    stated_status        $TEXT,
    stated_period_end    $INTEGER,
    is_final             $INTEGER NOT NULL,
    stated_at            $INTEGER,
    stated_by            $TEXT,
    tied                 $TEXT NOT NULL,
    asked_at             $INTEGER,
    invoice_outcome      $TEXT CHECK (invoice_outcome IN ('paid', 'failed', 'failed_first')),
    invoice_at           $INTEGER,
    next_payment_at      $INTEGER,
    account_id           $TEXT,
    source               $TEXT NOT NULL,
    observed_at          $INTEGER NOT NULL,
    first_seen_at        $INTEGER NOT NULL,
    updated_at           $INTEGER NOT NULL,
    deleted_at           $INTEGER,
    PRIMARY KEY (provider, id)
) $STRICT;
CREATE INDEX subscriptions_user ON subscriptions (user_id, standing, current_period_end, id) WHERE user_id IS NOT NULL;
CREATE INDEX subscriptions_customer ON subscriptions (provider, customer) WHERE customer IS NOT NULL;
CREATE INDEX subscriptions_unclear ON subscriptions (provider, id) WHERE unclear = 1;

CREATE TABLE payment_methods (
    provider            $TEXT NOT NULL,
    id                  $TEXT NOT NULL,
    app_id              $TEXT NOT NULL,
    customer            $TEXT,
    user_id             $TEXT,
    type                $TEXT,
    brand               $TEXT,
    last4               $TEXT,
    expires             $TEXT,
    attached            $INTEGER NOT NULL,
    attached_at         $INTEGER,
    stated_at           $INTEGER NOT NULL,
    stated_by           $TEXT NOT NULL,
    account_id          $TEXT,
    source              $TEXT NOT NULL,
    observed_at         $INTEGER NOT NULL,
    first_seen_at       $INTEGER NOT NULL,
    updated_at          $INTEGER NOT NULL,
    deleted_at          $INTEGER,
    PRIMARY KEY (provider, id)
) $STRICT;
CREATE INDEX payment_methods_user ON payment_methods (user_id, attached, attached_at, id) WHERE user_id IS NOT NULL;
CREATE INDEX payment_methods_customer ON payment_methods (provider, customer) WHERE customer IS NOT NULL;

-- A payment may be heard of by a refund or a dispute first: then it has no status yet.
CREATE TABLE payments (
    provider            $TEXT NOT NULL,
    id                  $TEXT NOT NULL,
    app_id              $TEXT NOT NULL,
    customer            $TEXT,
    user_id             $TEXT,
    status              $TEXT,
    outcome             $TEXT NOT NULL CHECK (outcome IN ('open', 'failed', 'succeeded', 'cancelled')),
    stage               $INTEGER NOT NULL,
    amount              $INTEGER,
    currency            $TEXT,
    problem             $TEXT,
    stated_at           $INTEGER,
    stated_by           $TEXT,
    refunded            $INTEGER NOT NULL,
    refunded_at         $INTEGER,
    dispute             $TEXT,
    dispute_stage       $INTEGER,
    disputed_at         $INTEGER,
    version             $INTEGER NOT NULL,
    account_id          $TEXT,
    source              $TEXT NOT NULL,
    observed_at         $INTEGER NOT NULL,
    first_seen_at       $INTEGER NOT NULL,
    updated_at          $INTEGER NOT NULL,
    deleted_at          $INTEGER,
    PRIMARY KEY (provider, id)
) $STRICT;
CREATE INDEX payments_user ON payments (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX payments_customer ON payments (provider, customer) WHERE customer IS NOT NULL;

-- What the platform answered when an event made us ask, so that a replay reads it again. `covers` and `through` say
-- what had been heard when it was asked: the answer decides between just that.
CREATE TABLE fetched (
    event_id            $TEXT NOT NULL,
    purpose             $TEXT NOT NULL,
    at                  $INTEGER NOT NULL,
    status              $INTEGER NOT NULL,
    answer              $BLOB NOT NULL,
    covers              $TEXT NOT NULL,
    through             $INTEGER NOT NULL,
    PRIMARY KEY (event_id, purpose)
) $STRICT;

-- Calls -----------------------------------------------------------------------------------------------------

-- Every exchange with a platform, without bodies and secrets: the path is a template.
CREATE TABLE calls (
    id                  $TEXT PRIMARY KEY,
    provider            $TEXT NOT NULL,
    purpose             $TEXT NOT NULL,
    method              $TEXT NOT NULL,
    host                $TEXT NOT NULL,
    path                $TEXT NOT NULL,
    at                  $INTEGER NOT NULL,
    latency             $INTEGER NOT NULL,
    status              $INTEGER,
    outcome             $TEXT NOT NULL,
    code                $TEXT,
    cost                $INTEGER NOT NULL,
    attempt             $INTEGER NOT NULL,
    bytes_sent          $INTEGER NOT NULL,
    bytes_received      $INTEGER NOT NULL,
    connection_id       $TEXT,
    user_id             $TEXT,
    subject             $TEXT,
    correlation         $TEXT
) $STRICT;
CREATE INDEX calls_connection ON calls (connection_id, id) WHERE connection_id IS NOT NULL;
CREATE INDEX calls_subject ON calls (subject, id) WHERE subject IS NOT NULL;
CREATE INDEX calls_correlation ON calls (correlation, id) WHERE correlation IS NOT NULL;
CREATE INDEX calls_user ON calls (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX calls_provider ON calls (provider, id);
CREATE INDEX calls_purpose ON calls (purpose, id);
CREATE INDEX calls_failed ON calls (id) WHERE outcome <> 'ok';

-- A time in which the bodies of calls are kept, because somebody has asked for it: of a connection, or of a platform.
CREATE TABLE captures (
    id                  $TEXT PRIMARY KEY,
    provider            $TEXT NOT NULL,
    connection_id       $TEXT,
    began_at            $INTEGER NOT NULL,
    ends_at             $INTEGER NOT NULL,
    calls               $INTEGER NOT NULL,
    calls_max           $INTEGER NOT NULL,
    started_by          $TEXT NOT NULL
) $STRICT;
CREATE INDEX captures_ends ON captures (ends_at);
CREATE INDEX captures_connection ON captures (connection_id, id) WHERE connection_id IS NOT NULL;

-- The bodies of calls that were captured: redacted, sealed. The id is the call's.
CREATE TABLE captured_calls (
    id                  $TEXT PRIMARY KEY,
    capture_id          $TEXT NOT NULL,
    key_id              $TEXT NOT NULL,
    sealed              $BLOB NOT NULL
) $STRICT;

-- How often something that a platform is about to end was used, by day and connection ('' for none): counted from calls
-- and events as they come, once; how far, stands in `instance` (radar/…).
CREATE TABLE ending_uses (
    ending              $TEXT NOT NULL,
    day                 $INTEGER NOT NULL,
    connection_id       $TEXT NOT NULL,
    uses                $INTEGER NOT NULL,
    last_at             $INTEGER NOT NULL,
    PRIMARY KEY (ending, day, connection_id)
) $CLUSTERED;
CREATE INDEX ending_uses_day ON ending_uses (day);

-- What of it was told: the latest stage, so that each is told once.
CREATE TABLE endings_told (
    ending              $TEXT PRIMARY KEY,
    stage               $TEXT NOT NULL,
    at                  $INTEGER NOT NULL
) $STRICT;

-- Hosts of platforms that keep failing; a host that is well has no row. Who may try it next is decided here.
CREATE TABLE circuits (
    host                $TEXT PRIMARY KEY,
    provider            $TEXT NOT NULL,
    opened_at           $INTEGER NOT NULL,
    probe_at            $INTEGER NOT NULL,
    reason              $TEXT NOT NULL
) $STRICT;

-- What is used of each quota: the keeper's count of answered calls, and what nodes hold to spend. A slice that its
-- node does not account for counts as used when it ends.
CREATE TABLE quota_levels (
    key                 $TEXT PRIMARY KEY,
    quota               $TEXT NOT NULL,
    subject             $TEXT NOT NULL,
    state               $BLOB NOT NULL,
    updated_at          $INTEGER NOT NULL
) $HOT;
CREATE INDEX quota_levels_old ON quota_levels (updated_at);

CREATE TABLE quota_slices (
    key                 $TEXT NOT NULL,
    node                $TEXT NOT NULL,
    units               $INTEGER NOT NULL,
    expires_at          $INTEGER NOT NULL,
    PRIMARY KEY (key, node)
) $HOT;

-- Comparisons of what is stored with what the platform says. `position` is the platform's cursor; a run goes on there.
CREATE TABLE reconciliations (
    id                  $TEXT PRIMARY KEY,
    provider            $TEXT NOT NULL,
    app_id              $TEXT NOT NULL,
    stream              $TEXT NOT NULL,
    state               $TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    job_id              $TEXT NOT NULL,
    asked_by            $TEXT,
    since               $INTEGER NOT NULL,
    until               $INTEGER NOT NULL,
    position            $TEXT,
    matched             $INTEGER NOT NULL,
    missing_here        $INTEGER NOT NULL,
    differing           $INTEGER NOT NULL,
    dry_run             $INTEGER NOT NULL,
    problem             $TEXT,
    started_at          $INTEGER NOT NULL,
    ended_at            $INTEGER,
    connection_id       $TEXT,
    missing_there       $INTEGER NOT NULL DEFAULT 0,
    moved               $INTEGER NOT NULL DEFAULT 0
) $STRICT;
CREATE INDEX reconciliations_stream ON reconciliations (app_id, stream, id);
CREATE INDEX reconciliations_connection ON reconciliations (connection_id, stream, id)
    WHERE connection_id IS NOT NULL;

-- Keys that a comparison of records has seen at the platform, until it ends; and what it found to differ.
CREATE TABLE reconciliation_seen (
    reconciliation_id   $TEXT NOT NULL,
    key                 $TEXT NOT NULL,
    PRIMARY KEY (reconciliation_id, key)
) $CLUSTERED;
CREATE TABLE reconciliation_differences (
    reconciliation_id   $TEXT NOT NULL,
    key                 $TEXT NOT NULL,
    kind                $TEXT NOT NULL CHECK (kind IN ('missing_here', 'missing_there', 'differing', 'moved')),
    fields              $TEXT NOT NULL,
    PRIMARY KEY (reconciliation_id, key)
) $CLUSTERED;

-- Connections -----------------------------------------------------------------------------------------------

-- One account at one platform, owned by a user: a connection. Two users may share an account. Tokens are not here.
-- `state` is what the platform made of it; a connection that is paused shows so as long as the platform has it.
-- `scoped_id`: what the platform calls the account towards this app alone, where that is another id than `open_id`.
-- `token_version` is that of its last tokens, also when they are gone: no two tokens of a connection share one.
CREATE TABLE oauth_accounts (
    id                  $TEXT PRIMARY KEY,
    user_id             $TEXT NOT NULL,
    provider            $TEXT NOT NULL,
    app_id              $TEXT NOT NULL,
    open_id             $TEXT NOT NULL,
    scoped_id           $TEXT,
    display_name        $TEXT,
    scope               $TEXT NOT NULL,
    wanted_scope        $TEXT NOT NULL,
    expires_at          $INTEGER,
    refresh_expires_at  $INTEGER,
    ends_at             $INTEGER,
    state               $TEXT NOT NULL CHECK
                        (state IN ('pending', 'active', 'refreshing', 'suspect', 'needs_reconnect', 'revoked')),
    state_reason        $TEXT,
    state_at            $INTEGER NOT NULL,
    attention           $TEXT,
    paused_at           $INTEGER,
    version             $INTEGER NOT NULL,
    token_version       $INTEGER NOT NULL DEFAULT 0,
    account_id          $TEXT,
    source              $TEXT NOT NULL,
    observed_at         $INTEGER NOT NULL,
    first_seen_at       $INTEGER NOT NULL,
    updated_at          $INTEGER NOT NULL,
    deleted_at          $INTEGER
) $STRICT;
CREATE UNIQUE INDEX oauth_accounts_link ON oauth_accounts (user_id, provider, app_id, open_id)
    WHERE deleted_at IS NULL;
CREATE INDEX oauth_accounts_account ON oauth_accounts (provider, open_id, app_id) WHERE deleted_at IS NULL;
CREATE INDEX oauth_accounts_scoped ON oauth_accounts (provider, scoped_id, app_id)
    WHERE scoped_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX oauth_accounts_state ON oauth_accounts (state, id);
CREATE INDEX oauth_accounts_paused ON oauth_accounts (id) WHERE paused_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX oauth_accounts_live ON oauth_accounts (id) WHERE deleted_at IS NULL;
CREATE INDEX oauth_accounts_attention ON oauth_accounts (id) WHERE attention IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX oauth_accounts_soonest ON oauth_accounts (ends_at, id)
    WHERE attention IS NULL AND deleted_at IS NULL AND ends_at IS NOT NULL;
CREATE INDEX oauth_accounts_endless ON oauth_accounts (id)
    WHERE attention IS NULL AND deleted_at IS NULL AND ends_at IS NULL;
CREATE INDEX oauth_accounts_pending ON oauth_accounts (state_at, id) WHERE state = 'pending';
CREATE INDEX oauth_accounts_ending ON oauth_accounts (ends_at, id)
    WHERE ends_at IS NOT NULL AND state IN ('active', 'refreshing', 'suspect');

-- The sealed tokens of a connection, under its id. `attempt_…` is a refresh that may be on its way: who asks, and
-- since when. `retry_at`: before that the platform does not want to be asked. `revoking_at`: nothing but the platform's
-- revocation may use them any more.
CREATE TABLE credentials (
    id                  $TEXT PRIMARY KEY,
    provider            $TEXT NOT NULL,
    app_id              $TEXT NOT NULL,
    open_id             $TEXT NOT NULL,
    version             $INTEGER NOT NULL,
    sealed              $BLOB NOT NULL,
    key_id              $TEXT NOT NULL,
    obtained_at         $INTEGER NOT NULL,
    expires_at          $INTEGER,
    refresh_at          $INTEGER,
    attempt_node        $TEXT,
    attempt_fence       $INTEGER NOT NULL DEFAULT 0,
    attempt_at          $INTEGER,
    failures            $INTEGER NOT NULL DEFAULT 0,
    refusals            $INTEGER NOT NULL DEFAULT 0,
    paused_until        $INTEGER NOT NULL DEFAULT 0,
    retry_at            $INTEGER,
    revoking_at         $INTEGER
) $HOT;
-- Webhooks ordered for one account with its own token: how it was when it was last looked at. Gone with the tokens.
CREATE TABLE account_subscriptions (
    connection_id       $TEXT PRIMARY KEY,
    provider            $TEXT NOT NULL,
    state               $TEXT NOT NULL CHECK (state IN ('registered', 'failed')),
    remote_id           $TEXT,
    problem             $TEXT,
    registered_at       $INTEGER,
    checked_at          $INTEGER NOT NULL
) $STRICT;

CREATE INDEX credentials_due ON credentials (refresh_at, id) WHERE refresh_at IS NOT NULL AND revoking_at IS NULL;
CREATE INDEX credentials_revoking ON credentials (revoking_at, id) WHERE revoking_at IS NOT NULL;

-- Links that people open to connect an account. `link` and `confirm` are hashes of what is shown once, `browser` that
-- of the cookie of the one that opened the link first.
CREATE TABLE connect_sessions (
    id                  $TEXT PRIMARY KEY,
    link                $BLOB NOT NULL,
    state               $TEXT NOT NULL CHECK (state IN ('open', 'pending', 'connected', 'failed')),
    code                $TEXT,
    user_id             $TEXT NOT NULL,
    provider            $TEXT NOT NULL,
    app_id              $TEXT NOT NULL,
    scope               $TEXT NOT NULL,
    return_url          $TEXT,
    confirms            $INTEGER NOT NULL,
    wanted_connection   $TEXT,
    connection_id       $TEXT,
    made_by             $TEXT NOT NULL,
    created_at          $INTEGER NOT NULL,
    expires_at          $INTEGER NOT NULL,
    ended_at            $INTEGER,
    confirm             $BLOB,
    confirm_until       $INTEGER,
    browser             $BLOB
) $STRICT;
CREATE UNIQUE INDEX connect_sessions_link ON connect_sessions (link);
CREATE INDEX connect_sessions_old ON connect_sessions (created_at, id);

-- Each way to the platform's page: one browser, one state, used once. The verifier is sealed.
CREATE TABLE connect_attempts (
    state               $BLOB PRIMARY KEY,
    session_id          $TEXT NOT NULL REFERENCES connect_sessions (id),
    browser             $BLOB NOT NULL,
    redirect            $TEXT NOT NULL,
    verifier            $BLOB,
    key_id              $TEXT,
    created_at          $INTEGER NOT NULL,
    used_at             $INTEGER
) $STRICT;
CREATE INDEX connect_attempts_session ON connect_attempts (session_id, created_at);

-- People ----------------------------------------------------------------------------------------------------

CREATE TABLE reviews (
    id                  $TEXT PRIMARY KEY,
    kind                $TEXT NOT NULL,
    state               $TEXT NOT NULL CHECK (state IN ('open', 'claimed', 'decided')),
    subject             $TEXT NOT NULL,
    question            $TEXT NOT NULL,
    evidence            $TEXT NOT NULL,
    choices             $TEXT NOT NULL,
    provider            $TEXT,
    count               $INTEGER NOT NULL,
    opened_at           $INTEGER NOT NULL,
    claimed_by          $TEXT,
    claimed_at          $INTEGER,
    decided_by          $TEXT,
    decided_at          $INTEGER,
    decision            $TEXT,
    note                $TEXT
) $STRICT;
CREATE UNIQUE INDEX reviews_open ON reviews (kind, subject) WHERE state <> 'decided';
CREATE INDEX reviews_subject ON reviews (subject, id);

CREATE TABLE alerts (
    id                  $TEXT PRIMARY KEY,
    kind                $TEXT NOT NULL,
    state               $TEXT NOT NULL CHECK (state IN ('open', 'silenced', 'resolved')),
    subject             $TEXT NOT NULL,
    summary             $TEXT NOT NULL,
    action              $TEXT NOT NULL,
    count               $INTEGER NOT NULL,
    opened_at           $INTEGER NOT NULL,
    last_at             $INTEGER NOT NULL,
    silenced_until      $INTEGER,
    resolved_at         $INTEGER
) $STRICT;
CREATE UNIQUE INDEX alerts_open ON alerts (kind, subject) WHERE state <> 'resolved';
CREATE INDEX alerts_subject ON alerts (subject, id);

-- Append-only. `batch` is given when the entry is sealed into the chain.
CREATE TABLE audit (
    id                  $TEXT PRIMARY KEY,
    at                  $INTEGER NOT NULL,
    actor               $TEXT NOT NULL,
    action              $TEXT NOT NULL,
    subject             $TEXT,
    detail              $TEXT NOT NULL,
    batch               $INTEGER
) $STRICT;

CREATE TABLE api_keys (
    id                  $TEXT PRIMARY KEY,
    name                $TEXT NOT NULL,
    scopes              $TEXT NOT NULL,
    hash                $BLOB NOT NULL,
    hint                $TEXT NOT NULL,
    api_version         $TEXT NOT NULL,
    created_at          $INTEGER NOT NULL,
    expires_at          $INTEGER,
    last_used_at        $INTEGER,
    revoked_at          $INTEGER,
    proxy_paths         $TEXT,
    family              $TEXT NOT NULL
) $STRICT;
CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash);

CREATE TABLE idempotency (
    owner               $TEXT NOT NULL,
    operation           $TEXT NOT NULL,
    key                 $TEXT NOT NULL,
    fingerprint         $BLOB NOT NULL,
    status              $INTEGER NOT NULL,
    location            $TEXT,
    answer              $BLOB NOT NULL,
    secret              $INTEGER NOT NULL DEFAULT 0,
    too_large           $INTEGER NOT NULL DEFAULT 0,
    at                  $INTEGER NOT NULL,
    PRIMARY KEY (owner, operation, key)
) $STRICT;
CREATE INDEX idempotency_at ON idempotency (at);

-- Erasures: what was done about a user who is to be forgotten. `who` is a digest of the user's id, `position` the last
-- event that was looked at, `counts` a JSON object of what was erased so far. With `provider`, it is an account of that
-- platform: `event_id` is the platform's request, and by `code` a person asks how far it is.
CREATE TABLE erasures (
    id                  $TEXT PRIMARY KEY,
    who                 $TEXT NOT NULL,
    state               $TEXT NOT NULL CHECK (state IN ('running', 'done')),
    asked_by            $TEXT NOT NULL,
    asked_at            $INTEGER NOT NULL,
    position            $TEXT NOT NULL,
    counts              $TEXT NOT NULL,
    finished_at         $INTEGER,
    provider            $TEXT,
    event_id            $TEXT,
    code                $TEXT
) $STRICT;
CREATE UNIQUE INDEX erasures_code ON erasures (code) WHERE code IS NOT NULL;

-- Users and customers who were erased, as hashes: what comes later about them is not kept.
CREATE TABLE erased_names (
    hash                $BLOB PRIMARY KEY,
    erasure_id          $TEXT NOT NULL REFERENCES erasures (id),
    at                  $INTEGER NOT NULL
) $STRICT;

-- Work on many things at once that a person started: what is done (`what`), with which (`selection`, JSON), and how
-- far it is. `position` is the last one looked at.
CREATE TABLE bulk_runs (
    id                  $TEXT PRIMARY KEY,
    what                $TEXT NOT NULL,
    selection           $BLOB NOT NULL,
    state               $TEXT NOT NULL CHECK (state IN ('running', 'done', 'cancelled')),
    asked_by            $TEXT NOT NULL,
    asked_at            $INTEGER NOT NULL,
    total               $INTEGER NOT NULL,
    done                $INTEGER NOT NULL DEFAULT 0,
    refused             $INTEGER NOT NULL DEFAULT 0,
    reason              $TEXT,
    position            $TEXT NOT NULL,
    finished_at         $INTEGER
) $STRICT;

-- Operators -------------------------------------------------------------------------------------------------

-- Who may sign in to the pages. `password` names its function and parameters; NULL until it is set.
CREATE TABLE operators (
    id                  $TEXT PRIMARY KEY,
    name                $TEXT NOT NULL,
    role                $TEXT NOT NULL CHECK (role IN ('admin', 'viewer')),
    password            $TEXT,
    created_at          $INTEGER NOT NULL,
    password_at         $INTEGER,
    signed_in_at        $INTEGER
) $STRICT;
CREATE UNIQUE INDEX operators_name ON operators (name);

CREATE TABLE operator_sessions (
    id                  $TEXT PRIMARY KEY,
    operator_id         $TEXT NOT NULL,
    hash                $BLOB NOT NULL,
    created_at          $INTEGER NOT NULL,
    expires_at          $INTEGER NOT NULL,
    last_used_at        $INTEGER NOT NULL,
    address             $TEXT NOT NULL,
    browser             $TEXT NOT NULL
) $STRICT;
CREATE UNIQUE INDEX operator_sessions_hash ON operator_sessions (hash);
CREATE INDEX operator_sessions_operator ON operator_sessions (operator_id, id);
CREATE INDEX operator_sessions_expired ON operator_sessions (expires_at);

-- Addresses that work once: to set a password (without an operator: the first one), or to sign in.
CREATE TABLE operator_links (
    hash                $BLOB PRIMARY KEY,
    purpose             $TEXT NOT NULL CHECK (purpose IN ('setup', 'sign_in')),
    operator_id         $TEXT,
    created_at          $INTEGER NOT NULL,
    expires_at          $INTEGER NOT NULL
) $STRICT;
CREATE INDEX operator_links_expired ON operator_links (expires_at);

-- Failed sign-ins by a digest of whom or what they came from.
CREATE TABLE sign_in_failures (
    key                 $TEXT PRIMARY KEY,
    count               $INTEGER NOT NULL,
    last_at             $INTEGER NOT NULL,
    paused_until        $INTEGER NOT NULL
) $STRICT;
CREATE INDEX sign_in_failures_last ON sign_in_failures (last_at);

-- Objects ---------------------------------------------------------------------------------------------------

-- Files that the application gave us: the row, the bytes lie in the objects' folder under the id. `facts` is a JSON
-- object of what was read from them. `deleting_at`: the file is to go, and the row after it.
CREATE TABLE objects (
    id                  $TEXT PRIMARY KEY,
    kind                $TEXT NOT NULL,
    content_type        $TEXT NOT NULL,
    size                $INTEGER NOT NULL,
    sha256              $BLOB NOT NULL,
    facts               $TEXT NOT NULL,
    name                $TEXT,
    user_id             $TEXT,
    created_at          $INTEGER NOT NULL,
    expires_at          $INTEGER,
    deleting_at         $INTEGER,
    key                 $TEXT
) $STRICT;
-- The application's own name of an object: what has it is the one that is there under it now.
CREATE UNIQUE INDEX objects_key ON objects (key) WHERE key IS NOT NULL AND deleting_at IS NULL;
CREATE INDEX objects_user ON objects (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX objects_expiring ON objects (expires_at, id) WHERE expires_at IS NOT NULL AND deleting_at IS NULL;
CREATE INDEX objects_deleting ON objects (deleting_at, id) WHERE deleting_at IS NOT NULL;

-- Files that come in several requests, under the id that their object will have. How much of one is here says the
-- file's draft in the objects' folder. `object_expires_at` is the object's.
CREATE TABLE uploads (
    id                  $TEXT PRIMARY KEY,
    length              $INTEGER NOT NULL,
    key                 $TEXT,
    content_type        $TEXT,
    name                $TEXT,
    user_id             $TEXT,
    object_expires_at   $INTEGER,
    created_at          $INTEGER NOT NULL
) $STRICT;
CREATE INDEX uploads_created ON uploads (created_at, id);
CREATE INDEX uploads_user ON uploads (user_id, id) WHERE user_id IS NOT NULL;

-- Steps -----------------------------------------------------------------------------------------------------

-- Work of several calls to a platform: the saved state, sealed, under the id of what it is done for. `ordinal` counts
-- the states that were saved, `generation` the times that a call was begun anew on purpose. `asked_at`: a call has
-- left, or was about to; until `asked_until` its answer may come. `final_at`: it cannot be taken back any more.
CREATE TABLE works (
    id                  $TEXT PRIMARY KEY,
    kind                $TEXT NOT NULL,
    version             $INTEGER NOT NULL,
    sealed              $BLOB NOT NULL,
    key_id              $TEXT NOT NULL,
    ordinal             $INTEGER NOT NULL,
    generation          $INTEGER NOT NULL,
    asked_at            $INTEGER,
    asked_until         $INTEGER,
    final_at            $INTEGER,
    -- Whether the platform can be asked to give it up, and since when somebody wants that.
    can_give_up         $INTEGER NOT NULL,
    cancel_at           $INTEGER,
    created_at          $INTEGER NOT NULL,
    updated_at          $INTEGER NOT NULL
) $HOT;

-- Publications ----------------------------------------------------------------------------------------------

-- A post that an operator has begun to write, sealed. The id is the operator's.
CREATE TABLE post_drafts (
    id                  $TEXT PRIMARY KEY,
    key_id              $TEXT NOT NULL,
    sealed              $BLOB NOT NULL,
    updated_at          $INTEGER NOT NULL
) $STRICT;
CREATE INDEX post_drafts_updated ON post_drafts (updated_at);

-- Content for one or more accounts. `content` and `media` are JSON, `media` names objects or addresses.
CREATE TABLE publications (
    id                  $TEXT PRIMARY KEY,
    content             $TEXT NOT NULL,
    media               $TEXT NOT NULL,
    publish_at          $INTEGER,
    created_by          $TEXT NOT NULL,
    version             $INTEGER NOT NULL,
    created_at          $INTEGER NOT NULL,
    updated_at          $INTEGER NOT NULL
) $STRICT;

-- One publication's place in one account. `remote_id` and `remote_status` are the platform's own, `post_id` what it
-- calls that which is to be seen there. `source`: how its media come there.
CREATE TABLE publication_targets (
    id                  $TEXT PRIMARY KEY,
    publication_id      $TEXT NOT NULL REFERENCES publications (id),
    connection_id       $TEXT NOT NULL,
    provider            $TEXT NOT NULL,
    account_id          $TEXT NOT NULL,
    user_id             $TEXT,
    options             $TEXT NOT NULL,
    state               $TEXT NOT NULL CHECK
                        (state IN ('scheduled', 'waiting', 'uploading', 'processing', 'published', 'in_inbox', 'failed',
                                   'unknown', 'cancelled')),
    reason              $TEXT,
    code                $TEXT,
    who                 $TEXT,
    next_action         $TEXT,
    next_at             $INTEGER,
    source              $TEXT NOT NULL,
    remote_id           $TEXT,
    remote_status       $TEXT,
    post_id             $TEXT,
    sent                $INTEGER NOT NULL DEFAULT 0,
    size                $INTEGER NOT NULL DEFAULT 0,
    started_at          $INTEGER,
    finished_at         $INTEGER,
    withdrawn_at        $INTEGER,
    -- Why it failed, as the platform told by itself, until somebody has looked.
    told                $TEXT,
    version             $INTEGER NOT NULL,
    created_at          $INTEGER NOT NULL,
    updated_at          $INTEGER NOT NULL
) $STRICT;
-- By when they were last changed, as retention asks.
CREATE INDEX publications_updated ON publications (updated_at, id);
-- By when they begin, as a calendar asks.
CREATE INDEX publications_when ON publications (coalesce(publish_at, created_at), id);
CREATE INDEX publication_targets_publication ON publication_targets (publication_id, id);
CREATE INDEX publication_targets_connection ON publication_targets (connection_id, id);
CREATE INDEX publication_targets_user ON publication_targets (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX publication_targets_remote ON publication_targets (provider, remote_id) WHERE remote_id IS NOT NULL;
CREATE INDEX publication_targets_live ON publication_targets (state, id)
    WHERE state IN ('scheduled', 'waiting', 'uploading', 'processing', 'unknown');
-- Sync ------------------------------------------------------------------------------------------------------

CREATE INDEX oauth_accounts_open ON oauth_accounts (provider, open_id) WHERE deleted_at IS NULL;

-- How far each stream of an account is read. `bookmark`: the platform's time of the newest row that is covered, that
-- moment included; NULL until all was read once. `shape`: the columns that all of it was read with.
CREATE TABLE stream_states (
    provider            $TEXT NOT NULL,
    account_id          $TEXT NOT NULL,
    stream              $TEXT NOT NULL,
    bookmark            $INTEGER,
    shape               $TEXT NOT NULL,
    due_at              $INTEGER NOT NULL,
    listed_at           $INTEGER,
    synced_at           $INTEGER,
    failing_since       $INTEGER,
    code                $TEXT,
    problem             $TEXT,
    PRIMARY KEY (provider, account_id, stream)
) $STRICT;
CREATE INDEX stream_states_due ON stream_states (due_at);

-- Runs. `position` belongs to `phase`: the platform's cursor while it lists, then the last key that was looked at.
CREATE TABLE syncs (
    id                  $TEXT PRIMARY KEY,
    connection_id       $TEXT NOT NULL,
    provider            $TEXT NOT NULL,
    account_id          $TEXT NOT NULL,
    stream              $TEXT NOT NULL,
    reason              $TEXT NOT NULL CHECK (reason IN ('initial', 'schedule', 'manual', 'webhook', 'full')),
    state               $TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'succeeded', 'failed', 'cancelled')),
    lists_all           $INTEGER NOT NULL,
    since               $INTEGER,
    job_id              $TEXT NOT NULL,
    asked_by            $TEXT,
    phase               $TEXT NOT NULL CHECK (phase IN ('list', 'confirm', 'refresh')),
    position            $TEXT,
    empty_pages         $INTEGER NOT NULL DEFAULT 0,
    newest              $INTEGER,
    again               $INTEGER NOT NULL DEFAULT 0,
    pages               $INTEGER NOT NULL DEFAULT 0,
    rows_read           $INTEGER NOT NULL DEFAULT 0,
    rows_new            $INTEGER NOT NULL DEFAULT 0,
    rows_changed        $INTEGER NOT NULL DEFAULT 0,
    rows_deleted        $INTEGER NOT NULL DEFAULT 0,
    code                $TEXT,
    problem             $TEXT,
    who                 $TEXT,
    retry_at            $INTEGER,
    created_at          $INTEGER NOT NULL,
    started_at          $INTEGER,
    ended_at            $INTEGER
) $HOT;
CREATE UNIQUE INDEX syncs_live ON syncs (provider, account_id, stream) WHERE state IN ('waiting', 'running');
CREATE INDEX syncs_connection ON syncs (connection_id, id);
CREATE INDEX syncs_ended ON syncs (ended_at) WHERE ended_at IS NOT NULL;

-- Every cursor that a run has been given, as a hash: one that comes a second time is a circle.
CREATE TABLE sync_cursors (
    sync_id             $TEXT NOT NULL,
    cursor              $BLOB NOT NULL,
    PRIMARY KEY (sync_id, cursor)
) $CLUSTERED;

-- Rows of streams: one table a stream, as its declaration says; a start checks that both agree.

CREATE TABLE tiktok_accounts (
    account_id          $TEXT NOT NULL,
    open_id             $TEXT NOT NULL,
    union_id            $TEXT,
    display_name        $TEXT,
    username            $TEXT,
    avatar_url          $TEXT,
    avatar_url_100      $TEXT,
    avatar_large_url    $TEXT,
    bio_description     $TEXT,
    profile_deep_link   $TEXT,
    profile_web_link    $TEXT,
    is_verified         $INTEGER,
    follower_count      $INTEGER,
    following_count     $INTEGER,
    likes_count         $INTEGER,
    video_count         $INTEGER,
    source              $TEXT NOT NULL,
    observed_at         $INTEGER NOT NULL,
    first_seen_at       $INTEGER NOT NULL,
    updated_at          $INTEGER NOT NULL,
    deleted_at          $INTEGER,
    PRIMARY KEY (account_id, open_id)
) $STRICT;
CREATE INDEX tiktok_accounts_union_id ON tiktok_accounts (account_id, union_id);

CREATE TABLE tiktok_account_metrics (
    account_id          $TEXT NOT NULL,
    open_id             $TEXT NOT NULL,
    observed_at         $INTEGER NOT NULL,
    follower_count      $INTEGER,
    following_count     $INTEGER,
    likes_count         $INTEGER,
    video_count         $INTEGER,
    PRIMARY KEY (account_id, open_id, observed_at)
) $CLUSTERED;
CREATE INDEX tiktok_account_metrics_observed_at ON tiktok_account_metrics (observed_at);

CREATE TABLE tiktok_videos (
    account_id          $TEXT NOT NULL,
    video_id            $TEXT NOT NULL,
    create_time         $INTEGER,
    title               $TEXT,
    video_description   $TEXT,
    duration            $INTEGER,
    height              $INTEGER,
    width               $INTEGER,
    cover_image_url     $TEXT,
    share_url           $TEXT,
    embed_html          $TEXT,
    embed_link          $TEXT,
    like_count          $INTEGER,
    comment_count       $INTEGER,
    share_count         $INTEGER,
    view_count          $INTEGER,
    source              $TEXT NOT NULL,
    observed_at         $INTEGER NOT NULL,
    first_seen_at       $INTEGER NOT NULL,
    updated_at          $INTEGER NOT NULL,
    deleted_at          $INTEGER,
    PRIMARY KEY (account_id, video_id)
) $STRICT;
CREATE INDEX tiktok_videos_create_time ON tiktok_videos (account_id, create_time);
CREATE INDEX tiktok_videos_video_id ON tiktok_videos (video_id);

CREATE TABLE tiktok_video_metrics (
    account_id          $TEXT NOT NULL,
    video_id            $TEXT NOT NULL,
    observed_at         $INTEGER NOT NULL,
    like_count          $INTEGER,
    comment_count       $INTEGER,
    share_count         $INTEGER,
    view_count          $INTEGER,
    PRIMARY KEY (account_id, video_id, observed_at)
) $CLUSTERED;
CREATE INDEX tiktok_video_metrics_observed_at ON tiktok_video_metrics (observed_at);
