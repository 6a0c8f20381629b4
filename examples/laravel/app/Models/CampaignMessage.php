<?php

namespace App\Models;

use Illuminate\Database\Eloquent\Model;

/** What one person is sent, and what became of it; MessageFates is the only one that changes its status by an event. */
class CampaignMessage extends Model
{
    protected $guarded = [];

    protected $casts = ['variables' => 'array'];
}
