<?php

return [
    // Where the manager answers, and the key it made at its first start (admin.key).
    'base_url' => env('OPENWA_BASE_URL', 'http://127.0.0.1:2790'),
    'api_key' => env('OPENWA_API_KEY'),

    // The secret its events are signed with: OPENWA_MANAGER_UPSTREAM_SECRET (or WEBHOOK_SECRET) over there.
    'webhook_secret' => env('OPENWA_WEBHOOK_SECRET'),

    // 'standard': signature with time (standardwebhooks.com). 'plain': hash_hmac('sha256', $body, $secret).
    'signature' => env('OPENWA_SIGNATURE', 'standard'),

    // Who may create sessions and see codes: the middleware of your logged-in pages.
    'middleware' => ['web', 'auth'],

    // Heartbeats come every 60 s per connected session; without one for so long a session is looked at.
    'stale_after_s' => (int) env('OPENWA_STALE_AFTER_S', 150),

    // For so long a campaign is tried to be handed over while the manager cannot be reached.
    'give_up_after_s' => (int) env('OPENWA_GIVE_UP_AFTER_S', 86400),
];
