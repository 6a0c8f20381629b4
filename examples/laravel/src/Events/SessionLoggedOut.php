<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** The phone unlinked the device: somebody must scan again. (`session.logged_out`) */
final class SessionLoggedOut extends OpenWaEvent
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
