<?php

// The guide's route where the guide puts it, in a file of routes: there `$this` is none of the app's own classes.

use Illuminate\Http\Request;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\Facades\Route;

Route::post('/webhooks/openwa', function (Request $request) {
    // Verify signature: hash_hmac('sha256', $request->getContent(), config('openwa.webhook_secret'))
    $event = $request->json()->all();
    Log::info('OpenWA webhook', $event);

    match ($event['event']) {
        'session.connected' => $this->handleSessionConnected($event),
        'session.banned' => $this->handleSessionBanned($event),
        'message.delivered' => $this->handleMessageDelivered($event),
        default => logger()->debug('Unhandled webhook', $event),
    };

    return response()->json(['status' => 'ok']);
});
