<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Models;

use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\Eloquent\Relations\HasMany;
use Illuminate\Support\Carbon;

/** One text or image for many people: scheduled → handing_over → handed_over → completed, or failed, cancelled; or paused, for a while. */
class Campaign extends Model
{
    /** Where the manager has not got all of it yet. */
    public const UNFINISHED = ['scheduled', 'handing_over'];

    protected $table = 'openwa_campaigns';

    protected $guarded = [];

    protected $casts = ['template' => 'array', 'terms' => 'array', 'next_try_at' => 'datetime'];

    public function batches(): HasMany
    {
        return $this->hasMany(CampaignBatch::class);
    }

    public function messages(): HasMany
    {
        return $this->hasMany(CampaignMessage::class);
    }

    /**
     * Take the campaign for so many seconds; false if somebody else has it, or nothing is to be done yet.
     *
     * Whoever has it and dies is forgotten after that time: nothing has to be unlocked by hand.
     */
    public function claim(int $seconds): bool
    {
        $claimed = self::whereKey($this->id)->whereIn('status', self::UNFINISHED)->where('next_try_at', '<=', now())
            ->update(['status' => 'handing_over', 'next_try_at' => now()->addSeconds($seconds)]);

        return $claimed === 1;
    }

    /** Keep the campaign for so many seconds more; false if it was called off meanwhile. */
    public function keep(int $seconds): bool
    {
        $mine = self::whereKey($this->id)->where('status', 'handing_over');
        $mine->clone()->update(['next_try_at' => now()->addSeconds($seconds)]);

        return $mine->exists(); // not how many rows changed: within one second MySQL says none
    }

    /** Say how far the campaign is, after one of its batches was handed over or has ended. */
    public function settle(): void
    {
        if ($this->batches()->whereNull('handed_over_at')->exists()) {
            return;
        }
        $isCompleted = $this->batches()->whereNull('completed_at')->doesntExist();
        self::whereKey($this->id)->whereIn('status', [...self::UNFINISHED, 'handed_over', ...($isCompleted ? ['paused'] : [])])
            ->update(['status' => $isCompleted ? 'completed' : 'handed_over']);
    }

    /**
     * How many messages are in which state.
     *
     * @return array<string, mixed>
     */
    public function counts(): array
    {
        return $this->messages()->toBase()->selectRaw('status, count(*) as n')->groupBy('status')->pluck('n', 'status')->all();
    }

    /** When the last message will have been sent, as the manager said last; null: nobody can tell. */
    public function estimatedAt(): ?Carbon
    {
        $last = $this->batches()->whereNull('completed_at')->max('estimated_at');

        return $last === null ? null : Carbon::parse($last);
    }
}
