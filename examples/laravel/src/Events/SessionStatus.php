<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** Every change of a session's status. (`session.status`) */
final class SessionStatus extends OpenWaEvent
{
    public ?string $status;

    public ?string $previous;

    public ?string $reason;

    public ?string $reasonDetail;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->status = $this->text('status');
        $this->previous = $this->text('previous');
        $this->reason = $this->text('reason');
        $this->reasonDetail = $this->text('reason_detail');
    }
}
