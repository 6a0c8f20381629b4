<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Notifications;

use Illuminate\Notifications\Notification;
use OpenWaManager\Laravel\OpenWa;
use OpenWaManager\Laravel\OpenWaMessage;

/**
 * `via() => ['openwa']`: sends what `toOpenWa($notifiable)` returns, a text or an OpenWaMessage, to the number that
 * `routeNotificationForOpenwa()` names; without a number nothing is sent, as with Laravel's own channels.
 */
final class OpenWaChannel
{
    public function __construct(private OpenWa $openWa)
    {
    }

    /** @return array<string, mixed>|null the message as the manager took it: `message_id`, `status` … */
    public function send(mixed $notifiable, Notification $notification): ?array
    {
        $to = $notifiable->routeNotificationFor('openwa', $notification);
        $message = $to ? $notification->toOpenWa($notifiable) : null;
        if (! $message) {
            return null;
        }
        $message = is_string($message) ? OpenWaMessage::text($message) : $message;
        // The id stays the same when a queued notification is tried again: it is sent once.
        $reference = $message->toArray()['reference'] ?? ($notification->id ? "notification-$notification->id" : null);

        return $this->openWa->session($message->sessionId())->send((string) $to, $message, $reference)->last();
    }
}
