<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Models;

use Illuminate\Database\Eloquent\Model;

/** A message that is no part of a campaign; `message_id` is the manager's, or WhatsApp's if it was written elsewhere. */
class SingleMessage extends Model
{
    protected $table = 'openwa_messages';

    protected $primaryKey = 'message_id';

    protected $keyType = 'string';

    public $incrementing = false;

    protected $guarded = [];
}
