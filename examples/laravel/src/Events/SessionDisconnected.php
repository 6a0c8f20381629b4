<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** The line to WhatsApp is gone; the manager connects again by itself. (`session.disconnected`) */
final class SessionDisconnected extends OpenWaEvent
{
    public ?string $phoneNumber;

    public ?string $reason;

    public ?string $reasonDetail;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->phoneNumber = $this->text('phone_number');
        $this->reason = $this->text('reason');
        $this->reasonDetail = $this->text('reason_detail');
    }
}
