<?php

namespace App\Jobs;

use App\Models\WaSession;
use App\Notifications\SessionDisconnected;
use App\Services\SessionManager;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Support\Facades\Notification;

// As the users' guide has it, but for the trait and the constructor: it uses a `$sessionManager` that nobody sets.
class CheckSessionHealthJob implements ShouldQueue {
    use Dispatchable;

    private SessionManager $sessionManager;

    public function __construct() {
        $this->sessionManager = new SessionManager;
    }

    public function handle() {
        $sessions = WaSession::whereIn('status', ['connected','qr_ready'])->get();
        foreach ($sessions as $session) {
            $healthy = $this->sessionManager->checkHealth($session);
            if (!$healthy) {
                // Mark disconnected, send notification
                $session->update(['status' => 'disconnected']);
                Notification::send($session->user, new SessionDisconnected($session));
            }
        }
    }
}
