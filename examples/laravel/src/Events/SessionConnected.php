<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** A session is linked: it can send and receive. (`session.connected`) */
final class SessionConnected extends OpenWaEvent
{
    public ?string $phoneNumber;

    public ?string $pushName;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->phoneNumber = $this->text('phone_number');
        $this->pushName = $this->text('push_name');
    }
}
