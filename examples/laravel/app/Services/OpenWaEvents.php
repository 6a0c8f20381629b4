<?php

namespace App\Services;

use App\Events\OpenWaQrReady;
use App\Models\OpenWaSession;
use Illuminate\Support\Carbon;
use Illuminate\Support\Facades\Cache;
use Illuminate\Support\Facades\DB;

/**
 * What this app does about each event, once, however often it is sent.
 *
 * A session's events come in order; only session.qr and session.heartbeat may overtake. The id of the event and all
 * that is changed because of it are one transaction: either both are stored or the event comes again.
 */
class OpenWaEvents
{
    private const HANDLERS = [
        'session.status' => 'onStatus',
        'session.qr' => 'onQr',
        'session.connected' => 'onConnected',
        'session.disconnected' => 'onDisconnected',
        'session.banned' => 'onBanned',
        'session.heartbeat' => 'onHeartbeat',
        'session.deleted' => 'onDeleted',
        'message.sent' => 'onMessage',
        'message.delivered' => 'onMessage',
        'message.read' => 'onMessage',
        'message.failed' => 'onMessage',
    ];

    /** In which order a message's fates are believed: WhatsApp may tell of `read` before it tells of `delivered`. */
    private const FATES = ['sent' => 1, 'delivered' => 2, 'read' => 3, 'failed' => 4];

    public function handle(array $event): void
    {
        $handler = self::HANDLERS[$event['type']] ?? null;
        if ($handler === null) {
            return; // of any other type it is enough to have heard
        }
        DB::transaction(function () use ($event, $handler) {
            if ($this->isNew($event)) {
                $this->{$handler}($event);
            }
        });
    }

    private function isNew(array $event): bool
    {
        if ($event['type'] === 'session.heartbeat') {
            return true; // never repeated, and harmless twice
        }

        return DB::table('openwa_processed_events')->insertOrIgnore([
            'event_id' => $event['id'],
            'type' => $event['type'],
            'created_at' => now(),
        ]) === 1;
    }

    private function session(array $event): OpenWaSession
    {
        return OpenWaSession::firstOrCreate(
            ['session_id' => $event['session_id']],
            ['user_id' => $event['user_id']],
        );
    }

    /** Every change: creating, qr_ready, authenticating, connected, disconnected, restarting, stopped, banned … */
    private function onStatus(array $event): void
    {
        $this->session($event)->update(['status' => $event['status'], 'reason' => $event['reason']]);
    }

    /** A code is a login: it lives in the cache until it expires, never in the database. */
    private function onQr(array $event): void
    {
        if ($event['launch'] <= $this->session($event)->paired_launch) {
            return; // it comes later than its own scan
        }
        $code = ['qr_base64' => $event['qr_base64'], 'expires_at' => $event['expires_at']];
        Cache::put(self::codeKey($event['session_id']), $code, Carbon::parse($event['expires_at']));
        DB::afterCommit(fn () => rescue(fn () => event(new OpenWaQrReady(
            $event['user_id'],
            $event['session_id'],
            $event['qr_base64'],
            $event['expires_at'],
        ))));
    }

    private function onConnected(array $event): void
    {
        $this->session($event)->update([
            'status' => 'connected',
            'reason' => null,
            'phone_number' => $event['phone_number'],
            'paired_launch' => $event['launch'],
            'last_heartbeat_at' => now(),
        ]);
        Cache::forget(self::codeKey($event['session_id']));
    }

    /** The manager reconnects by itself; there is nothing to do but to show it. */
    private function onDisconnected(array $event): void
    {
        $this->session($event)->update(['status' => 'disconnected', 'reason' => $event['reason']]);
    }

    /** WhatsApp closed the account. The manager does not start it again: a person must decide. */
    private function onBanned(array $event): void
    {
        $this->session($event)->update(['status' => 'banned', 'reason' => $event['reason']]);
    }

    private function onHeartbeat(array $event): void
    {
        OpenWaSession::where('session_id', $event['session_id'])->update(['last_heartbeat_at' => now()]);
        OpenWaSession::where('session_id', $event['session_id'])->where('status', 'stale')
            ->update(['status' => $event['status']]);
    }

    private function onDeleted(array $event): void
    {
        OpenWaSession::where('session_id', $event['session_id'])->delete();
        Cache::forget(self::codeKey($event['session_id']));
    }

    private function onMessage(array $event): void
    {
        $fate = substr($event['type'], strlen('message.'));
        $known = DB::table('openwa_messages')->where('message_id', $event['message_id'])->value('status');
        if ($event['message_id'] === null || (self::FATES[$known] ?? 0) >= self::FATES[$fate]) {
            return;
        }
        DB::table('openwa_messages')->updateOrInsert(['message_id' => $event['message_id']], [
            'session_id' => $event['session_id'],
            'status' => $fate,
            'error_code' => $event['error_code'] ?? null,
            'updated_at' => now(),
        ]);
    }

    public static function codeKey(string $sessionId): string
    {
        return 'openwa:code:'.$sessionId;
    }
}
