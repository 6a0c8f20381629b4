<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** The manager's host was asleep. (`host.slept`) */
final class HostSlept extends OpenWaEvent
{
    public ?float $sleptS;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->sleptS = $this->real('slept_s');
    }
}
