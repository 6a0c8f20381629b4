<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** An event was given up: no endpoint took it in time. (`delivery.dead_lettered`) */
final class DeliveryDeadLettered extends OpenWaEvent
{
    public ?string $eventId;

    public ?string $eventType;

    public ?string $endpointId;

    public ?int $attempts;

    public ?string $reason;

    public ?int $lastStatus;

    public ?string $lastError;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->eventId = $this->text('event_id');
        $this->eventType = $this->text('event_type');
        $this->endpointId = $this->text('endpoint_id');
        $this->attempts = $this->number('attempts');
        $this->reason = $this->text('reason');
        $this->lastStatus = $this->number('last_status');
        $this->lastError = $this->text('last_error');
    }
}
