<?php

namespace App\Notifications;

use Illuminate\Notifications\Notification;

class SessionDisconnected extends Notification
{
    public function __construct(public $session)
    {
    }

    public function via($notifiable): array
    {
        return [];
    }
}
