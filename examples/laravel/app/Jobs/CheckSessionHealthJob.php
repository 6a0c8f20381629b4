<?php

namespace App\Jobs;

use App\Models\OpenWaSession;
use App\Services\OpenWaService;
use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Support\Facades\DB;

/**
 * Looks at sessions that should be connected but have not been heard of: marks them stale, asks the manager, restarts.
 *
 * The manager heals its sessions by itself. This job is for what it cannot see: that its events do not reach us.
 */
class CheckSessionHealthJob implements ShouldQueue
{
    use Dispatchable, Queueable;

    public function handle(OpenWaService $openWa): void
    {
        $silentSince = now()->subSeconds(config('openwa.stale_after_s'));
        OpenWaSession::where('status', 'connected')->where('last_heartbeat_at', '<', $silentSince)
            ->update(['status' => 'stale']);
        foreach (OpenWaSession::where('status', 'stale')->get() as $session) {
            rescue(fn () => $this->check($session, $openWa)); // one session's trouble stays its own; it is reported
        }
        // The manager replays a dead letter for 30 days at the most: older ids cannot come again.
        DB::table('openwa_processed_events')->where('created_at', '<', now()->subDays(60))->delete();
    }

    private function check(OpenWaSession $session, OpenWaService $openWa): void
    {
        if ($openWa->health($session->session_id)['healthy']) {
            $session->update(['status' => 'connected', 'last_heartbeat_at' => now()]);

            return;
        }
        $known = $openWa->get($session->session_id);
        if ($known['desired'] !== 'running') { // banned, logged out or stopped: never start such a session unasked
            $session->update(['status' => $known['status'], 'reason' => $known['reason']['code'] ?? null]);

            return;
        }
        $openWa->restart($session->session_id);
        $session->update(['status' => 'restarting', 'reason' => 'no heartbeat']);
    }
}
