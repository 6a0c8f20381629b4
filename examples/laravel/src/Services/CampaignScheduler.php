<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Services;

use Illuminate\Support\Carbon;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Str;
use OpenWaManager\Laravel\Jobs\SendCampaignJob;
use OpenWaManager\Laravel\Models\Campaign;
use OpenWaManager\Laravel\Models\CampaignBatch;
use OpenWaManager\Laravel\Models\CampaignMessage;

/** Writes campaigns down, has those that are due handed over, and stops them. */
final class CampaignScheduler
{
    /** What one call may hold: the manager takes 10,000 messages and 8 MiB. */
    private const CHUNK_MAX = 10_000;

    private const CHUNK_MAX_BYTES = 6 << 20;

    /** How many rows one INSERT writes: SQLite takes no more than 999 values in old versions. */
    private const ROWS = 100;

    private const GIVEN = ['user_id', 'session_id', 'name', 'template', 'terms'];

    public function __construct(private OpenWaService $openWa, private MessageFates $fates)
    {
    }

    /**
     * Write a campaign down; cron hands it over within a minute.
     *
     * @param  array  $campaign  user_id, session_id, name, template, terms; a time in `terms` may be any that Carbon reads
     * @param  iterable<array>  $recipients  each `{to, variables?}`
     */
    public function schedule(array $campaign, iterable $recipients): Campaign
    {
        return DB::transaction(function () use ($campaign, $recipients) {
            $given = array_intersect_key($campaign, array_flip(self::GIVEN));
            foreach (array_intersect(['send_after', 'expires_at'], array_keys($given['terms'] ?? [])) as $name) {
                $given['terms'][$name] = Carbon::parse($given['terms'][$name])->utc()->format('Y-m-d\TH:i:s.v\Z');
            }
            $made = Campaign::create($given + ['status' => 'scheduled', 'next_try_at' => now()]);
            // The manager remembers names for weeks: a database made anew, with ids from 1, must not give them again.
            $series = "campaign-$made->id-".strtolower(Str::random(8));
            $rows = [];
            foreach ($this->chunked($recipients) as [$chunk, $position, $recipient]) {
                $rows[] = $this->row($made->id, "$series-$chunk-$position", $chunk, $position, $recipient);
                if ($position === 0) {
                    CampaignBatch::create(['campaign_id' => $made->id, 'chunk' => $chunk, 'name' => "$series-$chunk"]);
                }
                if (count($rows) === self::ROWS) {
                    CampaignMessage::insert($rows);
                    $rows = [];
                }
            }
            CampaignMessage::insert($rows);

            return $made;
        });
    }

    /** Hand over what is due: called by cron every minute, and harmless if it is called twice at a time. */
    public function run(): void
    {
        $due = Campaign::whereIn('status', Campaign::UNFINISHED)->where('next_try_at', '<=', now())->orderBy('next_try_at');
        foreach ($due->pluck('id') as $id) {
            rescue(function () use ($id) { // one campaign's trouble stays its own; it is reported
                SendCampaignJob::dispatch($id); // as a statement: what would be returned is run only outside of here
            });
        }
    }

    /** Stop a campaign for a while, or let it go on: `paused` or `active`. What is not handed over yet waits here. */
    public function setState(Campaign $campaign, string $state): void
    {
        $mine = Campaign::whereKey($campaign->id);
        if ($state === 'paused') {
            $mine->whereIn('status', [...Campaign::UNFINISHED, 'handed_over'])->update(['status' => 'paused']);
        }
        foreach ($campaign->batches()->whereNotNull('batch_id')->whereNull('completed_at')->get() as $batch) {
            $this->openWa->setBatchState($batch->batch_id, $state);
        }
        if ($state === 'active') {
            $mine->where('status', 'paused')->update(['status' => 'scheduled', 'next_try_at' => now()]);
            $campaign->settle();
        }
        $campaign->refresh();
    }

    /** Call off what still waits; what was sent stays sent. */
    public function cancel(Campaign $campaign): void
    {
        Campaign::whereKey($campaign->id)->where('status', '!=', 'completed')->update(['status' => 'cancelled']);
        $campaign->messages()->where('status', 'waiting')->update(['status' => 'cancelled']);
        foreach ($campaign->batches()->whereNotNull('batch_id')->get() as $batch) {
            $this->openWa->cancelBatch($batch->batch_id);
            $this->compare($batch, ['status' => 'cancelled']); // what the caller cancels, no event tells
        }
    }

    /** Ask the manager for all that it has of a campaign: after a time in which no events came through. */
    public function reconcile(Campaign $campaign): void
    {
        foreach ($campaign->batches()->whereNotNull('batch_id')->get() as $batch) {
            $this->compare($batch);
            if ($batch->completed_at === null && ($ended = $this->openWa->batch($batch->batch_id)['ended_at']) !== null) {
                $batch->update(['completed_at' => MessageFates::moment($ended)]);
            }
        }
        $campaign->settle();
    }

    /** @param  array<string, mixed>  $query */
    private function compare(CampaignBatch $batch, array $query = []): void
    {
        $cursor = null;
        do {
            $query = array_filter(['batch_id' => $batch->batch_id, 'limit' => 1000, 'cursor' => $cursor]) + $query;
            $page = $this->openWa->messages($batch->campaign->session_id, $query);
            foreach ($page['messages'] as $message) {
                $this->fates->takeMessage($message);
            }
            $cursor = $page['next_cursor'];
        } while ($cursor !== null);
    }

    /** Give each recipient its chunk and its place there, for ever: the same call must have the same body. */
    private function chunked(iterable $recipients): iterable
    {
        [$chunk, $position, $bytes] = [0, 0, 0];
        foreach ($recipients as $recipient) {
            $size = strlen(json_encode($recipient)) + 100; // and its reference
            if ($position === self::CHUNK_MAX || $bytes + $size > self::CHUNK_MAX_BYTES) {
                [$chunk, $position, $bytes] = [$chunk + 1, 0, 0];
            }
            yield [$chunk, $position, $recipient];
            $position++;
            $bytes += $size;
        }
    }

    /**
     * @param  array<string, mixed>  $recipient
     * @return array<string, mixed>
     */
    private function row(int $campaignId, string $reference, int $chunk, int $position, array $recipient): array
    {
        return [
            'campaign_id' => $campaignId,
            'chunk' => $chunk,
            'position' => $position,
            'reference' => $reference,
            'to' => $recipient['to'],
            'variables' => empty($recipient['variables']) ? null : json_encode($recipient['variables']),
            'status' => 'waiting',
            'created_at' => now(),
            'updated_at' => now(),
        ];
    }
}
