<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Jobs;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Support\Facades\DB;
use OpenWaManager\Laravel\Exceptions\OpenWaPermanentException;
use OpenWaManager\Laravel\Exceptions\OpenWaTransientException;
use OpenWaManager\Laravel\Models\Campaign;
use OpenWaManager\Laravel\Models\CampaignBatch;
use OpenWaManager\Laravel\Models\CampaignMessage;
use OpenWaManager\Laravel\Services\MessageFates;
use OpenWaManager\Laravel\Services\OpenWaService;

/**
 * Hands a campaign over to the manager, one call for up to 10,000 messages, and is done: it sends, paces and asks again.
 *
 * Safe to run twice, at once or after it was killed anywhere: the key of a call is the name of its chunk, and its body
 * is made of rows that do not change, so a second call returns the first one's answer and sends nothing.
 */
final class SendCampaignJob implements ShouldQueue
{
    use Dispatchable, Queueable;

    /** Pauses after the first tries that failed, in seconds; then the last one again and again. Cron looks once a minute. */
    private const PAUSES_S = [5, 25, 125];

    /** How long one call may take, and whoever made it be missing. */
    private const CALL_S = 150;

    public function __construct(private int $campaignId)
    {
    }

    public function handle(OpenWaService $openWa): void
    {
        $campaign = Campaign::find($this->campaignId);
        if ($campaign === null || ! $campaign->claim(self::CALL_S)) {
            return;
        }
        try {
            foreach ($campaign->batches()->whereNull('handed_over_at')->orderBy('chunk')->get() as $batch) {
                if (! $campaign->keep(self::CALL_S)) {
                    return;
                }
                $this->handOver($campaign, $batch, $openWa);
            }
            $campaign->update(['error_code' => null, 'error_detail' => null]);
            $campaign->settle();
        } catch (OpenWaTransientException $trouble) {
            $this->tryLater($campaign, $trouble);
        } catch (OpenWaPermanentException $refusal) {
            $this->giveUp($campaign, $refusal->errorCode ?? (string) $refusal->status, $refusal->getMessage());
        }
    }

    private function handOver(Campaign $campaign, CampaignBatch $batch, OpenWaService $openWa): void
    {
        $messages = $batch->messages()->orderBy('position')->get(['to', 'variables', 'reference']);
        $bulk = [
            'name' => $batch->name,
            'template' => $campaign->template,
            'recipients' => $messages->map(fn ($each) => $this->recipient($each))->all(),
        ] + ($campaign->terms ?? []);
        $answer = $openWa->sendBulk($campaign->session_id, $bulk, $batch->name);
        DB::transaction(fn () => $this->store($batch, $answer));
        $status = $campaign->refresh()->status; // a person may have stopped it meanwhile
        if ($status === 'cancelled') {
            $openWa->cancelBatch($answer['batch_id']);
        } elseif ($status === 'paused' && $answer['accepted'] > 0) {
            $openWa->setBatchState($answer['batch_id'], 'paused');
        }
    }

    /** @return array<string, mixed> */
    private function recipient(CampaignMessage $message): array
    {
        $variables = $message->variables === null ? [] : ['variables' => (object) $message->variables];

        return ['to' => $message->to, 'reference' => $message->reference] + $variables;
    }

    /**
     * Write the answer down; events of the batch may have been here before it, and what they said stands.
     *
     * @param  array<string, mixed>  $answer
     */
    private function store(CampaignBatch $batch, array $answer): void
    {
        $batch->update([
            'batch_id' => $answer['batch_id'],
            'accepted' => $answer['accepted'],
            'handed_over_at' => now(),
            'estimated_at' => $batch->estimated_at ?? ($answer['finish_at'] ? MessageFates::moment($answer['finish_at']) : null),
            'completed_at' => $batch->completed_at ?? ($answer['accepted'] === 0 ? now() : null),
        ]);
        foreach (collect($answer['rejected'])->groupBy('code') as $code => $rejected) {
            foreach ($rejected->pluck('index')->chunk(500) as $positions) {
                $batch->messages()->where('status', 'waiting')->whereIn('position', $positions->all())
                    ->update(['status' => 'rejected', 'error_code' => $code]);
            }
        }
        $batch->messages()->whereNull('batch_id')->where('status', '!=', 'rejected')->update(['batch_id' => $answer['batch_id']]);
        $batch->messages()->where('status', 'waiting')->update(['status' => 'queued']);
    }

    private function tryLater(Campaign $campaign, OpenWaTransientException $trouble): void
    {
        if ($campaign->created_at->diffInSeconds(now(), true) > config('openwa.give_up_after_s')) {
            $this->giveUp($campaign, 'gave_up', $trouble->getMessage());

            return;
        }
        $pauseS = max(self::PAUSES_S[min($campaign->attempts, count(self::PAUSES_S) - 1)], $trouble->retryAfterS ?? 0);
        $campaign->update([
            'attempts' => $campaign->attempts + 1,
            'next_try_at' => now()->addSeconds($pauseS),
            'error_code' => $trouble->errorCode ?? (string) $trouble->status,
            'error_detail' => $trouble->getMessage(),
        ]);
    }

    /** What was not handed over is not sent; what was goes on. */
    private function giveUp(Campaign $campaign, string $code, string $detail): void
    {
        Campaign::whereKey($campaign->id)->where('status', 'handing_over')
            ->update(['status' => 'failed', 'error_code' => $code, 'error_detail' => $detail]);
        foreach ($campaign->batches()->whereNull('handed_over_at')->get() as $batch) {
            $batch->messages()->where('status', 'waiting')->update(['status' => 'failed', 'error_code' => $code]);
        }
    }
}
