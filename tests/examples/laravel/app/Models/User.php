<?php

namespace App\Models;

use Illuminate\Database\Eloquent\Model;
use Illuminate\Notifications\Notifiable;

class User extends Model
{
    use Notifiable;

    public $timestamps = false;

    protected $guarded = [];

    public function routeNotificationForOpenwa(): ?string
    {
        return $this->phone;
    }
}
