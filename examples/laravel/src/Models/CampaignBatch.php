<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Models;

use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\Eloquent\Relations\BelongsTo;
use Illuminate\Database\Eloquent\Relations\HasMany;

/** A part of a campaign: what one call hands over. */
class CampaignBatch extends Model
{
    protected $table = 'openwa_campaign_batches';

    protected $guarded = [];

    protected $casts = [
        'counts' => 'array',
        'estimated_at' => 'datetime',
        'handed_over_at' => 'datetime',
        'completed_at' => 'datetime',
    ];

    public function campaign(): BelongsTo
    {
        return $this->belongsTo(Campaign::class);
    }

    public function messages(): HasMany
    {
        return $this->hasMany(CampaignMessage::class, 'campaign_id', 'campaign_id')->where('chunk', $this->chunk);
    }
}
