<?php

namespace App\Models;

use Illuminate\Database\Eloquent\Model;

/** A session as the events told us; the manager itself knows better, and answers at GET /v1/sessions/{id}. */
class OpenWaSession extends Model
{
    protected $table = 'openwa_sessions';

    protected $primaryKey = 'session_id';

    protected $keyType = 'string';

    public $incrementing = false;

    protected $guarded = [];

    protected $casts = ['last_heartbeat_at' => 'datetime', 'paired_launch' => 'integer'];
}
