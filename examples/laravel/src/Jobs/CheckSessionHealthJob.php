<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Jobs;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Support\Facades\DB;
use OpenWaManager\Laravel\Models\OpenWaSession;
use OpenWaManager\Laravel\Services\Owners;
use OpenWaManager\Laravel\Services\SessionManager;

/**
 * Looks at sessions that should be connected but have not been heard of, and tells users whose sessions are away.
 *
 * The manager heals its sessions by itself. This job is for what it cannot see: that its events do not reach us.
 */
final class CheckSessionHealthJob implements ShouldQueue
{
    use Dispatchable, Queueable;

    public function handle(SessionManager $sessions, Owners $owners): void
    {
        $silentSince = now()->subSeconds(config('openwa.stale_after_s'));
        OpenWaSession::where('status', 'connected')->where('last_heartbeat_at', '<', $silentSince)
            ->update(['status' => 'stale']);
        foreach (OpenWaSession::where('status', 'stale')->get() as $session) {
            rescue(fn () => $this->check($session, $sessions)); // one session's trouble stays its own; it is reported
        }
        foreach (OpenWaSession::untold(config('openwa.notify_after_s'))->get() as $session) {
            rescue(fn () => $sessions->isAway($session) && $owners->tell($session));
        }
        // The manager replays a dead letter for 30 days at the most: older ids cannot come again.
        DB::table('openwa_processed_events')->where('created_at', '<', now()->subDays(60))->delete();
    }

    private function check(OpenWaSession $session, SessionManager $sessions): void
    {
        if ($sessions->checkHealth($session)) {
            $session->showStatus('connected', null);
            $session->update(['last_heartbeat_at' => now()]);
        } else {
            $sessions->recover($session);
        }
    }
}
