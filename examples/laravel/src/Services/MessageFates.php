<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Services;

use Illuminate\Database\Eloquent\Model;
use Illuminate\Support\Carbon;
use Illuminate\Support\Facades\DB;
use OpenWaManager\Laravel\Models\CampaignMessage;
use OpenWaManager\Laravel\Models\SingleMessage;

/**
 * Writes down what became of messages. A status never goes back, in whatever order and however often it is told.
 *
 * A row is found by the name we gave (`reference`), which we know before the manager has the message: so an event that
 * is here before the answer of our own call counts like any other.
 */
final class MessageFates
{
    /**
     * status => those it may follow, as with the manager. What is not here changes nothing.
     *
     * `cancelled` is also our own word for what was being handed over at that moment: proof that it was sent is stronger.
     */
    private const FOLLOWS = [
        'queued' => ['waiting'],
        'unknown' => ['waiting', 'queued'],
        'expired' => ['waiting', 'queued'],
        'cancelled' => ['waiting', 'queued'],
        'bounced' => ['waiting', 'queued'],
        'failed' => ['waiting', 'queued', 'unknown', 'sent'],
        'sent' => ['waiting', 'queued', 'unknown', 'cancelled'],
        'delivered' => ['waiting', 'queued', 'unknown', 'cancelled', 'sent'],
        'read' => ['waiting', 'queued', 'unknown', 'cancelled', 'sent', 'delivered'],
    ];

    /** Names that campaigns give; one whose row is gone is no message of its own. */
    private const OF_CAMPAIGN = '~^campaign-\d+(-[a-z0-9]{8})?-\d+-\d+$~D';

    /** What else a status proves: a message that was read has been sent. */
    private const TIMES = ['sent' => ['sent_at'], 'delivered' => ['sent_at', 'delivered_at'], 'read' => ['sent_at', 'read_at']];

    /**
     * Take in an event message.sent, .delivered, .read or .failed; the latter says in `status` how it failed.
     *
     * @param  array<string, mixed>  $event
     */
    public function takeEvent(array $event): void
    {
        $told = substr($event['type'], strlen('message.'));
        $this->take([
            'session_id' => $event['session_id'],
            'manager_message_id' => $event['manager_message_id'] ?? null,
            'whatsapp_message_id' => $event['message_id'] ?? null,
            'batch_id' => $event['batch_id'] ?? null,
            'reference' => $event['reference'] ?? null,
            'status' => $told === 'failed' ? ($event['status'] ?? 'failed') : $told,
            'error_code' => $event['error_code'] ?? null,
            'error_detail' => $event['error_detail'] ?? null,
            'at' => self::moment($event['timestamp']),
        ]);
    }

    /**
     * Take in a message as the manager shows it: its status says all that events might have told.
     *
     * @param  array<string, mixed>  $message
     */
    public function takeMessage(array $message): void
    {
        $this->take([
            'manager_message_id' => $message['message_id'],
            'status' => $message['status'] === 'sending' ? 'queued' : $message['status'],
            'at' => self::moment($message['read_at'] ?? $message['delivered_at'] ?? $message['sent_at'] ?? $message['created_at']),
        ] + $message);
    }

    /** A time of the manager's, which is UTC, as the app's own tables hold times. */
    public static function moment(string $time): Carbon
    {
        return Carbon::parse($time)->setTimezone(config('app.timezone'));
    }

    /** @param  array<string, mixed>  $fate */
    private function take(array $fate): void
    {
        DB::transaction(function () use ($fate) {
            $row = $this->ofCampaign($fate) ?? $this->ofItsOwn($fate);
            if ($row !== null) {
                $this->advance($row, $fate);
            }
        });
    }

    /** @param  array<string, mixed>  $fate */
    private function ofCampaign(array $fate): ?CampaignMessage
    {
        foreach (['manager_message_id', 'reference'] as $name) {
            $row = $fate[$name] === null ? null : CampaignMessage::where($name, $fate[$name])
                ->whereHas('campaign', fn ($query) => $query->where('session_id', $fate['session_id'])) // names are the callers'
                ->lockForUpdate()->first();
            if ($row !== null) {
                return $this->isOf($row, $fate) ? $row : null;
            }
        }

        return null;
    }

    /**
     * Whether a row follows this message; if a person had it sent once more, it follows the new one from now on.
     *
     * The manager's ids grow with time, so the greater one is the newer one.
     *
     * @param  array<string, mixed>  $fate
     */
    private function isOf(CampaignMessage $row, array $fate): bool
    {
        $order = strcmp($fate['manager_message_id'] ?? '', $row->manager_message_id ?? '');
        if ($order > 0 && $row->manager_message_id !== null) {
            $row->update([
                'status' => 'queued',
                'manager_message_id' => $fate['manager_message_id'],
                'whatsapp_message_id' => null,
                'error_code' => null,
                'error_detail' => null,
            ]);
        }

        return $order >= 0;
    }

    /** @param  array<string, mixed>  $fate */
    private function ofItsOwn(array $fate): ?SingleMessage
    {
        $id = $fate['manager_message_id'] ?? $fate['whatsapp_message_id'];
        if ($id === null || preg_match(self::OF_CAMPAIGN, (string) $fate['reference'])) {
            return null;
        }
        SingleMessage::insertOrIgnore([
            'message_id' => $id,
            'session_id' => $fate['session_id'],
            'status' => 'queued',
            'reference' => $fate['reference'],
            'created_at' => now(),
            'updated_at' => now(),
        ]);

        return SingleMessage::whereKey($id)->lockForUpdate()->first();
    }

    /** @param  array<string, mixed>  $fate */
    private function advance(Model $row, array $fate): void
    {
        foreach (['manager_message_id', 'whatsapp_message_id', 'batch_id'] as $name) {
            $isColumn = $row instanceof CampaignMessage || $name === 'whatsapp_message_id';
            if ($isColumn && $row->{$name} === null && $fate[$name] !== null) {
                $row->{$name} = $fate[$name];
            }
        }
        foreach (self::TIMES[$fate['status']] ?? [] as $name) {
            $row->{$name} ??= $fate['at'];
        }
        if (in_array($row->status, self::FOLLOWS[$fate['status']] ?? [], true)) {
            $row->status = $fate['status'];
            $row->error_code = $fate['error_code'];
            if ($row instanceof CampaignMessage) {
                $row->error_detail = $fate['error_detail'];
            }
        }
        $row->save();
    }
}
