<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** WhatsApp closed the account; the manager does not start it again. (`session.banned`) */
final class SessionBanned extends OpenWaEvent
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
