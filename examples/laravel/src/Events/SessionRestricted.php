<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** WhatsApp restricts what the account may do, or no longer does. (`session.restricted`) */
final class SessionRestricted extends OpenWaEvent
{
    public ?int $pid;

    public ?string $reason;

    public ?string $reasonDetail;

    public ?bool $isActive;

    public ?string $expiresAt;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->pid = $this->number('pid');
        $this->reason = $this->text('reason');
        $this->reasonDetail = $this->text('reason_detail');
        $this->isActive = $this->flag('is_active');
        $this->expiresAt = $this->text('expires_at');
    }
}
