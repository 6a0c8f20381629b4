<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Services;

use Illuminate\Support\Carbon;
use Illuminate\Support\Facades\Cache;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Log;
use OpenWaManager\Laravel\Events\EventClasses;
use OpenWaManager\Laravel\Events\OpenWaQrReady;
use OpenWaManager\Laravel\Models\CampaignBatch;
use OpenWaManager\Laravel\Models\OpenWaSession;

/**
 * What this app does about each event, once, however often it is sent.
 *
 * A session's events come in order; only session.qr and session.heartbeat may overtake. The id of the event and all
 * that is changed because of it are one transaction: either both are stored or the event comes again.
 */
final class OpenWaEvents
{
    private const HANDLERS = [
        'session.created' => 'onCreated',
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
        'batch.progress' => 'onBatch',
        'batch.completed' => 'onBatch',
        'contact.opted_out' => 'onOptedOut',
        'queue.held' => 'onHeld',
    ];

    public function __construct(private MessageFates $fates)
    {
    }

    /**
     * Take in an event, and tell those of the app who listen to its class.
     *
     * What a listener throws undoes all of it, and the event comes again: what takes long or goes outside belongs in a
     * listener that is queued.
     *
     * @param  array<string, mixed>  $event
     */
    public function handle(array $event): void
    {
        DB::transaction(function () use ($event) {
            if (! $this->isNew($event)) {
                return;
            }
            $handler = self::HANDLERS[$event['type']] ?? null;
            if ($handler !== null) {
                $this->{$handler}($event);
            }
            event(EventClasses::make($event));
        });
    }

    /** @param  array<string, mixed>  $event */
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

    /** @param  array<string, mixed>  $event */
    private function session(array $event): OpenWaSession
    {
        return OpenWaSession::firstOrCreate(
            ['session_id' => $event['session_id']],
            ['user_id' => $event['user_id']],
        );
    }

    /** @param  array<string, mixed>  $event */
    private function onCreated(array $event): void
    {
        $this->session($event);
    }

    /** Every change: creating, qr_ready, authenticating, connected, disconnected, restarting, stopped, banned … */
    private function onStatus(array $event): void
    {
        $this->session($event)->showStatus($event['status'], $event['reason']);
    }

    /**
     * A code is a login: it lives in the cache until it expires, never in the database.
     *
     * @param  array<string, mixed>  $event
     */
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

    /** @param  array<string, mixed>  $event */
    private function onConnected(array $event): void
    {
        $session = $this->session($event);
        $session->showStatus('connected', null);
        $session->update([
            'phone_number' => $event['phone_number'],
            'paired_launch' => $event['launch'],
            'last_heartbeat_at' => now(),
        ]);
        Cache::forget(self::codeKey($event['session_id']));
    }

    /**
     * The manager reconnects by itself; there is nothing to do but to show it.
     *
     * @param  array<string, mixed>  $event
     */
    private function onDisconnected(array $event): void
    {
        $this->session($event)->showStatus('disconnected', $event['reason']);
    }

    /** WhatsApp closed the account. The manager does not start it again: a person must decide, and is told by cron. */
    private function onBanned(array $event): void
    {
        $this->session($event)->showStatus('banned', $event['reason']);
    }

    /** @param  array<string, mixed>  $event */
    private function onHeartbeat(array $event): void
    {
        OpenWaSession::where('session_id', $event['session_id'])->update(['last_heartbeat_at' => now()]);
        OpenWaSession::where('session_id', $event['session_id'])->where('status', 'stale')
            ->update(['status' => $event['status']]);
    }

    /** @param  array<string, mixed>  $event */
    private function onDeleted(array $event): void
    {
        OpenWaSession::where('session_id', $event['session_id'])->delete();
        Cache::forget(self::codeKey($event['session_id']));
    }

    /** @param  array<string, mixed>  $event */
    private function onMessage(array $event): void
    {
        $this->fates->takeEvent($event);
    }

    /** How far a batch is; its name tells which it is, so this may come before the answer that tells its id. */
    private function onBatch(array $event): void
    {
        $batch = CampaignBatch::where('batch_id', $event['batch_id'])->lockForUpdate()->first()
            ?? CampaignBatch::where('name', $event['name'])->whereNull('batch_id')->lockForUpdate()->first();
        $isOurs = $batch !== null && $batch->campaign->session_id === $event['session_id'];
        if (! $isOurs || $batch->told_at >= $event['timestamp']) {
            return; // not of a campaign, or older than what was told already
        }
        $batch->update([
            'counts' => $event['counts'],
            'estimated_at' => $event['estimated_at'] === null ? null : MessageFates::moment($event['estimated_at']),
            'told_at' => $event['timestamp'],
            'completed_at' => $event['type'] === 'batch.completed' ? MessageFates::moment($event['timestamp']) : null,
        ]);
        $batch->campaign->settle();
    }

    /**
     * Somebody wrote STOP: the manager has called off what waited for him, and writes to him no more.
     *
     * @param  array<string, mixed>  $event
     */
    private function onOptedOut(array $event): void
    {
        DB::table('openwa_opt_outs')->insertOrIgnore([
            'user_id' => $event['user_id'] ?? $event['session_id'],
            'contact' => $event['from'],
            'keyword' => $event['keyword'],
            'created_at' => MessageFates::moment($event['timestamp']),
        ]);
    }

    /**
     * A queue stops for a reason that a person should know: show it, mail it; until then it is in the log.
     *
     * @param  array<string, mixed>  $event
     */
    private function onHeld(array $event): void
    {
        Log::warning('The messages of '.$event['session_id'].' wait', ['hold' => $event['hold'], 'waiting' => $event['waiting']]);
    }

    public static function codeKey(string $sessionId): string
    {
        return 'openwa:code:'.$sessionId;
    }
}
