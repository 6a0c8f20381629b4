<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Models;

use Illuminate\Database\Eloquent\Builder;
use Illuminate\Database\Eloquent\Model;

/**
 * A session as the events told us; the manager itself knows better, and answers at GET /v1/sessions/{id}.
 *
 * @property string $session_id
 * @property string|null $user_id
 * @property string $status
 * @property string|null $reason
 * @property string|null $phone_number
 * @property int $paired_launch
 * @property \Illuminate\Support\Carbon|null $last_heartbeat_at
 * @property \Illuminate\Support\Carbon|null $disconnected_at
 * @property \Illuminate\Support\Carbon|null $notified_at
 */
class OpenWaSession extends Model
{
    protected $table = 'openwa_sessions';

    protected $primaryKey = 'session_id';

    protected $keyType = 'string';

    public $incrementing = false;

    protected $guarded = [];

    protected $casts = [
        'last_heartbeat_at' => 'datetime',
        'disconnected_at' => 'datetime',
        'notified_at' => 'datetime',
        'paired_launch' => 'integer',
    ];

    /** Those that worked once, do not now, and whose user has not been told: banned, or away for so many seconds. */
    public static function untold(int $afterS): Builder
    {
        return self::query()->whereNull('notified_at')->where('paired_launch', '>', 0)->where(
            fn (Builder $query) => $query->where('status', 'banned')->orWhere(
                fn (Builder $away) => $away->whereNotIn('status', ['connected', 'stopped', 'banned'])
                    ->where('disconnected_at', '<=', now()->subSeconds($afterS)),
            ),
        );
    }

    /** What a status says of since when it is away, and of whether somebody has to be told. */
    public function showStatus(string $status, ?string $reason): void
    {
        $away = $status === 'connected'
            ? ['disconnected_at' => null, 'notified_at' => null]
            : ['disconnected_at' => $this->disconnected_at ?? now()];
        // A ban is told even where a disconnection was told before it.
        $away = $status === 'banned' && $this->status !== 'banned' ? ['notified_at' => null] + $away : $away;
        $this->update(['status' => $status, 'reason' => $reason] + $away);
    }
}
