<?php

declare(strict_types=1);

// Published with `php artisan vendor:publish --tag=openwa-config`; everything can be set in .env without that.
return [
    // Where the manager answers, and a key for this app alone: openwa-manager keys create.
    'base_url' => env('OPENWA_BASE_URL', 'http://127.0.0.1:2790'),
    'api_key' => env('OPENWA_API_KEY'),

    // The session that sends where none is named: notifications, OpenWa::session().
    'session' => env('OPENWA_SESSION'),

    // The secret its events are signed with: OPENWA_MANAGER_UPSTREAM_SECRET (or WEBHOOK_SECRET) over there. The second
    // is taken too: put the old one there while you change it.
    'webhook_secret' => env('OPENWA_WEBHOOK_SECRET'),
    'webhook_secret_previous' => env('OPENWA_WEBHOOK_SECRET_PREVIOUS'),

    // 'standard': signature with time (standardwebhooks.com). 'plain': hash_hmac('sha256', $body, $secret).
    'signature' => env('OPENWA_SIGNATURE', 'standard'),

    // Where events are posted to, and what else they go through. No group "web" (no CSRF token) and none that throttles.
    'webhook_path' => env('OPENWA_WEBHOOK_PATH', 'webhooks/openwa'),
    'webhook_middleware' => [],

    // Pages with which logged-in users make sessions and campaigns of their own: /openwa/sessions, /openwa/campaigns.
    'pages' => (bool) env('OPENWA_PAGES', false),
    'prefix' => env('OPENWA_PREFIX', 'openwa'),
    'middleware' => ['web', 'auth'],

    // Outside production every message goes to this number instead.
    'debug_to' => env('OPENWA_DEBUG_TO'),

    // Whom SessionDisconnected and SessionBanned are sent to: this model, found by the session's user_id, by these
    // channels. [] sends nothing. null: the model that logs in (auth.providers.users.model).
    'user_model' => null,
    'notify_via' => ['mail'],
    // A session that connects again within this time has told nobody.
    'notify_after_s' => (int) env('OPENWA_NOTIFY_AFTER_S', 300),

    // Heartbeats come every 60 s per connected session; without one for so long a session is looked at.
    'stale_after_s' => (int) env('OPENWA_STALE_AFTER_S', 150),

    // For so long a campaign is tried to be handed over while the manager cannot be reached.
    'give_up_after_s' => (int) env('OPENWA_GIVE_UP_AFTER_S', 86400),
];
