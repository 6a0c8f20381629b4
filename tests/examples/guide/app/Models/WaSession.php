<?php

namespace App\Models;

use Illuminate\Database\Eloquent\Model;
use Illuminate\Notifications\AnonymousNotifiable;

class WaSession extends Model
{
    protected $guarded = [];

    public function getUserAttribute(): AnonymousNotifiable
    {
        return new AnonymousNotifiable;
    }
}
