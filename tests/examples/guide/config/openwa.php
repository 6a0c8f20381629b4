<?php

return [
    'base_url' => env('OPENWA_BASE_URL'),
    'api_key' => env('OPENWA_API_KEY'),
    'webhook_secret' => env('OPENWA_WEBHOOK_SECRET'),
];
