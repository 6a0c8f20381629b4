<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Models;

use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\Eloquent\Relations\BelongsTo;

/** What one person is sent, and what became of it; MessageFates is the only one that changes its status by an event. */
class CampaignMessage extends Model
{
    protected $table = 'openwa_campaign_messages';

    protected $guarded = [];

    protected $casts = ['variables' => 'array'];

    public function campaign(): BelongsTo
    {
        return $this->belongsTo(Campaign::class);
    }
}
