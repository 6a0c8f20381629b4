<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Notifications;

/** WhatsApp closed the account of a session. */
final class SessionBanned extends SessionNotification
{
    protected function subject(): string
    {
        return 'Your WhatsApp number was banned';
    }

    protected function advice(): string
    {
        return 'WhatsApp closed this account. Please link another number.';
    }
}
