<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Notifications;

/** A session is away for longer than `notify_after_s`: unlinked on the phone, failed, or without a line to WhatsApp. */
final class SessionDisconnected extends SessionNotification
{
    protected function subject(): string
    {
        return 'Your WhatsApp number is disconnected';
    }

    protected function advice(): string
    {
        $isUnlinked = in_array($this->status, ['logged_out', 'qr_ready'], true);

        return $isUnlinked ? 'Please scan a new code.' : 'Messages wait until it is connected again. Is the phone on and online?';
    }
}
